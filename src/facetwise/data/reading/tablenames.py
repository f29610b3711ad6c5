"""Names of images, or of folders of images, in a column of a table, found on the disk."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from facetwise.core.files.csvtable import CsvRow, CsvTable
from facetwise.core.files.outside import is_folder, is_loop
from facetwise.core.text.counting import count, listed
from facetwise.core.workspace import inside
from facetwise.data.findings import Findings
from facetwise.data.reading.notfound import nothing_alike, why_not_found
from facetwise.data.reading.rowfaults import RowFaults
from facetwise.data.reading.spelling import DiskNames


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
    named: set[str] = field(default_factory=set)
    """Every path in the dataset that a row names, including faulty rows."""
    _faults: RowFaults = field(init=False)
    _disk: DiskNames = field(init=False)
    _folders: dict[str, bool] = field(default_factory=dict)
    """Folder as it is written in a cell -> whether it is known to be inside of `images`."""
    _respelt: list[str] = field(default_factory=list)
    _lost: list[str] = field(default_factory=list)
    """Cells that name nothing on the disk."""

    def __post_init__(self) -> None:
        self._faults = RowFaults(self.table, self.findings)
        self._disk = DiskNames(self.root)

    def find(self, row: CsvRow) -> str | None:
        """The path in the dataset that a row names; None if it is empty, leads out, or should be a folder."""
        cell, written = row.cells[self.column], self.written(row)
        path = self._disk.find(written) if self._stays(cell) else None
        below = None if path is None else os.path.relpath(path, self.images)
        if path is None or below is None or not (path == written or self._stays(below)):
            self._refuse(row, f"`{cell[:80]}` leads out of `{self.images}`" if cell else "empty")
            return None
        if below == ".":
            self._refuse(row, f"`{cell[:80]}` is `{self.images}` itself, expected something in it")
            return None
        self.named.add(path)
        self._respelt.extend([f"line {row.line}: `{cell}`"] if path != written else [])
        if not (is_folder if self.folders else os.path.lexists)(self.root / path):
            self._lost.append(cell)
            if self.folders:
                self._faults.add("missing-folder", self.column, row, f"`{path}`: no such folder")
                return None
        return path

    def written(self, row: CsvRow) -> str:
        """The path in the dataset as a row spells it, wherever it leads."""
        return os.path.normpath(Path(self.images) / row.cells[self.column])

    def _stays(self, cell: str) -> bool:
        """As `_stays`, with one look at the disk for a file, no link, in a folder that was looked at before."""
        folder, name = os.path.split(cell)
        if name in ("", "..") or "\0" in name:
            return _stays(self.root / self.images, cell)
        if folder not in self._folders:
            self._folders[folder] = inside(self.root / self.images, folder or ".") is not None
        if self._folders[folder] and not os.path.islink(self.root / self.images / cell):  # noqa: PTH114  # never raises
            return True
        return _stays(self.root / self.images, cell)

    def finish(self) -> bool:
        """Add findings; returns whether anything that the table names exists."""
        if self._respelt:
            many = count(len(self._respelt), "name")
            message = f"{many} that the disk spells differently (case, normal form, blanks), found"
            self.findings.info("respelt-name", self.table.name, f"{message}: {listed(self._respelt)}")
        if not self._lost:
            self._faults.finish()
            return True
        where = self.root, self.images
        cause = why_not_found(self._lost, *where, folders=self.folders)
        if found := len(self._lost) < len(self.table.rows):
            self._faults.finish()
        else:
            cause = cause or nothing_alike(self._lost[0], *where, folders=self.folders)
        if cause is not None:
            of_all = f"{len(self._lost)} of {count(len(self.table.rows), 'name')}"
            share = of_all if found else f"none of the {count(len(self._lost), 'name')}"
            what = f"{share} in `{self.column}` {'are not' if found else 'is'} in `{self.images}`"
            tell = self.findings.warning if found else self.findings.error
            tell("names-not-found", self.table.name, f"{what}: {cause.message}", cause.hint)
        return found

    def _refuse(self, row: CsvRow, got: str) -> None:
        cell = row.cells[self.column]
        self._lost.extend([cell] if cell else [])
        self._faults.add("leaves-dataset" if cell else "empty-cell", self.column, row, f"`{self.column}`: {got}")


def _stays(folder: Path, cell: str) -> bool:
    """Whether a cell names something inside `folder`; a circular link leads nowhere, and so not out of it."""
    if inside(folder, cell) is not None:
        return True
    harmless = bool(cell) and not Path(cell).is_absolute() and ".." not in Path(cell).parts
    return harmless and is_loop(folder / cell)
