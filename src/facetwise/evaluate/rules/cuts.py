"""Moving cuts after training: the classes that other cuts give, the choice of cuts, and its nested score.

A network that predicts the values of an ordinal attribute (a distribution over them, or one score) leaves open where a
class begins. Choosing that by a score on out-of-fold predictions flatters itself, as all tuning does. So the choice is
priced by a nested estimate: people are split in five, cuts are chosen on four parts and applied to the fifth, and the
five fifths are scored together. Truth is the scored labels with the true cuts throughout: what moves is the decision.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np

from facetwise.core.arrays import count, one_of, takes
from facetwise.core.errors import InputError
from facetwise.core.labels import MAX_LISTED_JOINT, IntArray
from facetwise.evaluate.intervals import RESAMPLES, Interval, bootstrap_interval, paired_interval
from facetwise.evaluate.metrics import MAIN, Metric, score_of
from facetwise.evaluate.predictions import Predictions
from facetwise.evaluate.rows import NUM_PARTS, ScoredRows, nested
from facetwise.evaluate.rules.cut_classes import (
    CutBasis,
    below_probs,
    bounds_used,
    classes_by_score,
    classes_by_years,
    cuts_used,
    movable,
)
from facetwise.evaluate.rules.cut_search import BoundsTask, CutRule, YearsRule, score_rule

__all__ = [
    "CutBasis",
    "CutChoice",
    "CutSearch",
    "choose_cuts",
    "classes_by_score",
    "classes_by_years",
    "cuts_used",
    "fit_cuts",
    "movable",
    "search_cuts",
]  # fmt: skip

REACH = 10
"""How many values away from where it was a cut is looked for."""
Aim = Literal["attribute", "joint"]


@dataclass(frozen=True)
class CutSearch:
    """What a search found in the n covered rows; classes are numbers 0..num_classes-1 of the aim."""

    part: IntArray
    """Part of the people that each row belongs to, (n,)."""
    truth: IntArray
    """True classes, (n,)."""
    plain: IntArray
    """Classes as trained, (n,)."""
    optimistic: IntArray
    """Classes by the cuts chosen on these very rows."""
    nested: IntArray
    """Classes by the cuts chosen on the people of the other parts."""
    num_classes: int
    chosen: tuple[float, ...]
    """Cuts (thresholds on a score) chosen on all rows."""
    by_part: tuple[tuple[float, ...], ...]
    """Cuts chosen without each part."""
    metric: Metric = MAIN

    def score(self, classes: IntArray) -> float:
        """The score of `plain`, `optimistic` or `nested`."""
        return score_of(self.metric, self.truth, classes, self.num_classes)


@dataclass(frozen=True)
class CutChoice:
    """A choice of cuts for one attribute, with its scores, which are over the classes of `aim`."""

    attribute: str
    kind: CutBasis
    """`years`: classes are sums of a distribution over values; `score`: thresholds on one number make them."""
    aim: str
    """What the choice maximises: `joint`, or the attribute's name."""
    true_cuts: tuple[float, ...]
    used_cuts: tuple[float, ...] | None
    """The cuts of the class columns; None for a score, whose thresholds are each fold model's own."""
    chosen: tuple[float, ...]
    """On all people: cuts of `years`, thresholds of a `score`."""
    by_part: tuple[tuple[float, ...], ...]
    """Cuts chosen without each fifth of the people; their differences show how stable the choice is."""
    plain: float
    """As trained: the most probable class."""
    plain_interval: Interval
    optimistic: float
    """With `chosen`, on the very people that it was chosen on: too high."""
    nested: float
    """Nested score: each person decided by cuts that were chosen without that person's fifth."""
    nested_interval: Interval
    difference: float
    """nested - plain."""
    difference_interval: Interval
    """Paired by person."""
    num_images: int
    """Images that were scored."""
    num_people: int
    num_left_out: int
    """Images without a prediction, or without a known class."""
    num_changed: int
    """Images that `chosen` gives another class than they have as trained."""

    @property
    def worth_it(self) -> bool:
        """Whether moved cuts score higher by the nested estimate; if not they are not to be used."""
        return self.nested > self.plain

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {**asdict(self), "worth_it": self.worth_it}


@takes(aim=one_of(get_args(Aim)), resamples=count())
def choose_cuts(rows: ScoredRows, name: str, *, aim: Aim = "attribute", resamples: int = RESAMPLES) -> CutChoice:
    """Choose cuts for the attribute called `name` on out-of-fold predictions, with a nested estimate.

    Arguments and errors are those of `search_cuts`; `resamples` are those of the intervals.
    """
    scored = _scored(rows, name, aim)
    found = search_cuts(scored, name, aim=aim)
    people, truth, size = np.asarray(scored.truth.people), found.truth, found.num_classes
    how: dict[str, Any] = {"metric": found.metric, "resamples": resamples}
    plain, nested_score = found.score(found.plain), found.score(found.nested)
    kind = movable(rows.predictions)[name]
    return CutChoice(
        attribute=name,
        kind=kind,
        aim=name if aim == "attribute" else aim,
        true_cuts=rows.space.attribute(name).cuts or (),
        used_cuts=cuts_used(rows.predictions, name) if kind == "years" else None,
        chosen=found.chosen,
        by_part=found.by_part,
        plain=plain,
        plain_interval=bootstrap_interval(truth, found.plain, people, size, **how),
        optimistic=found.score(found.optimistic),
        nested=nested_score,
        nested_interval=bootstrap_interval(truth, found.nested, people, size, **how),
        difference=nested_score - plain,
        difference_interval=paired_interval(truth, found.nested, found.plain, people, size, **how),
        num_images=len(truth),
        num_people=len(np.unique(people)),
        num_left_out=len(rows) - len(truth),
        num_changed=int((found.optimistic != found.plain).sum()),
    )


