"""A csv of a dataset or of a project: what `core.files.csvtable` finds wrong with it becomes findings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from facetwise.core.errors import InputError
from facetwise.core.files.csvtable import CsvTable, look_at_csv
from facetwise.core.files.outside import read_bounded
from facetwise.data.findings import Findings


def read_table_csv(
    path: Path, name: str, needed: Sequence[str], findings: Findings, *, may_be_empty: bool = False
) -> CsvTable | None:
    """The table at `path`, called `name` in messages; None when it is unusable (then `findings` has the errors)."""
    try:
        data = read_bounded(path)
    except InputError as error:
        findings.error("unreadable-csv", name, str(error).removeprefix(f"{path}: "))
        return None
    return parse_table_csv(data, name, needed, findings, may_be_empty=may_be_empty)


def parse_table_csv(
    data: bytes, name: str, needed: Sequence[str], findings: Findings, *, may_be_empty: bool = False
) -> CsvTable | None:
    """The table that the bytes of a file hold; as `read_table_csv`."""
    table, faults = look_at_csv(data, name, needed, may_be_empty=may_be_empty)
    for fault in faults:
        findings.error(fault.code, f"{name}:{fault.line}" if fault.line else name, fault.message, fault.hint)
    return table
