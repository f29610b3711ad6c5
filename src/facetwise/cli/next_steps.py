"""What to do next: commands that work as they are printed, in the state that they are printed in."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from facetwise.cli.context import get_context, say

if TYPE_CHECKING:
    from facetwise.core.project import Project
    from facetwise.data.folds import Folds

STARTER = "cpu-tiny"


def say_next(context: typer.Context, *commands: Sequence[str]) -> None:
    """Print the next command, or several with "then" between, for the project of this one."""
    say("next: " + ", then ".join(typed(get_context(context).folder, *words) for words in commands))


def typed(folder: Path, *words: str) -> str:
    """A command as one types it, for the project that `--project` named."""
    return shlex.join(["facetwise", *([] if folder == Path() else ["--project", str(folder)]), *words])


def in_project(text: str, folder: Path) -> str:
    """The same text, whose commands are for the project that `--project` named."""
    return re.sub("`facetwise (?!init |--project )", lambda _: f"`{typed(folder)} ", text)


def starter_recipe(project: Project) -> str:
    """The project's own copy of the recipe to start with, which `init` makes, else the shipped one."""
    own = f"recipes/{STARTER}.toml"
    return own if (project.root / own).is_file() else STARTER


def with_settings(settings: Sequence[str]) -> list[str]:
    """Settings as words of a command."""
    return [word for setting in settings for word in ("--set", setting)]


def after_folds(project: Project, folds: Folds) -> list[str]:
    """`prepare`, with what makes the recipe to start with train on these folds."""
    from facetwise.recipe.folds import FoldsSpec

    used, usual = {"name": folds.name, "plan": folds.num_folds}, FoldsSpec()
    settings = [f"folds.{key}={value}" for key, value in used.items() if value != getattr(usual, key)]
    return ["prepare", starter_recipe(project), *with_settings(settings)]


def after_prepare(project: Project, recipe: str | None, settings: Sequence[str]) -> list[str]:
    """`fit` with the same settings, or `folds` first where those of the recipe are not there."""
    from facetwise.api.arguments import found_recipe
    from facetwise.data.folds import list_folds, load_folds, making_folds
    from facetwise.data.manifest import load_manifest
    from facetwise.recipe import load_recipe

    chosen = recipe or starter_recipe(project)
    wanted = load_recipe(found_recipe(project, chosen), settings).folds
    settings = list(settings)
    if wanted.plan != "none" and wanted.name not in list_folds(project.workspace):
        return making_folds(wanted.name, wanted.plan if isinstance(wanted.plan, int) else None)
    if isinstance(wanted.plan, int):
        there = load_folds(project.workspace, load_manifest(project), wanted.name).num_folds
        settings += [f"folds.plan={there}"] if there != wanted.plan else []
    return ["fit", chosen, *with_settings(settings)]
