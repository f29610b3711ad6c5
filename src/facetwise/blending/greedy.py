"""One greedy selection with replacement, exact and fast.

Caruana, Niculescu-Mizil, Crew & Ksikes (2004, ICML, "Ensemble selection from libraries of models"): start with the best
member, then add, again and again, the member whose votes raise the score of the sum most; a member may be added many
times, which makes its weight. Here a *move* adds one member to one block, and every move is scored by the macro F1 of
the *joint* class, whatever block it is in.

Plainly done, each move needs the argmax of every row. But a row's decision can only change when the member puts another
class ahead of the decided one by more than the *gap* of the sums there (decided class minus runner-up). So each member
keeps its *margin* for the decided class (its vote for it minus its highest other vote; negative when it would have
another), gaps are carried along as lower bounds (an added member moves a gap by its margin at least), and argmaxes are
taken of the few (member, row) pairs alone that can change. Counts of hits and predictions follow by difference. What
is left out could not have mattered, up to float32 rounding, for which `_slack` leaves room; the sums themselves are the
same float32 sums that the plain algorithm makes, so the result is the same.

Shapes: n rows that count, k members that may be added to a block, C classes of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facetwise.blending.methods import VoteArray
from facetwise.blending.objective import Exam
from facetwise.blending.votes import Block, Votes
from facetwise.core.labels import FloatArray, IntArray

PAIRS = 1 << 15
"""Pairs of a member and a row that are worked off at a time, to stay in the processor's cache."""


@dataclass(frozen=True)
class Step:
    """One round of a selection: the member that was added to a block, and the joint macro F1 after it, 0..1."""

    round: int
    """From 1. The members that a selection starts with, one a block, are all of round 1."""
    block: int
    member: int
    score: float


@dataclass(frozen=True)
class Alone:
    """What each member of a block says by itself; the same for every bag, so computed once."""

    block: Block
    own: npt.NDArray[np.uint16]
    """Its first class, shape (members, rows)."""
    first: VoteArray
    """Its vote for that class, shape (members, rows)."""
    second: VoteArray
    """Its highest vote for any other, shape (members, rows)."""
    scale: float
    """The largest vote, by absolute value."""

    @classmethod
    def of(cls, block: Block) -> Alone:
        """Looks at one member at a time."""
        shape = block.votes.shape[:2]
        own, first, second = np.empty(shape, np.uint16), np.empty(shape, np.float32), np.empty(shape, np.float32)
        scale = 0.0
        for i, votes in enumerate(block.votes):
            best = votes.argmax(axis=1)
            first[i], second[i] = _two_best(votes, best)
            own[i] = best
            scale = max(scale, float(np.abs(votes).max()))
        return cls(block, own, first, second, scale)

    def margins(self, members: IntArray, rows: IntArray, decided: IntArray) -> VoteArray:
        """Votes for the decided class minus the highest other one, (k, n), of `members` in `rows` (positions)."""
        members = members[:, None]
        other = np.where(self.own[members, rows] == decided, self.second[members, rows], self.first[members, rows])
        margins: VoteArray = self.block.votes[members, rows, decided] - other
        return margins


