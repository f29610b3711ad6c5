"""Greedy ensemble selection with replacement, exact and fast.

Caruana, Niculescu-Mizil, Crew & Ksikes (2004, ICML, "Ensemble selection from libraries of models"): start with the best
member, then repeatedly add the member whose votes raise the score of the sum most; a member may be added several times,
and its weight is how often it was. Here a *move* adds one member to one block, and every move is judged by the score
of the *joint* class, whichever block it changes.

A naive implementation takes the argmax of every row for every move. But a row's decision can only change when the
member prefers another class by more than the *gap* of the sums there (decided class minus runner-up). So each member's
*margin* for the decided class is stored (its vote for that class minus its highest other vote; negative when it prefers
another), gaps are updated as lower bounds (adding a member changes a gap by at least its margin), and argmaxes are
taken only for the few (member, row) pairs that can change. Counts of hits and predictions are updated by the
difference. The skipped pairs cannot change a decision, up to float32 rounding, which `_slack` allows for; the sums are
the same float32 sums as in the naive algorithm, so the result is the same. Of many classes those that cannot win a row
are left out before (`candidates`).

Shapes: n rows that count, k members that may be added to a block, C classes of the block.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facetwise.blending.methods import VoteArray
from facetwise.blending.objective import Objective
from facetwise.blending.votes import VoteBlock, Votes
from facetwise.core.labels import FloatArray, IntArray

PAIRS = 1 << 15
"""(member, row) pairs processed at a time, to stay in the processor's cache."""


@dataclass(frozen=True)
class Move:
    """One move of a selection: a member added to a block, and the joint score after it, 0..1."""

    round: int
    """From 1. The members that a selection starts with all belong to round 1."""
    block: int
    member: int
    score: float


@dataclass(frozen=True)
class TopTwo:
    """The two highest votes of each member of a block in each row; the same for every bag, so computed once."""

    block: VoteBlock
    top: npt.NDArray[np.uint16]
    """The column of the member's preferred class, shape (members, rows)."""
    first: VoteArray
    """Its vote for that class, shape (members, rows)."""
    second: VoteArray
    """Its highest vote for any other class, shape (members, rows)."""
    scale: float
    """The largest absolute vote."""

    @classmethod
    def of(cls, block: VoteBlock) -> TopTwo:
        """Computed one member at a time, to save memory."""
        shape = block.votes.shape[:2]
        top, first, second = np.empty(shape, np.uint16), np.empty(shape, np.float32), np.empty(shape, np.float32)
        scale = 0.0
        for i, votes in enumerate(block.votes):
            best = votes.argmax(axis=1)
            first[i], second[i] = _two_best(votes, best)
            top[i] = best
            least = votes.min(where=np.isfinite(votes), initial=0.0)  # a column without a class is -inf
            scale = max(scale, float(first[i].max()), -float(least))
        return cls(block, top, first, second, scale)

    def classes(self, rows: IntArray, columns: npt.NDArray[np.integer]) -> IntArray:
        """Class numbers, any shape, of `columns` in `rows`."""
        found = columns if self.block.classes is None else self.block.classes[rows, columns]
        return found.astype(np.int64, copy=False)

    def margins(self, members: IntArray, rows: IntArray, decided: IntArray) -> VoteArray:
        """Vote for the `decided` column minus the highest other vote, (k, n), of `members` in `rows` (positions)."""
        members = members[:, None]
        other = np.where(self.top[members, rows] == decided, self.second[members, rows], self.first[members, rows])
        margins: VoteArray = self.block.votes[members, rows, decided] - other
        return margins


