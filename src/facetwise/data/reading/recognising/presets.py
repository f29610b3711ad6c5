"""Shipped project files: of datasets whose layout is known as a whole."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path

import tomli_w

from facetwise.core.files.outside import is_regular
from facetwise.core.files.settings import parse
from facetwise.core.records.project_file import ProjectFile
from facetwise.data.findings import Findings
from facetwise.data.reading.csvfile import read_table_csv


@dataclass(frozen=True)
class Preset:
    """A proposal (`recognising.proposal`) that is shipped: its name and the text of its project file, with comments."""

    name: str
    text: str

    @cached_property
    def file(self) -> ProjectFile:
        """The project file as settings."""
        return parse(ProjectFile, tomllib.loads(self.text), self.name)

    @property
    def title(self) -> str:
        """As of `Proposal`."""
        return f"the layout `{self.name}`"

    @property
    def notes(self) -> tuple[str, ...]:
        """As of `Proposal`: the file itself says what can be changed."""
        return ()

    def fill(self, name: str, path: str) -> str:
        """The text with its `name` and the dataset's `path` set."""
        text = _set_line(self.text, "name", name)
        return _set_line(text, "path", path)


def presets() -> tuple[Preset, ...]:
    """The shipped layouts, by name."""
    folder = files("facetwise.data.reading") / "layouts"
    found = [f for f in folder.iterdir() if f.name.endswith(".toml")]
    return tuple(
        Preset(f.name.removesuffix(".toml"), f.read_text(encoding="utf-8")) for f in sorted(found, key=lambda f: f.name)
    )


def recognise_preset(dataset: Path) -> Preset | None:
    """The shipped layout whose tables `dataset` has, on one side at least.

    A table with most of the columns counts, and so does one that cannot be read: `check` reports its faults by line.
    """
    known = (p for p in presets() if any(_has_table(dataset, name, columns) for name, columns in _tables(p.file)))
    return next(known, None)


def described(preset: Preset) -> str:
    """The tables by which a layout is recognised."""
    return " or ".join(f"{table} ({', '.join(columns)})" for table, columns in _tables(preset.file))


def _set_line(text: str, key: str, value: str) -> str:
    line = tomli_w.dumps({key: value}).strip()
    # A function, because a string would have its backslashes read.
    return re.sub(rf"^{key} = .*$", lambda _: line, text, count=1, flags=re.MULTILINE)


def _tables(file: ProjectFile) -> list[tuple[str, list[str]]]:
    """Each side's table and the columns it needs."""
    train, test = file.dataset.train, file.dataset.test
    columns = [c for c in (train.group, train.folder, train.image, *(a.column for a in file.attributes)) if c]
    sides = [(train.table, columns), (test.table, [test.image])] if test else [(train.table, columns)]
    return [(table, columns) for table, columns in sides if table is not None]


def _has_table(dataset: Path, name: str, columns: list[str]) -> bool:
    path = dataset / name
    if not is_regular(path):
        return False
    table = read_table_csv(path, name, (), findings := Findings())
    if table is None:
        return all(f.code != "missing-csv" for f in findings)
    # A table with other separators has one column, whose name is all of them.
    found = {part.strip() for column in table.columns for part in (column, *re.split(r"[;\t|]", column))}
    return 2 * sum(c in found for c in columns) >= len(columns)
