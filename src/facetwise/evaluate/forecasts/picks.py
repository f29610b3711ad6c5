"""Which files to send and which to choose, from the joint distribution of their scores.

Two files with the same score in every draw are no better than one: `E[max]` accounts for that, a ranking does not.

The value of sending a submission (`final_value`) comes from the later choice: once its public score is known, the file
with the highest expected private score is chosen among all sent files. This is the value of information of decision
theory (Raiffa & Schlaifer 1961; "knowledge gradient" in Frazier, Powell & Dayanik 2008). A good file has value because
it may be chosen, an informative one because it improves the choice, and a near copy of a sent file has none.
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
"""With more sets than this the best one is searched greedily."""


@dataclass(frozen=True)
class Pick:
    """A set of predictors, in ascending order, and the mean of its best score."""

    chosen: tuple[int, ...]
    expected_best: float


@dataclass(frozen=True)
class Gain:
    """Possible improvement over the best score so far."""

    chance: float
    """Probability of being higher, 0..1."""
    expected: float
    """Mean of max(0, score - best)."""


@takes(scores=numbers("r k"), chosen=classes("c", below="k"))
def expected_best(scores: FloatArray, chosen: Sequence[int]) -> float:
    """Mean of the highest score among `chosen`, from draws of shape (resamples, k)."""
    return float(scores[:, list(chosen)].max(axis=1).mean())


@takes(scores=numbers("r k"), count=count())
def best_picks(scores: FloatArray, count: int) -> tuple[Pick, ...]:
    """Sets of `count` predictors sorted by the mean of their best score, best first; ties go to the lower numbers.

    `scores` are draws of shape (resamples, k). Up to `MAX_SETS` sets are compared exhaustively; beyond that only one
    set, found greedily, is returned. With fewer predictors than `count` it is the set of all of them. Raises
    ValueError without predictors.
    """
    num = scores.shape[1]
    if num < 1 or count < 1:
        raise ValueError(f"{count} of {num} predictors: expected 1 or more of each")
    count = min(count, num)
    sets = combinations(range(num), count) if comb(num, count) <= MAX_SETS else [_greedy_set(scores, count)]
    return tuple(sorted((Pick(s, expected_best(scores, s)) for s in sets), key=lambda p: (-p.expected_best, p.chosen)))


def _greedy_set(scores: FloatArray, count: int) -> tuple[int, ...]:
    chosen: list[int] = []
    for _ in range(count):
        rest = [k for k in range(scores.shape[1]) if k not in chosen]
        chosen.append(max(rest, key=lambda k: (expected_best(scores, [*chosen, k]), -k)))
    return tuple(sorted(chosen))


@takes(scores=numbers("r"), best=number())
def gain_over(scores: FloatArray, best: float) -> Gain:
    """Possible improvement of a score, from draws of shape (resamples,), over `best`."""
    return Gain(float((scores > best).mean()), float(np.maximum(scores - best, 0.0).mean()))


def final_value(joint: JointScores, sent: Sequence[int], more: Sequence[int]) -> float | None:
    """Expected private score of the file that will be chosen after `more` are sent as well.

    `sent` are predictors whose public scores `joint` is already conditioned on. None when there is nothing to choose.
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
    return float((means + away @ joint.update_gain(seen)[later].T).max(axis=1).mean())


def variance_explained(joint: JointScores, predictor: int, others: Sequence[int]) -> float:
    """Mean share of the variance of the others' private scores explained by this predictor's public score, 0..1.

    0 without others.
    """
    seen, explained = joint.cells("public", [predictor]), joint.cells("private", others)
    variance = np.diagonal(joint.covariance)[explained]
    taken = joint.update_gain(seen)[explained, 0] * joint.covariance[seen[0], explained]
    shares = np.divide(taken, variance, out=np.zeros_like(variance), where=variance > 0)
    return float(np.clip(shares, 0.0, 1.0).mean()) if len(shares) else 0.0
