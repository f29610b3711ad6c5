"""The one reader of csv files from outside: a header, rows of the same length, and all faults."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from facetwise.core.errors import InputError, ProblemsError, did_you_mean
from facetwise.core.files.csvrecords import DELIMITERS, CsvError, CsvFault, Record, csv_records
from facetwise.core.files.outside import check_size, read_bounded
from facetwise.core.text.counting import count, listed
from facetwise.core.text.spelling import spelt_as

MAX_COLUMNS = 12
"""Columns that a message lists."""
MAX_CELL = 4096
"""The most characters that a cell may have."""
Spelt = Callable[[Sequence[str]], tuple[str, ...]]
"""From column names as written, stripped of blanks, to the names they stand for."""


@dataclass(frozen=True)
class CsvRow:
    """One row: `line` is the editor's number of its first line (the header is line 1); `cells` by column."""

    line: int
    cells: dict[str, str]


@dataclass(frozen=True)
class CsvTable:
    """A csv as text."""

    name: str
    """The file's name in messages."""
    header: tuple[str, ...]
    """The cells of the first line as they are written."""
    names: tuple[str, ...]
    """Column names stripped of blanks, needed ones in the spelling of `needed`. Other columns may be repeated or
    unnamed."""
    records: tuple[Record, ...]
    """All other records, each with one cell per column."""
    sha256: str

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that have a name, in file order."""
        return tuple(name for name in self.names if name)

    @property
    def lines(self) -> list[int]:
        """The line on which each row begins."""
        return [line for line, _ in self.records]

    @cached_property
    def rows(self) -> tuple[CsvRow, ...]:
        """The rows by column."""
        return tuple(
            CsvRow(line, {n: c for n, c in zip(self.names, cells, strict=True) if n}) for line, cells in self.records
        )

    def at(self, row: CsvRow) -> str:
        """The place of `row` for messages: `train.csv:12`."""
        return f"{self.name}:{row.line}"

    def others(self, used: Sequence[str]) -> list[str]:
        """Columns that are not among `used`."""
        return [c for c in self.columns if c not in used]

    def column(self, name: str) -> list[str]:
        """Cells of the column called `name`; raises InputError when there is none, or more than one."""
        raise_faults(self.name, _header_faults(self.names, [name], ","))
        place = self.names.index(name)
        return [cells[place] for _, cells in self.records]


def look_at_csv(
    data: bytes,
    name: str,
    needed: Sequence[str] = (),
    *,
    delimiter: str = ",",
    encoding: str = "utf-8",
    may_be_empty: bool = True,
    spelt: Spelt | None = None,
) -> tuple[CsvTable | None, list[CsvFault]]:
    """The table in the bytes of a csv, and all its faults.

    A byte order mark, CRLF, quoted line breaks and blank lines are accepted. `spelt` maps the names in the header to
    column names; by default it finds the `needed` ones in other spellings. Faulty rows are left out. The table is None
    when the file is no csv, has no rows (unless it `may_be_empty`), or its header lacks or repeats a needed column.
    """
    try:
        check_size(len(data), name)
        records = csv_records(data, delimiter, encoding)
    except InputError as error:
        return None, [CsvFault("unreadable-csv", None, str(error).removeprefix(f"{name}: "))]
    except CsvError as error:
        return None, [error.fault]
    sha256 = hashlib.sha256(data).hexdigest()
    return look_at_records(
        records, name, needed, sha256=sha256, delimiter=delimiter, may_be_empty=may_be_empty, spelt=spelt
    )


def look_at_records(
    records: Sequence[Record],
    name: str,
    needed: Sequence[str] = (),
    *,
    sha256: str = "",
    delimiter: str = ",",
    may_be_empty: bool = True,
    spelt: Spelt | None = None,
) -> tuple[CsvTable | None, list[CsvFault]]:
    """The table that is made of records, the header first, and all that is wrong with it; as `look_at_csv`."""
    if not records:
        return None, [CsvFault("empty-csv", 1, "the file is empty, expected a header with column names")]
    (_, header), *rest = records
    stripped = [cell.strip() for cell in header]
    names = spelt_as(stripped, needed) if spelt is None else spelt(stripped)
    if faults := _header_faults(names, needed, delimiter):
        return None, faults
    if not rest and not may_be_empty:
        return None, [CsvFault("empty-csv", None, "a header and no rows: nothing is listed")]
    faults = list(_row_faults(names, rest))
    wrong = {fault.line for fault in faults}
    good = tuple((line, cells[: len(names)]) for line, cells in rest if line not in wrong)
    if rest and (not good or None in wrong):
        return None, faults
    return CsvTable(name, header, names, good, sha256), faults


def read_csv(
    source: Path | bytes,
    name: str | None = None,
    needed: Sequence[str] = (),
    *,
    delimiter: str = ",",
    may_be_empty: bool = True,
    spelt: Spelt | None = None,
) -> CsvTable:
    """The table of a csv without faults, at a path or in bytes that messages call `name`.

    Raises InputError for a fault that `look_at_csv` finds, ProblemsError for several, and InputError when it is no
    regular file.
    """
    name = str(source) if name is None else name
    data = source if isinstance(source, bytes) else read_bounded(source)
    table, faults = look_at_csv(data, name, needed, delimiter=delimiter, may_be_empty=may_be_empty, spelt=spelt)
    raise_faults(name, faults)
    assert table is not None
    return table


def raise_faults(name: str, faults: Sequence[CsvFault]) -> None:
    """Raise InputError or ProblemsError with all of the faults and what to do, if there are any."""
    hint = "; ".join(dict.fromkeys(f.hint for f in faults if f.hint)) or None
    if len(faults) == 1:
        raise InputError(f"{name}{', ' if faults[0].line else ': '}{faults[0]}", hint=hint)
    raise_problems(name, [str(fault) for fault in faults], hint)


def raise_problems(source: str, problems: Sequence[str], hint: str | None = None) -> None:
    """Raise ProblemsError with these problems, if there are any."""
    if problems:
        raise ProblemsError(f"{source}: {count(len(problems), 'problem')}", problems, hint=hint)


def _header_faults(names: Sequence[str], needed: Sequence[str], delimiter: str) -> list[CsvFault]:
    missing = [column for column in needed if column not in names]
    if missing and (other := next((s for s in DELIMITERS if s != delimiter and any(s in n for n in names)), None)):
        wanted = DELIMITERS[delimiter]
        kind = "in a spreadsheet: `CSV UTF-8`, comma-separated" if delimiter == "," else "tab-separated values"
        way = f"save it with {wanted} ({kind})"
        message = f"seems to be separated by {DELIMITERS[other]}, expected {wanted}"
        return [CsvFault("wrong-separator", 1, message, way)]
    shown = listed(names, MAX_COLUMNS)
    found = [
        CsvFault("missing-column", 1, f"no column `{c}` (columns: {shown})", _meant(c, names, shown)) for c in missing
    ]
    twice = [column for column in dict.fromkeys(needed) if names.count(column) > 1]
    return found + [CsvFault("repeated-column", 1, f"column `{column}` is there twice") for column in twice]


def _meant(column: str, names: Sequence[str], shown: str) -> str:
    return f"its columns: {shown}" if len(names) > MAX_COLUMNS else did_you_mean(column, filter(None, names))


def _row_faults(names: Sequence[str], records: Sequence[Record]) -> Iterator[CsvFault]:
    """Faults of rows: shorter than the header, longer by non-empty cells, or with cells over `MAX_CELL`."""
    size = len(names)
    uneven = [r for r in records if len(r[1]) < size or any(cell.strip() for cell in r[1][size:])]
    if 1 < len(uneven) == len(records):
        line, cells = uneven[0]
        counts = f"such as line {line}: {len(cells)}, the header has {size}"
        message = f"all {len(uneven)} rows have other numbers of cells than the header, {counts}"
        yield CsvFault("ragged-row", None, message, "a cell that holds a comma stands in quotes")
        return
    lines = {line for line, _ in uneven}
    for line, cells in records:
        if line in lines:
            yield CsvFault("ragged-row", line, f"{count(len(cells), 'cell')}, the header has {size}")
        elif long := next((n for n, cell in zip(names, cells, strict=False) if len(cell) > MAX_CELL), None):
            yield CsvFault("huge-cell", line, f"`{long}` has more than {MAX_CELL} characters")
