"""Recognises tables that share a key with a table of images: one row a patient beside one row an image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from facetwise.core.text.counting import count, listed
from facetwise.core.text.spelling import folded, loosely
from facetwise.data.reading.recognising.columns import Column, columns_of
from facetwise.data.reading.recognising.lying import FoundTable
from facetwise.data.reading.recognising.proposal import toml_value

_ID = "id"
_FEWEST = 3
"""Different cells of a column that are those of a key which is called otherwise."""
_NEARLY_ALL = 0.9


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
    is_of_groups: bool
    """Whether it calls the key as a group."""
    loosely: tuple[str, str] | None = None
    """Two keys that are one as `loosely` has them, where they are not written alike."""

    @property
    def setting(self) -> dict[str, Any]:
        """The item of `join` for it."""
        return {
            **self.found.keys,
            "on": self.on,
            **({"key": self.key} if self.key != self.on else {}),
            **({"loosely": True} if self.loosely else {}),
        }

    @property
    def told(self) -> str:
        """What was understood, for people."""
        rows = len(self.found.table.records)
        lacking = f", {count(self.lacking, 'row')} without one" if self.lacking else ""
        alike = "" if self.loosely is None else f", `{self.loosely[0]}` taken as `{self.loosely[1]}`"
        number = f"{rows:,}{lacking}{alike}"
        return f"`{self.found.path}` has a row of each `{self.on}` ({number}), with {listed(self.added, 8)}"


def joins_of(
    columns: Mapping[str, Column], image: str, path: str, tables: Sequence[FoundTable], *, tell_all: bool
) -> tuple[list[FoundJoin], list[str]]:
    """The tables that rows of `columns`, of the table at `path`, can be joined with; and why others cannot be,
    with `tell_all` also of those that have nothing to do with it.

    Each is joined by the first column that names its rows by a key of the same name, or `id`; or else by the only one
    whose cells are those of a key that is called otherwise.
    """
    taken, joins, why = dict(columns), list[FoundJoin](), list[str]()
    for table in tables:
        own = columns_of(table.table)
        rows = [*zip(*(column.cells for column in own.values()), strict=True)]
        pairs = [(on, key) for on in taken if on != image for key in own]
        alike = [(on, key) for on, key in pairs if _called_alike(taken[on], own[key], table.path)]
        keys = [(on, key) for on, key in alike if _is_key(taken[on], own[key], rows, 0.5)]
        others = [] if alike else [p for p in pairs if _is_key_otherwise(taken[p[0]], own[p[1]], rows)]
        like = [] if keys else [(on, key) for on, key in alike if _is_key(*_loose(taken[on], own[key]), rows, 0.5)]
        if like:
            on, key = like[0]
            joins.append(_joined(taken, own, on, key, table, loose=True))
            taken |= joins[-1].added
        elif keys or len(others) == 1:
            joins.append(_joined(taken, own, *(keys or others)[0], table))
            taken |= joins[-1].added
        elif others:
            told = listed((f"`{on}` with `{key}`" for on, key in others), 8)
            line = toml_value([{"table": table.path, "on": others[0][0], "key": others[0][1]}])
            why.append(f"`{table.path}` is not joined: the key may be {told}: `join = {line}` says it")
        else:
            like_keys = [(on, key) for on, key in alike if tell_all or own[key].names_a_number]
            reason = next((_why_not(taken[on], own[key], table, path) for on, key in like_keys), "")
            none = f"no column of it is called as one of `{path}`, or has the cells of one" if tell_all else ""
            why += [f"`{table.path}` is not joined: {reason or none}"] if reason or none else []
    return joins, why


def _called_alike(on: Column, key: Column, path: str) -> bool:
    """Whether a table calls a column the same as another does, or `id`: `patient_id` in a table `patients`."""
    stem = folded(PurePosixPath(path).stem).removesuffix("s")
    return folded(on.name) == folded(key.name) or (folded(key.name) == _ID and on.words - {_ID} == {stem})


def _is_key(on: Column, key: Column, rows: Sequence[tuple[str, ...]], share: float) -> bool:
    """Whether more than this share of cells name `rows`, of which each key has one, be it written again."""
    keys = {cell for cell in key.cells if cell}
    once = len({row for cell, row in zip(key.cells, rows, strict=True) if cell}) == len(keys) > 1
    return once and sum(cell in keys for cell in on.cells) > share * len(on.cells)


def _is_key_otherwise(on: Column, key: Column, rows: Sequence[tuple[str, ...]]) -> bool:
    """Whether nearly all cells are those of a key that is called otherwise: no few numbers, which may be so by chance,
    unless both are called as a number of something is."""
    if len(on.known) < _FEWEST or not _is_key(on, key, rows, _NEARLY_ALL):
        return False
    return not on.is_numbers or (on.names_a_number and key.names_a_number)


def _loose(on: Column, key: Column) -> tuple[Column, Column]:
    """Both as `loosely` has their cells; as they are where that makes one of two."""
    made = [Column(one.name, tuple(map(loosely, one.cells))) for one in (on, key)]
    once = all(len({*one.cells}) == len({*two.cells}) for one, two in zip((on, key), made, strict=True))
    return (made[0], made[1]) if once else (on, key)


def _why_not(on: Column, key: Column, table: FoundTable, path: str) -> str:
    """Why a column that is called like a key is none."""
    first: dict[str, int] = {}
    for k, cell in enumerate(key.cells):
        if cell and table.table.records[first.setdefault(cell, k)][1] != table.table.records[k][1]:
            lines = f"{table.table.lines[first[cell]]} and {table.table.lines[k]}"
            return f"`{cell}` stands in its `{key.name}` on lines {lines}, with other cells, and may stand there once"
    lost = next((cell for cell in on.cells if cell not in first), "")
    found = sum(cell in first for cell in on.cells)
    like = next((cell for cell in first if cell and loosely(cell) == loosely(lost)), None)
    there = f"`{like}` is: write them alike" if like is not None else f"{listed((f'`{c}`' for c in first if c), 2)} are"
    share = f"{found} of {count(len(on.cells), 'cell')} of `{on.name}` in `{path}` are in its `{key.name}`"
    return f"{share}: `{lost}` is not, {there}"


def _joined(
    columns: Mapping[str, Column],
    own: Mapping[str, Column],
    on: str,
    key: str,
    table: FoundTable,
    *,
    loose: bool = False,
) -> FoundJoin:
    ons, keys = _loose(columns[on], own[key]) if loose else (columns[on], own[key])
    place = {cell: row for row, cell in enumerate(keys.cells) if cell}
    rows = [place.get(cell) for cell in ons.cells]
    pairs = zip(columns[on].cells, rows, strict=True)
    differing = next(((c, own[key].cells[r]) for c, r in pairs if r is not None and c != own[key].cells[r]), None)
    stem = PurePosixPath(table.path).stem
    added = {
        name: Column(name, tuple("" if row is None else column.cells[row] for row in rows))
        for old, column in own.items()
        if old != key and (name := f"{stem}.{old}" if old in columns else old)
    }
    return FoundJoin(table, on, key, added, rows.count(None), own[key].names_a_group, differing)
