"""What to blend, and how: data that a command line or a script fills in, and a record keeps."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, get_args

from facetwise.blending.methods import METHODS
from facetwise.blending.select import Search
from facetwise.core.choices import BlendBy, BlendMethod, Weighting
from facetwise.core.errors import SettingError, did_you_mean
from facetwise.core.labels import LabelSpace

MOST = 1_000_000
"""Largest weight or cost that anybody needs."""


@dataclass(frozen=True)
class GivenWeight:
    """A weight that somebody gives a member, of one attribute or of all that it predicts."""

    member: str
    """A reference, as on the command line."""
    weight: float
    """0 or more. Of a member that is known on the test side only: its share of the whole, below 1."""
    attribute: str | None = None


@dataclass(frozen=True)
class BlendSpec:
    """A question to the members: which weights, which way to add up, which rule to decide by."""

    members: tuple[str, ...] = ()
    """References of runs and of predictions from elsewhere; none: every finished cross-validated run."""
    by: BlendBy = "auto"
    """`whole` adds up joint probabilities, `attribute` those of each attribute by itself; `auto` takes the better one
    by nested estimate."""
    method: BlendMethod = "soft"
    """How votes are added up."""
    weigh: Weighting = "greedy"
    """`greedy` chooses weights by out-of-fold predictions; `equal` gives every member the same."""
    given: tuple[GivenWeight, ...] = ()
    """With any for a member that is known out of fold nothing is chosen: members without one have weight 1."""
    search: Search = field(default_factory=Search)
    """How `greedy` looks for weights."""
    max_models: int | None = None
    """Most members with a weight."""
    max_cost: float | None = None
    """Most that the members cost together, in units of the cheapest one."""
    rules: tuple[str, ...] = ()
    """Decision rules to choose among; none: every rule that applies. Plain argmax is always one of them."""
    tta: str = "none"
    """Test-time augmentation of the runs' predictions."""
    seed: int = 0
    """How people are dealt in parts for nested estimates."""

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


def parse_weights(texts: Sequence[str], space: LabelSpace) -> tuple[GivenWeight, ...]:
    """Weights as people write them: `3=2`, `age:5=0.5`, `foreign:alice=0.3`; raises SettingError naming the text."""
    return tuple(_parse_weight(text, space) for text in texts)


def _parse_weight(text: str, space: LabelSpace) -> GivenWeight:
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
        return GivenWeight(rest, weight, attribute)
    return GivenWeight(member, weight)
