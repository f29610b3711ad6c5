"""Limits on the number of members of a blend and on their total cost, enforced exactly."""

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
    """Limits on the distinct members of a blend; None means no limit. Raises SettingError for impossible limits."""

    max_models: int | None = None
    max_cost: float | None = None
    """Largest sum of the members' costs, in the unit of `costs`."""
    costs: tuple[float, ...] | None = None
    """Cost of each candidate, 0 or more; NaN where unknown. Needed for `max_cost`."""

    def __post_init__(self) -> None:
        if self.max_models is not None and self.max_models < 1:
            raise SettingError(f"max_models is {self.max_models}, expected 1 or more")
        if self.max_cost is not None and not self.max_cost >= 0:
            raise SettingError(f"max_cost is {self.max_cost}, expected 0 or more")
        if self.max_cost is not None and self.costs is None:
            raise SettingError("max_cost needs the cost of each member")
        if negative := [c for c in self.costs or () if c < 0]:
            raise SettingError(f"costs must be 0 or more, got {negative[0]}")

    def allowed(self, num_members: int) -> BoolArray:
        """Which members can be used at all, shape (M,): with `max_cost` those whose cost is known and within it."""
        if self.costs is not None and len(self.costs) != num_members:
            raise ValueError(f"{len(self.costs)} costs for {num_members} members")
        return self._costs(num_members) <= self._budget

    def allow(self, used: BoolArray) -> bool:
        """Whether the members `used`, shape (M,), are within the limits."""
        return used.sum() <= self._models(len(used)) and self._spent(used) <= self._budget

    def pick(self, weight: FloatArray, has: BoolArray) -> BoolArray:
        """Members, shape (M,), that stay within the limits and together have every block.

        They are taken in order of `weight`, shape (M,), highest first (ties: the first), each if there is still room to
        complete the blocks; `has`, shape (B, M): whether a member has a block. Members of weight 0 are taken only for a
        block that no other has. Raises InputError when no members within the limits have every block.
        """
        allowed = self.allowed(len(weight))
        cheapest = _cheapest_covers(has, self._costs(len(weight)), allowed)
        selected = np.zeros(len(weight), np.bool_)
        if not self._can_be_completed(selected, has, cheapest):
            raise InputError(
                f"no members within the limits have every attribute: {self._text()}",
                hint="allow more, or add members that have more attributes or cost less",
            )
        for member in np.argsort(-weight, kind="stable"):
            one_more = selected.copy()
            one_more[member] = True
            needed = weight[member] > 0 or (has[:, member] & ~has[:, selected].any(axis=1)).any()
            if needed and allowed[member] and self._can_be_completed(one_more, has, cheapest):
                selected = one_more
        return selected

    def _can_be_completed(self, selected: BoolArray, has: BoolArray, cheapest: FloatArray) -> bool:
        """Whether `selected` can still be extended, within the limits, to members that have every block."""
        room = min(int(self._models(len(selected)) - selected.sum()), len(cheapest) - 1)
        missing = _as_bits(~np.logical_or.reduce(has[:, selected], axis=1))
        needed = float(cheapest[room, missing]) if room >= 0 else math.inf
        return self.allow(selected) and needed < math.inf and self._spent(selected) + needed <= self._budget

    @cached_property
    def _budget(self) -> float:
        return math.inf if self.max_cost is None else self.max_cost

    def _models(self, num_members: int) -> int:
        return num_members if self.max_models is None else self.max_models

    def _costs(self, num_members: int) -> FloatArray:
        """Costs that count against the budget, shape (M,): all 0 without a budget, known or not."""
        if self.max_cost is None or self.costs is None:
            return np.zeros(num_members)
        return np.asarray(self.costs, np.float64)

    def _spent(self, used: BoolArray) -> float:
        """Summed exactly, so that fewer members never seem to cost more."""
        return math.fsum(self._costs(len(used))[used])

    def _text(self) -> str:
        parts = {"max_models": self.max_models, "max_cost": self.max_cost}
        return ", ".join(f"{name} is {value:g}" for name, value in parts.items() if value is not None)


def _cheapest_covers(has: BoolArray, costs: FloatArray, allowed: BoolArray) -> FloatArray:
    """The lowest total cost of at most c members that together have a set of blocks: shape (B + 1, 2 ** B), [c, set].

    A set of blocks is encoded as bits. Infinite where there are no such members. One member a block is always enough.
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
