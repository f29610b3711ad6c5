"""Recognises what a csv is written in: its encoding, and the character between its cells."""

from __future__ import annotations

from dataclasses import dataclass

from facetwise.core.files.csvrecords import DELIMITERS, CsvError, csv_records, likely_encodings

_BEGINNING = 2**18
"""Bytes whose records are enough to tell the character between cells."""


@dataclass(frozen=True)
class CsvForm:
    """What a csv is written in."""

    delimiter: str = ","
    encoding: str = "utf-8"
    """One of `csvrecords.ENCODINGS`."""


def recognised_form(data: bytes, encoding: str | None = None) -> CsvForm:
    """What the csv in `data` is most likely written in; UTF-8 with commas where nothing is plain. `encoding` is what
    somebody says of text that is in neither UTF-8 nor UTF-16."""
    found = _encoding(data, encoding)
    return CsvForm(_delimiter(data, found), found)


def _encoding(data: bytes, told: str | None) -> str:
    """UTF-16 by its mark or its zeros, UTF-8 if it is that, what is `told`, the only one that makes words; else UTF-8,
    as which it is then an error."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in data[:4]:
        return "utf-16"
    try:
        data.decode()
    except UnicodeDecodeError:
        likely = [told] if told is not None else likely_encodings(data)
        return likely[0] if len(likely) == 1 else "utf-8"
    return "utf-8"


def _delimiter(data: bytes, encoding: str) -> str:
    """The character that parts the header into the most cells, as many as the rows have."""
    return max(DELIMITERS, key=lambda delimiter: _num_cells(data, delimiter, encoding))


def _num_cells(data: bytes, delimiter: str, encoding: str) -> int:
    """Cells of the header where most rows have as many; 1 where they do not."""
    beginning = data[:_BEGINNING]
    if len(data) > _BEGINNING:  # whole lines; a UTF-16 character is two bytes
        beginning = beginning[: max(beginning.rfind(b"\n") + 1, 2) // 2 * 2]
    try:
        (_, header), *rows = csv_records(beginning, delimiter, encoding)
    except (CsvError, ValueError):
        return 1
    alike = sum(len(cells) == len(header) for _, cells in rows)
    return len(header) if 2 * alike >= len(rows) else 1
