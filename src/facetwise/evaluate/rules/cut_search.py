"""Rules with bounds that can be moved, and the search for the best bounds: on all rows, and without each part of them.

A rule turns K - 1 ascending bounds (positions among its candidates) into classes. All counts are taken once a part of
the rows; without a part they are a subtraction, so choosing on all rows and without each part costs one pass.

Shapes: n rows, K classes of the attribute, m classes of the other attributes together (1 when it stands alone).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import pairwise, product
from typing import Protocol

import numpy as np
import numpy.typing as npt

from facetwise.core.arrays import classes, count, numbers, takes
from facetwise.core.errors import InputError
from facetwise.core.labels import FloatArray, IntArray
from facetwise.evaluate.metrics import MAIN, Metric, divisor, parts_of_counts
from facetwise.evaluate.rules.cut_classes import Bounds, classes_by_score

MAX_TRIED = 5000
"""With more combinations of bounds than this they are moved one after the other (coordinate ascent)."""
MAX_QUANTILES = 200
"""Most thresholds that are tried on a score."""
A_STEP = 1e-12
"""Taken off a score for each step of a bound away from where it was: of equal choices the smallest move wins."""

Scores = Callable[[Bounds], FloatArray]


@dataclass(frozen=True)
class BoundsTask:
    """What a choice of bounds is scored on, over m * K classes.

    `true`: class of the attribute, (n,). `other_truth`, `other_decided`: true and decided class of the other attributes
    together, (n,), 0..m-1. `part`: part of each row, (n,), 0..num_parts-1.
    """

    true: IntArray
    other_truth: IntArray
    other_decided: IntArray
    part: IntArray
    num_classes: int
    num_others: int
    num_scored: int
    """How many classes the score is a mean over."""
    num_parts: int
    metric: Metric = MAIN

    @property
    def size(self) -> int:
        """Number of classes that are counted."""
        return self.num_others * self.num_classes

    @property
    def truth(self) -> IntArray:
        """True class of each row among all `size`, (n,)."""
        return self.other_truth * self.num_classes + self.true

    def decided(self, codes: IntArray) -> IntArray:
        """Decided class among all `size`, (n,), with the attribute decided as `codes`."""
        return self.other_decided * self.num_classes + codes

    def left_out(self, classes: IntArray, size: int, keep: npt.NDArray[np.bool_] | None = None) -> FloatArray:
        """Counts of `classes`, shape (1 + num_parts, size): of all rows, then without each part."""
        cells = self.part * size + classes
        counts = np.bincount(cells if keep is None else cells[keep], minlength=self.num_parts * size)
        by_part = counts.reshape(self.num_parts, size).astype(np.float64)
        total = by_part.sum(axis=0)
        return np.vstack([total, total - by_part])

    @cached_property
    def true_counts(self) -> FloatArray:
        """How often each class is true, (1 + num_parts, size)."""
        return self.left_out(self.truth, self.size)

    def score(self, codes: IntArray) -> FloatArray:
        """The score on all rows, then without each part, shape (1 + num_parts,)."""
        decided = self.decided(codes)
        hits, true = self.left_out(decided, self.size, decided == self.truth), self.true_counts
        parts = parts_of_counts(self.metric, hits, self.left_out(decided, self.size), true)
        scores: FloatArray = parts.sum(axis=1) / divisor(self.metric, true, self.num_scored)
        return scores


class CutRule(Protocol):
    """A way to decide an attribute by bounds that can be moved."""

    def codes(self, bounds: Bounds) -> IntArray:
        """Class of each row, (n,)."""
        ...

    def cuts(self, bounds: Bounds) -> tuple[float, ...]:
        """What the bounds are in the attribute's values, or on the score."""
        ...

    def search(self, task: BoundsTask) -> list[Bounds]:
        """The best bounds on all rows, then on the rows without each part."""
        ...


@dataclass(frozen=True)
class YearsRule:
    """The most probable class, where a class is the sum of the values between two cuts.

    `below`: probability of the first i values, (n, values + 1). Bound i puts the cut below value i. `start`: the bounds
    of the class columns, `start_cuts` what they stand for. Bounds move by up to `reach` values.
    """

    below: FloatArray
    values: tuple[float, ...]
    start: Bounds
    start_cuts: tuple[float, ...]
    reach: int

    def codes(self, bounds: Bounds) -> IntArray:
        """Class of each row, (n,): the most probable, of equals the lowest."""
        edges = [0, *bounds, len(self.values)]
        best: IntArray = np.diff(self.below[:, edges], axis=1).argmax(axis=1).astype(np.int64)
        return best

    def cuts(self, bounds: Bounds) -> tuple[float, ...]:
        """The cut of each bound: the first value above it; one that is not moved keeps its number."""
        was = zip(bounds, self.start, self.start_cuts, strict=True)
        return tuple(cut if b == start else self.values[b] for b, start, cut in was)

    def search(self, task: BoundsTask) -> list[Bounds]:
        """Every combination of bounds within reach, or coordinate ascent when there are too many."""
        near = [self._near(b) for b in self.start]

        @cache
        def scores(bounds: Bounds) -> FloatArray:
            distance = sum(abs(a - b) for a, b in zip(bounds, self.start, strict=True))
            return task.score(self.codes(bounds)) - A_STEP * distance

        if np.prod([float(len(n)) for n in near]) > MAX_TRIED:
            return [_ascend(scores, near, self.start, i) for i in range(task.num_parts + 1)]
        tried = [self.start, *(b for b in product(*near) if _ascending(b) and b != self.start)]
        best = np.stack([scores(b) for b in tried]).argmax(axis=0)
        return [tried[i] for i in best]

    def _near(self, bound: int) -> range:
        return range(max(1, bound - self.reach), min(len(self.values) - 1, bound + self.reach) + 1)


