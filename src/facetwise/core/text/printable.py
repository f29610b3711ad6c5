"""Text from outside, escaped for display so that a terminal obeys nothing in it; the escapes can be reversed.

Names of files, people and classes may hold any characters. A terminal obeys control characters, and reorders letters
after U+202E. Data for programs (`--json`, Parquet, csv) is not escaped.
"""

from __future__ import annotations

import codecs
import re
import unicodedata

_KEPT = "\n\t"
_OBEYED = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Unicode categories that a terminal obeys or does not show: controls, marks of direction and join, lone surrogates,
separators of lines."""
_SHOWN_FORMATS = "\u200c\u200d\ufeff"
"""Of `Cf`: joiners inside words of Persian and Hindi and inside emoji, and a byte order mark, which move nothing."""
_ESCAPE = re.compile(r"\\(?:\\|x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8})")
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
"""What a spreadsheet would run, or has run before it was quoted here."""


def printable(text: str) -> str:
    r"""The text for display: control characters as `\x1b`, direction marks as `\u202e`; line breaks and tabs are kept.

    Text without any of these stays as it is. The inverse is `unprintable`, for all text; so a backslash is doubled in
    text that holds such a character or reads like an escape.
    """
    if text.isascii() and text.isprintable() and "\\" not in text:
        return text
    if not (any(_is_obeyed(c) for c in text) or _ESCAPE.search(text)):
        return text
    return "".join("\\\\" if c == "\\" else _escaped(c) if _is_obeyed(c) else c for c in text)


def unprintable(text: str) -> str:
    """The inverse of `printable`."""
    return _ESCAPE.sub(lambda found: _meant(found.group()), text)


def list_cell(text: str) -> str:
    """A cell of a csv for spreadsheets: printable, with an apostrophe before text that would run as a formula.
    `from_list_cell` is the inverse."""
    shown = printable(text)
    return f"'{shown}" if _FORMULA.match(shown) and not _is_number(shown) else shown


def from_list_cell(cell: str) -> str:
    """The inverse of `list_cell`."""
    return unprintable(cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell)


def _is_obeyed(c: str) -> bool:
    return c not in _KEPT and c not in _SHOWN_FORMATS and unicodedata.category(c) in _OBEYED


def _escaped(c: str) -> str:
    number = ord(c)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def _meant(escape: str) -> str:
    return "\\" if escape == "\\\\" else chr(min(int(escape[2:], 16), 0x10FFFF))


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?", text, flags=re.ASCII) is not None


# ------------------------------------------------------------------------------------- what a terminal cannot show

SIGNS = "signs"
"""The error handler of output streams: `open(..., errors=SIGNS)`."""
_ASCII = {
    **dict.fromkeys("–—−─", "-"), **dict.fromkeys("█▉▊▋▌▍▎▏", "#"), **dict.fromkeys("‘’", "'"),  # noqa: RUF001
    "…": "...", "±": "+-", "→": "->", "×": "x", "·": ".", "≥": ">=", "≤": "<=", "│": "|", "µ": "u",  # noqa: RUF001
}  # fmt: skip


def _sign(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    return "".join(_ASCII.get(c) or _escaped(c) for c in missing), error.end


codecs.register_error(SIGNS, _sign)
