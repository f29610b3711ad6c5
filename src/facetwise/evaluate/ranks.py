"""Whether two scores put things into the same order: Spearman's rank correlation, with an interval by resampling."""

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
"""With fewer pairs there is no interval: four things have only 24 orders."""


@dataclass(frozen=True)
class RankCorrelation:
    """How alike two orders are: 1 the same, 0 unrelated, -1 reversed."""

    value: float | None
    """None when there are fewer than two pairs, or one side is constant."""
    interval: Interval | None
    """None when there are fewer than `MIN_PAIRS` pairs, or no value."""
    num_pairs: int


@takes(one=numbers("n"), other=numbers("n"), level=number(0, 1), resamples=count(), seed=count(0))
def rank_correlation(
    one: npt.ArrayLike, other: npt.ArrayLike, *, level: float = LEVEL, resamples: int = RESAMPLES, seed: int = 0
) -> RankCorrelation:
    """Spearman's rho of two lists, shape (n,), ties at their mean rank, with a percentile bootstrap over the pairs.

    Resamples in which a side is constant have no correlation and are left out. Pairs are drawn in the order of their
    values, so the order of rows is no matter.
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
