"""Recognises tables that share a key with a table of images: one row a patient beside one row an image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from facetwise.core.text.counting import count, listed
from facetwise.core.text.spelling import folded
from facetwise.data.reading.recognising.columns import Column, columns_of
from facetwise.data.reading.recognising.lying import FoundTable

_ID = "id"


@dataclass(frozen=True)
class FoundJoin:
    """A table with one row of each key, and the column of another table that names its rows."""

    found: FoundTable
    on: str
    key: str
    added: Mapping[str, Column]
    """Its other columns as they are called and filled beside those of the other table."""
    lacking: int
    """Rows of the other table whose key it does not have."""

    @property
    def setting(self) -> dict[str, Any]:
        """The item of `join` for it."""
        return {**self.found.keys, "on": self.on, **({"key": self.key} if self.key != self.on else {})}

    @property
    def told(self) -> str:
        """What was understood, for people."""
        rows = len(self.found.table.records)
        lacking = f", {count(self.lacking, 'row')} without one" if self.lacking else ""
        return f"`{self.found.path}` has a row of each `{self.on}` ({rows:,}{lacking}), with {listed(self.added, 8)}"


def joins_of(columns: Mapping[str, Column], image: str, tables: Sequence[FoundTable]) -> Iterator[FoundJoin]:
    """The tables that rows of `columns` can be joined with, each by the first column that names its rows."""
    taken = dict(columns)
    for table in tables:
        own = columns_of(table.table)
        pairs = ((on, key) for on in taken if on != image for key in own if _is_key(taken[on], own[key], table.path))
        if (pair := next(pairs, None)) is not None:
            join = _joined(taken, own, *pair, table)
            taken |= join.added
            yield join


def _is_key(on: Column, key: Column, path: str) -> bool:
    """Whether the cells of a column name rows of a table, which it calls the same, or `id`: `patient_id` in a table
    `patients`."""
    same = folded(on.name) == folded(key.name)
    stem = folded(PurePosixPath(path).stem).removesuffix("s")
    if not same and (folded(key.name) != _ID or on.words - {_ID} != {stem}):
        return False
    rows = {cell for cell in key.cells if cell}
    once = len(rows) == len(key.cells) > 1
    return once and 2 * sum(cell in rows for cell in on.cells) > len(on.cells)


def _joined(
    columns: Mapping[str, Column], own: Mapping[str, Column], on: str, key: str, table: FoundTable
) -> FoundJoin:
    place = {cell: row for row, cell in enumerate(own[key].cells)}
    rows = [place.get(cell) for cell in columns[on].cells]
    stem = PurePosixPath(table.path).stem
    added = {
        name: Column(name, tuple("" if row is None else column.cells[row] for row in rows))
        for old, column in own.items()
        if old != key and (name := f"{stem}.{old}" if old in columns else old)
    }
    return FoundJoin(table, on, key, added, rows.count(None))
