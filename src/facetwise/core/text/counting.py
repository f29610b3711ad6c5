"""Counts, sizes and long lists as text."""

from __future__ import annotations

from collections.abc import Iterable


def count(number: int, one: str, many: str | None = None) -> str:
    """`1 image`, `2,700 images`; `many` where it is not `one` with an s."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def listed(items: Iterable[str], limit: int = 3) -> str:
    """`a, b, c and 4 more`."""
    everything = list(items)
    rest = len(everything) - limit
    return ", ".join(everything[:limit]) + (f" and {rest:,} more" if rest > 0 else "")


def in_bytes(size: float) -> str:
    """A size in bytes, rounded: `512 bytes`, `12 KiB`, `34.5 MiB`, `1.2 GiB`."""
    for unit, factor, digits in (("GiB", 2**30, 1), ("MiB", 2**20, 1), ("KiB", 2**10, 0)):
        if size >= factor:
            return f"{size / factor:,.{digits}f} {unit}"
    return f"{size:.0f} bytes"
