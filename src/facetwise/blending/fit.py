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
import polars as pl

from facetwise.blending.limits import Limits
from facetwise.blending.members import Member
from facetwise.blending.select import Chosen, select
from facetwise.blending.spec import BlendSpec
from facetwise.blending.votes import By, Votes, combine
from facetwise.core.errors import InputError
from facetwise.core.labels import JOINT, FloatArray, IntArray, LabelSpace
from facetwise.evaluate.decide import ARGMAX, decide_joint
from facetwise.evaluate.metrics import macro_f1
from facetwise.evaluate.parts import NUM_PARTS, deal_parts
from facetwise.evaluate.resampling import Groups
from facetwise.evaluate.rules.choose import Argmax, Rule, choose_rule


@dataclass(frozen=True)
class Known:
    """The rows that are chosen by."""

    space: LabelSpace
    codes: IntArray
    """Scored class numbers, (n, num_attributes)."""
    people: Groups
    """The person of each row, (n,)."""
    part: IntArray
    """The part of the people that each row belongs to, (n,)."""

    @classmethod
    def of(cls, space: LabelSpace, codes: IntArray, people: Groups, seed: int = 0) -> Known:
        """Deals the people in parts; raises InputError when there are fewer than parts."""
        return cls(space, codes, people, deal_parts(np.asarray(people), seed))

    @property
    def truth(self) -> IntArray:
        """True joint classes, (n,)."""
        return self.space.encode(self.codes)


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
    nested_table: pl.DataFrame
    """Each row predicted by weights that were chosen without its part of the people; columns of log-probabilities."""
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


def fit(votes: Votes, by: By, known: Known, spec: BlendSpec, members: Sequence[Member]) -> Way:
    """Choose weights and rule on all rows, and again without each part of the people."""
    truth, size = known.truth, known.space.num_joint
    whole = _fit(votes, known, spec, members, np.ones(len(truth), np.bool_))
    by_part = tuple(_fit(votes, known, spec, members, known.part != part) for part in range(NUM_PARTS))
    tables = [blended_table(votes, fitted.weights) for fitted in by_part]
    nested_table = _by_part(tables, known.part)
    ruled = np.choose(known.part, [f.rule.decide(t, known.space) for f, t in zip(by_part, tables, strict=True)])
    plain = decide_joint(nested_table, known.space)
    return Way(
        by, votes, whole, by_part, nested_table, ruled, plain,
        macro_f1(truth, ruled, size), macro_f1(truth, plain, size),
    )  # fmt: skip


def choose(ways: Sequence[Way], known: Known) -> Blended:
    """The way with the best nested estimate, by its rule where that is better than plain argmax.

    The best of several estimates flatters itself by being the best, so the choice is priced as well: each part of the
    people is decided by the way, with or without its rule, that is best on the other parts. Of equals the first is
    taken, and argmax before a rule.
    """
    truth, size = known.truth, known.space.num_joint
    best = max(ways, key=lambda way: way.score)
    fitted, by_part = (
        (best.fitted, best.by_part) if best.uses_rule else (_plain(best.fitted), tuple(map(_plain, best.by_part)))
    )
    answers = [classes for way in ways for classes in (way.plain, way.ruled)]
    nested = np.empty_like(truth)
    for part in range(NUM_PARTS):
        inside, others = known.part == part, known.part != part
        scores = [macro_f1(truth[others], classes[others], size) for classes in answers]
        nested[inside] = answers[int(np.argmax(scores))][inside]
    decided = fitted.rule.decide(blended_table(best.votes, fitted.weights), known.space)
    return Blended(best, fitted, by_part, macro_f1(truth, decided, size), nested, macro_f1(truth, nested, size))


def _plain(fitted: Fitted) -> Fitted:
    return replace(fitted, rule=Argmax())


def blended_table(votes: Votes, weights: FloatArray) -> pl.DataFrame:
    """The blend as columns of log-probabilities, float64, a row a row of `votes`."""
    columns: dict[str, FloatArray] = {}
    for block, logs in zip(votes.blocks, combine(votes, weights), strict=True):
        space = votes.space
        names = space.joint_columns if block.name == JOINT else space.columns(block.name)
        columns |= dict(zip(names, logs.T, strict=True))
    return pl.DataFrame(columns)


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


def _fit(votes: Votes, known: Known, spec: BlendSpec, members: Sequence[Member], keep: np.ndarray) -> Fitted:
    """Weights and rule chosen on the rows `keep`, (n,), alone."""
    chosen = None
    if chooses_weights(spec, members):
        limits = Limits(spec.max_models, spec.max_cost, _relative_costs(members) if spec.max_cost else None)
        chosen = select(votes, known.truth, known.people, search=spec.search, limits=limits, times=keep.astype(int))
        weights = chosen.weights
    else:
        weights = given_weights(votes, members)
    return Fitted(weights, _rule(votes, weights, known, spec, keep), chosen)


def _rule(votes: Votes, weights: FloatArray, known: Known, spec: BlendSpec, keep: np.ndarray) -> Rule:
    """The decision rule for what `weights` add up to, chosen on the rows `keep`, (n,), alone."""
    if set(spec.rules) == {ARGMAX}:
        return Argmax()
    table, people = blended_table(votes, weights).filter(keep), np.asarray(known.people)[keep]
    kinds = spec.rules or None
    return choose_rule(table, known.codes[keep], people, known.space, kinds, seed=spec.seed, intervals=False).rule


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


def _by_part(tables: Sequence[pl.DataFrame], part: IntArray) -> pl.DataFrame:
    """Each row from the table of its part."""
    numbers = np.stack([table.to_numpy() for table in tables])
    return pl.DataFrame(numbers[part, np.arange(len(part))], schema=tables[0].columns, orient="row")
