"""Shipped layouts of datasets: recognising one, and writing its project file `facetwise.toml`."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path

import tomli_w

from facetwise.core.errors import InputError
from facetwise.core.files.outside import exists, is_regular, is_text, printable, require_folder, resolved
from facetwise.core.files.settings import parse
from facetwise.core.files.writing import write_atomic
from facetwise.core.project import ProjectFile
from facetwise.core.workspace import PROJECT_FILE
from facetwise.data.findings import Findings
from facetwise.data.reading.csvfile import read_table_csv

EXAMPLE = """\
name = "my photos"

[dataset]
path = "/where/the/photos/are"
layout = "images"             # the table has a row an image

[dataset.train]
table = "labels.csv"          # relative to the dataset
images = "photos"             # folder of the images
group = "person"              # column: whose photo it is
image = "file"                # column: path of the image below `images`

[[attributes]]
name = "glasses"
classes = ["no", "yes"]
column = "glasses"            # column with the class
"""
"""A project file by hand, for the message that no shipped layout fits."""


@dataclass(frozen=True)
class Preset:
    """A shipped layout: its name and the text of its project file, comments included."""

    name: str
    text: str

    @cached_property
    def file(self) -> ProjectFile:
        """The project file as settings."""
        return parse(ProjectFile, tomllib.loads(self.text), self.name)

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


def recognise(dataset: Path) -> Preset:
    """The shipped layout whose tables `dataset` has, on one side at least; InputError when there is none.

    A table with most of the columns counts, and so does one that cannot be read: `check` reports its faults by line.
    """
    require_folder(dataset, "give the folder of the dataset")
    known = presets()
    for preset in known:
        if any(_has_table(dataset, name, columns) for name, columns in _tables(preset.file)):
            return preset
    looked_for = "; ".join(f"{preset.name}: {_described(preset)}" for preset in known)
    raise InputError(
        f"{dataset}: none of the known layouts. Looked for {looked_for}",
        hint=f"write {PROJECT_FILE} by hand, for example:\n\n{EXAMPLE}",
    )


def write_project_file(
    project: Path, dataset: Path, *, name: str | None = None, beside: Mapping[str, bytes] | None = None
) -> Path:
    """Make the folder `project` with a `facetwise.toml` for `dataset`; returns the file's path.

    Files in `beside` (relative path -> content) are written first, unless they exist; `facetwise.toml` is written last,
    so that calling it again completes an interrupted call. The dataset's path is relative to the project if it is in it
    or beside it. Raises InputError when there is already a project here or in a folder above, when no shipped layout
    fits, or when the project would be inside the dataset.
    """
    project, dataset = resolved(project), resolved(dataset)
    target = project / PROJECT_FILE
    if exists(target):
        raise InputError(f"{target}: exists already", hint="edit it, or choose another folder")
    if above := [folder for folder in project.parents if exists(folder / PROJECT_FILE)]:
        raise InputError(f"{project}: lies in the project {above[0]}", hint="choose a folder outside of it")
    preset = recognise(dataset)
    if project.is_relative_to(dataset):
        raise InputError(f"{project}: lies in the dataset, which is only ever read", hint="choose another folder")
    near = dataset.is_relative_to(project.parent)
    path = os.path.relpath(dataset, project) if near else str(dataset)
    if not is_text(path):
        raise InputError(f"{printable(path)}: its name is not UTF-8, and {PROJECT_FILE} is", hint="rename the folder")
    text = preset.fill(printable(name or project.name), path)
    try:
        for relative, content in (beside or {}).items():
            if not exists(project / relative):
                write_atomic(project / relative, content)
        write_atomic(target, text)
    except OSError as error:
        raise InputError(f"{target}: cannot be written ({error.strerror})") from None
    return target


def _set_line(text: str, key: str, value: str) -> str:
    line = tomli_w.dumps({key: value}).strip()
    # A function, because a string would have its backslashes read.
    return re.sub(rf"^{key} = .*$", lambda _: line, text, count=1, flags=re.MULTILINE)


def _described(preset: Preset) -> str:
    return " or ".join(f"{table} ({', '.join(columns)})" for table, columns in _tables(preset.file))


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
