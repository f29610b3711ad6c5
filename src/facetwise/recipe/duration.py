"""Durations with a unit: `"12ep"` is epochs, `"500st"` is optimizer steps. A bare number is refused."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BeforeValidator, PlainSerializer

MAX_AMOUNT = 10**9
"""Most epochs or steps."""


@dataclass(frozen=True)
class Duration:
    """A length of training: `amount` (positive) epochs or steps."""

    amount: float
    unit: Literal["ep", "st"]

    def steps(self, steps_per_epoch: int) -> int:
        """The duration in optimizer steps, rounded, at least 1."""
        return max(1, round(self.amount * steps_per_epoch if self.unit == "ep" else self.amount))

    def epochs(self, steps_per_epoch: int) -> int:
        """The duration in whole epochs, rounded up, at least 1."""
        return max(1, -(-self.steps(steps_per_epoch) // steps_per_epoch))

    def __str__(self) -> str:
        return f"{Decimal(repr(self.amount)).normalize():f}{self.unit}"


def parse_duration(text: object) -> Duration:
    """Read `"12ep"`, `"0.5ep"` or `"500st"`; raises ValueError saying what is expected."""
    if isinstance(text, Duration):
        return text
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(ep|st)", text) if isinstance(text, str) else None
    if match is None or float(match[1]) <= 0:
        raise ValueError('expected a duration with a unit, such as "12ep" (epochs) or "500st" (steps)')
    if float(match[1]) > MAX_AMOUNT:
        raise ValueError(f"expected at most {MAX_AMOUNT:,} epochs or steps")
    return Duration(float(match[1]), "ep" if match[2] == "ep" else "st")


DurationField = Annotated[Duration, BeforeValidator(parse_duration), PlainSerializer(str, return_type=str)]
