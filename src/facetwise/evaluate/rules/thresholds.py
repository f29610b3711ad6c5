"""Cutting an ordinal attribute by its class probabilities alone: thresholds on that of "at least this class".

A head that predicts values or a score can be cut anywhere between them (`cuts`). What has only class probabilities,
such as a blend of different heads, still says how probable each class *or a higher one* is: K - 1 ordered numbers,
each with a threshold that can be moved. With all at 0.5 the class is the median of the distribution.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from facetwise.core.arrays import classes, count, numbers, probabilities, takes
from facetwise.core.labels import FloatArray, IntArray
from facetwise.evaluate.metrics import MAIN, Metric
from facetwise.evaluate.rules.sweep import Range, Switch, best_value

MEDIAN = 0.5
LOWEST, HIGHEST = 0.02, 0.98
"""Thresholds stay within these: beyond, a handful of rows would decide."""
MARGIN = 0.01
MAX_ROUNDS = 20


@takes(logs=numbers("n k", missing=True))
def at_least(logs: FloatArray) -> FloatArray:
    """Probability of class k or a higher one, k = 1..K-1, shape (n, K - 1), of log-probabilities, (n, K)."""
    return np.exp(logs)[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:]


@takes(probs=probabilities("n k"), thresholds=numbers("k"))
def classes_at_least(probs: FloatArray, thresholds: npt.ArrayLike) -> IntArray:
    """The highest class k whose probability of being reached, (n, K - 1), is at or above its threshold; else 0."""
    reached = probs >= np.asarray(thresholds)
    highest = probs.shape[1] - reached[:, ::-1].argmax(axis=1)
    return np.where(reached.any(axis=1), highest, 0).astype(np.int64)


@takes(probs=probabilities("n k"), truth=classes("n"), elsewhere=classes("n"), stride=count(), num_classes=count())
def fit_thresholds(
    probs: FloatArray, truth: IntArray, elsewhere: IntArray, stride: int, num_classes: int, metric: Metric = MAIN
) -> tuple[float, ...]:
    """Thresholds with the highest score on these rows, by coordinate ascent from the median; deterministic.

    `probs`: of `at_least`. Scored are the classes `elsewhere + stride * class` against `truth`, both of shape (n,),
    among `num_classes`: `elsewhere` is what the other attributes come to. A step is the exact best for its threshold.
    """
    found = np.full(probs.shape[1], MEDIAN)
    allowed = Range(LOWEST, MEDIAN, HIGHEST, MARGIN)
    for _ in range(MAX_ROUNDS):
        before = found.copy()
        for k in reversed(range(len(found))):  # the highest class goes first: it takes rows from all below it
            never, always = found.copy(), found.copy()
            never[k], always[k] = np.inf, -np.inf
            below, above = (elsewhere + stride * classes_at_least(probs, t) for t in (always, never))
            switch = Switch(probs[:, k], below, above)
            found[k] = best_value(switch, truth, num_classes, float(found[k]), allowed, metric)
        if np.array_equal(before, found):
            break
    return tuple(found.tolist())
