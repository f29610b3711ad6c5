"""From out-of-fold predictions of the members to blend weights, a decision rule and a nested estimate of the score.

Whatever is chosen by labels is chosen in a nested way: weights and rule are fitted on four fifths of the people and
applied to the remaining fifth. So is the choice between whole predictions and single attributes, with or without a rule
(`choose`). The members themselves are not retrained.

Shapes: n rows that all members cover, M members, B blocks, C classes of a block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from facetwise.blending.limits import Limits
from facetwise.blending.members import Member
from facetwise.blending.select import SelectedWeights, select
from facetwise.blending.spec import BlendSpec
from facetwise.blending.votes import BoolArray, By, Votes, combine
from facetwise.core.errors import InputError
from facetwise.core.labels import FloatArray, IntArray
from facetwise.evaluate.metrics import MISSING
from facetwise.evaluate.predictions import Predictions
from facetwise.evaluate.rows import Part, ScoredRows, Truth, nested
from facetwise.evaluate.rules.choose import Argmax, Rule, choose_rule
from facetwise.evaluate.rules.kinds import ARGMAX


@dataclass(frozen=True)
class FittedWeights:
    """Blend weights and the decision rule for the weighted predictions."""

    weights: FloatArray
    """(B, M); each row sums to 1."""
    rule: Rule
    chosen: SelectedWeights | None = None
    """The greedy selection; None for equal or fixed weights."""


@dataclass(frozen=True)
class Variant:
    """Blending fitted in one way, whole or by attribute, with its nested estimates by rule and by plain argmax."""

    by: By
    votes: Votes
    fitted: FittedWeights
    """Fitted on all rows."""
    by_part: tuple[FittedWeights, ...]
    """Fitted without each part of the people."""
    nested: Predictions
    """Each row predicted by weights fitted without its part of the people."""
    ruled: IntArray
    """Joint classes, (n,), by weights and rule fitted without the row's part."""
    plain: IntArray
    """Joint classes, (n,), by the same weights and plain argmax."""
    by_rule: float
    """Score of `ruled`."""
    by_argmax: float
    """Score of `plain`."""

    @property
    def uses_rule(self) -> bool:
        """Whether the rule has a higher nested estimate than plain argmax."""
        return self.by_rule > self.by_argmax

    @property
    def score(self) -> float:
        """The better of the two nested estimates."""
        return max(self.by_rule, self.by_argmax)


@dataclass(frozen=True)
class ChosenVariant:
    """The best variant, with or without its rule, and the nested estimate of the whole choice."""

    variant: Variant
    fitted: FittedWeights
    """Fitted on all rows: predicts the test side."""
    by_part: tuple[FittedWeights, ...]
    optimistic: float
    """Score on the rows that everything was fitted on: too high."""
    nested: IntArray
    """Joint classes, (n,): weights, rule, variant and the use of a rule were all chosen without the row's part."""
    nested_score: float
    """Score of `nested`: the estimate to believe."""

    @property
    def votes(self) -> Votes:
        """Votes of the members on the rows that the blend was fitted on."""
        return self.variant.votes


def fit(votes: Votes, by: By, truth: Truth, spec: BlendSpec, members: Sequence[Member]) -> Variant:
    """Fit weights and rule on all rows, and again without each part of the people.

    `votes` and `truth` have the same rows. Raises InputError when there are fewer people than parts.
    """
    parts = truth.parts(spec.seed)
    whole = _fit(votes, truth, spec, members, np.ones(len(truth), np.bool_))

    def apply(fitted: FittedWeights, part: Part) -> FloatArray:
        return np.hstack(combine(votes.rows(part.held_out), fitted.weights))

    by_part, logs = nested(lambda p: _fit(votes, truth, spec, members, p.rest), apply, parts)
    ends = np.cumsum([block.votes.shape[2] for block in votes.blocks])
    predicted = _predictions(votes, np.split(logs, ends[:-1], axis=1), truth.images)
    _, ruled = nested(lambda p: by_part[p.number].rule, lambda rule, p: rule.decide(predicted.where(p.held_out)), parts)
    plain = predicted.classes
    return Variant(by, votes, whole, by_part, predicted, ruled, plain, truth.score(ruled), truth.score(plain))


