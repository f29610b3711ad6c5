"""What each member contributes to a blend, and how often two members agree."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from facetwise.blending.select import objective_on
from facetwise.blending.votes import Votes, mean_votes, top_classes, used_members
from facetwise.core.labels import FloatArray, IntArray
from facetwise.evaluate.agreement import disagreement_matrix
from facetwise.evaluate.metrics import MAIN, MISSING, Metric


def contributions(votes: Votes, weights: FloatArray, truth: npt.ArrayLike, metric: Metric = MAIN) -> FloatArray:
    """Leave-one-out contributions to the blend's joint score, shape (M,): score with the member minus without it.

    When a member is left out, the remaining weights are rescaled to sum to 1 in every block. Positive means that the
    member helps; 0 for members without a weight, NaN for the only member of a block. `weights` has shape (B, M);
    `truth` is as in `select`. Of two similar members each contributes little, because the other replaces
    it: that does not mean that both can be dropped.
    """
    objective, means = objective_on(votes, truth, None, metric), mean_votes(votes, weights)
    score = objective.score_of(top_classes(votes, means))
    added = np.zeros(votes.num_members)
    for member in np.flatnonzero(used_members(weights)):
        alone = (np.delete(weights, member, axis=1) == 0).all(axis=1).any()
        added[member] = np.nan if alone else score - objective.score_of(_without(votes, weights, means, int(member)))
    return added


def _without(votes: Votes, weights: FloatArray, means: Sequence[FloatArray], member: int) -> IntArray:
    """Joint classes, shape (n,), decided without `member`: its share is subtracted from the weighted means."""
    shares = weights[:, member] / weights.sum(axis=1)
    left = [
        mean - share * block.votes[np.searchsorted(block.members, member)] if share > 0 else mean
        for mean, share, block in zip(means, shares, votes.blocks, strict=True)
    ]
    return top_classes(votes, left)


def pairwise_agreement(votes: Votes) -> FloatArray:
    """Share of rows, 0..1, on which two members decide the same class in every block that both have, shape (M, M).

    NaN for two members without a common block.
    """
    decided = np.full((votes.num_members, len(votes.blocks), votes.num_rows), MISSING, np.int64)
    for number, block in enumerate(votes.blocks):
        decided[block.members, number] = block.votes.argmax(axis=2)
    return 1 - disagreement_matrix(
        [codes.T for codes in decided]
    )  # views: rows side by side in memory are seven times as fast
