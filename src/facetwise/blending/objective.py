"""The objective of weight selection: the score over the joint classes, from counts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from facetwise.core.labels import MAX_LISTED_JOINT, FloatArray, IntArray
from facetwise.evaluate.metrics import MAIN, Metric, divisor, parts_of_counts

TIE = 1e-12
"""Scores that differ by less are tied: the order of a float sum must not decide."""


@dataclass(frozen=True)
class Objective:
    """The score over the joint classes on weighted rows."""

    times: FloatArray
    """How often each row counts, shape (rows,): whole numbers, 0 to leave a row out."""
    truth: IntArray
    """True joint class, shape (rows,)."""
    num_joint: int
    """How many joint classes may be decided."""
    num_scored: int
    """How many of them the score is the mean over: those that can occur."""
    metric: Metric = MAIN

    @cached_property
    def rows(self) -> IntArray:
        """Positions of the rows that count, shape (n,)."""
        return np.flatnonzero(self.times).astype(np.int64)

    @cached_property
    def weights(self) -> FloatArray:
        """How often each of these rows counts, shape (n,)."""
        return self.times[self.rows]

    @cached_property
    def classes(self) -> IntArray:
        """True joint classes of these rows, ascending, shape (K,); only they can add to a score."""
        return np.unique(self.truth[self.rows])

    @cached_property
    def true(self) -> IntArray:
        """Index into `classes` of each true class, shape (n,)."""
        return self.numbers(self.truth[self.rows])

    def numbers(self, joint: IntArray) -> IntArray:
        """Indices into `classes` of joint classes, any shape; K for a class that does not occur."""
        if self._lookup is not None:
            return self._lookup[joint]
        found = np.minimum(np.searchsorted(self.classes, joint), len(self.classes) - 1)
        return np.where(self.classes[found] == joint, found, len(self.classes)).astype(np.int64)

    def score(self, hits: FloatArray, predicted: FloatArray) -> FloatArray:
        """The score, shape (...), from hits and predictions by class, shape (..., K + 1)."""
        parts = parts_of_counts(self.metric, hits[..., :-1], predicted[..., :-1], self._support)
        scores: FloatArray = parts.sum(axis=-1) / divisor(self.metric, self._support, self.num_scored)
        return scores

    def score_of(self, joint: IntArray) -> float:
        """The score, 0..1, of decided joint classes, shape (rows,)."""
        return float(self.score(*self.counts(joint[self.rows])))

    def counts(self, joint: IntArray) -> tuple[FloatArray, FloatArray]:
        """Hits and predictions by class, shape (K + 1,) each, of decided joint classes, shape (n,)."""
        predicted = self.numbers(joint)
        hit = predicted == self.true
        return self._count(predicted[hit], self.weights[hit]), self._count(predicted)

    @cached_property
    def _support(self) -> FloatArray:
        return self._count(self.true)[:-1]

    @cached_property
    def _lookup(self) -> IntArray | None:
        if self.num_joint > MAX_LISTED_JOINT:
            return None
        table = np.full(self.num_joint, len(self.classes), np.int64)
        table[self.classes] = np.arange(len(self.classes))
        return table

    def _count(self, numbers: IntArray, weights: FloatArray | None = None) -> FloatArray:
        weights = self.weights if weights is None else weights
        return np.bincount(numbers, weights, len(self.classes) + 1).astype(np.float64)


def first_best(scores: FloatArray) -> int:
    """Position of the highest score; the first of ties."""
    return int(np.argmax(scores >= scores.max() - TIE))
