"""Groups on several rows of a training table, each with its own folder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from facetwise.core.files.csvtable import CsvRow, CsvTable
from facetwise.core.records.project_file import AttributeSpec
from facetwise.core.text.counting import listed
from facetwise.core.text.subject import PEOPLE
from facetwise.data.findings import Findings

Read = tuple[CsvRow, dict[str, Any]]
"""A row of the table, and its `group` with the `label:` and `value:` cells that were read from it."""


def several_folders(rows: Sequence[Read], specs: Sequence[AttributeSpec], table: CsvTable, findings: Findings) -> None:
    """Report a group whose rows name several folders: it stays one group, but may be two people with one name."""
    by_group: dict[str, list[Read]] = {}
    for row, cells in rows:
        by_group.setdefault(cells["group"], []).append((row, cells))
    for group, several in by_group.items():
        if len(several) == 1:
            continue
        where = table.at(several[-1][0])
        if conflicts := [text for spec in specs if (text := _conflict(spec, several))]:
            message = f"`{group}` is one group with several labels: {'; '.join(conflicts)}"
            findings.warning("group-with-conflicting-labels", where, message, f"two {PEOPLE} need two group names")
        else:
            lines = listed((str(row.line) for row, _ in several), 5)
            findings.info("group-with-several-folders", where, f"`{group}` has {len(several)} folders: lines {lines}")


def _conflict(spec: AttributeSpec, rows: Sequence[Read]) -> str | None:
    """The values of a column with their lines; None if all rows agree."""
    if spec.column is None:
        return None
    first: dict[Any, str] = {}
    for row, cells in rows:
        read = cells.get(f"value:{spec.name}"), cells.get(f"label:{spec.name}")
        if read != (None, None):  # a class that is not known contradicts nothing
            first.setdefault(read, f"{row.cells[spec.column].strip()} (line {row.line})")
    return f"`{spec.column}` is {listed(first.values(), 4)}" if len(first) > 1 else None
