"""The classes that any cuts give, of attributes predicted by a distribution over their values or by one score."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt

from facetwise.core.arrays import numbers, takes
from facetwise.core.errors import ArtefactError, InputError
from facetwise.core.labels import FloatArray, IntArray
from facetwise.core.tables import score_column
from facetwise.evaluate.compose import log_sums
from facetwise.evaluate.metrics import MISSING
from facetwise.evaluate.predictions import Predictions

SAME = 1e-4
"""Most that sums of float32 probabilities are off."""

CutBasis = Literal["years", "score"]
Bounds = tuple[int, ...]
"""Positions among the values of an attribute, ascending: how many of them lie below each cut."""


def movable(predictions: Predictions) -> dict[str, CutBasis]:
    """Attributes whose cuts can be moved after training, in the order of the label, and what by."""
    kinds: dict[str, CutBasis] = {}
    for name in predictions.attributes:
        if name in predictions.values:
            kinds[name] = "years"
        elif score_column(name) in predictions.blocks:
            kinds[name] = "score"
    return kinds


@takes(cuts=numbers("c"))
def classes_by_years(predictions: Predictions, name: str, cuts: Sequence[float]) -> FloatArray:
    """Log-probabilities, shape (n, len(cuts) + 1), of the classes that any ascending `cuts` make of the values.

    A class that holds no value has probability 0 (-inf); rows without a prediction are NaN. Raises InputError for
    cuts that do not ascend, ArtefactError when there is no distribution over values.
    """
    if any(a >= b for a, b in pairwise(cuts)):
        raise InputError(f"cuts of `{name}` must be ascending, got {np.asarray(cuts).tolist()}")
    logs, values = predictions.value_logs(name), predictions.values[name]
    return log_sums(logs, [0, *np.searchsorted(values, np.asarray(cuts)).tolist(), len(values)])


@takes(scores=numbers("n", missing=True), thresholds=numbers("c"))
def classes_by_score(scores: npt.ArrayLike, thresholds: Sequence[float]) -> IntArray:
    """Class numbers, shape (n,): how many of the ascending `thresholds` are <= the score; -1 where it is NaN."""
    if any(a >= b for a, b in pairwise(thresholds)):
        raise ValueError(f"thresholds must be ascending, got {np.asarray(thresholds).tolist()}")
    numbers = np.asarray(scores, dtype=np.float64)
    classes = np.searchsorted(np.asarray(thresholds), numbers, side="right").astype(np.int64)
    return np.where(np.isnan(numbers), MISSING, classes)


def cuts_used(predictions: Predictions, name: str) -> tuple[float, ...]:
    """The cuts by which the class columns of an attribute are sums of its values (training may have moved them).

    A cut in the same place as the true one is returned as the true one. Raises ArtefactError when the class columns are
    no such sums: every table keeps to that, within float32.
    """
    return bounds_used(predictions.where(predictions.covered), name)[1]


def below_probs(predictions: Predictions, name: str) -> FloatArray:
    """Probability of the first i values, i = 0..values, shape (n, values + 1)."""
    below = np.exp(predictions.value_logs(name)).cumsum(axis=1)
    return np.hstack([np.zeros((len(below), 1)), below])


def bounds_used(predictions: Predictions, name: str) -> tuple[Bounds, tuple[float, ...]]:
    """Where the class columns divide the values, and the cuts (`cuts_used`) that stands for; no row may be missing.

    Of places that come to the same, the nearest to the true cut.
    """
    cuts, values = predictions.space.attribute(name).cuts, predictions.values[name]
    assert cuts is not None  # only ordinal attributes have values
    true, below = np.searchsorted(values, cuts), below_probs(predictions, name)
    bounds = []
    for target, nearest in zip(np.exp(predictions.marginals[name]).cumsum(axis=1).T[:-1], true, strict=True):
        same = np.flatnonzero(np.abs(below - target[:, None]).max(axis=0, initial=0.0) < SAME)
        if not same.size:
            raise ArtefactError(
                f"the classes of `{name}` are no sums of `{name}:year=...`", hint="the table is damaged: make it again"
            )
        bounds.append(int(same[np.abs(same - nearest).argmin()]))
    at = [*values, float("inf")]
    used = (cut if bound == where else at[bound] for bound, where, cut in zip(bounds, true, cuts, strict=True))
    return tuple(bounds), tuple(used)
