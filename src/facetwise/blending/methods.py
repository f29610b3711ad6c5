"""Ways to turn what one member says into votes: numbers that can be added up over members.

A method looks at one member and one row, whatever the other members and the other rows are:

- `soft`: probabilities.
- `geometric`: log-probabilities, none lower than log(`FLOOR`): one member that calls a class impossible is not enough
  to rule it out.
- `hard`: 1 for the class that the member decides, plus `TIE_SHARE` of its probabilities. They break ties, and outvote
  nobody as long as fewer than 1 / `TIE_SHARE` votes are cast.
- `rank`: the place of each class's probability among the member's own *out-of-fold* probabilities of that class
  (`Places`). The function is fitted out of fold and applied to every row by itself, so test images are never pooled. No
  label goes into it: a nested estimate may fit it on all rows.

Shapes: n rows, C classes of a block, N rows out of fold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import numpy as np
import numpy.typing as npt

from facetwise.core.choices import BlendMethod
from facetwise.core.errors import InputError
from facetwise.core.labels import FloatArray, IntArray
from facetwise.evaluate.compose import log_normalised

METHODS: tuple[BlendMethod, ...] = get_args(BlendMethod)

FLOOR = 1e-6
"""The smallest probability that counts as such in geometric blending."""
TIE_SHARE = 2.0**-10
"""How much of its probabilities a member adds to its hard vote."""

VoteArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Places:
    """Where a probability stands among those that a member gave the same class out of fold.

    Of N numbers, the place of x is (how many are below x + half of those equal to x + 1/2) / (N + 1): in 0..1, both
    ends excluded, and unchanged by whatever grows with the probability.
    """

    ascending: FloatArray
    """Out-of-fold numbers, shape (C, N), each row sorted."""

    @classmethod
    def fit(cls, numbers: FloatArray) -> Places:
        """The places among `numbers`, shape (N, C); rows with NaN do not count. Raises InputError without any row."""
        known = numbers[~np.isnan(numbers).any(axis=1)]
        if not len(known):
            raise InputError("`rank` needs out-of-fold predictions of every member", hint="use another method")
        return cls(np.sort(known.T, axis=1))

    def of(self, numbers: FloatArray) -> FloatArray:
        """Places, shape (n, C), of `numbers`, shape (n, C)."""
        sides = [
            np.searchsorted(row, column, side="left") + np.searchsorted(row, column, side="right")
            for row, column in zip(self.ascending, numbers.T, strict=True)
        ]
        places: FloatArray = (np.stack(sides, axis=1) + 1) / (2.0 * (self.ascending.shape[1] + 1))
        return places


def as_votes(logs: FloatArray, own: IntArray, method: BlendMethod, places: Places | None = None) -> VoteArray:
    """One member's votes, shape (n, C), from its log-probabilities, (n, C), and the classes that it decides, (n,).

    `places` is needed for `rank` only. Rows that are NaN stay NaN, whatever they decide.
    """
    match method:
        case "soft":
            return np.exp(logs).astype(np.float32)
        case "geometric":
            return np.asarray(np.maximum(logs, np.log(FLOOR)), np.float32)
        case "hard":
            decided = np.arange(logs.shape[1]) == own[:, None]
            return np.asarray(decided + TIE_SHARE * np.exp(logs), np.float32)
        case "rank":
            assert places is not None
            return places.of(logs).astype(np.float32)


def logs_of(mean: FloatArray, method: BlendMethod) -> FloatArray:
    """Log-probabilities, (n, C), of weighted means of votes, (n, C); see `votes.combine`."""
    if method == "geometric":
        return log_normalised(mean)
    with np.errstate(divide="ignore"):
        return log_normalised(np.log(mean))
