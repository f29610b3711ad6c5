"""What decisions are scored on while weights are looked for: macro F1 over the joint classes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from facetwise.core.labels import MAX_LISTED_JOINT, FloatArray, IntArray
from facetwise.evaluate.metrics import f1_of_counts

TIE = 1e-12
"""Scores that differ by less are the same: the order in which F1s are summed must not choose."""


@dataclass(frozen=True)
class Exam:
    """What decisions are scored on: rows, how often each counts, and the true joint classes."""

    times: FloatArray
    """How often each row counts, shape (rows,): whole numbers, 0 leaves a row out."""
    truth: IntArray
    """True joint class, shape (rows,)."""
    num_joint: int

    @cached_property
    def rows(self) -> IntArray:
        """Positions of the rows that count, shape (n,)."""
        return np.flatnonzero(self.times).astype(np.int64)

    @cached_property
    def weights(self) -> FloatArray:
        """How often each of them counts, shape (n,)."""
        return self.times[self.rows]

    @cached_property
    def classes(self) -> IntArray:
        """Joint classes that occur, ascending, shape (K,). Only they can have an F1 above 0."""
        return np.unique(self.truth[self.rows])

    @cached_property
    def true(self) -> IntArray:
        """Number among `classes` of the true class, shape (n,)."""
        return self.numbers(self.truth[self.rows])

    def numbers(self, joint: IntArray) -> IntArray:
        """Numbers among `classes` of joint classes, any shape; K for one that does not occur."""
        if self._lookup is not None:
            return self._lookup[joint]
        found = np.minimum(np.searchsorted(self.classes, joint), len(self.classes) - 1)
        return np.where(self.classes[found] == joint, found, len(self.classes)).astype(np.int64)

    def score(self, hits: FloatArray, predicted: FloatArray) -> FloatArray:
        """Macro F1 over all joint classes, shape (...), of counts by number, shape (..., K + 1)."""
        f1 = f1_of_counts(hits[..., :-1], predicted[..., :-1], self._support)
        scores: FloatArray = f1.sum(axis=-1) / self.num_joint
        return scores

    def score_of(self, joint: IntArray) -> float:
        """Macro F1, 0..1, of decided joint classes, shape (rows,)."""
        return float(self.score(*self.counts(joint[self.rows])))

    def counts(self, joint: IntArray) -> tuple[FloatArray, FloatArray]:
        """Hits and predictions by number, shape (K + 1,) each, of decided joint classes, shape (n,)."""
        said = self.numbers(joint)
        hit = said == self.true
        return self._count(said[hit], self.weights[hit]), self._count(said)

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
        given = self.weights if weights is None else weights
        return np.bincount(numbers, given, len(self.classes) + 1).astype(np.float64)


def first_best(scores: FloatArray) -> int:
    """Position of the highest score; of those that tie with it, the first."""
    return int(np.argmax(scores >= scores.max() - TIE))
