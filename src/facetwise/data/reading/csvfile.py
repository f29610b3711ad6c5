"""Reading a csv from outside: UTF-8, comma, a header; every problem is a finding with the line an editor shows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from facetwise.core.errors import InputError, did_you_mean
from facetwise.core.files.csvrecords import AS_COMMAS, CsvError, Record, csv_records, separator_fault
from facetwise.core.text.spelling import spelt_as
from facetwise.data.findings import Findings, listed
from facetwise.data.images.images import read_bytes

MAX_CELL = 4096
"""Most characters of a cell that is believable."""


@dataclass(frozen=True)
class CsvRow:
    """One row: `line` is the number an editor shows where it begins (the header is on line 1); `cells` by column."""

    line: int
    cells: dict[str, str]


@dataclass(frozen=True)
class CsvTable:
    """A csv as text: its name for messages, columns with a name in file order, rows, and the sha256 of the file."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[CsvRow, ...]
    sha256: str

    def at(self, row: CsvRow) -> str:
        """Where `row` is, for messages: `train.csv:12`."""
        return f"{self.name}:{row.line}"

    def others(self, used: Sequence[str]) -> list[str]:
        """Columns that are not among `used`."""
        return [c for c in self.columns if c not in used]


def read_table_csv(
    path: Path, name: str, needed: Sequence[str], findings: Findings, *, may_be_empty: bool = False
) -> CsvTable | None:
    """The table at `path`, called `name` in messages; None when it is unusable (then `findings` has the errors).

    A byte order mark, CRLF, quoted line breaks, blank lines and other spellings of needed columns are fine.
    """
    try:
        data = read_bytes(path)
    except InputError as error:
        findings.error("unreadable-csv", name, str(error).removeprefix(f"{path}: "))
        return None
    return parse_table_csv(data, name, needed, findings, may_be_empty=may_be_empty)


def parse_table_csv(
    data: bytes, name: str, needed: Sequence[str], findings: Findings, *, may_be_empty: bool = False
) -> CsvTable | None:
    """The table that the bytes of a file hold; as `read_table_csv`."""
    try:
        records = csv_records(data)
    except CsvError as fault:
        findings.error(fault.code, f"{name}:{fault.line}" if fault.line else name, fault.message, fault.hint)
        return None
    header = spelt_as([cell.strip() for cell in records[0][1]], needed) if records else ()
    if not _header_is_usable(header, needed, name, findings):
        return None
    rows = tuple(_rows(header, _even(header, records[1:], name, findings), name, findings))
    if not rows and not may_be_empty:
        if len(records) == 1:
            findings.error("empty-csv", name, "a header and no rows: nothing is listed")
        return None
    return CsvTable(name, tuple(h for h in header if h), rows, hashlib.sha256(data).hexdigest())


def _header_is_usable(header: Sequence[str], needed: Sequence[str], name: str, findings: Findings) -> bool:
    missing = [column for column in needed if column not in header]
    repeated = [column for column in dict.fromkeys(needed) if header.count(column) > 1]
    if missing and (fault := separator_fault(header)):
        findings.error("wrong-separator", f"{name}:1", fault, AS_COMMAS)
        return False
    for column in missing:
        hint = f"its columns: {listed(header, 12)}" if len(header) > 12 else did_you_mean(column, filter(None, header))
        findings.error("missing-column", f"{name}:1", f"no column `{column}` (columns: {listed(header, 12)})", hint)
    for column in repeated:
        findings.error("repeated-column", f"{name}:1", f"column `{column}` stands twice")
    return not missing and not repeated


def _even(header: Sequence[str], records: list[Record], name: str, findings: Findings) -> list[Record]:
    """The records with a cell a column; more cells are fine when they are empty."""
    ragged = [r for r in records if len(r[1]) < len(header) or any(cell.strip() for cell in r[1][len(header) :])]
    if 1 < len(ragged) == len(records):
        message = f"all {len(ragged)} rows have other numbers of cells than the header, such as line {ragged[0][0]}"
        counts = f"{len(ragged[0][1])}, the header has {len(header)}"
        findings.error("ragged-row", name, f"{message}: {counts}", "a cell that holds a comma stands in quotes")
        return []
    for line, cells in ragged:
        findings.error("ragged-row", f"{name}:{line}", f"{len(cells)} cells, the header has {len(header)}")
    lines = {line for line, _ in ragged}
    return [record for record in records if record[0] not in lines]


def _rows(header: Sequence[str], records: list[Record], name: str, findings: Findings) -> Iterator[CsvRow]:
    for line, cells in records:
        if long := [h for h, cell in zip(header, cells, strict=False) if len(cell) > MAX_CELL]:
            findings.error("huge-cell", f"{name}:{line}", f"`{long[0]}` has more than {MAX_CELL} characters")
        else:
            yield CsvRow(line, {h: cell for h, cell in zip(header, cells, strict=False) if h})
