"""The settings of a blend: filled in by the command line or a script, stored in the blend's record."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, get_args

from facetwise.blending.methods import METHODS
from facetwise.blending.select import GreedySearch
from facetwise.core.choices import BlendBy, BlendMethod, Weighting
from facetwise.core.errors import SettingError, did_you_mean
from facetwise.core.labels import LabelSpace

MOST = 1_000_000
"""Largest weight or cost accepted."""


@dataclass(frozen=True)
class FixedWeight:
    """A weight set by the user, for one attribute of a member or for all that it predicts."""

    member: str
    """A reference, as on the command line."""
    weight: float
    """0 or more. For a member without out-of-fold predictions: its share of the total, below 1."""
    attribute: str | None = None


@dataclass(frozen=True)
class BlendSpec:
    """Which members to blend, how their weights are chosen, and which decision rules to consider."""

    members: tuple[str, ...] = ()
    """References of runs and of imported predictions; none: every finished cross-validated run."""
    by: BlendBy = "auto"
    """`whole` adds up joint probabilities, `attribute` those of each attribute by itself; `auto` takes the better one
    by nested estimate."""
    method: BlendMethod = "soft"
    """How votes are added up."""
    weigh: Weighting = "greedy"
    """`greedy` chooses weights by out-of-fold predictions; `equal` gives every member the same."""
    given: tuple[FixedWeight, ...] = ()
    """With any for a member that is known out of fold nothing is chosen: members without one have weight 1."""
    search: GreedySearch = field(default_factory=GreedySearch)
    """How `greedy` looks for weights."""
    max_models: int | None = None
    """Most members with a weight above 0."""
    max_cost: float | None = None
    """Highest total cost of the members, in units of the cheapest one."""
    rules: tuple[str, ...] = ()
    """Decision rules to choose from; empty: every rule of `kinds_unasked`. Plain argmax is always one of them."""
    tta: str = "none"
    """Test-time augmentation of the runs' predictions."""
    seed: int = 0
    """Seed of the split of people into parts for nested estimates."""

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise SettingError(f"no way to blend is called `{self.method}`", hint=did_you_mean(self.method, METHODS))
        if any(not 0 <= g.weight <= MOST for g in self.given):
            raise SettingError(f"weights must be numbers from 0 to {MOST:,}")
        if self.seed < 0 or self.search.seed < 0:
            raise SettingError(f"seed is {self.seed}, expected 0 or more")
        if self.max_models is not None and self.max_models < 1:
            raise SettingError(f"max_models is {self.max_models}, expected 1 or more")
        if self.max_cost is not None and not 0 < self.max_cost <= MOST:
            raise SettingError(f"max_cost is {self.max_cost}, expected more than 0, {MOST:,} at most")

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for records and hashes."""
        return asdict(self)


def parse_weights(texts: Sequence[str], space: LabelSpace) -> tuple[FixedWeight, ...]:
    """Weights as people write them: `3=2`, `age:5=0.5`, `foreign:alice=0.3`; raises SettingError naming the text."""
    return tuple(_parse_weight(text, space) for text in texts)


def _parse_weight(text: str, space: LabelSpace) -> FixedWeight:
    member, equals, number = text.rpartition("=")
    try:
        weight = float(number) if re.fullmatch(r"[0-9.]+(e-?[0-9]+)?", number) else float("nan")
    except ValueError:
        weight = float("nan")
    if weight != weight or not equals or not member:
        hint = f"how weights are chosen is `--weighting {text}`" if text in get_args(Weighting) else None
        raise SettingError(
            f"weight `{text}`: expected MEMBER=NUMBER or ATTRIBUTE:MEMBER=NUMBER, such as `3=2`", hint=hint
        )
    attribute, colon, rest = member.partition(":")
    if colon and attribute in space.names:
        return FixedWeight(rest, weight, attribute)
    return FixedWeight(member, weight)
