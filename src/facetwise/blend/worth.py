"""What each member of a blend is worth to it, and how alike members are."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from facetwise.blend.select import score_of
from facetwise.blend.votes import Votes, used_by
from facetwise.core.labels import FloatArray


def added_by(
    votes: Votes, weights: FloatArray, truth: npt.ArrayLike, *, times: npt.ArrayLike | None = None
) -> FloatArray:
    """What each member adds to the joint macro F1 of a blend, shape (M,): the score with it minus the score without.

    Without it the other weights are scaled up to sum to 1 in every block. Above 0 is good. 0 for members without a
    weight; NaN for one that a block cannot do without. `weights` has shape (B, M), the rest is as in `select`. Alike
    members each add little, as the other stands in; it does not mean that both can go.
    """
    score = score_of(votes, weights, truth, times=times)
    added = np.zeros(votes.num_members)
    for member in np.flatnonzero(used_by(weights)):
        without = weights.copy()
        without[:, member] = 0.0
        needed = (without.sum(axis=1) == 0).any()
        added[member] = np.nan if needed else score - score_of(votes, without, truth, times=times)
    return added


def likeness(votes: Votes) -> FloatArray:
    """How often two members decide alike, shape (M, M), 0..1: the share of rows where all blocks that both have agree.

    NaN for members that share no block.
    """
    num = votes.num_members
    said = np.full((len(votes.blocks), num, votes.num_rows), -1, np.int16)
    for row, block in zip(said, votes.blocks, strict=True):
        row[block.members] = block.votes.argmax(axis=2)
    shared, found = votes.has, np.full((num, num), np.nan)
    for member in range(num):
        both = shared & shared[:, member, None]
        agree = ((said == said[:, member, None]) | ~both[:, :, None]).all(axis=0).mean(axis=1)
        found[member] = np.where(both.any(axis=0), agree, np.nan)
    return found