def choose(variants: Sequence[Variant], truth: Truth, seed: int) -> ChosenVariant:
    """The variant with the best nested estimate, with its rule where that beats plain argmax.

    The best of several estimates is optimistic, so the choice is nested as well: each part of the people is decided by
    the variant, with or without its rule, that is best on the other parts. Ties go to the first variant, and to argmax
    before a rule. `seed` splits the people into parts (`BlendSpec.seed`).
    """
    best = max(variants, key=lambda variant: variant.score)
    fitted, by_part = (
        (best.fitted, best.by_part) if best.uses_rule else (_plain(best.fitted), tuple(map(_plain, best.by_part)))
    )
    outcomes = [classes for variant in variants for classes in (variant.plain, variant.ruled)]

    def best_without(part: Part) -> IntArray:
        rest = truth.where(part.rest)
        return outcomes[int(np.argmax([rest.score(classes[part.rest]) for classes in outcomes]))]

    _, nested_classes = nested(best_without, lambda classes, part: classes[part.held_out], truth.parts(seed))
    decided = fitted.rule.decide(blend_votes(best.votes, fitted.weights, truth.images))
    return ChosenVariant(best, fitted, by_part, truth.score(decided), nested_classes, truth.score(nested_classes))


def _plain(fitted: FittedWeights) -> FittedWeights:
    return replace(fitted, rule=Argmax())


def blend_votes(votes: Votes, weights: FloatArray, images: npt.ArrayLike) -> Predictions:
    """Predictions for `images`, (n,): the votes averaged with `weights`, (B, M)."""
    return _predictions(votes, combine(votes, weights), images)


def _predictions(votes: Votes, logs: Sequence[FloatArray], images: npt.ArrayLike) -> Predictions:
    """Log-probabilities, (n, C) for each block of `votes`, as `Predictions`."""
    return Predictions(
        space=votes.space,
        images=np.asarray(images),
        groups=np.full(votes.num_rows, None, object),
        folds=np.full(votes.num_rows, MISSING, np.int64),
        blocks={block.name: found for block, found in zip(votes.blocks, logs, strict=True)},
    )


def fixed_weights(votes: Votes, members: Sequence[Member]) -> FloatArray:
    """Weights, (B, M), set by the user, each row summing to 1: 1 where none was set, an attribute's before a general
    one.

    Raises InputError when all weights of a block are 0.
    """
    weights = votes.has.astype(np.float64)
    for row, block in zip(weights, votes.blocks, strict=True):
        for number in block.members:
            row[number] = _fixed_weight(members[number], block.name)
        if not row.sum() > 0:
            raise InputError(f"every member's weight for `{block.name}` is 0")
    shares: FloatArray = weights / weights.sum(axis=1, keepdims=True)
    return shares


def chooses_weights(spec: BlendSpec, members: Sequence[Member]) -> bool:
    """Whether weights are selected by out-of-fold predictions."""
    return spec.weigh == "greedy" and not any(m.fixed for m in members)


def _fit(votes: Votes, truth: Truth, spec: BlendSpec, members: Sequence[Member], keep: BoolArray) -> FittedWeights:
    """Weights and rule fitted on the rows `keep`, (n,), only."""
    chosen = None
    if chooses_weights(spec, members):
        limits = Limits(spec.max_models, spec.max_cost, _relative_costs(members) if spec.max_cost else None)
        how: dict[str, Any] = {"search": spec.search, "limits": limits, "metric": truth.metric}
        chosen = select(votes, truth.classes, truth.people, times=keep.astype(int), **how)
        weights = chosen.weights
    else:
        weights = fixed_weights(votes, members)
    return FittedWeights(weights, _rule(votes, weights, truth, spec, keep), chosen)


def _rule(votes: Votes, weights: FloatArray, truth: Truth, spec: BlendSpec, keep: BoolArray) -> Rule:
    """The decision rule for the blend by `weights`, fitted on the rows `keep`, (n,), only."""
    if set(spec.rules) == {ARGMAX}:
        return Argmax()
    rows = ScoredRows(blend_votes(votes, weights, truth.images), truth).where(keep)
    return choose_rule(rows, spec.rules or None, seed=spec.seed, intervals=False).rule


def _relative_costs(members: Sequence[Member]) -> tuple[float, ...]:
    """Costs in units of the cheapest member's; NaN where unknown."""
    costs = np.array([m.cost for m in members])
    if np.isnan(costs).all():
        raise InputError("the cost of the members is not known", hint="leave out `--max-cost`, or use `--max-models`")
    return tuple(float(c) for c in costs / np.nanmin(costs))


def _fixed_weight(member: Member, block: str) -> float:
    of_block = [g.weight for g in member.fixed if g.attribute == block]
    every = [g.weight for g in member.fixed if g.attribute is None]
    return (of_block or every or [1.0])[-1]
