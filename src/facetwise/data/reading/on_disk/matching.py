r"""Names in a table that are not on the disk as they are written, matched where exactly one entry fits.

All of a table's names are read in one way, which they vote for: a kind of difference (no ending, other folders before
the name) counts only where most of the names that could have it do, so that a few wrong names in a good table are not
given images that happen to be called alike. `C:\photos\7` is then `img/7.png` for all rows or for none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePosixPath

from facetwise.data.reading.on_disk.differences import Entries, Kind, NameDifference, Parts, differences, whole_number


@dataclass(frozen=True)
class Meanings:
    """What the cells of a column mean that name no entry as they are written."""

    cells: Sequence[str]
    """Every cell of the column."""
    lost: Sequence[str]
    """Those that name none."""
    entries: Entries
    images: str
    """The folder in the dataset below which the cells should be paths."""
    _read: dict[str, list[tuple[Parts, set[Kind]]]] = field(default_factory=dict)

    def fitting(self, cell: str) -> list[str]:
        """The paths in the dataset that a cell fits alike when it is read as most are; none, one or several."""
        return ["/".join(path) for path, kinds in self._readings(cell) if kinds <= self.kinds] if self.kinds else []

    def differences(self, cell: str, path: Parts) -> list[NameDifference]:
        """How a cell differs from a path in the dataset."""
        return differences(cell, path, self._folder)

    @cached_property
    def kinds(self) -> frozenset[Kind]:
        """The kinds of differences with which the table is read; none if no name that is lost can mean anything."""
        pairs = [(cell, *readings[0]) for cell in self.lost if (readings := self._readings(cell))]
        needed = Counter(kind for _, _, kinds in pairs for kind in kinds)
        could = self._could_have([(cell, path[-1]) for cell, path, _ in pairs])
        by_vote = {kind for kind, many in needed.items() if 2 * many > could.get(kind, len(self.cells))}
        return frozenset({"blanks", *by_vote}) if pairs else frozenset()

    def _readings(self, cell: str) -> list[tuple[Parts, set[Kind]]]:
        """Each path that a cell can mean, with the kinds of their differences."""
        if cell not in self._read:
            meant = self.entries.meant_by(cell)
            self._read[cell] = [(path, {d.kind for d in self.differences(cell, path)}) for path in meant]
        return self._read[cell]

    @cached_property
    def _folder(self) -> Parts:
        return PurePosixPath(self.images).parts

    def _could_have(self, pairs: Sequence[tuple[str, str]]) -> dict[Kind, int]:
        """How many cells could show a difference, where not all could.

        Back slashes show in names with folders; zeros in front, in numbers shorter than those that have them.
        """
        numbers = {cell: number for cell in self.cells if (number := whole_number(cell)) is not None}
        padded = [
            max(len(numbers[cell]), len(number))
            for cell, name in pairs
            if cell in numbers and (number := whole_number(name)) is not None and number != numbers[cell]
        ]
        shortest = min(padded, default=0)
        short = sum(len(number.lstrip("0")) < shortest for number in map(numbers.get, self.cells) if number)
        return {"slashes": sum("/" in cell or "\\" in cell for cell in self.cells), "number": short}
