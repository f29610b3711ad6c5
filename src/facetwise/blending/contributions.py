"""What each member of a blend is worth to it, and how alike members are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from facetwise.blending.select import exam_on
from facetwise.blending.votes import Votes, mean_votes, top_classes, used_by
from facetwise.core.labels import FloatArray, IntArray
from facetwise.evaluate.agreement import shares_apart
from facetwise.evaluate.metrics import MISSING


def added_by(
    votes: Votes, weights: FloatArray, truth: npt.ArrayLike, *, times: npt.ArrayLike | None = None
) -> FloatArray:
    """What each member adds to the joint macro F1 of a blend, shape (M,): the score with it minus the score without.

    Without it the other weights are scaled up to sum to 1 in every block. Above 0 is good. 0 for members without a
    weight; NaN for one that a block cannot do without. `weights` has shape (B, M), the rest is as in `select`. Alike
    members each add little, as the other stands in; it does not mean that both can go.
    """
    exam, means = exam_on(votes, truth, times), mean_votes(votes, weights)
    score = exam.score_of(top_classes(votes, means))
    added = np.zeros(votes.num_members)
    for member in np.flatnonzero(used_by(weights)):
        alone = (np.delete(weights, member, axis=1) == 0).all(axis=1).any()
        added[member] = np.nan if alone else score - exam.score_of(_without(votes, weights, means, int(member)))
    return added


def _without(votes: Votes, weights: FloatArray, means: Sequence[FloatArray], member: int) -> IntArray:
    """Joint classes, shape (n,), that the others decide: their sums are what is left of the weighted means."""
    shares = weights[:, member] / weights.sum(axis=1)
    left = [
        mean - share * block.votes[np.searchsorted(block.members, member)] if share > 0 else mean
        for mean, share, block in zip(means, shares, votes.blocks, strict=True)
    ]
    return top_classes(votes, left)


def likeness(votes: Votes) -> FloatArray:
    """How often two members decide alike, shape (M, M), 0..1: the share of rows where all blocks that both have agree.

    NaN for members that share no block.
    """
    said = np.full((votes.num_members, len(votes.blocks), votes.num_rows), MISSING, np.int64)
    for number, block in enumerate(votes.blocks):
        said[block.members, number] = block.votes.argmax(axis=2)
    return 1 - shares_apart([codes.T for codes in said])  # views: rows side by side in memory are seven times as fast
