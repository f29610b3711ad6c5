"""Text from people in Markdown, escaped so that nothing in it is markup and no line begins a block."""

from __future__ import annotations

import re

from facetwise.core.text.printable import printable

_SPECIAL = re.compile(r"[\\`*\[\]<>|~]|&(?=[#\w])|(?<![^\W_])_|_(?![^\W_])")
"""What CommonMark, its tables or its strike-through would read as markup; `_` between letters or digits is none."""
_FIRST = re.compile(r"(\d{1,9})[.)](?:\s|$)|()(?:#{1,6}(?:\s|$)|[+-](?:\s|$)|=+$|-[-\s]*$)")
"""What makes a block when a line begins with it, behind the digits of a number; others that do are escaped anywhere."""


def words(text: str) -> str:
    """Text as one line that renders verbatim anywhere on a line, including in a table."""
    line = one_line(text)
    first = _FIRST.match(line)
    place = len(first[1] or "") if first else 0
    escaped = _SPECIAL.sub(lambda found: f"\\{found.group()}", line[place:])
    return f"{line[:place]}\\{escaped}" if first else escaped


def code(text: str) -> str:
    """Text as a code span; as `words` when a code span cannot hold it (empty text, or characters that end a cell or
    block)."""
    line = one_line(text)
    if not line or "|" in line or "<!--" in line:
        return words(text)
    longest = max((len(run) for run in re.findall("`+", line)), default=0)
    fence, space = "`" * (longest + 1), " " if "`" in (line[0], line[-1]) else ""
    return f"{fence}{space}{line}{space}{fence}"


def quote(text: str) -> list[str]:
    """Text as the lines of a block quote, with its line breaks."""
    lines = [f"> {words(line)}".rstrip() for line in text.split("\n")]
    pairs = zip(lines, [*lines[1:], ">"], strict=True)
    return [f"{line}  " if line != ">" and after != ">" else line for line, after in pairs]


def one_line(text: str) -> str:
    """With every run of white space as one space, and control characters escaped."""
    return printable(" ".join(text.split()))
