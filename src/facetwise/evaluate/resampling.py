"""Resampling of people: rows counted by person and class, and how often each person is drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from facetwise.core.arrays import answers, classes, count, each, names, numbers, one_of, takes
from facetwise.core.labels import FloatArray, IntArray
from facetwise.core.text.subject import PEOPLE
from facetwise.evaluate.metrics import Metric, checked, f1_of_counts, occurring

CELLS = 4_000_000
"""Numbers in memory at a time: resamples and classes are processed in chunks of this size."""


Groups = Sequence[Any] | npt.NDArray[Any]


def group_array(groups: Groups) -> npt.NDArray[Any]:
    """Groups as an array, without turning a NaN among names into a name `nan`."""
    return groups if isinstance(groups, np.ndarray) else np.array(list(groups), dtype=object)


@takes(groups=names("n"))
def group_numbers(groups: Groups) -> tuple[IntArray, int]:
    """Each row's group as a number 0..num_groups-1 in sorted order (independent of the order of rows), and num_groups.

    Raises ValueError for rows without a group (None, NaN, NaT), and unless all are text, or all whole numbers.
    """
    plain = isinstance(groups, np.ndarray) and groups.dtype.kind in "iuU"
    kinds = set() if plain else set(map(type, groups))
    if kinds - {str} and (missing := sum(g is None or g != g for g in groups)):  # NaN and NaT differ from themselves
        raise ValueError(f"rows without a group ({missing:,} of {len(groups):,}): {PEOPLE} are needed")
    if bool in kinds or not any(all(issubclass(k, one) for k in kinds) for one in (str, (int, np.integer))):
        raise ValueError(f"groups must be text or whole numbers, got {', '.join(sorted(k.__name__ for k in kinds))}")
    found, numbers = np.unique(np.asarray(groups), return_inverse=True)
    return numbers.astype(np.int64), len(found)


@dataclass(frozen=True)
class PersonTally:
    """Rows counted by person and class, from which the score of any resample of people follows.

    `hit`, `truth` and `predicted` have shape (n,), class numbers 0..num_occurring-1; `person` 0..num_people-1.
    """

    person: IntArray
    truth: IntArray
    predicted: IntArray
    hit: npt.NDArray[np.bool_]
    num_people: int
    num_occurring: int
    num_classes: int
    metric: Metric

    @classmethod
    @takes(metric=one_of(get_args(Metric)), truth=answers("n"), groups=names("n"))
    def count(
        cls, truth: npt.ArrayLike, predicted: npt.ArrayLike, groups: Groups, num_classes: int, metric: Metric
    ) -> PersonTally:
        """Counts for `metric`. Accuracy is computed as the F1 of a single class with every row: 2 hits / (rows +
        rows)."""
        rows, columns = checked(truth, predicted, num_classes)
        person, num_people = group_numbers(groups)
        hit = rows == columns
        if metric == "accuracy":
            one = np.zeros_like(rows)
            return cls(person, one, one, hit, num_people, 1, 1, metric)
        rows, columns, num_occurring = occurring(rows, columns)
        return cls(person, rows, columns, hit, num_people, num_occurring, num_classes, metric)

    @property
    def score(self) -> float:
        """The score of all people, each counted once."""
        return float(self.scores(np.ones((1, self.num_people)))[0])

    @takes(weights=numbers("r p", low=0))
    def scores(self, weights: FloatArray) -> FloatArray:
        """Scores, shape (r,), with each person counted `weights` times, shape (r, num_people)."""
        return self._mean(lambda counts: np.tensordot(weights, counts, axes=1), len(weights))

    def leave_one_out(self) -> FloatArray:
        """The score without each person, shape (num_people,)."""
        return self._mean(lambda counts: counts.sum(axis=0) - counts, self.num_people)

    def _mean(self, combined: Callable[[FloatArray], FloatArray], size: int) -> FloatArray:
        """Mean F1 over all classes, 0 for those that never occur; or mean recall over the classes that do."""
        total, present, by_recall = np.zeros(size), np.zeros(size), self.metric == "balanced_accuracy"
        for counts in self._counts(max(1, CELLS // (3 * max(size, self.num_people)))):
            hits, predicted, true = np.moveaxis(combined(counts), 1, 0)
            total += f1_of_counts(hits, true if by_recall else predicted, true).sum(axis=1)
            present += (true > 0).sum(axis=1)
        return total / (present if by_recall else self.num_classes)

    def _counts(self, width: int) -> Iterator[FloatArray]:
        """Counts, shape (num_people, 3, classes): hits, predicted, true; `width` classes at a time."""
        for start in range(0, self.num_occurring, width):
            stop = min(start + width, self.num_occurring)
            sides = ((self.truth, self.hit), (self.predicted, None), (self.truth, None))
            yield np.stack([self._per_person(c, start, stop, keep) for c, keep in sides], axis=1)

    def _per_person(self, classes: IntArray, start: int, stop: int, keep: npt.NDArray[np.bool_] | None) -> FloatArray:
        inside = (classes >= start) & (classes < stop)
        if keep is not None:
            inside &= keep
        cells = self.person[inside] * (stop - start) + classes[inside] - start
        counts = np.bincount(cells, minlength=self.num_people * (stop - start))
        return counts.reshape(self.num_people, stop - start).astype(np.float64)


@takes(num_people=count(), size=count(0), resamples=count())
def resampled_people(num_people: int, size: int, resamples: int, draws: np.random.Generator) -> Iterator[FloatArray]:
    """How often each person is drawn when `size` people are drawn with replacement, `resamples` times, in chunks.

    A chunk has shape (r, num_people), each row summing to `size`.
    """
    return (weights for (weights,) in resampled_parts(num_people, (size,), resamples, draws))


@takes(num_people=count(), sizes=each(count(0)), resamples=count())
def resampled_parts(
    num_people: int, sizes: Sequence[int], resamples: int, draws: np.random.Generator
) -> Iterator[tuple[FloatArray, ...]]:
    """As `resampled_people` with `sum(sizes)` people, split in the order drawn into parts of these sizes.

    A chunk has one array for each part, shape (r, num_people), each row summing to the part's size.
    """
    step, ends = max(1, CELLS // max(num_people, sum(sizes))), np.cumsum((0, *sizes))
    for start in range(0, resamples, step):
        rows = min(step, resamples - start)
        drawn = draws.integers(0, num_people, (rows, ends[-1])) + np.arange(rows)[:, None] * num_people
        counted = (np.bincount(drawn[:, a:b].ravel(), minlength=rows * num_people) for a, b in pairwise(ends))
        yield tuple(weights.reshape(rows, num_people).astype(np.float64) for weights in counted)


@takes(strata=classes("n"), resamples=count())
def resampled_within(strata: IntArray, resamples: int, draws: np.random.Generator) -> Iterator[FloatArray]:
    """As `resampled_people` of as many people as there are, each of them redrawn among those of the same kind.

    `strata`: the stratum of each person, shape (num_people,).
    """
    order, num_people = np.argsort(strata, kind="stable"), len(strata)
    _, first, size = np.unique(strata[order], return_index=True, return_counts=True)
    low, high = np.repeat(first, size), np.repeat(first + size, size)
    step = max(1, CELLS // num_people)
    for start in range(0, resamples, step):
        rows = min(step, resamples - start)
        drawn = order[draws.integers(low, high, (rows, num_people))] + np.arange(rows)[:, None] * num_people
        yield np.bincount(drawn.ravel(), minlength=rows * num_people).reshape(rows, num_people).astype(np.float64)
