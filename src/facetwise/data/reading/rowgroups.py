"""Whose the image of a row is: by a column of the table, by the image's name, or nobody's but its own."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from facetwise.core.files.csvtable import CsvRow, CsvTable
from facetwise.core.people import called, person
from facetwise.core.records.dataset import GROUP, TrainSide
from facetwise.data.findings import Findings
from facetwise.data.people import check_people
from facetwise.data.reading.rowfaults import RowFaults

_MEND = "mend `group` in facetwise.toml: a `{field}` holds no `/`, a `{field:path}` may"


@dataclass(frozen=True)
class RowGroups:
    """Reads the group of each row of `table`; `finish` adds findings on all of them together."""

    table: CsvTable
    side: TrainSide
    _said: list[tuple[int, str]] = field(default_factory=list)
    """Line and group, as written, of each row."""

    @cached_property
    def columns(self) -> Sequence[str]:
        """The columns of the table that say it."""
        return [self.side.group_column] if self.side.group_column is not None else []

    @cached_property
    def each_its_own(self) -> bool:
        """Whether nothing says it."""
        return not self.columns and self.side.group_pattern is None

    def written(self, row: CsvRow, path: str | None, faults: RowFaults) -> str:
        """The group of a row whose image is at `path` in the dataset, as it is written; empty if it is not told, which
        is then a fault, unless the path is at fault. Where nothing says it, it is the path."""
        if self.each_its_own:
            return path or ""
        said = self._told(row, path, faults)
        self._said.append((row.line, said))
        return said

    def group(self, written: str) -> str:
        """The group's one name."""
        if self.each_its_own:
            return written
        return self._names.get(person(written), person(written))

    @cached_property
    def _names(self) -> dict[str, str]:
        return called(self.side.same_person)

    def _told(self, row: CsvRow, path: str | None, faults: RowFaults) -> str:
        pattern = self.side.group_pattern
        if pattern is None:
            (column,) = self.columns
            if not person(row.cells[column]):
                faults.add("empty-group", column, row, f"`{column}` is empty")
            return row.cells[column]
        if path is None:
            return ""
        name = os.path.relpath(path, self.side.images_base)
        cells = pattern.cells(name)
        if cells is None:
            faults.add("group-not-in-name", "group", row, f"`{name}` is not called `{pattern.text}`", _MEND)
            return ""
        return cells[pattern.fields.index(GROUP)]

    def finish(self, findings: Findings) -> None:
        """Add findings on names that are one or may be."""
        if not self.each_its_own:
            check_people(self.table.name, self.side.group, self._said, self.side.same_person, findings)
