"""From what members predicted out of fold to weights and a decision rule, and what the whole of that is worth.

Everything that is chosen by labels is chosen again without each part of the people: weights and rule are fitted on four
parts and decide the fifth (nested), and so is whether to blend whole predictions or attribute by attribute, with a rule
or without (`choose`). The members themselves are not trained again.

Shapes: n rows that all members cover, M members, B blocks, C classes of a block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from facetwise.blending.limits import Limits
from facetwise.blending.members import Member
from facetwise.blending.select import Chosen, select
from facetwise.blending.spec import BlendSpec
from facetwise.blending.votes import BoolArray, By, Votes, combine
from facetwise.core.errors import InputError
from facetwise.core.labels import FloatArray, IntArray
from facetwise.evaluate.decide import ARGMAX
from facetwise.evaluate.metrics import MISSING
from facetwise.evaluate.predictions import Predictions
from facetwise.evaluate.rows import Part, ScoredRows, Truth, nested
from facetwise.evaluate.rules.choose import Argmax, Rule, choose_rule


@dataclass(frozen=True)
class Fitted:
    """Weights and the rule that decides what they add up to."""

    weights: FloatArray
    """(B, M); each row sums to 1."""
    rule: Rule
    chosen: Chosen | None = None
    """How greedy selection went; None for weights that were not chosen."""


@dataclass(frozen=True)
class Way:
    """One way of blending, whole or by attribute, fitted; with its rule and by plain argmax."""

    by: By
    votes: Votes
    fitted: Fitted
    """On all rows."""
    by_part: tuple[Fitted, ...]
    """Without each part of the people."""
    nested: Predictions
    """Each row predicted by weights that were chosen without its part of the people."""
    ruled: IntArray
    """Joint classes, (n,), by weights and rule that were chosen without the row's part."""
    plain: IntArray
    """Joint classes, (n,), by such weights and plain argmax."""
    by_rule: float
    """Macro F1 of `ruled`."""
    by_argmax: float
    """Macro F1 of `plain`."""

    @property
    def uses_rule(self) -> bool:
        """Whether the rule is better than plain argmax by nested estimate; else it is not used."""
        return self.by_rule > self.by_argmax

    @property
    def score(self) -> float:
        """The better of the two nested estimates."""
        return max(self.by_rule, self.by_argmax)


@dataclass(frozen=True)
class Blended:
    """The way that is used, with its rule or without, and what choosing it all is worth."""

    way: Way
    fitted: Fitted
    """On all rows: what the test side is predicted with."""
    by_part: tuple[Fitted, ...]
    optimistic: float
    """Macro F1 on the very rows that everything was chosen by."""
    nested: IntArray
    """Joint classes, (n,): weights and rule were chosen without the row's part, and so was which way is used and
    whether with a rule."""
    nested_score: float
    """Macro F1 of `nested`: what the blend is worth."""

    @property
    def votes(self) -> Votes:
        """What the members say, of the rows that are chosen by."""
        return self.way.votes


def fit(votes: Votes, by: By, truth: Truth, spec: BlendSpec, members: Sequence[Member]) -> Way:
    """Choose weights and rule on the rows of `truth`, which `votes` are of, and again without each part of the people.

    Raises InputError when there are fewer people than parts.
    """
    part = truth.parts(spec.seed)
    whole = _fit(votes, truth, spec, members, np.ones(len(truth), np.bool_))

    def apply(fitted: Fitted, own: Part) -> FloatArray:
        return np.hstack(combine(votes.rows(own.own), fitted.weights))

    by_part, logs = nested(lambda p: _fit(votes, truth, spec, members, p.others), apply, part)
    ends = np.cumsum([block.votes.shape[2] for block in votes.blocks])
    predicted = _predictions(votes, np.split(logs, ends[:-1], axis=1), truth.images)
    _, ruled = nested(lambda p: by_part[p.number].rule, lambda rule, p: rule.decide(predicted.where(p.own)), part)
    plain = predicted.classes
    return Way(by, votes, whole, by_part, predicted, ruled, plain, truth.score(ruled), truth.score(plain))


