"""The price of choosing: the best of many out-of-fold scores flatters, so the choice itself is cross-validated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from facetwise.core.labels import IntArray
from facetwise.evaluate.intervals import Interval
from facetwise.evaluate.rows import Part, Truth, nested


@dataclass(frozen=True)
class Nested:
    """The score of "take the best of these", on people that had no say in which is the best."""

    macro_f1: float
    interval: Interval
    chosen: Mapping[int, int]
    """Fold -> position (from 0) of the candidate that the people of the other folds choose."""


def nested_estimate(candidates: Sequence[IntArray], folds: IntArray, truth: Truth) -> Nested:
    """For each fold the candidate that scores best on the other folds, scored on that fold; all folds pooled.

    `candidates`: decided joint classes, (n,) each, all predicted on the same folds; `folds`: the fold of each row of
    `truth`, (n,). The earliest of equals is taken (Cawley & Talbot 2010, on why the best score
    of a selection is biased, and why the selection has to be inside the cross-validation). Raises ValueError with
    fewer than two folds.
    """
    if len(np.unique(folds)) < 2:
        raise ValueError("a nested estimate needs two folds or more")

    def best_without(fold: Part) -> int:
        others = truth.where(fold.others)
        return int(np.argmax([others.score(classes[fold.others]) for classes in candidates]))

    best, pooled = nested(best_without, lambda number, fold: candidates[number][fold.own], folds)
    chosen = dict(zip(np.unique(folds).tolist(), best, strict=True))
    return Nested(truth.score(pooled), truth.interval(pooled), chosen)
