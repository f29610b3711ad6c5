"""Faults of a table's rows: one finding each, or a single one if all rows have the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from facetwise.core.files.csvtable import CsvRow, CsvTable
from facetwise.data.findings import Findings


@dataclass(frozen=True)
class RowFaults:
    """Collects the faults of a table's rows; `finish` adds them to `findings` as errors."""

    table: CsvTable
    findings: Findings
    _by_kind: dict[tuple[str, str], list[tuple[CsvRow, str, str | None]]] = field(default_factory=dict)

    def add(self, code: str, what: str, row: CsvRow, message: str, hint: str | None = None) -> None:
        """Add a fault of `what` (a column, an attribute) in `row`; at most once per row and code."""
        self._by_kind.setdefault((code, what), []).append((row, message, hint))

    def finish(self, for_all: Mapping[tuple[str, str], str] | None = None) -> None:
        """Add an error for each fault, or one for all rows if all have it, with its hint from `for_all`."""
        for kind, faults in self._by_kind.items():
            if 1 < len(faults) == len(self.table.rows):
                row, message, hint = faults[0]
                text = f"all {len(faults)} rows, such as line {row.line}: {message}"
                self.findings.error(kind[0], self.table.name, text, (for_all or {}).get(kind, hint))
                continue
            for row, message, hint in faults:
                self.findings.error(kind[0], self.table.at(row), message, hint)
