"""Nested estimate of a choice: the best of many out-of-fold scores is too high, so the choice is cross-validated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from facetwise.core.labels import IntArray
from facetwise.evaluate.intervals import Interval
from facetwise.evaluate.rows import Part, Truth, nested


@dataclass(frozen=True)
class NestedEstimate:
    """The score of choosing the best candidate, on people who were not used to choose it."""

    score: float
    interval: Interval
    chosen: Mapping[int, int]
    """Fold -> index of the candidate that is best on the other folds."""


def nested_estimate(candidates: Sequence[IntArray], folds: IntArray, truth: Truth) -> NestedEstimate:
    """Score on each fold the candidate that is best on the other folds, all folds pooled.

    `candidates`: decided joint classes, (n,) each, all predicted on the same folds; `folds`: the fold of each row of
    `truth`, (n,). Ties go to the first (Cawley & Talbot 2010, on why the best score
    of a selection is biased and the selection belongs inside the cross-validation). Raises ValueError with
    fewer than two folds.
    """
    if len(np.unique(folds)) < 2:
        raise ValueError("a nested estimate needs two folds or more")

    def best_without(fold: Part) -> int:
        rest = truth.where(fold.rest)
        return int(np.argmax([rest.score(classes[fold.rest]) for classes in candidates]))

    best, pooled = nested(best_without, lambda number, fold: candidates[number][fold.held_out], folds)
    chosen = dict(zip(np.unique(folds).tolist(), best, strict=True))
    return NestedEstimate(truth.score(pooled), truth.interval(pooled), chosen)
