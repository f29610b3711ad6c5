"""Which classes of a row a blend may decide at all, so that a selection among many classes looks at these alone.

A class cannot win a row when some other has a higher vote of *every* member: weights are not negative, so a weighted
sum keeps that order, whatever the weights are. That holds for every method of voting, and for the argmax of sums, which
is all that a selection goes by. A rule that shifts classes, or combinations that cannot occur, may come to another
class: predictions, scores and rules of a blend have all classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from facetwise.blending.methods import VoteArray
from facetwise.blending.votes import VoteBlock
from facetwise.core.labels import BoolArray, IntArray

FEW = 64
"""A block of no more classes keeps them all: it is fast as it is."""
MOST_VOTES = 1000
"""How many votes a sum of float32 has at most."""
SLACK = 4 * (MOST_VOTES + 1) * float(np.finfo(np.float32).eps)
"""By what part of itself the other vote has to be the higher: sums of that many votes cannot round to a tie."""
CELLS = 1 << 22
"""Votes that are looked at together, to take little memory."""


def narrowed(block: VoteBlock) -> VoteBlock:
    """The block with those classes of each row, (n, W), that some weights may decide, ascending.

    The votes of a row that has fewer of them than W are -inf in the rest. The argmax of any sum of `MOST_VOTES` votes
    or fewer is the same class as among all, ties included.
    """
    num_members, num_rows, size = block.votes.shape
    if size <= FEW or not num_rows:
        return block
    step = max(1, CELLS // (num_members * size))
    parts = [_kept(block.votes[:, start : start + step]) for start in range(0, num_rows, step)]
    counts = np.concatenate([kept.sum(axis=1) for kept in parts])
    width = int(counts.max())
    classes = np.zeros((num_rows, width), np.uint16)
    votes = np.full((num_members, num_rows, width), -np.inf, np.float32)
    for start, kept in zip(range(0, num_rows, step), parts, strict=True):
        row, found = np.nonzero(kept)
        place = np.arange(len(row)) - np.repeat(np.cumsum(kept.sum(axis=1)) - kept.sum(axis=1), kept.sum(axis=1))
        classes[start + row, place] = found
        votes[:, start + row, place] = block.votes[:, start + row, found]
    return replace(block, votes=votes, classes=classes)


def _kept(votes: VoteArray) -> BoolArray:
    """Which classes of some rows, (n, C), no single other class beats with every member: none of `_strong` ones."""
    kept = np.ones(votes.shape[1:], np.bool_)
    rows = np.arange(len(kept))
    for number, strong in enumerate(_strong(votes)):
        own_votes = votes[:, rows, strong]
        most = own_votes - SLACK * np.abs(own_votes)
        if number == 0:
            kept = ~np.logical_and.reduce([own < m[:, None] for own, m in zip(votes, most, strict=True)])
        else:
            row, of = np.nonzero(kept)
            kept[row, of] = ~(votes[:, row, of] < most[:, row]).all(axis=0)
    return kept


def _strong(votes: VoteArray) -> Iterator[IntArray]:
    """Classes, (n,) each, that beat most others: any would do, these leave few."""
    mean = votes.mean(axis=0)
    yield mean.argmax(axis=1)
    yield votes.min(axis=0).argmax(axis=1)
    for own in votes:
        yield own.argmax(axis=1)
        yield (own + mean).argmax(axis=1)
