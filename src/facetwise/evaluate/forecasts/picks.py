"""What to send and what to choose, from the joint distribution of scores.

Two files that score alike in every draw are worth as much as one: `E[max]` sees that, a list sorted by score does not.

What a submission is worth before it is sent (`final_value`) is told by what can be done afterwards: its public score
comes in, and then the file with the highest expected private score is chosen among all that were sent. That is the
value of information of decision theory (Raiffa & Schlaifer 1961; "knowledge gradient" in Frazier, Powell & Dayanik
2008). A good file is worth sending because it may be chosen, an informative one because it tells which one to choose,
and a near copy of a file that was sent is worth nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np

from facetwise.core.arrays import classes, count, number, numbers, takes
from facetwise.core.labels import FloatArray
from facetwise.evaluate.forecasts.forecast import JointScores

MAX_SETS = 20_000
"""Above this many sets the best one is looked for one by one (greedily), not among all."""


@dataclass(frozen=True)
class Pick:
    """Predictors chosen together, in ascending order, and the mean of the best score among them."""

    chosen: tuple[int, ...]
    expected_best: float


@dataclass(frozen=True)
class Gain:
    """What a score may add to the best one so far."""

    chance: float
    """Of being higher, 0..1."""
    expected: float
    """Mean of max(0, score - best)."""


@takes(scores=numbers("r k"), chosen=classes("c", below="k"))
def expected_best(scores: FloatArray, chosen: Sequence[int]) -> float:
    """Mean of the highest score of `chosen`, of draws of shape (resamples, k)."""
    return float(scores[:, list(chosen)].max(axis=1).mean())


@takes(scores=numbers("r k"), count=count())
def best_picks(scores: FloatArray, count: int) -> tuple[Pick, ...]:
    """Sets of `count` predictors by the mean of their best score, best first; ties go to the lower numbers.

    `scores` are draws of shape (resamples, k). All sets are looked at up to `MAX_SETS`; beyond that only one comes
    back, grown one by one. With fewer predictors than `count` it is the set of them all. Raises ValueError for no
    predictor.
    """
    num = scores.shape[1]
    if num < 1 or count < 1:
        raise ValueError(f"{count} of {num} predictors: expected 1 or more of each")
    count = min(count, num)
    sets = combinations(range(num), count) if comb(num, count) <= MAX_SETS else [_grown(scores, count)]
    return tuple(sorted((Pick(s, expected_best(scores, s)) for s in sets), key=lambda p: (-p.expected_best, p.chosen)))


def _grown(scores: FloatArray, count: int) -> tuple[int, ...]:
    chosen: list[int] = []
    for _ in range(count):
        rest = [k for k in range(scores.shape[1]) if k not in chosen]
        chosen.append(max(rest, key=lambda k: (expected_best(scores, [*chosen, k]), -k)))
    return tuple(sorted(chosen))


@takes(scores=numbers("r"), best=number())
def gain_over(scores: FloatArray, best: float) -> Gain:
    """What draws of one score, shape (resamples,), add to `best`."""
    return Gain(float((scores > best).mean()), float(np.maximum(scores - best, 0.0).mean()))


def final_value(joint: JointScores, sent: Sequence[int], more: Sequence[int]) -> float | None:
    """The private score to expect of the file that will be chosen, once `more` are sent as well.

    `sent` are predictors whose public scores `joint` is conditioned on already. None when nothing could be chosen.
    """
    eligible = [*sent, *more]
    if not eligible:
        return None
    later = joint.cells("private", eligible)
    means = joint.draws[:, later].mean(axis=0)
    if not more:
        return float(means.max())
    seen = joint.cells("public", more)
    away = joint.draws[:, seen] - joint.draws[:, seen].mean(axis=0)
    return float((means + away @ joint.gain(seen)[later].T).max(axis=1).mean())


def variance_told(joint: JointScores, predictor: int, others: Sequence[int]) -> float:
    """Share of the variance of the others' private scores that this one's public score would take away, on average.

    0 where it tells nothing of them (or there are none), 1 where it tells all.
    """
    seen, told = joint.cells("public", [predictor]), joint.cells("private", others)
    variance = np.diagonal(joint.covariance)[told]
    taken = joint.gain(seen)[told, 0] * joint.covariance[seen[0], told]
    shares = np.divide(taken, variance, out=np.zeros_like(variance), where=variance > 0)
    return float(np.clip(shares, 0.0, 1.0).mean()) if len(shares) else 0.0
