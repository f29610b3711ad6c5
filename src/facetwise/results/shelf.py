"""Views of the shelf of weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from facetwise.core.errors import DamagedError
from facetwise.core.records.shelf import PretrainedBackbone, ShelfEntry, find_shelf_entry, shelf_entries, shelf_folder


@dataclass(frozen=True)
class ShelfRow:
    """One entry."""

    name: str
    """Of a damaged one that of its folder."""
    record: dict[str, Any] | None
    """What is known of it: `shelf.json`; None when that is damaged."""
    problem: str | None
    """What is damaged and the way out."""


@dataclass(frozen=True)
class ShelfView:
    """The shelf, by name."""

    folder: str
    weights: tuple[ShelfRow, ...]
    to_try: tuple[PretrainedBackbone, ...] = ()
    """Pretrained backbones of timm that fit into the memory that was asked for."""

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        rows = [{"name": row.name, "problem": row.problem, **(row.record or {})} for row in self.weights]
        return {"folder": self.folder, "weights": rows, "to_try": [known.as_dict() for known in self.to_try]}


def build_shelf_view(name: str | None = None, *, verify: bool = False) -> ShelfView:
    """The entry of this name, or all; with `verify` every file is compared with its hash.

    Raises InputError for a name that is not there.
    """
    entries = shelf_entries() if name is None else [find_shelf_entry(name)]
    return ShelfView(str(shelf_folder()), tuple(_row(entry, verify) for entry in entries))


def _row(entry: ShelfEntry, verify: bool) -> ShelfRow:
    try:
        record = entry.record()
    except DamagedError as error:
        return ShelfRow(entry.path.name, None, error.summary)
    try:
        if verify:
            entry.verify()
    except DamagedError as error:
        return ShelfRow(record.name, record.as_dict(), error.summary)
    return ShelfRow(record.name, record.as_dict(), None)
