"""Seeds: every random draw has its own, so that nothing random has a state to save (docs/decisions/0006)."""

from __future__ import annotations

from facetwise.core.workspace import content_hash


def derive_seed(*parts: int | str) -> int:
    """A seed (63 bits) that depends on all `parts` and on nothing else."""
    return int(content_hash(list(parts))[:16], 16) >> 1