@takes(aim=one_of(get_args(Aim)), reach=count(0), seed=count(0))
def search_cuts(rows: ScoredRows, name: str, *, aim: Aim = "attribute", reach: int = REACH, seed: int = 0) -> CutSearch:
    """The cuts that maximise the score, on all rows and nested, and the classes they give.

    `aim`: the attribute's classes, or all joint ones, where the other attributes stay as decided. `reach`: how many
    values a cut may move from where training had it. `seed`: how people are dealt in five parts. Raises InputError
    when there are neither values nor a score of the attribute, when attributes for the joint are lacking, or when fewer
    than five people have a prediction.
    """
    covered = _scored(rows, name, aim)
    part, plain = covered.truth.parts(seed), covered.predictions.codes[:, rows.space.index(name)]
    rule = _rule(covered.predictions, name, reach)
    task = _task(covered, name, aim, part)
    everyone, *others = rule.search(task)
    _, codes = nested(lambda p: others[p.number], lambda bounds, p: rule.codes(bounds)[p.held_out], part)
    return CutSearch(
        part=part,
        truth=task.truth,
        plain=task.decided(plain),
        optimistic=task.decided(rule.codes(everyone)),
        nested=task.decided(codes),
        num_classes=task.size,
        chosen=rule.cuts(everyone),
        by_part=tuple(rule.cuts(bounds) for bounds in others),
        metric=task.metric,
    )


def fit_cuts(rows: ScoredRows, name: str) -> tuple[float, ...]:
    """The cuts (thresholds on a score) that maximise the joint score on all rows, without a nested estimate.

    Arguments and errors are those of `search_cuts`, but people are not needed: every row must have a prediction.
    """
    known = _scored(rows, name, "joint")
    rule = _rule(known.predictions, name, REACH)
    task = _task(known, name, "joint", np.zeros(len(known), np.int64), num_parts=1)
    return rule.cuts(rule.search(task)[0])


def _scored(rows: ScoredRows, name: str, aim: Aim) -> ScoredRows:
    """The rows that the score to maximise is of."""
    return rows.scored_rows(rows.space.names if aim == "joint" else [name])


def _task(rows: ScoredRows, name: str, aim: Aim, part: IntArray, num_parts: int = NUM_PARTS) -> BoundsTask:
    space, truth, decided = rows.space, rows.truth.codes, rows.predictions.codes
    index = space.index(name)
    others = [i for i in range(len(space.names)) if i != index] if aim == "joint" else []
    if aim == "joint":
        rows.predictions.require_whole("no joint score")
    if aim == "joint" and space.num_joint > MAX_LISTED_JOINT:
        raise InputError(f"{space.num_joint} joint classes are too many to choose by (at most {MAX_LISTED_JOINT})")
    other_truth, other_decided, num_others = together(truth[:, others], decided[:, others])
    return BoundsTask(
        true=truth[:, index],
        other_truth=other_truth,
        other_decided=other_decided,
        part=part,
        num_classes=space.sizes[index],
        num_others=num_others,
        num_scored=space.num_joint if aim == "joint" else space.sizes[index],
        num_parts=num_parts,
        metric=rows.truth.metric,
    )


def together(truth: IntArray, decided: IntArray) -> tuple[IntArray, IntArray, int]:
    """One number for several attributes, (n,) each, of class numbers (n, a); and how many there are of both.

    As many as occur among these rows: of all products there may be far more.
    """
    if not truth.shape[1]:
        return np.zeros(len(truth), np.int64), np.zeros(len(decided), np.int64), 1
    found, numbers = np.unique(np.concatenate([truth, decided]), axis=0, return_inverse=True)
    numbers = numbers.reshape(-1).astype(np.int64)
    return numbers[: len(truth)], numbers[len(truth) :], len(found)


def _rule(predictions: Predictions, name: str, reach: int) -> CutRule:
    attribute, index = predictions.space.attribute(name), predictions.space.index(name)  # raises with close matches
    match movable(predictions).get(name):
        case "years":
            start, used = bounds_used(predictions, name)
            return YearsRule(below_probs(predictions, name), predictions.values[name], start, used, reach)
        case "score":
            return score_rule(predictions.scores(name), predictions.codes[:, index], attribute.size)
    raise InputError(f"the predictions hold neither a distribution over `{name}` nor a score: no cut can be moved")
