"""How many members a blend may have and what they may cost, kept exactly."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from facetwise.blending.votes import BoolArray
from facetwise.core.errors import InputError, SettingError
from facetwise.core.labels import FloatArray, IntArray


@dataclass(frozen=True)
class Limits:
    """Limits on the distinct members of a blend; None is no limit. Raises SettingError for limits nothing can keep."""

    max_models: int | None = None
    max_cost: float | None = None
    """Largest sum of the members' costs, in whatever unit `costs` are."""
    costs: tuple[float, ...] | None = None
    """Cost of each candidate, 0 or more; NaN where unknown. Needed for `max_cost`."""

    def __post_init__(self) -> None:
        if self.max_models is not None and self.max_models < 1:
            raise SettingError(f"max_models is {self.max_models}, expected 1 or more")
        if self.max_cost is not None and not self.max_cost >= 0:
            raise SettingError(f"max_cost is {self.max_cost}, expected 0 or more")
        if self.max_cost is not None and self.costs is None:
            raise SettingError("max_cost needs to know what each member costs")
        if negative := [c for c in self.costs or () if c < 0]:
            raise SettingError(f"costs must be 0 or more, got {negative[0]}")

    def allowed(self, num_members: int) -> BoolArray:
        """Which members may be used at all, shape (M,): under `max_cost` those of known cost that do not exceed it."""
        if self.costs is not None and len(self.costs) != num_members:
            raise ValueError(f"{len(self.costs)} costs for {num_members} members")
        return self._costs(num_members) <= self._budget

    def hold(self, used: BoolArray) -> bool:
        """Whether the members `used`, shape (M,), are within the limits."""
        return used.sum() <= self._models(len(used)) and self._spent(used) <= self._budget

    def keep(self, weight: FloatArray, has: BoolArray) -> BoolArray:
        """Members to go on with, shape (M,), within the limits and with every block among them.

        They are taken by `weight`, shape (M,), the heaviest first and of equals the first, each if it leaves room for
        what is needed to have every block; `has` says who has which, shape (B, M). Weightless ones are taken only for
        a block that nobody else has. Raises InputError when no members within the limits have every block.
        """
        allowed = self.allowed(len(weight))
        cheapest = _cheapest_covers(has, self._costs(len(weight)), allowed)
        kept = np.zeros(len(weight), np.bool_)
        if not self._can_be_completed(kept, has, cheapest):
            raise InputError(
                f"no members within the limits have every attribute: {self._text()}",
                hint="allow more, or add members that have more attributes or cost less",
            )
        for member in np.argsort(-weight, kind="stable"):
            one_more = kept.copy()
            one_more[member] = True
            wanted = weight[member] > 0 or (has[:, member] & ~has[:, kept].any(axis=1)).any()
            if wanted and allowed[member] and self._can_be_completed(one_more, has, cheapest):
                kept = one_more
        return kept

    def _can_be_completed(self, kept: BoolArray, has: BoolArray, cheapest: FloatArray) -> bool:
        """Whether `kept` and as many more as there is room for can have every block."""
        room = min(int(self._models(len(kept)) - kept.sum()), len(cheapest) - 1)
        missing = _as_bits(~np.logical_or.reduce(has[:, kept], axis=1))
        needed = float(cheapest[room, missing]) if room >= 0 else math.inf
        return self.hold(kept) and needed < math.inf and self._spent(kept) + needed <= self._budget

    @cached_property
    def _budget(self) -> float:
        return math.inf if self.max_cost is None else self.max_cost

    def _models(self, num_members: int) -> int:
        return num_members if self.max_models is None else self.max_models

    def _costs(self, num_members: int) -> FloatArray:
        """What counts for the budget, shape (M,): nothing does without one, known or not."""
        if self.max_cost is None or self.costs is None:
            return np.zeros(num_members)
        return np.asarray(self.costs, np.float64)

    def _spent(self, used: BoolArray) -> float:
        """Summed without rounding on the way, so fewer members never seem to cost more."""
        return math.fsum(self._costs(len(used))[used])

    def _text(self) -> str:
        parts = {"max_models": self.max_models, "max_cost": self.max_cost}
        return ", ".join(f"{name} is {value:g}" for name, value in parts.items() if value is not None)


def _cheapest_covers(has: BoolArray, costs: FloatArray, allowed: BoolArray) -> FloatArray:
    """The least that at most c members who together have a set of blocks cost: shape (B + 1, 2 ** B), [c, set].

    A set is the number with a bit a block. Infinite where no such members are. No more than one member a block is
    ever needed.
    """
    num_blocks = len(has)
    sets: IntArray = np.arange(2**num_blocks)
    cheapest = np.full((num_blocks + 1, len(sets)), np.inf)
    cheapest[:, 0] = 0.0
    for c in range(1, num_blocks + 1):
        cheapest[c] = cheapest[c - 1]
        for member in np.flatnonzero(allowed):
            left = sets & ~_as_bits(has[:, member])
            cheapest[c] = np.minimum(cheapest[c], costs[member] + cheapest[c - 1, left])
    return cheapest


def _as_bits(blocks: BoolArray) -> int:
    return int((blocks * 2 ** np.arange(len(blocks))).sum())
