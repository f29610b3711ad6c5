"""The layout `folders`: a row per group, whose folder holds its images."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from facetwise.core.files.csvtable import CsvRow
from facetwise.core.records.dataset import TrainSide
from facetwise.data.reading.layouts.folder_files import FolderFiles
from facetwise.data.reading.layouts.groups import Read, several_folders
from facetwise.data.reading.layouts.layout import Row, TrainTable


class FolderReader:
    """Lists the images of each row's folder, whose file names may hold labels."""

    names_folders: ClassVar[bool] = True

    def __init__(self, table: TrainTable) -> None:
        self._table, self._specs = table, table.project.file.attributes
        self._files = FolderFiles(table.root, self._specs, table.findings)
        self._rows: list[Row] = []
        self._read: list[Read] = []

    @staticmethod
    def column(side: TrainSide) -> str:
        """The column with the folder."""
        return str(side.folder)

    def add(self, row: CsvRow, path: str, cells: Row) -> None:
        """Add the images of the folder `path`."""
        self._read.append((row, cells))
        self._table.labels.note_folder(row, Path(path).name, cells)
        self._rows.extend({**cells, **part} for part in self._files.images(path))

    def finish(self) -> list[Row]:
        """All images; reports groups with several folders, and other files."""
        names = self._table.names
        several_folders(self._read, self._specs, names.table, self._table.findings)
        if names.finish():
            self._files.finish(self._table.side.images_base, names.named, names.table.name)
        return self._rows
