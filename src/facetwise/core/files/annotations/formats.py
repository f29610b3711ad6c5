"""The formats of annotations, the file that one of them is read from, and its content as a table."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from facetwise.core.choices import LabelFormat
from facetwise.core.errors import InputError
from facetwise.core.files.annotations.annotated import Annotated, AnnotationFormat
from facetwise.core.files.annotations.coco import COCO
from facetwise.core.files.annotations.fiftyone import FIFTYONE
from facetwise.core.files.annotations.label_studio import LABEL_STUDIO
from facetwise.core.files.csvrecords import CsvFault, Record
from facetwise.core.files.csvtable import CsvRow, CsvTable, look_at_records
from facetwise.core.files.parsing import parse_json, uncollected

FORMATS: Mapping[LabelFormat, AnnotationFormat] = {
    "label-studio": LABEL_STUDIO,
    "fiftyone": FIFTYONE,
    "coco": COCO,
}
IMAGE, AUTHOR, REASON = "image", "author", "reason"
"""Columns of the table, unless the file calls something else so."""


@dataclass(frozen=True)
class AnnotationTable(CsvTable):
    """A row a record of the file; a cell is empty where it says nothing."""

    places: Mapping[int, str] = field(default_factory=dict)
    """Row number -> the record, for messages."""
    left_out: tuple[str, ...] = ()
    """What the file has besides."""

    @property
    def image(self) -> str:
        """The column of images."""
        return self.names[0]

    def at(self, row: CsvRow) -> str:
        """The record."""
        return f"{self.name}, {self.places[row.line]}"


@lru_cache(maxsize=1)  # a new project recognises a file, and then reads it
def read_annotations(data: bytes, form: LabelFormat | None = None) -> Annotated:
    """The annotations in the bytes of a file, in the given format or the one it looks like.

    Raises InputError for what is no JSON, looks like no format or like another one, or is not as its tool writes it.
    """
    with uncollected():
        return _understood(data, form)


def _understood(data: bytes, form: LabelFormat | None) -> Annotated:
    try:
        content = parse_json(data.removeprefix(b"\xef\xbb\xbf"))
    except ValueError as error:
        raise InputError(str(error)) from None
    looks = next((name for name, one in FORMATS.items() if one.fits(content)), None)
    if looks is None or (form is not None and looks != form):
        what = "of none of the forms that are read" if looks is None else f"looks like {FORMATS[looks].title}'s"
        raise InputError(f"{what}{_expected(form)}", hint=None if looks is None else f"say `{looks}`")
    found = FORMATS[looks].read(content)
    if not found.images:
        raise InputError("it names no image")
    return found


def _expected(form: LabelFormat | None) -> str:
    wanted: Any = {
        "label-studio": "a list of tasks with `data` and `annotations` (Label Studio, export `JSON`)",
        "fiftyone": "`samples`, or `classes` and `labels` (FiftyOne)",
        "coco": "`images` and `annotations` (COCO)",
    }
    return ", expected " + (", or ".join(wanted.values()) if form is None else wanted[form])


def annotation_table(
    found: Annotated, data: bytes, name: str, needed: Sequence[str] = ()
) -> tuple[AnnotationTable | None, list[CsvFault]]:
    """The annotations in the bytes of a file as a table, and all its faults; as `csvtable.look_at_csv`."""
    sha256 = hashlib.sha256(data).hexdigest()
    table, faults = look_at_records(_records(found), name, needed, sha256=sha256, may_be_empty=False)
    if table is None:
        return None, faults
    places = {number: one.where for number, one in enumerate(found.images, 1)}
    return AnnotationTable(table.name, table.header, table.names, table.records, sha256, places, found.left_out), faults


def _records(found: Annotated) -> list[Record]:
    """The images, what else stands beside them, their labels, and who gave them why; columns as they are first seen."""
    labels = list(dict.fromkeys(key for one in found.images for key in one.labels))
    others = [k for k in dict.fromkeys(key for one in found.images for key in one.others) if k not in labels]
    said = [[*one.labels.values()] for one in found.images]
    columns = {column: [one.others.get(column, "") for one in found.images] for column in others}
    columns |= {
        column: [one.labels[column].value if column in one.labels else "" for one in found.images] for column in labels
    }
    for column, texts in (
        (AUTHOR, [_each_once(one.author for one in row) for row in said]),
        (REASON, [_each_once(one.reason for one in row) for row in said]),
    ):
        if any(texts):
            columns[_free(column, columns)] = texts
    names = [_free(IMAGE, columns), *columns]
    rows = zip((one.image for one in found.images), *columns.values(), strict=True)
    return [(1, tuple(names)), *enumerate(rows, 1)]


def _each_once(texts: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(filter(None, texts)))


def _free(column: str, taken: Collection[str]) -> str:
    return column if column not in taken else _free(f"{column}_", taken)
