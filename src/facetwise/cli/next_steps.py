"""Next steps: commands that work as printed, in the state in which they are printed."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from facetwise.cli.context import say
from facetwise.core.errors import FacetwiseError
from facetwise.core.text.commands import typed

if TYPE_CHECKING:
    from facetwise.core.project import Project
    from facetwise.data.boxes.choosing import DetectedBoxes
    from facetwise.data.folds import Folds
    from facetwise.data.reading.recognising.understood import Understood

STARTER = "cpu-tiny"


def say_next(*commands: Sequence[str]) -> None:
    """Print the next command, or several joined by "then", for the project of this command."""
    say("next: " + ", then ".join(typed(*words) for words in commands))


def starter_recipe(project: Project) -> str:
    """The recipe to start with: the project's copy, which `init` makes, or else the shipped one."""
    own = f"recipes/{STARTER}.toml"
    return own if (project.root / own).is_file() else STARTER


def first_fit(project: Project, understood: Understood) -> list[str]:
    """`fit` with the recipe to start with, and what makes it train on a given split and on few images."""
    from facetwise.api.arguments import found_recipe
    from facetwise.data.folds import DEFAULT_FOLDS, VALIDATION
    from facetwise.recipe import load_recipe

    starter, parts, settings = starter_recipe(project), dict(understood.folds), []
    held_out = max(parts.values(), default=-(-understood.known // DEFAULT_FOLDS))
    if len(parts) == 2 and (validating := [part for part in parts if part.casefold() in VALIDATION]):
        settings.append("folds.plan=holdout")
        held_out = parts[validating[0]]
    elif parts and len(parts) != DEFAULT_FOLDS:
        settings.append(f"folds.plan={len(parts)}")
    elif not parts and 2 <= understood.groups < DEFAULT_FOLDS:
        settings.append(f"folds.plan={understood.groups}")
    images, usual = understood.known, load_recipe(found_recipe(project, starter)).train.batch_size
    few = min(max(images // 6, min(8, images // 2)), max(2, (images - held_out) // 2))  # for some steps an epoch
    if 2 <= few < usual:
        settings.append(f"train.batch_size={2 ** (few.bit_length() - 1)}")
    return ["fit", starter, *with_settings(settings)]


def with_settings(settings: Sequence[str]) -> list[str]:
    """Settings as arguments of a command."""
    return [word for setting in settings for word in ("--set", setting)]


def after_check(project: Project, groups: int) -> list[str]:
    """`folds`: as many as the dataset gives, or as can be dealt to so many groups."""
    from facetwise.data.folds import DEFAULT_FOLDS, making_folds

    few = project.file.dataset.train.split is None and 2 <= groups < DEFAULT_FOLDS
    return making_folds("default", groups if few else None)


def after_folds(project: Project, folds: Folds) -> list[str]:
    """`prepare` for the starter recipe, with the setting that makes it train on these folds."""
    from facetwise.recipe.folds import FoldsSpec

    used, usual = {"name": folds.name, "plan": folds.num_folds}, FoldsSpec()
    settings = [f"folds.{key}={value}" for key, value in used.items() if value != getattr(usual, key)]
    return ["prepare", starter_recipe(project), *with_settings(settings)]


def after_boxes(project: Project, found: DetectedBoxes, images: Path | None) -> list[str] | None:
    """`prepare` for the starter recipe with these boxes, and what becomes of images without one; for other `images`
    `predict` by the newest run with boxes, if there is one."""
    if images is not None:
        run = _newest_with_boxes(project)
        return None if run is None else ["predict", run, "--images", str(images), "--boxes", str(found.out)]
    out, root = found.out.resolve(), project.root.resolve()
    settings = [f"input.boxes={out.relative_to(root) if out.is_relative_to(root) else out}"]
    if found.without:
        settings.append("input.without_box=median")
    return ["prepare", starter_recipe(project), *with_settings(settings)]


def _newest_with_boxes(project: Project) -> str | None:
    """The number of the newest finished run that crops by boxes."""
    from facetwise.core.runs import list_runs
    from facetwise.recipe import load_recipe

    for run in reversed(list_runs(project.workspace)):
        with suppress(FacetwiseError):
            if run.finished and load_recipe(run.recipe_file).input.boxes is not None:
                return run.id.split("-")[0]
    return None


def after_prepare(project: Project, recipe: str | None, settings: Sequence[str]) -> list[str]:
    """`fit` with the same settings, after `folds` if the recipe's folds do not exist."""
    from facetwise.api.arguments import found_recipe
    from facetwise.data.folds import making_folds
    from facetwise.data.manifest import load_manifest
    from facetwise.data.saved_folds import list_folds, load_folds
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
