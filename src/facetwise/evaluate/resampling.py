"""Resampling of people: rows counted by person and class, and how often each person is drawn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import numpy.typing as npt

from facetwise.core.arrays import answers, classes, count, each, names, numbers, one_of, takes
from facetwise.core.labels import FloatArray, IntArray
from facetwise.core.text.subject import PEOPLE
from facetwise.evaluate.metrics import Metric, checked, f1_of_counts, occurring

if TYPE_CHECKING:
    from scipy.sparse import csr_array

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
        total, present, drawn = np.zeros(len(weights)), np.zeros(len(weights)), np.ascontiguousarray(weights.T)
        step = max(1, CELLS // (3 * len(weights)))
        for start in range(0, self.num_occurring, step):
            hits, predicted, true = (of[start : start + step] @ drawn for of in self._by_person)
            total += self._parts(hits, predicted, true).sum(axis=0)
            present += (true > 0).sum(axis=0)
        return total / (present if self._by_recall else self.num_classes)

    def leave_one_out(self) -> FloatArray:
        """The score without each person, shape (num_people,): of her own classes alone it is another one."""
        cells = [self.person * self.num_occurring + classes for classes in (self.truth, self.predicted)]
        found, place = np.unique(np.concatenate(cells), return_inverse=True)
        person, classes = found // self.num_occurring, found % self.num_occurring
        of_truth, of_predicted = place[: len(self.person)], place[len(self.person) :]
        own = [np.bincount(of, minlength=len(found)) for of in (of_truth[self.hit], of_predicted, of_truth)]
        sides = (self.truth[self.hit], self.predicted, self.truth)
        whole = [np.bincount(side, minlength=self.num_occurring) for side in sides]
        without = [all_of[classes] - mine for all_of, mine in zip(whole, own, strict=True)]
        parts = self._parts(*whole)
        moved = np.bincount(person, self._parts(*without) - parts[classes], self.num_people)
        gone = np.bincount(person, (without[2] == 0) & (own[2] > 0), self.num_people)
        left = (whole[2] > 0).sum() - gone if self._by_recall else self.num_classes
        scores: FloatArray = (parts.sum() + moved) / left
        return scores

    @property
    def _by_recall(self) -> bool:
        """Whether the score is the mean recall over the classes that occur, not the mean F1 over all."""
        return self.metric == "balanced_accuracy"

    def _parts(self, hits: npt.ArrayLike, predicted: npt.ArrayLike, true: npt.ArrayLike) -> FloatArray:
        return f1_of_counts(hits, true if self._by_recall else predicted, true)

    @cached_property
    def _by_person(self) -> list[csr_array]:
        """Counts by class and person, (num_occurring, num_people) each: hits, predicted, true."""
        from scipy.sparse import csr_array

        hit, shape = self.hit, (self.num_occurring, self.num_people)
        sides = ((self.truth[hit], self.person[hit]), (self.predicted, self.person), (self.truth, self.person))
        return [csr_array((np.ones(len(of)), (of, whose)), shape=shape) for of, whose in sides]


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
