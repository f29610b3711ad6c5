"""Tables of a dataset or a project: faults found by `core.files` become findings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from facetwise.core.errors import InputError
from facetwise.core.files.annotations.formats import AnnotationTable
from facetwise.core.files.csvrecords import CsvFault
from facetwise.core.files.csvtable import CsvTable, look_at_csv
from facetwise.core.files.filekinds import OTHER_TABLES
from facetwise.core.files.othertables import look_at_other_table
from facetwise.core.files.outside import read_bounded
from facetwise.core.text.counting import listed
from facetwise.data.findings import Findings


def read_any_table(
    path: Path,
    name: str,
    needed: Sequence[str],
    findings: Findings,
    *,
    delimiter: str = ",",
    encoding: str = "utf-8",
) -> CsvTable | None:
    """The table at `path`: JSON lines, Parquet, annotations or a csv in `encoding`, by its file ending."""
    if path.suffix.lower() in OTHER_TABLES:
        return _with_faults(look_at_other_table(path, name, needed), name, findings)
    return read_table_csv(path, name, needed, findings, delimiter=delimiter, encoding=encoding)


def read_table_csv(
    path: Path,
    name: str,
    needed: Sequence[str],
    findings: Findings,
    *,
    may_be_empty: bool = False,
    delimiter: str = ",",
    encoding: str = "utf-8",
) -> CsvTable | None:
    """The table at `path`, called `name` in messages; None if it is unusable (then `findings` has the errors)."""
    try:
        data = read_bounded(path)
    except InputError as error:
        findings.error("unreadable-csv", name, str(error).removeprefix(f"{path}: "))
        return None
    found = look_at_csv(data, name, needed, delimiter=delimiter, encoding=encoding, may_be_empty=may_be_empty)
    return _with_faults(found, name, findings)


def parse_table_csv(
    data: bytes, name: str, needed: Sequence[str], findings: Findings, *, may_be_empty: bool = False
) -> CsvTable | None:
    """The table in the bytes of a file; as `read_table_csv`."""
    return _with_faults(look_at_csv(data, name, needed, may_be_empty=may_be_empty), name, findings)


def _with_faults(found: tuple[CsvTable | None, list[CsvFault]], name: str, findings: Findings) -> CsvTable | None:
    table, faults = found
    for fault in faults:
        findings.error(fault.code, f"{name}:{fault.line}" if fault.line else name, fault.message, fault.hint)
    if isinstance(table, AnnotationTable) and table.left_out:
        findings.info("not-read", name, f"left out: {listed(table.left_out, 8)}")
    return table