class Tally:
    """The sums of one block as members are added, and which rows another member could turn."""

    def __init__(self, alone: Alone, rows: IntArray, members: IntArray, start: IntArray) -> None:
        """`members`: those that may be added, as positions in the block, (k,). `start`: which of these are in, (s,)."""
        self.alone, self.rows, self.members = alone, rows, members
        self.num_votes = len(start)
        self.sums: VoteArray = np.zeros((len(rows), alone.block.votes.shape[2]), np.float32)
        for i in start:
            self.sums += alone.block.votes[members[i], rows]
        self.top: IntArray = self.sums.argmax(axis=1).astype(np.int64)
        self.margin = alone.margins(members, rows, self.top)
        self.reach: VoteArray = -self.margin.min(axis=0)
        first, second = _two_best(self.sums, self.top)
        self.gap: VoteArray = first - second

    @property
    def _slack(self) -> float:
        """More than float32 sums of so many votes, and as many steps of `gap`, can be off."""
        return float(4 * np.finfo(np.float32).eps * (self.num_votes + 1) ** 2 * self.alone.scale)

    def add(self, i: int) -> None:
        """Add the i-th of `members`."""
        self.sums += self.alone.block.votes[self.members[i], self.rows]
        self.gap += self.margin[i]
        self.num_votes += 1
        loose = np.flatnonzero(self.gap <= np.maximum(self.reach, 0) + self._slack)
        sums = self.sums[loose]
        top = sums.argmax(axis=1)
        first, second = _two_best(sums, top)
        self.gap[loose] = first - second
        turned = loose[top != self.top[loose]]
        self.top[loose] = top
        self.margin[:, turned] = self.alone.margins(self.members, self.rows[turned], self.top[turned])
        self.reach[turned] = -self.margin[:, turned].min(axis=0)

    def turns(self) -> Iterator[tuple[IntArray, IntArray, IntArray]]:
        """What each member would turn if it were added now, in pieces: member 0..k-1, row 0..n-1, new class."""
        slack = self._slack
        doubtful = np.flatnonzero(self.gap <= self.reach + slack)
        can = self.margin[:, doubtful] <= slack - self.gap[doubtful]
        member, row = np.nonzero(can)
        row = doubtful[row]
        for start in range(0, len(member), PAIRS):
            who, where = member[start : start + PAIRS], row[start : start + PAIRS]
            sums = self.alone.block.votes[self.members[who], self.rows[where]]
            sums += self.sums[where]
            new = sums.argmax(axis=1)
            turned = new != self.top[where]
            yield who[turned], where[turned], new[turned]


class Selection:
    """A selection under way: a tally a block, and what the rows decide together."""

    def __init__(self, votes: Votes, exam: Exam, tallies: Sequence[Tally]) -> None:
        self.exam, self.tallies = exam, tallies
        self.strides = _strides(votes)
        self.joint = votes.joint_of([t.top.copy() for t in tallies])
        self.hits, self.predicted = exam.counts(self.joint)

    @property
    def score(self) -> float:
        """Joint macro F1 now."""
        return float(self.exam.score(self.hits, self.predicted))

    def scores(self, block: int) -> FloatArray:
        """Joint macro F1, shape (k,), if each of the members were added to the block."""
        tally, exam = self.tallies[block], self.exam
        size, k = len(exam.classes) + 1, len(tally.members)
        hits, predicted = np.zeros(k * size), np.zeros(k * size)
        for who, where, new in tally.turns():
            times, true = exam.weights[where], exam.true[where]
            after = self.joint[where] + (new - tally.top[where]) * self.strides[block]
            for joint, sign in ((self.joint[where], -1.0), (after, 1.0)):
                said = exam.numbers(joint)
                cells, hit = who * size + said, said == true
                predicted += sign * np.bincount(cells, times, k * size)
                hits += sign * np.bincount(cells[hit], times[hit], k * size)
        return exam.score(self.hits + hits.reshape(k, size), self.predicted + predicted.reshape(k, size))

    def add(self, block: int, i: int) -> None:
        """Make a move."""
        tally = self.tallies[block]
        before = tally.top.copy()
        tally.add(i)
        self.joint += (tally.top - before) * self.strides[block]
        self.hits, self.predicted = self.exam.counts(self.joint)


def _two_best(votes: VoteArray, best: npt.NDArray[np.integer]) -> tuple[VoteArray, VoteArray]:
    rows = np.arange(len(votes))
    first: VoteArray = votes[rows, best]
    rest = votes.copy()
    rest[rows, best] = -np.inf
    return first, rest.max(axis=1)


def _strides(votes: Votes) -> IntArray:
    """How much the joint class moves when a block's class moves by one, shape (B,)."""
    zero = [np.zeros(len(votes.blocks), np.int64) for _ in votes.blocks]
    one = [z + (np.arange(len(votes.blocks)) == b) for b, z in enumerate(zero)]
    return votes.joint_of(one) - votes.joint_of(zero)
