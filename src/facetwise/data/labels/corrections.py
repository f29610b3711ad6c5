"""Adding to the label overlay: rows are appended atomically, and existing rows keep their bytes."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from facetwise.core.errors import InputError
from facetwise.core.files.csvrecords import csv_records, csv_row
from facetwise.core.files.outside import resolved
from facetwise.core.files.writing import write_atomic
from facetwise.core.labels import LabelSpace
from facetwise.core.workspace import lock
from facetwise.data.findings import Findings, raise_errors
from facetwise.data.images.images import read_bytes
from facetwise.data.labels.overlay import (
    COLUMNS,
    Correction,
    CorrectionTargets,
    Overlay,
    checked,
    corrections_of,
    name_of,
)
from facetwise.data.manifest import Manifest
from facetwise.data.reading.csvfile import parse_table_csv

WEIGHT = "weight"


@dataclass(frozen=True)
class ProposedCorrection:
    """A correction to add, and its origin for messages: `suspects.csv:4`, `rank 3`, `person 000123`."""

    where: str
    correction: Correction


@dataclass(frozen=True)
class Added:
    """The result of adding corrections."""

    written: tuple[Correction, ...]
    already: tuple[Correction, ...]
    """Corrections that the overlay already had: not written again."""
    before: Overlay
    after: Overlay


def add_corrections(path: Path, proposed: Sequence[ProposedCorrection], space: LabelSpace, manifest: Manifest) -> Added:
    """Append corrections to the overlay at `path`, which is made if needed; all of them or none.

    Header, order, encoding and line ends of the file are kept; a weight other than 1 adds the column `weight` to a file
    without it, empty for existing rows. Raises ProblemsError with everything that is wrong in the file or in the new
    corrections; one that contradicts the file names its line. Raises LockedError when another process writes it.
    """
    path = resolved(path)
    with lock(path.with_name(f".{path.name}.lock"), str(path)):
        data = read_bytes(path) if path.exists() else b""
        placed = _read(data, path, space, manifest)
        new, already = _split_new(proposed, placed, name_of(path), space, manifest)
        before = after = Overlay(tuple(correction for correction, _ in placed))
        if new:
            data = appended(data, new)
            after = Overlay(tuple(correction for correction, _ in _read(data, path, space, manifest)))
            write_atomic(path, data)
    return Added(tuple(new), tuple(already), before, after)


def appended(data: bytes, corrections: Sequence[Correction]) -> bytes:
    """The bytes of an overlay with rows for `corrections` appended, in the order of its columns.

    Raises InputError for text that cannot be encoded as UTF-8.
    """
    records = csv_records(data)
    if not records:
        data = ",".join([*COLUMNS, WEIGHT]).encode() + b"\n"
    elif any(c.weight != 1 for c in corrections) and WEIGHT not in _names(records[0][1]):
        data = _with_column(data, WEIGHT)
    newline = "\r\n" if data.split(b"\n", 1)[0].endswith(b"\r") else "\n"
    ended = b"" if data.endswith((b"\n", b"\r")) else newline.encode()
    header = _names(csv_records(data)[0][1])
    rows = ([_cells(c).get(name, "") for name in header] for c in corrections)
    try:
        return data + ended + "".join(csv_row(row, newline) for row in rows).encode()
    except UnicodeEncodeError:
        raise InputError("a reason or an author holds what is no text", hint="write it in UTF-8") from None


def _read(data: bytes, path: Path, space: LabelSpace, manifest: Manifest) -> list[tuple[Correction, int]]:
    """The corrections in an overlay's bytes, with their lines; raises ProblemsError when any is invalid."""
    findings = Findings()
    if not data.strip():
        return []
    table = parse_table_csv(data, name_of(path), COLUMNS, findings, may_be_empty=True)
    placed = corrections_of(table, space, manifest, findings) if table else []
    raise_errors(findings, f"{path}: nothing was added")
    return placed


def _split_new(
    proposed: Sequence[ProposedCorrection],
    placed: Sequence[tuple[Correction, int]],
    name: str,
    space: LabelSpace,
    manifest: Manifest,
) -> tuple[list[Correction], list[Correction]]:
    """Corrections to write, and those that exist already; raises ProblemsError with everything that is wrong."""
    findings, targets = Findings(), CorrectionTargets.of(manifest)
    existing = {c.target: (c, f"{name}:{line}") for c, line in placed}
    new, already = dict[Correction, None](), list[Correction]()  # keeps the order, and is quick to look into
    for one in proposed:
        correction = checked(_cells(one.correction), one.where, space, targets, findings)
        if correction is None:
            continue
        other, where = existing.setdefault(correction.target, (correction, one.where))
        if (other.value, other.weight) != (correction.value, correction.weight):
            what = f"`{correction.attribute}` of {correction.what} becomes {correction}, {where} says {other}"
            findings.error("contradiction", one.where, what, "edit that line, or leave this correction out")
        elif where == one.where and correction not in new:
            new[correction] = None
        else:
            already.append(correction)
    raise_errors(findings, "nothing was added")
    return list(new), already


def _cells(correction: Correction) -> dict[str, str]:
    """The cells of a correction: a weight of 1 is left empty, and no number is written as `1e-05`."""
    cells = {f.name: str(getattr(correction, f.name)) for f in fields(Correction)}
    weight = correction.weight
    return {**cells, WEIGHT: "" if weight == 1 else np.format_float_positional(weight, trim="-")}


def _names(header: Sequence[str]) -> list[str]:
    return [cell.strip() for cell in header]


def _with_column(data: bytes, name: str) -> bytes:
    """The csv with another column, empty in all rows."""
    lines = list(io.StringIO(data.decode(), newline=""))
    for number, end in enumerate(_last_lines(lines)):
        text = lines[end].rstrip("\r\n")
        lines[end] = text + ("," if number else f",{name}") + lines[end][len(text) :]
    return "".join(lines).encode()


def _last_lines(lines: Sequence[str]) -> Iterator[int]:
    """The position of the last line of each record that is not blank: a quoted cell may span several lines."""
    reader = csv.reader(list(lines), strict=True)
    for cells in reader:
        if any(cell.strip() for cell in cells):
            yield reader.line_num - 1
