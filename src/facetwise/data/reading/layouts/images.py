"""The layout `images`: a row per image."""

from __future__ import annotations

from typing import ClassVar

from facetwise.core.files.csvtable import CsvRow
from facetwise.core.records.dataset import TrainSide
from facetwise.data.reading.layouts.layout import Row, TrainTable


class ImageReader:
    """Lists the images that rows name."""

    names_folders: ClassVar[bool] = False

    def __init__(self, table: TrainTable) -> None:
        self._table = table
        self._rows: list[Row] = []

    @staticmethod
    def column(side: TrainSide) -> str:
        """The column with the image's path."""
        return str(side.image)

    def add(self, row: CsvRow, path: str, cells: Row) -> None:  # noqa: ARG002  # all that it says is in the cells
        """Add the image."""
        self._rows.append({"image": path, **cells})

    def finish(self) -> list[Row]:
        """All images, if any of them is there."""
        return self._rows if self._table.unlisted.listed_by(self._table.names) else []
