"""Spearman's rank correlation of two scores, with a bootstrap interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facetwise.core.arrays import count, number, numbers, takes
from facetwise.core.labels import FloatArray
from facetwise.evaluate.intervals import Interval

LEVEL = 0.9
RESAMPLES = 1000
MIN_PAIRS = 5
"""Fewest pairs for an interval: four items have only 24 orders."""


@dataclass(frozen=True)
class RankCorrelation:
    """Rank correlation: 1 for the same order, 0 for unrelated, -1 for reversed."""

    value: float | None
    """None with fewer than two pairs, or when one side is constant."""
    interval: Interval | None
    """None with fewer than `MIN_PAIRS` pairs, or without a value."""
    num_pairs: int


@takes(one=numbers("n"), other=numbers("n"), level=number(0, 1), resamples=count(), seed=count(0))
def rank_correlation(
    one: npt.ArrayLike, other: npt.ArrayLike, *, level: float = LEVEL, resamples: int = RESAMPLES, seed: int = 0
) -> RankCorrelation:
    """Spearman's rho of two lists, shape (n,), ties at their mean rank, with a percentile bootstrap over pairs.

    Resamples in which one side is constant are left out. Pairs are sorted by value first, so the order of rows does not
    matter.
    """
    pairs = np.stack([np.asarray(one, np.float64), np.asarray(other, np.float64)], axis=1)
    pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    num, value = len(pairs), _rho(pairs)
    if value is None or num < MIN_PAIRS:
        return RankCorrelation(value, None, num)
    draws = np.random.default_rng(seed).integers(0, num, (resamples, num))
    found = [rho for drawn in draws if (rho := _rho(pairs[drawn])) is not None]
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2])
    return RankCorrelation(value, Interval(float(low), float(high), level), num)


def _rho(pairs: FloatArray) -> float | None:
    if len(pairs) < 2 or np.any(pairs.min(axis=0) == pairs.max(axis=0)):
        return None
    one, other = (_ranks(side) - (len(pairs) - 1) / 2 for side in pairs.T)
    return float(np.clip(one @ other / np.sqrt((one @ one) * (other @ other)), -1.0, 1.0))


def _ranks(values: FloatArray) -> FloatArray:
    """Ranks from 0, ties at their mean."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: FloatArray = (np.cumsum(counts) - (counts + 1) / 2)[place]
    return ranks
