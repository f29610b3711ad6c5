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
from facetwise.core.text.counting import listed
from facetwise.core.text.languages import likeness

Record = tuple[int, tuple[str, ...]]
"""The editor's number of the record's first line, and its cells as written."""

CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
"""Control characters, which no table needs and a terminal would interpret; they are never written."""
ENCODINGS = {
    "utf-8": "utf-8-sig",
    "utf-16": "utf-16",
    "cp949": "cp949",
    "cp932": "cp932",
    "gb18030": "gb18030",
    "big5": "cp950",
    "cp1252": "cp1252",
    "cp1250": "cp1250",
    "latin2": "iso8859-2",
    "cp1251": "cp1251",
    "cp1253": "cp1253",
    "cp1254": "cp1254",
    "cp1257": "cp1257",
}
"""Allowed encodings of a table -> Python's names for them."""
_OF = {
    "cp949": "Korean Windows",
    "cp932": "Japanese Windows (Shift-JIS)",
    "gb18030": "Chinese Windows",
    "big5": "Taiwan and Hong Kong",
    "cp1252": "western Windows",
    "cp1250": "central European Windows",
    "latin2": "central Europe (ISO 8859-2)",
    "cp1251": "Cyrillic Windows",
    "cp1253": "Greek Windows",
    "cp1254": "Turkish Windows",
    "cp1257": "Baltic Windows",
}
"""The encodings that only letters tell -> where they are used."""
DELIMITERS = {",": "commas", ";": "`;`", "\t": "tabs", "|": "`|`"}
"""Allowed characters between cells -> what messages call them."""
_BEGINNING = 2**18
"""Bytes by which an encoding is told."""
_LIKELY, _AS_LIKELY = 0.3, 0.8
"""The least likeness of text, and the share of the greatest one with which another reading is as likely."""
_SEPARATOR = re.compile(r'\A"?sep=.?"?\r?\n', re.IGNORECASE)
"""The first line that tells a spreadsheet what stands between the cells."""
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
    """Every record that is not blank, the header first. A byte order mark, CRLF, quoted line breaks and
    a first line `sep=;` are accepted.

    `encoding` is one of `ENCODINGS`. Raises CsvError: `not-csv`, `not-utf8`, `nul-in-csv` or `broken-csv`.
    """
    text = _SEPARATOR.sub("\n", _text(data, encoding))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
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
    unmarked = encoding == "utf-16" and not data.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        return data.decode("utf-16-be" if unmarked and data[:1] == b"\0" else ENCODINGS[encoding])
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


def likely_encodings(data: bytes) -> list[str]:
    """What text that is not UTF-8 may be written in, the likeliest first: one where the others make no words of it, or
    the same text; none where none makes any."""
    whole = data[: data[:_BEGINNING].rfind(b"\n") + 1] if len(data) > _BEGINNING else data
    texts: dict[str, str] = {}
    for encoding in _OF:
        with suppress(UnicodeDecodeError):
            texts.setdefault(whole.decode(ENCODINGS[encoding]), encoding)
    rated = sorted(((likeness(text, encoding), encoding) for text, encoding in texts.items()), key=lambda one: -one[0])
    most = rated[0][0] if rated else 0.0
    return [encoding for rate, encoding in rated if rate >= max(_LIKELY, _AS_LIKELY * most)]


def _seems(data: bytes) -> str:
    """The probable encodings of text that is not UTF-8, for a message."""
    likely = likely_encodings(data)
    if len(likely) == 1:
        return f", it reads as {likely[0]} of {_OF[likely[0]]}"
    told = [f"{encoding} of {_OF[encoding]} ({_words(data, encoding)})" for encoding in likely]
    return f", it may be {' or '.join(told)}" if told else ""


def _words(data: bytes, encoding: str) -> str:
    text = data[:_BEGINNING].decode(ENCODINGS[encoding], "replace")
    return listed((f"`{word}`" for word in dict.fromkeys(re.findall(r"\w*[^\x00-\x7f]\w*", text))), 2)