class Tally:
    """The sums of one block as members are added, and the rows whose decision another member could change."""

    def __init__(self, top_two: TopTwo, rows: IntArray, members: IntArray, start: IntArray) -> None:
        """`members`: positions in the block of those that may be added, (k,). `start`: which of these are in, (s,)."""
        self.top_two, self.rows, self.members = top_two, rows, members
        self.num_votes = len(start)
        self.sums: VoteArray = np.zeros((len(rows), top_two.block.votes.shape[2]), np.float32)
        for i in start:
            self.sums += top_two.block.votes[members[i], rows]
        self.top: IntArray = self.sums.argmax(axis=1).astype(np.int64)
        self.margin = top_two.margins(members, rows, self.top)
        self.reach: VoteArray = -self.margin.min(axis=0)
        first, second = _two_best(self.sums, self.top)
        self.gap: VoteArray = first - second

    @property
    def decided(self) -> IntArray:
        """The decided class of each row, (n,)."""
        return self.top_two.classes(self.rows, self.top)

    @property
    def _slack(self) -> float:
        """An upper bound on the rounding error of the float32 sums and of as many updates of `gap`."""
        return float(4 * np.finfo(np.float32).eps * (self.num_votes + 1) ** 2 * self.top_two.scale)

    def add(self, i: int) -> None:
        """Add the i-th of `members`."""
        self.sums += self.top_two.block.votes[self.members[i], self.rows]
        self.gap += self.margin[i]
        self.num_votes += 1
        loose = np.flatnonzero(self.gap <= np.maximum(self.reach, 0) + self._slack)
        sums = self.sums[loose]
        top = sums.argmax(axis=1)
        first, second = _two_best(sums, top)
        self.gap[loose] = first - second
        turned = loose[top != self.top[loose]]
        self.top[loose] = top
        self.margin[:, turned] = self.top_two.margins(self.members, self.rows[turned], self.top[turned])
        self.reach[turned] = -self.margin[:, turned].min(axis=0)

    def turns(self) -> Iterator[tuple[IntArray, IntArray, IntArray]]:
        """Decisions that each member would change if added now, in chunks: member 0..k-1, row 0..n-1, new class."""
        slack = self._slack
        doubtful = np.flatnonzero(self.gap <= self.reach + slack)
        can = self.margin[:, doubtful] <= slack - self.gap[doubtful]
        member, row = np.nonzero(can)
        row = doubtful[row]
        for start in range(0, len(member), PAIRS):
            who, where = member[start : start + PAIRS], row[start : start + PAIRS]
            sums = self.top_two.block.votes[self.members[who], self.rows[where]]
            sums += self.sums[where]
            new = sums.argmax(axis=1)
            turned = new != self.top[where]
            yield who[turned], where[turned], self.top_two.classes(self.rows[where[turned]], new[turned])


class Selection:
    """The state of a selection: a tally for each block, and the joint decisions with their counts."""

    def __init__(self, votes: Votes, objective: Objective, tallies: Sequence[Tally]) -> None:
        self.objective, self.tallies = objective, tallies
        self.strides = _strides(votes)
        self.joint = votes.joint_of([t.decided.copy() for t in tallies])
        self.hits, self.predicted = objective.counts(self.joint)

    @property
    def score(self) -> float:
        """Current joint score."""
        return float(self.objective.score(self.hits, self.predicted))

    def scores(self, block: int) -> FloatArray:
        """Joint score, shape (k,), if each of the members were added to the block."""
        tally, objective = self.tallies[block], self.objective
        size, k = len(objective.classes) + 1, len(tally.members)
        hits, predicted, decided = np.zeros(k * size), np.zeros(k * size), tally.decided
        for who, where, new in tally.turns():
            times, true = objective.weights[where], objective.true[where]
            after = self.joint[where] + (new - decided[where]) * self.strides[block]
            for joint, sign in ((self.joint[where], -1.0), (after, 1.0)):
                classes = objective.numbers(joint)
                cells, hit = who * size + classes, classes == true
                predicted += sign * np.bincount(cells, times, k * size)
                hits += sign * np.bincount(cells[hit], times[hit], k * size)
        return objective.score(self.hits + hits.reshape(k, size), self.predicted + predicted.reshape(k, size))

    def add(self, block: int, i: int) -> None:
        """Add the i-th candidate to a block."""
        tally = self.tallies[block]
        before = tally.decided.copy()
        tally.add(i)
        self.joint += (tally.decided - before) * self.strides[block]
        self.hits, self.predicted = self.objective.counts(self.joint)


def _two_best(votes: VoteArray, best: npt.NDArray[np.integer]) -> tuple[VoteArray, VoteArray]:
    rows = np.arange(len(votes))
    first: VoteArray = votes[rows, best]
    rest = votes.copy()
    rest[rows, best] = -np.inf
    return first, rest.max(axis=1)


def _strides(votes: Votes) -> IntArray:
    """Change of the joint class when a block's class increases by one, shape (B,)."""
    zero = [np.zeros(len(votes.blocks), np.int64) for _ in votes.blocks]
    one = [z + (np.arange(len(votes.blocks)) == b) for b, z in enumerate(zero)]
    return votes.joint_of(one) - votes.joint_of(zero)
