"""What a reader of a layout is, and what it is given."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

from facetwise.core.files.csvtable import CsvRow
from facetwise.core.project import Project, TrainSide
from facetwise.data.findings import Findings
from facetwise.data.reading.labelcells import LabelReader
from facetwise.data.reading.tablenames import TableNames
from facetwise.data.reading.unlisted import Unlisted

Row = dict[str, Any]
"""Cells of the listing (`readers.Listing`), by column."""


@dataclass(frozen=True)
class TrainTable:
    """The training table of a dataset, and what its rows are read with."""

    project: Project
    root: Path
    """Of the dataset."""
    side: TrainSide
    names: TableNames
    """Of what the rows name."""
    labels: LabelReader
    unlisted: Unlisted
    findings: Findings


class Reader(Protocol):
    """Reads the training side of one layout: `add` is called for every good row, then `finish`."""

    names_folders: ClassVar[bool]
    """Whether a row names a folder of images; else an image."""

    def __init__(self, table: TrainTable) -> None:
        """Nothing is read yet."""
        ...

    @staticmethod
    def column(side: TrainSide) -> str:
        """The column of the table with what a row names."""
        ...

    def add(self, row: CsvRow, path: str, cells: Row) -> None:
        """Take in a row that names `path` in the dataset; `cells` are its group, name, labels and others."""
        ...

    def finish(self) -> list[Row]:
        """A row of the listing an image, in the table's order; adds what was found in all rows together."""
        ...
