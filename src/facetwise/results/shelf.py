"""Views of the shelf of weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facetwise.core.errors import DamagedError
from facetwise.core.records.shelf import (
    PretrainedBackbone,
    ShelfEntry,
    ShelfRecord,
    find_shelf_entry,
    shelf_entries,
    shelf_folder,
)


@dataclass(frozen=True)
class AddedWeights:
    """What came of adding weights to the shelf."""

    record: ShelfRecord
    path: Path
    """The file of weights."""
    new: bool
    """Whether anything was written; it was there already otherwise."""

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {"path": str(self.path), "new": self.new, **self.record.as_dict()}


@dataclass(frozen=True)
class ShelfRow:
    """One entry."""

    name: str
    """Of a damaged one that of its folder."""
    record: ShelfRecord | None
    """What is known of it; None when that is damaged."""
    problem: str | None
    """What is damaged and the way out."""

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {"name": self.name, "problem": self.problem, **(self.record.as_dict() if self.record else {})}


@dataclass(frozen=True)
class ShelfView:
    """The shelf, by name."""

    folder: str
    weights: tuple[ShelfRow, ...]
    to_try: tuple[PretrainedBackbone, ...] = ()
    """Pretrained backbones of timm that fit into the memory that was asked for."""

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        rows, known = ([part.as_dict() for part in parts] for parts in (self.weights, self.to_try))
        return {"folder": self.folder, "weights": rows, "to_try": known}


def build_shelf_view(name: str | None = None, *, verify: bool = False) -> ShelfView:
    """The entry of this name, or all; with `verify` every file is compared with its hash.

    Raises InputError for a name that is not there.
    """
    entries = shelf_entries() if name is None else [find_shelf_entry(name)]
    return ShelfView(str(shelf_folder()), tuple(_row(entry, verify) for entry in entries))


def _row(entry: ShelfEntry, verify: bool) -> ShelfRow:
    record = None
    try:
        record = entry.record()
        if verify:
            entry.verify()
    except DamagedError as error:
        return ShelfRow(record.name if record else entry.path.name, record, error.summary)
    return ShelfRow(record.name, record, None)