def choose(ways: Sequence[Way], truth: Truth, seed: int) -> Blended:
    """The way with the best nested estimate, by its rule where that is better than plain argmax.

    The best of several estimates flatters itself by being the best, so the choice is priced as well: each part of the
    people is decided by the way, with or without its rule, that is best on the other parts. Of equals the first is
    taken, and argmax before a rule. `seed`: how the people were dealt in parts (`BlendSpec.seed`).
    """
    best = max(ways, key=lambda way: way.score)
    fitted, by_part = (
        (best.fitted, best.by_part) if best.uses_rule else (_plain(best.fitted), tuple(map(_plain, best.by_part)))
    )
    answers = [classes for way in ways for classes in (way.plain, way.ruled)]

    def best_without(part: Part) -> IntArray:
        others = truth.where(part.others)
        return answers[int(np.argmax([others.score(classes[part.others]) for classes in answers]))]

    _, said = nested(best_without, lambda classes, part: classes[part.own], truth.parts(seed))
    decided = fitted.rule.decide(blended(best.votes, fitted.weights, truth.images))
    return Blended(best, fitted, by_part, truth.score(decided), said, truth.score(said))


def _plain(fitted: Fitted) -> Fitted:
    return replace(fitted, rule=Argmax())


def blended(votes: Votes, weights: FloatArray, images: npt.ArrayLike) -> Predictions:
    """What `weights`, (B, M), make of the votes for these images, (n,)."""
    return _predictions(votes, combine(votes, weights), images)


def _predictions(votes: Votes, logs: Sequence[FloatArray], images: npt.ArrayLike) -> Predictions:
    """Log-probabilities, (n, C) a block of `votes`, as predictions."""
    return Predictions(
        space=votes.space,
        images=np.asarray(images),
        groups=np.full(votes.num_rows, None, object),
        folds=np.full(votes.num_rows, MISSING, np.int64),
        blocks={block.name: found for block, found in zip(votes.blocks, logs, strict=True)},
    )


def given_weights(votes: Votes, members: Sequence[Member]) -> FloatArray:
    """Weights, (B, M), as people gave them: 1 where they gave none, an attribute's before one for all.

    Raises InputError when a block is left without any.
    """
    weights = votes.has.astype(np.float64)
    for row, block in zip(weights, votes.blocks, strict=True):
        for number in block.members:
            row[number] = _given(members[number], block.name)
        if not row.sum() > 0:
            raise InputError(f"every member's weight for `{block.name}` is 0")
    shares: FloatArray = weights / weights.sum(axis=1, keepdims=True)
    return shares


def chooses_weights(spec: BlendSpec, members: Sequence[Member]) -> bool:
    """Whether weights are chosen by out-of-fold predictions."""
    return spec.weigh == "greedy" and not any(m.given for m in members)


def _fit(votes: Votes, truth: Truth, spec: BlendSpec, members: Sequence[Member], keep: BoolArray) -> Fitted:
    """Weights and rule chosen on the rows `keep`, (n,), alone."""
    chosen = None
    if chooses_weights(spec, members):
        limits = Limits(spec.max_models, spec.max_cost, _relative_costs(members) if spec.max_cost else None)
        chosen = select(votes, truth.classes, truth.people, search=spec.search, limits=limits, times=keep.astype(int))
        weights = chosen.weights
    else:
        weights = given_weights(votes, members)
    return Fitted(weights, _rule(votes, weights, truth, spec, keep), chosen)


def _rule(votes: Votes, weights: FloatArray, truth: Truth, spec: BlendSpec, keep: BoolArray) -> Rule:
    """The decision rule for what `weights` add up to, chosen on the rows `keep`, (n,), alone."""
    if set(spec.rules) == {ARGMAX}:
        return Argmax()
    rows = ScoredRows(blended(votes, weights, truth.images), truth).where(keep)
    return choose_rule(rows, spec.rules or None, seed=spec.seed, intervals=False).rule


def _relative_costs(members: Sequence[Member]) -> tuple[float, ...]:
    """Costs in units of the cheapest member's; NaN where unknown."""
    costs = np.array([m.cost for m in members])
    if np.isnan(costs).all():
        raise InputError("nothing tells what the members cost", hint="leave out `--max-cost`, or use `--max-models`")
    return tuple(float(c) for c in costs / np.nanmin(costs))


def _given(member: Member, block: str) -> float:
    own = [g.weight for g in member.given if g.attribute == block]
    every = [g.weight for g in member.given if g.attribute is None]
    return (own or every or [1.0])[-1]