def _ascending(numbers: Sequence[float]) -> bool:
    return all(a < b for a, b in pairwise(numbers))


def _ascend(scores: Scores, near: Sequence[Sequence[int]], start: Bounds, side: int) -> Bounds:
    """Move one bound after the other to where `scores(...)[side]` is best, until none moves."""
    best, before = start, None
    while best != before:
        before = best
        for i, candidates in enumerate(near):
            tried = [best, *((*best[:i], c, *best[i + 1 :]) for c in candidates)]
            best = max((b for b in tried if b == best or _ascending(b)), key=lambda b: float(scores(b)[side]))
    return best


@dataclass(frozen=True)
class ScoreRule:
    """The number of thresholds that are less than or equal to the score.

    `scores`: (n,). `thresholds`: the candidates, ascending; bound i (from 1) is threshold i - 1. `start`: bounds that
    divide the rows about as their class columns do.
    """

    scores: FloatArray
    thresholds: FloatArray
    start: Bounds

    def codes(self, bounds: Bounds) -> IntArray:
        """Class of each row, (n,)."""
        return classes_by_score(self.scores, self.cuts(bounds))

    def cuts(self, bounds: Bounds) -> tuple[float, ...]:
        """The thresholds themselves."""
        return tuple(float(self.thresholds[b - 1]) for b in bounds)

    def search(self, task: BoundsTask) -> list[Bounds]:
        """The exact best of all combinations: a class depends on its two bounds only, so they form a chain."""
        place = np.searchsorted(self.thresholds, self.scores, side="right")
        width, right = len(self.thresholds) + 1, task.other_truth == task.other_decided
        predicted = task.left_out(task.other_decided * width + place, task.num_others * width)
        hits = task.left_out(task.truth * width + place, task.size * width, right)
        return [
            _best_chain(_gains(task, _cumulated(h, width), _cumulated(s, width), t), self.start)
            for h, s, t in zip(hits, predicted, task.true_counts, strict=True)
        ]


@takes(scores=numbers("n"), plain=classes("n"), num_classes=count(2))
def score_rule(scores: FloatArray, plain: IntArray, num_classes: int) -> ScoreRule:
    """The rule for scores, (n,), whose class columns say `plain`, (n,); candidates lie halfway between scores.

    Raises InputError when the scores differ too little to be cut into as many classes.
    """
    distinct = np.unique(scores)
    if len(distinct) < num_classes:
        raise InputError(f"{len(distinct)} different scores cannot be cut into {num_classes} classes")
    between = np.arange(len(distinct) - 1)
    if len(between) > MAX_QUANTILES:
        ranks = np.searchsorted(distinct, np.quantile(scores, np.linspace(0, 1, MAX_QUANTILES + 2)[1:-1]))
        between = np.unique(np.minimum(ranks, between[-1]))
    if len(between) < num_classes - 1:  # most scores are one and the same
        between = np.arange(len(distinct) - 1)[:MAX_QUANTILES]
    thresholds = (distinct[between] + distinct[between + 1]) / 2
    below = [float((plain < k).sum()) for k in range(1, num_classes)]
    wanted = np.searchsorted(np.sort(scores), thresholds)
    return ScoreRule(scores, thresholds, tuple(int(np.abs(wanted - b).argmin()) + 1 for b in below))


def _cumulated(counts: FloatArray, width: int) -> FloatArray:
    """Counts before each place, shape (classes, width + 1), of counts at each place, (classes * width,)."""
    at = counts.reshape(-1, width)
    return np.hstack([np.zeros((len(at), 1)), at.cumsum(axis=1)])


def _gains(task: BoundsTask, hits: FloatArray, predicted: FloatArray, true_counts: FloatArray) -> FloatArray:
    """Part of the score, (K, places, places), of each class if it holds the places low..high-1, summed over the others.

    `hits`: cumulated, (m * K, places); `predicted`: cumulated, (m, places); `true_counts`: (m * K,).
    """
    num_others, num_classes = task.num_others, task.num_classes
    true = true_counts.reshape(num_others, num_classes)
    gains = np.zeros((num_classes, hits.shape[1], hits.shape[1]))
    for other, k in product(range(num_others), range(num_classes)):
        held, right = predicted[other], hits[other * num_classes + k]
        own = right - right[:, None], held - held[:, None], np.full_like(right - right[:, None], true[other, k])
        gains[k] += parts_of_counts(task.metric, *own)
    return gains


def _best_chain(gains: FloatArray, start: Bounds) -> Bounds:
    """Ascending bounds with the largest sum of gains, by dynamic programming over the classes.

    `gains`: shape (K, places, places), by class, low and high bound; the first is 0, the last places - 1.
    """
    places = gains.shape[1]
    allowed = np.triu(np.ones((places, places), bool), 1)
    best, came_from = gains[0, 0], []
    for k, was in enumerate(start):
        best = best - A_STEP * len(gains) * np.abs(np.arange(places) - was)
        best[[0, -1]] = -np.inf
        reached = np.where(allowed, best[:, None] + gains[k + 1], -np.inf)
        came_from.append(reached.argmax(axis=0))
        best = reached.max(axis=0)
    bounds = [places - 1]
    for origin in reversed(came_from):
        bounds.insert(0, int(origin[bounds[0]]))
    return tuple(bounds[:-1])
