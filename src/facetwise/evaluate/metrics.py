"""Macro F1, accuracy, balanced accuracy, kappa and the confusion matrix of class numbers.

The label set is always all `num_classes` classes, whatever occurs: a class absent from both sides has F1 0, as in
scikit-learn's `f1_score(labels=range(num_classes), average="macro", zero_division=0)`. A class number of -1 means
missing; a metric refuses such rows unless `skip_missing`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from facetwise.core.arrays import answers, count, numbers, takes
from facetwise.core.choices import Metric as Metric
from facetwise.core.labels import MISSING as MISSING
from facetwise.core.labels import FloatArray, IntArray

MAIN: Metric = "macro_f1"
"""The one that is chosen by unless a project names another."""


def confusion(
    truth: npt.ArrayLike, predicted: npt.ArrayLike, num_classes: int, *, skip_missing: bool = False
) -> IntArray:
    """Counts, shape (num_classes, num_classes), rows the true class, columns the predicted one.

    Both inputs hold class numbers, shape (n,). Raises ValueError for shapes that differ, class numbers outside
    0..num_classes-1, and rows that are missing on either side, which `skip_missing` leaves out instead.
    """
    rows, columns = checked(truth, predicted, num_classes, skip_missing=skip_missing)
    cells = np.bincount(rows * num_classes + columns, minlength=num_classes * num_classes)
    return cells.reshape(num_classes, num_classes).astype(np.int64)


@takes(hits=numbers("...", missing=True), predicted=numbers("...", missing=True), true=numbers("...", missing=True))
def f1_of_counts(hits: npt.ArrayLike, predicted: npt.ArrayLike, true: npt.ArrayLike) -> FloatArray:
    """F1, elementwise, of how often a class was right, was predicted and was true; 0 where it is 0 / 0."""
    total = np.asarray(predicted, dtype=np.float64) + np.asarray(true, dtype=np.float64)
    twice = 2.0 * np.asarray(hits, dtype=np.float64)
    return np.divide(twice, total, out=np.zeros_like(total), where=total > 0)


def parts_of_counts(metric: Metric, hits: FloatArray, predicted: FloatArray, true: FloatArray) -> FloatArray:
    """What each class adds to a score before it is divided by `divisor`, elementwise, of how often the class was right,
    was predicted and was true: its F1, its recall, or its hits."""
    if metric == "accuracy":
        return hits
    return hits / np.maximum(true, 1) if metric == "balanced_accuracy" else f1_of_counts(hits, predicted, true)


def divisor(metric: Metric, true: FloatArray, num_classes: int) -> FloatArray:
    """What the sum of `parts_of_counts` over classes is divided by, (...): all `num_classes` classes, those that some
    row has, or the rows; at least 1. `true`: how often each class is true, (..., K)."""
    if metric == "macro_f1":
        return np.asarray(num_classes, np.float64)
    counted = true if metric == "accuracy" else true > 0
    total: FloatArray = np.maximum(counted.sum(axis=-1, dtype=np.float64), 1)
    return total


def score_of(
    metric: Metric, truth: npt.ArrayLike, predicted: npt.ArrayLike, num_classes: int, *, skip_missing: bool = False
) -> float:
    """The score of that name, 0..1."""
    of = {"macro_f1": macro_f1, "accuracy": accuracy, "balanced_accuracy": balanced_accuracy}[metric]
    return of(truth, predicted, num_classes, skip_missing=skip_missing)


def macro_f1(truth: npt.ArrayLike, predicted: npt.ArrayLike, num_classes: int, *, skip_missing: bool = False) -> float:
    """Mean F1 over all `num_classes` classes, in 0..1. Memory goes with the rows, not with `num_classes`."""
    rows, columns = checked(truth, predicted, num_classes, skip_missing=skip_missing)
    rows, columns, num_occurring = occurring(rows, columns)
    hits = np.bincount(rows[rows == columns], minlength=num_occurring)
    f1 = f1_of_counts(hits, np.bincount(columns, minlength=num_occurring), np.bincount(rows, minlength=num_occurring))
    return float(f1.sum() / num_classes)


def accuracy(truth: npt.ArrayLike, predicted: npt.ArrayLike, num_classes: int, *, skip_missing: bool = False) -> float:
    """Share of rows whose class is right, in 0..1."""
    rows, columns = checked(truth, predicted, num_classes, skip_missing=skip_missing)
    return float(np.mean(rows == columns))


def balanced_accuracy(
    truth: npt.ArrayLike, predicted: npt.ArrayLike, num_classes: int, *, skip_missing: bool = False
) -> float:
    """Mean over the classes that some row truly has of the share of their rows that are right, in 0..1.

    As scikit-learn's `balanced_accuracy_score` (Brodersen et al. 2010): a class that no row has does not count.
    """
    rows, columns = checked(truth, predicted, num_classes, skip_missing=skip_missing)
    rows, columns, num_occurring = occurring(rows, columns)
    hits, true = (np.bincount(of, minlength=num_occurring) for of in (rows[rows == columns], rows))
    return float(np.mean(hits[true > 0] / true[true > 0]))


def quadratic_kappa(truth: npt.ArrayLike, predicted: npt.ArrayLike, num_classes: int) -> float:
    """Cohen's kappa with quadratic weights, at most 1: agreement on classes in order, beyond that of chance.

    1 - sum (t - p)^2 / E, where E is that sum had truth and predictions nothing to do with each other (Cohen 1968), as
    scikit-learn's `cohen_kappa_score(labels=range(num_classes), weights="quadratic")`. NaN when both sides are all of
    one class: there is nothing to agree on.
    """
    rows, columns = checked(truth, predicted, num_classes)
    return float(kappa_of_sums(kappa_terms(rows, columns).sum(axis=0, keepdims=True))[0])


@takes(truth=answers("n"), predicted=answers("n"))
def kappa_terms(truth: IntArray, predicted: IntArray) -> FloatArray:
    """What each row adds to the sums that `kappa_of_sums` takes, shape (n, 6)."""
    t, p = truth.astype(np.float64), predicted.astype(np.float64)
    return np.stack([(t - p) ** 2, t * t, p * p, t, p, np.ones_like(t)], axis=1)


@takes(sums=numbers("r 6"))
def kappa_of_sums(sums: FloatArray) -> FloatArray:
    """Quadratic kappa, (r,), of sums of `kappa_terms` over rows, (r, 6); NaN where it is 0 / 0."""
    apart, squares_t, squares_p, t, p, rows = sums.T
    by_chance = rows * (squares_t + squares_p) - 2 * t * p
    share = np.divide(rows * apart, by_chance, out=np.full_like(by_chance, np.nan), where=by_chance > 0)
    kappa: FloatArray = 1 - share
    return kappa


@takes(truth=answers("n"), predicted=answers("n"))
def occurring(truth: IntArray, predicted: IntArray) -> tuple[IntArray, IntArray, int]:
    """Both sides renumbered to the classes that occur in either, in order, and how many those are."""
    classes, numbers = np.unique(np.concatenate([truth, predicted]), return_inverse=True)
    numbers = numbers.astype(np.int64)
    return numbers[: len(truth)], numbers[len(truth) :], len(classes)


@takes(num_classes=count(), truth=answers("n", below="num_classes"), predicted=answers("n", below="num_classes"))
def checked(
    truth: npt.ArrayLike,
    predicted: npt.ArrayLike,
    num_classes: int,  # noqa: ARG001  # bounds the other two
    *,
    skip_missing: bool = False,
) -> tuple[IntArray, IntArray]:
    """Both sides as int64 arrays, shape (n,), after the checks that every metric makes; raises ValueError."""
    rows, columns = np.asarray(truth), np.asarray(predicted)
    missing = (rows == MISSING) | (columns == MISSING)
    if missing.any() and not skip_missing:
        raise ValueError(f"{int(missing.sum())} of {rows.size} rows are missing (-1): leave them out, or say so")
    rows, columns = rows[~missing], columns[~missing]
    if not rows.size:
        raise ValueError("no rows to score")
    return rows, columns
