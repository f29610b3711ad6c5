"""Writes the pages of docs/reference that follow from the code: `cli.md`, `recipe.md` and `project-file.md`.

    make docs

The commands are asked for their help; recipes and the project file are typed settings with a docstring below each key,
and those docstrings are the pages. tests/contract/test_docs.py fails when a page is not what this would write.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import tomli_w
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from facetwise.core.project import ProjectFile
from facetwise.data.presets import EXAMPLE, presets
from facetwise.recipe import Recipe
from facetwise.recipe.duration import Duration
from facetwise.recipe.load import shipped_recipes

FOLDER = Path(__file__).parent / "reference"

_WORDS = {int: "integer", float: "number", str: "text", bool: "`true` or `false`", Duration: "duration"}
_MANY = {int: "integers", float: "numbers", str: "texts"}

_RECIPE = """\
# Recipes

A recipe is a TOML file: one experiment, data in, model out. `facetwise fit` takes its path, or the name of one that is
shipped: {shipped}. The run keeps the *effective* recipe, `recipe.toml`, with every default written out.

- Change one key for one run with `--set`, by its path: `--set optimizer.lr=1e-3`, `--set model.head=flat` (a bare name
  stands for a kind with its defaults), `--set augment.0.p=0.3` (a number walks into a list).
- A key that does not exist, or a value out of its range, is an error that names all of them at once.
- A *duration* has a unit: `"12ep"` is epochs, `"500st"` is optimizer steps.
- A section that has several kinds is told by its `name`.
"""

_PROJECT = """\
# The project file

`facetwise.toml` says where the dataset is and what its labels are. Everything that belongs to one contest stands here,
and nothing of it in code. `facetwise init` writes the file for a layout that it knows; for any other one, write it by
hand. The folder that holds it is the project.
"""


def main() -> None:
    """Write every page."""
    for name, page in pages().items():
        (FOLDER / name).write_text(page, encoding="utf-8")
        print(f"wrote docs/reference/{name}")


def pages() -> dict[str, str]:
    """Text of each page, by file name."""
    return {"cli.md": cli_page(), "recipe.md": recipe_page(), "project-file.md": project_page()}


def cli_page() -> str:
    """Every command with its arguments and options, as typer documents it."""
    module, options = "facetwise.cli.main", ("--name", "facetwise", "--title", "Commands")
    command = [sys.executable, "-m", "typer", module, "utils", "docs", *options]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() + "\n"


def recipe_page() -> str:
    """Every key of a recipe."""
    shipped = ", ".join(f"`{name}`" for name in shipped_recipes())
    return "\n".join([_RECIPE.format(shipped=shipped), *_sections(Recipe, ())])


def project_page() -> str:
    """Every key of `facetwise.toml`, and two whole files."""
    head = ["## Top level", "", *_table(ProjectFile), ""]
    by_hand = ["## By hand", "", "A table with a row an image:", "", "```toml", EXAMPLE.rstrip(), "```", ""]
    written = [
        f"## As `facetwise init` writes it: `{preset.name}`\n\n```toml\n{preset.text.rstrip()}\n```\n"
        for preset in presets()
    ]
    return "\n".join([_PROJECT, *head, *_sections(ProjectFile, ()), *by_hand, *written]).rstrip() + "\n"


def specs_of(annotation: Any) -> list[type[BaseModel]]:
    """The settings classes that a key may hold, through lists, unions and annotations."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [spec for part in get_args(annotation) for spec in specs_of(part)]


def _sections(model: type[BaseModel], path: tuple[str, ...]) -> Iterator[str]:
    """A section a key that holds settings of its own, depth first."""
    for name, field in model.model_fields.items():
        specs = specs_of(field.annotation)
        if not specs:
            continue
        here = (*path, name)
        is_list = get_origin(field.annotation) is list
        title = f"[[{'.'.join(here)}]]" if is_list else f"[{'.'.join(here)}]"
        yield f"{'#' * (len(here) + 1)} `{title}`\n"
        yield f"{_text(field.description)} {_default_section(field)}\n"
        for spec in specs:
            yield from _kind(spec, field, len(here) + 2)
            yield from _sections(spec, here)


def _kind(spec: type[BaseModel], field: FieldInfo, level: int) -> Iterator[str]:
    if len(specs_of(field.annotation)) > 1:
        yield f"{'#' * level} `name = {_toml(spec.model_fields['name'].default)}`\n"
    if _text(spec.__doc__) != _text(field.description):
        yield f"{_text(spec.__doc__)}\n"
    yield "\n".join(_table(spec)) + "\n"


def _table(spec: type[BaseModel]) -> list[str]:
    """A row a key that is a plain value."""
    rows = [
        f"| `{name}` | {_kind_of(field.annotation, field.metadata)} | {_default(field)} | {_text(field.description)} |"
        for name, field in spec.model_fields.items()
        if not specs_of(field.annotation)
    ]
    return ["| key | value | default | |", "| --- | --- | --- | --- |", *rows]


def _kind_of(annotation: Any, metadata: list[Any]) -> str:
    """A type in words, with its range."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        inner = parts[1].metadata if isinstance(parts[1], FieldInfo) else []
        return _kind_of(parts[0], inner)
    if origin is Literal:
        return " or ".join(f"`{_toml(part)}`" for part in parts)
    if origin is list:
        return f"list of {_MANY[parts[0]]}{_length(metadata)}"
    if origin is tuple:
        return f"list of {len(parts)}: {_kind_of(parts[0], [])}"
    if origin is dict:
        return f"table of: {_kind_of(parts[1], [])}"
    if parts:
        return " or ".join(_kind_of(part, []) for part in parts if part is not type(None))
    return _WORDS[annotation] + _range(metadata)


def _range(metadata: list[Any]) -> str:
    """`, 8 to 2048`, `, above 0`; ranges that are closed on both sides are written as one."""
    closed = {sign: getattr(m, sign) for sign in ("ge", "le") for m in metadata if hasattr(m, sign)}
    if len(closed) == 2:
        return f", {closed['ge']} to {closed['le']}"
    signs = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}
    limits = [f"{word} {getattr(m, sign)}" for sign, word in signs.items() for m in metadata if hasattr(m, sign)]
    return ", " + " and ".join(limits) if limits else ""


def _length(metadata: list[Any]) -> str:
    least = [m.min_length for m in metadata if hasattr(m, "min_length")]
    return f"; at least {least[0]}" if least else ""


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    return "not set" if value is None else f"`{_toml(value)}`"


def _default_section(field: FieldInfo) -> str:
    """What holds when the section is left out."""
    if field.is_required():
        return "Required."
    value = field.get_default(call_default_factory=True)
    if isinstance(value, BaseModel) and "name" in type(value).model_fields and len(specs_of(field.annotation)) > 1:
        return f"Left out, it is `name = {_toml(type(value).model_fields['name'].default)}`."
    return "May be left out."


def _toml(value: Any) -> str:
    """A value as TOML has it, on one line."""
    if isinstance(value, Duration):
        return f'"{value}"'
    if isinstance(value, list | tuple):
        return f"[{', '.join(_toml(item) for item in value)}]"
    return "{}" if value == {} else tomli_w.dumps({"x": value}).removeprefix("x = ").strip()


def _text(docstring: str | None) -> str:
    """A docstring on one line, safe in a table."""
    return " ".join((docstring or "").split()).replace("|", "\\|")


if __name__ == "__main__":
    main()
