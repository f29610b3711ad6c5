"""Writes the pages of docs/reference that follow from the code: `cli.md`, `recipe.md` and `project-file.md`.

    make docs

The commands are asked for their help; recipes and the project file are typed settings with a docstring below each key,
and those docstrings are the pages. tests/contract/test_docs.py fails when a page is not what this would write.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import tomli_w
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from facetwise.cli.main import JOBS, command_names
from facetwise.core.records.project_file import ProjectFile
from facetwise.data.reading.recognising.newproject import EXAMPLE
from facetwise.data.reading.recognising.presets import presets
from facetwise.recipe import Recipe
from facetwise.recipe.duration import Duration
from facetwise.recipe.load import SHIPPED, shipped_recipes

FOLDER = Path(__file__).parent / "reference"

_WORDS = {int: "integer", float: "number", str: "text", bool: "`true` or `false`", Duration: "duration"}
_MANY = {"integer": "integers", "number": "numbers", "text": "texts", "list": "lists"}

_RECIPE = """\
# Recipes

A recipe is a TOML file: one experiment, data in, model out. `facetwise fit` takes its path, or the name of one that is
shipped. The run keeps the *effective* recipe, `recipe.toml`, with every default written out. Which technique is which
lines is told by [techniques](../guides/techniques.md), and what happens in an epoch by
[training](../concepts/training.md).

- `--set key=value` changes one key for one run, by its path: `--set optimizer.lr=1e-3`. The value is TOML; a bare word
  is text. It may be repeated, and `facetwise ablate RECIPE --try SETTING` takes the same.
- A bare name stands for a kind with its defaults: `--set loss=focal`, `--set model.head=flat`. A whole section is given
  in braces: `--set 'loss={name="focal", gamma=1.0}'`.
- `--set key+=value` adds to the end of a list: `--set augment+=cutout`, `--set 'augment+={name="cutout", p=0.3}'`.
  `--set key-=value` takes out what has that name, or is equal: `--set augment-=flip`. A number walks into a list:
  `--set augment.0.p=0.3`.
- A key that does not exist, or a value out of its range, is an error; all of them are named at once.
- A *duration* has a unit: `"12ep"` is epochs, `"500st"` is optimizer steps.
- A section that has several kinds is told by its `name`. What several kinds have alike is explained with the first.
"""

_PROJECT = """\
# The project file

`facetwise.toml` says where the dataset is and what its labels are. Everything that belongs to one contest stands here,
and nothing of it in code. `facetwise init` writes the file for what it recognises; it may be edited, or be written
by hand. The folder that holds it is the project.
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
    """Every command with its arguments and options, as typer documents it; their list is by job."""
    module, options = "facetwise.cli.main", ("--name", "facetwise", "--title", "Commands")
    command = [sys.executable, "-m", "typer", module, "utils", "docs", *options]
    page = subprocess.run(command, capture_output=True, encoding="utf-8", check=True).stdout.strip() + "\n"
    index, rest = page.split("\n## ", 1)
    for title, rooms in JOBS.items():
        line = f"* `{command_names(rooms)[0]}`:"
        index = index.replace(f"\n{line}", f"\n\n{title}:\n\n{line}").replace("\n\n\n", "\n\n")
    return f"{index}\n## {rest}"


def recipe_page() -> str:
    """Every key of a recipe, below what there is to choose from."""
    kinds = [f"| `{title}` | {', '.join(f'`{name}`' for name in names)} |" for title, names in families(Recipe)]
    shipped = [f"| `{name}` | {_header(name)} |" for name in shipped_recipes()]
    overview = ["## Kinds", "", "| section | `name` |", "| --- | --- |", *kinds, ""]
    recipes = ["## Shipped recipes", "", "| name | |", "| --- | --- |", *shipped, ""]
    return "\n".join([_RECIPE, *overview, *recipes, *_sections(Recipe, ())])


def families(model: type[BaseModel], path: tuple[str, ...] = ()) -> Iterator[tuple[str, list[str]]]:
    """The sections that have several kinds, and the names of these."""
    for name, field in model.model_fields.items():
        specs = specs_of(field.annotation)
        if len(specs) > 1:
            yield _title(field, (*path, name)), [spec.model_fields["name"].default for spec in specs]
        elif specs:
            yield from families(specs[0], (*path, name))


def _header(name: str) -> str:
    """What the comment at the top of a shipped recipe says before its command."""
    lines = (SHIPPED / f"{name}.toml").read_text(encoding="utf-8").split("# command:")[0].splitlines()
    return _text(" ".join(line.removeprefix("#").strip() for line in lines))


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


