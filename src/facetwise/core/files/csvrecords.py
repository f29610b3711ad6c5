"""Bytes of a csv to records and back: UTF-8, commas, quotes. What to do about a fault is for the caller to say."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable

Record = tuple[int, tuple[str, ...]]
"""The line, as an editor counts, on which the record begins, and its cells as they are written."""

_TAB = "\t"
AS_COMMAS = "save it with commas (in a spreadsheet: `CSV UTF-8`, comma-separated)"
_AS_UTF8 = "save it as UTF-8 (in a spreadsheet: `CSV UTF-8`)"


class CsvError(Exception):
    """Why bytes are no csv: a short code, the line (None for the whole file), a message and what to do."""

    def __init__(self, code: str, line: int | None, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.code, self.line, self.message, self.hint = code, line, message, hint


CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
"""Characters that no table has, and that a terminal would obey: what is written must not hold them."""


def csv_records(data: bytes, delimiter: str = ",") -> list[Record]:
    """Every record that is not blank, the header first. A byte order mark, CRLF and quoted line breaks are fine.

    Raises CsvError: `not-utf8`, `nul-in-csv` or `broken-csv`.
    """
    reader = csv.reader(io.StringIO(_text(data), newline=""), delimiter=delimiter, strict=True)
    records: list[Record] = []
    line = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                records.append((line, tuple(cells)))
            line = reader.line_num + 1
    except csv.Error as error:
        raise CsvError("broken-csv", line, f"not readable as csv from here: {error}") from None
    return records


def separator_fault(header: Iterable[str]) -> str | None:
    """What is wrong with a header that lacks a column since it is not separated by commas; None when it seems to be."""
    cells = list(header)
    found = next((s for s in (";", "\t", "|") if any(s in cell for cell in cells)), None)
    return found and f"seems to be separated by {'tabs' if found == _TAB else f'`{found}`'}, expected commas"


def csv_row(cells: Iterable[str], newline: str = "\n") -> str:
    """A record as text, each cell quoted where it must be.

    (`csv.writer` with `\\n` for its line ends leaves a carriage return bare, which ends a line for its readers.)
    """
    return ",".join('"' + c.replace('"', '""') + '"' if re.search('[",\r\n]', c) else c for c in cells) + newline


def _text(data: bytes) -> str:
    if data.startswith((b"PK\x03\x04", b"\x1f\x8b", b"7z\xbc\xaf", b"Rar!")):
        raise CsvError("not-utf8", None, "an archive (zip, gzip or the like), expected a csv", "unpack it first")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in data[:4]:
        raise CsvError("not-utf8", None, "UTF-16 text, expected UTF-8", _AS_UTF8)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise CsvError("not-utf8", line, f"not UTF-8 text (byte {data[error.start]:#04x})", _AS_UTF8) from None
    if found := CONTROL.search(text):
        line = text.count("\n", 0, found.start()) + 1
        what = "NUL" if found.group() == "\0" else f"control ({ord(found.group()):#04x})"
        raise CsvError("nul-in-csv", line, f"a {what} character: not a text file")
    return text
