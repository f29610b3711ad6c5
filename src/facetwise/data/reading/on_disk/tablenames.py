"""Names of images, or of folders of images, in a column of a table, found on the disk."""

from __future__ import annotations

import filecmp
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath

from facetwise.core.files.csvtable import CsvRow, CsvTable
from facetwise.core.files.outside import exists, is_loop
from facetwise.core.text.counting import count, listed
from facetwise.core.text.spelling import normal
from facetwise.core.workspace import inside
from facetwise.data.findings import Findings
from facetwise.data.reading.on_disk.differences import Entries
from facetwise.data.reading.on_disk.matching import Meanings
from facetwise.data.reading.on_disk.notfound import nothing_alike, why_not_found
from facetwise.data.reading.on_disk.spelling import DiskNames
from facetwise.data.reading.rowfaults import RowFaults

_OTHERWISE = "name each image as it is on the disk"


@dataclass
class TableNames:
    """Finds the names in `column` of `table` below `images`, a folder of the dataset `root`; `finish` adds findings."""

    table: CsvTable
    column: str
    root: Path
    images: str
    findings: Findings
    folders: bool = False
    """Whether names are of folders; otherwise of images, which may be missing."""
    into: Sequence[Path] = ()
    """Folders that links may lead into."""
    named: set[str] = field(default_factory=set)
    """Every path in the dataset that a row names, including faulty rows."""
    _faults: RowFaults = field(init=False)
    _disk: DiskNames = field(init=False)
    _folders: dict[str, bool] = field(default_factory=dict)
    """Folder as it is written in a cell -> whether it is known to be inside of `images`."""
    _as_written: dict[str, tuple[str | None, bool]] = field(default_factory=dict)
    """Cell -> its path in the dataset as the disk spells it, None if that leads out; and whether it is there."""
    _rows: dict[str, CsvRow] = field(default_factory=dict)
    """Path in the dataset -> the first row that names it."""
    _respelt: list[str] = field(default_factory=list)
    _matched: dict[str, str] = field(default_factory=dict)
    """Cells that mean a path in other words -> that path."""
    _lost: list[str] = field(default_factory=list)
    """Cells that name nothing on the disk."""

    def __post_init__(self) -> None:
        self._faults = RowFaults(self.table, self.findings)
        self._disk = DiskNames(self.root)

    def find(self, row: CsvRow) -> str | None:
        """The path in the dataset that a row names; None if it is empty, leads out, should be a folder, or does not
        name exactly one image that no other row names in other words."""
        cell = row.cells[self.column]
        path, there = self._look(cell)
        fitting = [] if there else self._fitting(cell)
        if len(fitting) > 1:
            self._faults.add("two-images-fit", self.column, row, f"`{cell}` fits {_alike(fitting)}", _OTHERWISE)
            return None
        known = not fitting and path == self._written(cell)
        path = fitting[0] if fitting else path
        if path is None or not (known or self._stays(os.path.relpath(path, self.images))):
            self._refuse(row, f"`{cell[:80]}` leads out of `{self.images}`" if cell else "empty")
            return None
        if path == os.path.normpath(self.images):
            self._refuse(row, f"`{cell[:80]}` is `{self.images}` itself, expected something in it")
            return None
        self.named.add(path)
        if fitting:
            self._matched[cell] = path
        elif not known:
            self._respelt.append(f"line {row.line}: `{cell}`")
        if not (there or fitting):
            self._lost.append(cell)
            if self.folders:
                self._faults.add("missing-folder", self.column, row, f"`{path}`: no such folder")
                return None
        return path if self._is_first_to_name(path, row) else None

    def written(self, row: CsvRow) -> str:
        """The path in the dataset that a row names, wherever it leads."""
        cell = row.cells[self.column]
        if self._meanings.kinds and not self._look(cell)[1] and len(fitting := self._fitting(cell)) == 1:
            return fitting[0]
        return self._written(cell)

    def finish(self) -> bool:
        """Add findings; returns whether anything that the table names exists."""
        if self._respelt:
            many = count(len(self._respelt), "name")
            message = f"{many} that the disk spells differently (case, normal form, blanks), found"
            self.findings.info("respelt-name", self.table.name, f"{message}: {listed(self._respelt)}")
        if self._matched:
            self._tell_matched()
        if not self._lost:
            self._faults.finish()
            return True
        where = self.root, self.images
        cause = why_not_found(self._lost, *where, folders=self.folders)
        if found := len(self._lost) < len(self.table.rows):
            self._faults.finish()
        else:
            cause = cause or nothing_alike(self._lost[0], *where, folders=self.folders)
        of_all = f"{len(self._lost)} of {count(len(self.table.rows), 'name')}"
        share = of_all if found else f"none of the {count(len(self._lost), 'name')}"
        what = f"{share} in `{self.column}` {'are not' if found else 'is'} in `{self.images}`"
        tell = self.findings.warning if found else self.findings.error
        if cause is not None:
            tell("names-not-found", self.table.name, f"{what}: {cause.message}", cause.hint)
        elif self._matched:
            names = listed(f"`{cell}`" for cell in self._lost)
            tell("names-not-found", self.table.name, f"{what}, however they are read: {names}", _OTHERWISE)
        return found

    @cached_property
    def _meanings(self) -> Meanings:
        """Of the whole column, because its cells are matched in one way or not at all."""
        cells = [cell for row in self.table.rows if (cell := row.cells[self.column])]
        lost = [cell for cell in cells if not self._look(cell)[1]]
        entries = Entries.below(self.root, self._base, folders=self.folders, into=self.into)
        return Meanings(cells, lost, entries, self.images)

    def _fitting(self, cell: str) -> list[str]:
        """What a cell that names nothing may mean; nothing, if it leads to something else on this disk than that or a
        copy of it."""
        found, led_to = self._meanings.fitting(cell), Path(self._base, cell)
        if not found or self._look(cell)[0] is not None or not exists(led_to):
            return found
        there = [path for path in found if exists(self.root / path)]
        return [path for path in there if led_to.samefile(self.root / path) or _is_copy(led_to, self.root / path)]

    def _look(self, cell: str) -> tuple[str | None, bool]:
        if cell not in self._as_written:
            path = self._disk.find(self._written(cell)) if self._stays(cell) else None
            is_there = os.path.isdir if self.folders else os.path.lexists
            # Strings, because there are many, and pathlib takes its time.
            there = path is not None and is_there(os.path.join(self.root, path))  # noqa: PTH118
            self._as_written[cell] = path, there
        return self._as_written[cell]

    def _written(self, cell: str) -> str:
        return os.path.normpath(os.path.join(self.images, cell))  # noqa: PTH118  # as below

    def _stays(self, cell: str) -> bool:
        """As `_stays`, with one look at the disk for a file, no link, in a folder that was looked at before."""
        folder, name = os.path.split(cell)
        if name in ("", "..") or "\0" in name:
            return _stays(self._base, cell, self.into)
        if folder not in self._folders:
            self._folders[folder] = inside(self._base, folder or ".", self.into) is not None
        # Strings, because there are many, and pathlib takes its time.
        if self._folders[folder] and not os.path.islink(os.path.join(self._front, cell)):  # noqa: PTH114, PTH118
            return True
        return _stays(self._base, cell, self.into)

    @cached_property
    def _base(self) -> Path:
        return self.root / self.images

    @cached_property
    def _front(self) -> str:
        return str(self._base)

    def _is_first_to_name(self, path: str, row: CsvRow) -> bool:
        """Whether no row above names a path in other words; the same words are a row that stands twice."""
        first, cell = self._rows.setdefault(path, row), row.cells[self.column]
        other = first.cells[self.column]
        if normal(other) == normal(cell) or not {cell, other} & self._matched.keys():
            return True
        message = f"`{cell}` and `{other}` on line {first.line} fit the same: `{path}`"
        self._faults.add("two-names-fit", self.column, row, message, _OTHERWISE)
        return False

    def _tell_matched(self) -> None:
        cell, path = next(iter(self._matched.items()))
        found = self._meanings.differences(cell, PurePosixPath(path).parts)
        how = " and ".join(difference.text for difference in found)
        what = "folder" if self.folders else "image"
        many = count(len(self._matched), "name")
        message = f"{many} in `{self.column}` matched with the one {what} that each fits: `{cell}` with `{path}`"
        self.findings.info("names-matched", self.table.name, f"{message}: it {how}")

    def _refuse(self, row: CsvRow, got: str) -> None:
        cell = row.cells[self.column]
        self._lost.extend([cell] if cell else [])
        self._faults.add("leaves-dataset" if cell else "empty-cell", self.column, row, f"`{self.column}`: {got}")


def _is_copy(one: Path, other: Path) -> bool:
    """Whether two files have the same bytes."""
    return one.is_file() and other.is_file() and filecmp.cmp(one, other, shallow=False)


def _alike(paths: list[str]) -> str:
    return f"{count(len(paths), 'path')} alike: {listed((f'`{path}`' for path in sorted(paths)), 2)}"


def _stays(folder: Path, cell: str, into: Sequence[Path]) -> bool:
    """Whether a cell names something inside `folder`; a circular link leads nowhere, and so not out of it."""
    if inside(folder, cell, into) is not None:
        return True
    harmless = bool(cell) and not Path(cell).is_absolute() and ".." not in Path(cell).parts
    return harmless and is_loop(folder / cell)