def _sections(model: type[BaseModel], path: tuple[str, ...], level: int = 2) -> Iterator[str]:
    """A section a key that holds settings of its own, depth first."""
    for name, field in model.model_fields.items():
        specs = specs_of(field.annotation)
        if not specs:
            continue
        here = (*path, name)
        yield f"{'#' * level} `{_title(field, here)}`\n"
        yield f"{_text(field.description)} {_default_section(field)}\n"
        if path and set(specs) <= set(_siblings(path)):
            yield f"Each is of one of the kinds above, such as `{_inline(specs[0])}`.\n"
            continue
        for number, spec in enumerate(specs):
            yield from _kind(spec, specs[:number], field, level + 1)
            yield from _sections(spec, here, level + (2 if len(specs) > 1 else 1))


def _title(field: FieldInfo, path: tuple[str, ...]) -> str:
    key = ".".join(path)
    return f"[[{key}]]" if get_origin(field.annotation) is list else f"[{key}]"


def _siblings(path: tuple[str, ...]) -> list[type[BaseModel]]:
    """The kinds of the section at `path` of a recipe."""
    models: list[type[BaseModel]] = [Recipe]
    for part in path:
        fields = [model.model_fields[part] for model in models if part in model.model_fields]
        models = [spec for field in fields for spec in specs_of(field.annotation)]
    return models


def _inline(spec: type[BaseModel]) -> str:
    return f"{{name = {_toml(spec.model_fields['name'].default)}}}"


def _kind(spec: type[BaseModel], before: list[type[BaseModel]], field: FieldInfo, level: int) -> Iterator[str]:
    """One kind of a section; rows that an earlier kind has too are not repeated."""
    several = len(specs_of(field.annotation)) > 1
    if several:
        yield f"{'#' * level} `name = {_toml(spec.model_fields['name'].default)}`\n"
    if _text(spec.__doc__) != _text(field.description):
        yield f"{_text(spec.__doc__)}\n"
    told = {row: earlier for earlier in reversed(before) for row in _rows(earlier).values()}
    rows = {key: row for key, row in _rows(spec).items() if not (several and key == "name")}
    if new := [row for row in rows.values() if row not in told]:
        yield "\n".join([*_HEAD, *new]) + "\n"
    same = [
        f"{_or(keys, 'and')}, as of `{earlier.model_fields['name'].default}`"
        for earlier in before
        if (keys := [f"`{key}`" for key, row in rows.items() if told.get(row) is earlier])
    ]
    if same:
        yield f"{'Also' if new else 'Keys:'} {'; '.join(same)}.\n"


_HEAD = ("| key | value | default | |", "| --- | --- | --- | --- |")


def _table(spec: type[BaseModel]) -> list[str]:
    """A row a key that is a plain value."""
    return [*_HEAD, *_rows(spec).values()]


def _rows(spec: type[BaseModel]) -> dict[str, str]:
    """The row of each key that is a plain value."""
    return {
        name: f"| `{name}` | {_kind_of(f.annotation, f.metadata)} | {_default(f)} | {_text(f.description)} |"
        for name, f in spec.model_fields.items()
        if not specs_of(f.annotation)
    }


def _kind_of(annotation: Any, metadata: list[Any]) -> str:
    """A type in words, with its range."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        inner = parts[1].metadata if isinstance(parts[1], FieldInfo) else []
        return _kind_of(parts[0], inner)
    if origin is Literal:
        return _or(f"`{_toml(part)}`" for part in parts)
    if origin is list:
        return f"list of {_many(parts[0])}{_length(metadata)}"
    if origin is tuple:
        return f"list of {len(parts)} {_many(parts[0])}"
    if origin is dict:
        return f"table of {_many(parts[1])}"
    if parts:
        words = [_kind_of(part, []) for part in parts if part is not type(None)]
        return "; or ".join(words) if any("," in word for word in words) else _or(words)
    return _WORDS[annotation] + _range(metadata)


def _many(annotation: Any) -> str:
    """A type in words, as more than one: `numbers, above 0`, `lists of 2 numbers`."""
    one = _kind_of(annotation, [])
    word = re.match(r"\w*", one)
    plural = _MANY.get(word[0]) if word and get_origin(annotation) not in (Union, UnionType) else None
    return one.replace(word[0], plural, 1) if word and plural else f"values: {one}"


def _or(words: Iterable[str], last: str = "or") -> str:
    """`a, b or c`."""
    *first, end = words
    return f"{', '.join(first)} {last} {end}" if first else end


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
