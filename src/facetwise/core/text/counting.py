"""How counted things are written."""

from __future__ import annotations


def count(number: int, one: str, many: str | None = None) -> str:
    """`1 image`, `2,700 images`; `many` where it is not `one` with an s."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
