"""Seeds: every random draw has its own seed, so that no random state has to be saved (docs/decisions/0006)."""

from __future__ import annotations

from facetwise.core.workspace import content_hash


def derive_seed(*parts: int | str) -> int:
    """A 63-bit seed that is a function of `parts`."""
    return int(content_hash(list(parts))[:16], 16) >> 1
