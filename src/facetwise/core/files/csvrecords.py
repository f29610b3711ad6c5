"""Csv bytes to records and back: text in a known encoding, quoted cells, a delimiter of one character."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from facetwise.core.files.filekinds import KIND_BYTES, other_kind

Record = tuple[int, tuple[str, ...]]
"""The editor's number of the record's first line, and its cells as written."""

CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
"""Control characters, which no table needs and a terminal would interpret; they are never written."""
ENCODINGS = {"utf-8": "utf-8-sig", "utf-16": "utf-16", "cp949": "cp949", "cp1252": "cp1252"}
"""Allowed encodings of a table -> Python's names for them."""
DELIMITERS = {",": "commas", ";": "`;`", "\t": "tabs", "|": "`|`"}
"""Allowed characters between cells -> what messages call them."""
_HANGUL = re.compile("[가-힣]")
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
_WORD = re.compile(r"[^\W\d_]+")
_SIGNS = "\u00a1-\u00ac\u00ae-\u00b6\u00b8-\u00bf\u00d7\u00f7\u2020\u2021\u2030"
_SIGN_IN_WORD = re.compile(rf"[^\W\d_][{_SIGNS}][^\W\d_]")
"""A sign such as `\u00b3` between two letters; not a soft hyphen, a middle dot or an apostrophe."""
_AS_UTF8 = "save it as UTF-8 (in a spreadsheet: `CSV UTF-8`)"
_MARKS = ((b"\xff\xfe\0\0", "UTF-32"), (b"\0\0\xfe\xff", "UTF-32"), (b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16"))
"""Byte order marks of encodings other than UTF-8, the longer ones first."""


@dataclass(frozen=True)
class CsvFault:
    """A fault of a csv: a short code, the line (None: the whole file), a message and what to do."""

    code: str
    line: int | None
    message: str
    hint: str | None = None

    def __str__(self) -> str:
        return self.message if self.line is None else f"line {self.line}: {self.message}"


class CsvError(Exception):
    """Bytes are not a csv; `fault` says why."""

    def __init__(self, *fault: Any) -> None:
        self.fault = CsvFault(*fault)
        super().__init__(str(self.fault))


def csv_records(data: bytes, delimiter: str = ",", encoding: str = "utf-8") -> list[Record]:
    """Every record that is not blank, the header first. A byte order mark, CRLF and quoted line breaks are accepted.

    `encoding` is one of `ENCODINGS`. Raises CsvError: `not-csv`, `not-utf8`, `nul-in-csv` or `broken-csv`.
    """
    reader = csv.reader(io.StringIO(_text(data, encoding), newline=""), delimiter=delimiter, strict=True)
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


def csv_row(cells: Iterable[str], newline: str = "\n") -> str:
    """A record as text, each cell quoted where it must be.

    Unlike `csv.writer` with LF line ends, it quotes carriage returns: readers take a bare one for a line end.
    """
    return ",".join('"' + c.replace('"', '""') + '"' if re.search('[",\r\n]', c) else c for c in cells) + newline


def _text(data: bytes, encoding: str) -> str:
    if kind := other_kind(data[:KIND_BYTES]):
        raise CsvError("not-csv", None, *_other_file(kind, data))
    if encoding != "utf-8":
        return _plain(_decoded(data, encoding))
    other = next((name for mark, name in _MARKS if data.startswith(mark)), "UTF-16" if b"\0" in data[:4] else None)
    if other is not None:
        raise CsvError("not-utf8", None, f"{other} text, expected UTF-8", _AS_UTF8)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        what = f"not UTF-8 text (byte {data[error.start]:#04x}{_seems(data)})"
        raise CsvError("not-utf8", _line(data[: error.start].decode()), what, _AS_UTF8) from None
    return _plain(text)


def _decoded(data: bytes, encoding: str) -> str:
    try:
        return data.decode(ENCODINGS[encoding])
    except UnicodeDecodeError as error:
        before = data[: error.start].decode(ENCODINGS[encoding], "replace")
        what = f"no {encoding} text (byte {data[error.start]:#04x}), as which facetwise.toml has it"
        raise CsvError("wrong-encoding", _line(before), what, "set its `encoding` in facetwise.toml") from None


def _plain(text: str) -> str:
    if found := CONTROL.search(text):
        what = "NUL" if found.group() == "\0" else f"control ({ord(found.group()):#04x})"
        raise CsvError("nul-in-csv", _line(text[: found.start()]), f"a {what} character: not a text file")
    return text


def _other_file(kind: str, data: bytes) -> tuple[str, str]:
    """The kind of a file that is no csv, and what to do."""
    what, _, way = kind.partition(": ")
    if b"[Content_Types].xml" in data[:KIND_BYTES]:  # ECMA-376 part 2, 10.1.2
        return "an Office file, expected a csv", _AS_UTF8
    return f"{what}, expected a csv", "unpack it, and give the csv that comes out" if "archive" in what else way


def _line(before: str) -> int:
    """The editor's number of the line on which the text `before` ends."""
    return len(re.findall("\r\n|\r|\n", before)) + 1


def _seems(data: bytes) -> str:
    """The probable encoding of text that is not UTF-8, for a message."""
    for encoding, fits, name in (
        ("cp949", is_korean, "cp949 of Korean Windows"),
        ("shift_jis", re.compile("[ぁ-んァ-ヶ]").search, "Shift-JIS of Japanese Windows"),
    ):
        with suppress(UnicodeDecodeError):
            if fits(data.decode(encoding)):
                return f", it reads as {name}"
    return ""


def is_korean(text: str) -> bool:
    """Whether most of what is not ASCII in text from cp949 is Hangul that is in use: bytes of other encodings read as
    syllables that cp949 added, and nobody writes (those not of KS X 1001)."""
    used = sum(code[0] >= 0xB0 and code[1] >= 0xA1 for code in (c.encode("cp949") for c in _HANGUL.findall(text)))
    return bool(2 * used > len(_NOT_ASCII.findall(text)))


def is_western(text: str) -> bool:
    """Whether text from cp1252 is of words: bytes of other encodings read as signs within words (`zó³ty`), or as words
    of hardly anything but accents."""
    odd = _SIGN_IN_WORD.search(text) is not None
    words = [word for word in _WORD.findall(text) if not word.isascii()]
    accents = sum(not letter.isascii() for word in words for letter in word)
    return not odd and 2 * accents <= sum(map(len, words)) + len(words)
