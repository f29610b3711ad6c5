"""Methods that turn the predictions of one member into votes, which can be averaged over members.

A method sees one member and one row at a time, never the other members or rows:

- `soft`: probabilities.
- `geometric`: log-probabilities, none below log(`FLOOR`), so that a single member cannot rule a class out.
- `hard`: 1 for the class that the member decides, plus `TIE_SHARE` of its probabilities. These break ties, and cannot
  outvote a member as long as there are fewer than 1 / `TIE_SHARE` members.
- `rank`: the rank of each class's probability among the member's own *out-of-fold* probabilities of that class
  (`RankTransform`). It is fitted out of fold and applied row by row, so test images are never pooled; it uses no
  labels, so a nested estimate may fit it on all rows.

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
"""Lower limit on probabilities in geometric blending."""
TIE_SHARE = 2.0**-10
"""Factor of the probabilities that are added to a hard vote."""

VoteArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class RankTransform:
    """The rank of a probability among the member's out-of-fold probabilities of the same class.

    Among N values, the rank of x is (values below x + half of those equal to x + 1/2) / (N + 1): strictly between 0 and
    1, and invariant under increasing transformations of the probabilities.
    """

    ascending: FloatArray
    """Out-of-fold log-probabilities, shape (C, N), each row sorted."""

    @classmethod
    def fit(cls, numbers: FloatArray) -> RankTransform:
        """The places among `numbers`, shape (N, C); rows with NaN are skipped. Raises InputError when no row is
        left."""
        complete = numbers[~np.isnan(numbers).any(axis=1)]
        if not len(complete):
            raise InputError("`rank` needs out-of-fold predictions of every member", hint="use another method")
        return cls(np.sort(complete.T, axis=1))

    def transform(self, numbers: FloatArray) -> FloatArray:
        """Places, shape (n, C), of `numbers`, shape (n, C)."""
        sides = [
            np.searchsorted(row, column, side="left") + np.searchsorted(row, column, side="right")
            for row, column in zip(self.ascending, numbers.T, strict=True)
        ]
        ranks: FloatArray = (np.stack(sides, axis=1) + 1) / (2.0 * (self.ascending.shape[1] + 1))
        return ranks


def as_votes(logs: FloatArray, own: IntArray, method: BlendMethod, ranks: RankTransform | None = None) -> VoteArray:
    """One member's votes, shape (n, C), from its log-probabilities, (n, C), and the classes that it decides, (n,).

    `ranks` is needed for `rank` only. Rows that are NaN stay NaN, whatever they decide.
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
            assert ranks is not None
            return ranks.transform(logs).astype(np.float32)


def logs_of(mean: FloatArray, method: BlendMethod) -> FloatArray:
    """Log-probabilities, (n, C), of weighted means of votes, (n, C); see `votes.combine`."""
    if method == "geometric":
        return log_normalised(mean)
    with np.errstate(divide="ignore"):
        return log_normalised(np.log(mean))
