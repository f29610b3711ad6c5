"""The interface of a layout's reader, and its input."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

from facetwise.core.files.csvtable import CsvRow
from facetwise.core.project import Project
from facetwise.core.records.dataset import TrainSide
from facetwise.data.findings import Findings
from facetwise.data.reading.labelcells import LabelReader
from facetwise.data.reading.on_disk.tablenames import TableNames
from facetwise.data.reading.on_disk.unlisted import Unlisted

Row = dict[str, Any]
"""Cells of the listing (`readers.Listing`), by column."""


@dataclass(frozen=True)
class TrainTable:
    """The training table of a dataset, and the helpers that read its rows."""

    project: Project
    root: Path
    """The dataset's folder."""
    side: TrainSide
    names: TableNames
    """Finds on the disk what rows name."""
    labels: LabelReader
    unlisted: Unlisted
    findings: Findings


class Reader(Protocol):
    """Reads the training side of one layout: `add` is called for every good row, then `finish`."""

    names_folders: ClassVar[bool]
    """Whether a row names a folder of images; otherwise an image."""

    def __init__(self, table: TrainTable) -> None:
        """Start without reading anything."""
        ...

    @staticmethod
    def column(side: TrainSide) -> str:
        """The column of the table with the name of the folder or image."""
        ...

    def add(self, row: CsvRow, path: str, cells: Row) -> None:
        """Add a row that names `path` in the dataset; `cells` are its group, name, labels and other columns."""
        ...

    def finish(self) -> list[Row]:
        """The listing, a row per image in the table's order; adds findings on all rows together."""
        ...
