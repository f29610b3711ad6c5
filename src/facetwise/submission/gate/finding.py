"""One finding of the gate, and the names and numbers that findings list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from facetwise.core.text import counting

Level = Literal["error", "warning", "ok"]

MAX_NAMED = 5
"""Most images named by one finding; the rest are counted."""


@dataclass(frozen=True)
class GateFinding:
    """One result of the gate: `error` blocks, `warning` must be confirmed, `ok` is fine."""

    level: Level
    code: str
    message: str


def listed_names(names: Sequence[str]) -> str:
    """The first `MAX_NAMED` names, quoted, and how many more there are."""
    return listed([repr(n) for n in names])


def listed(texts: Sequence[str]) -> str:
    """The first `MAX_NAMED` texts, and how many more there are."""
    return counting.listed(texts, MAX_NAMED)
