"""The price of choosing: the best of many out-of-fold scores flatters, so the choice itself is cross-validated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from facetwise.core.labels import IntArray
from facetwise.evaluate.intervals import Interval
from facetwise.evaluate.metrics import MISSING
from facetwise.study.decided import Rows


@dataclass(frozen=True)
class Nested:
    """The score of "take the best of these", on people that had no say in which is the best."""

    macro_f1: float
    interval: Interval
    chosen: Mapping[int, int]
    """Fold -> position (from 0) of the candidate that the people of the other folds choose."""


def nested_estimate(candidates: Sequence[IntArray], folds: IntArray, rows: Rows, names: tuple[str, ...]) -> Nested:
    """For each fold the candidate that scores best on the other folds, scored on that fold; all folds pooled.

    `candidates`: decided codes as in `Decided.codes`, shape (n, num_attributes) each, all predicted on the same folds;
    `folds`: the fold of each image, (n,). The earliest of equals is taken (Cawley & Talbot 2010, on why the best score
    of a selection is biased, and why the selection has to be inside the cross-validation). Raises ValueError with
    fewer than two folds.
    """
    own = folds[rows.keep]
    numbers = [int(f) for f in np.unique(own)]
    if len(numbers) < 2:
        raise ValueError("a nested estimate needs two folds or more")
    pooled = np.full_like(candidates[0], MISSING)
    chosen = {}
    for fold in numbers:
        others = rows.where(own != fold)
        chosen[fold] = int(np.argmax([others.score(codes, names) for codes in candidates]))
        inside = rows.keep & (folds == fold)
        pooled[inside] = candidates[chosen[fold]][inside]
    return Nested(rows.score(pooled, names), rows.interval(pooled, names), chosen)
