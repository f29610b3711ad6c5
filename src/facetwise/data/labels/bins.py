"""Uncertain numbers as probabilities of the bins between cuts."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from facetwise.core.arrays import number, numbers, takes
from facetwise.core.labels import FloatArray


@takes(values=numbers("n"), cuts=numbers("c"), deviation=number(0))
def soft_bins(values: FloatArray, cuts: Sequence[float], deviation: float) -> npt.NDArray[np.float32]:
    """Probability of each bin between ascending `cuts`, shape (n, cuts + 1), for values with a normal error of this
    standard deviation."""
    normal = NormalDist()
    distinct, row = np.unique(values, return_inverse=True)
    below = np.array([[normal.cdf((cut - v) / deviation) for cut in cuts] for v in distinct])
    below = below.reshape(len(distinct), len(cuts))  # also when there are no values
    bounds = np.hstack([np.zeros((len(distinct), 1)), below, np.ones((len(distinct), 1))])
    return np.diff(bounds, axis=1).astype(np.float32)[row]
