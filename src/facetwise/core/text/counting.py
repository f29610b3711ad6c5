"""Counts, sizes and long lists as text, and lists of numbers in text."""

from __future__ import annotations

import re
from collections.abc import Iterable

from facetwise.core.errors import InputError


def count(number: int, one: str, many: str | None = None) -> str:
    """`1 image`, `2,700 images`; `many` where it is not `one` with an s."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def listed(items: Iterable[str], limit: int = 3) -> str:
    """`a, b, c and 4 more`."""
    everything = list(items)
    rest = len(everything) - limit
    return ", ".join(everything[:limit]) + (f" and {rest:,} more" if rest > 0 else "")


def whole_numbers(text: str) -> list[int]:
    """The numbers from 1 in a list such as `1,3,5-9`; raises InputError for anything else."""
    found = list[int]()
    for word in filter(None, (part.strip() for part in text.split(","))):
        match = re.fullmatch(r"([1-9][0-9]{0,5})(?:-([1-9][0-9]{0,5}))?", word)
        if match is None or int(match[2] or match[1]) < int(match[1]):
            raise InputError(f"`{word}`: expected numbers from 1, such as `1,3,5-9`")
        found += range(int(match[1]), int(match[2] or match[1]) + 1)
    if not found:
        raise InputError("no number is given, expected some such as `1,3,5-9`")
    return found


def in_bytes(size: float) -> str:
    """A size in bytes, rounded: `512 bytes`, `12 KiB`, `34.5 MiB`, `1.2 GiB`."""
    for unit, factor, digits in (("GiB", 2**30, 1), ("MiB", 2**20, 1), ("KiB", 2**10, 0)):
        if size >= factor:
            return f"{size / factor:,.{digits}f} {unit}"
    return f"{size:.0f} bytes"
