"""Bagged ensemble selection on out-of-fold rows, within limits.

A single selection is in `greedy.py`. Bagging (Caruana, Munson & Niculescu-Mizil 2006, ICDM, "Getting the most out of
ensemble selection"): each bag selects from a random share of the members and/or on people drawn with replacement, and
the weights of all bags are averaged.

The score returned with the weights is the one that was maximised, so it is optimistic. For a nested estimate, `times`
leaves a part of the people out (0), the blend decides them, and the parts are scored together.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from facetwise.blending.candidates import MOST_VOTES, narrowed
from facetwise.blending.greedy import Move, Selection, Tally, TopTwo
from facetwise.blending.limits import Limits
from facetwise.blending.objective import Objective, first_best
from facetwise.blending.votes import BoolArray, Votes, decide_classes, used_members
from facetwise.core.errors import SettingError
from facetwise.core.labels import FloatArray, IntArray
from facetwise.core.text.subject import PEOPLE
from facetwise.evaluate.metrics import MAIN, Metric
from facetwise.evaluate.resampling import Groups, group_numbers

NO_LIMITS = Limits()
FEWEST = 2
"""Fewest members of a block in a bag, where it has as many: a single one leaves nothing to select."""
MOST_ROUNDS = MOST_VOTES
"""More rounds would only refine weights by less than a thousandth."""


@dataclass(frozen=True)
class GreedySearch:
    """Settings of greedy selection.

    Bagging pays: -0.001 to +0.009 macro F1 on other people compared with a single selection, most by attribute. For
    similar members it makes no difference beyond chance whether bags draw people, half of the members, or both (six
    trials a case: `python benchmarks/blend.py --draws --nested --trials 6`). When one member is far better than the
    others, like the longest of 16 runs on masked-utk, drawing members leaves it out of half the bags: nested 0.494 with
    both, 0.506 with people only. So bags draw people.
    """

    rounds: int = 50
    """Number of members added; those that a selection starts with count as one round."""
    start: int = 1
    """Number of members that each block starts with: the best by the block's own score."""
    bags: int = 20
    """Number of selections whose weights are averaged; 0: a single one from all members on all people."""
    share: float = 1.0
    """Share of each block's members that a bag selects from (at least two); 1: all of them."""
    people: bool = True
    """Whether each bag draws people, with replacement."""
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least, most in (("rounds", 1, MOST_ROUNDS), ("bags", 0, MOST_ROUNDS), ("start", 1, None)):
            value = getattr(self, name)
            if value < least or (most is not None and value > most):
                upper = "or more" if most is None else f"to {most:,}"
                raise SettingError(f"`{name}` is {value:,}: expected {least} {upper}")
        if not 0 < self.share <= 1:
            raise SettingError(f"`share` is {self.share}: expected a number above 0, up to 1")
        if self.bags > 0 and self.share == 1 and not self.people:
            raise SettingError(f"bags that draw neither members nor {PEOPLE} are all the same: set bags = 0")


@dataclass(frozen=True)
class SelectedWeights:
    """The result of a selection."""

    weights: FloatArray
    """Shape (B, M); each row sums to 1, 0 for members that lack the block or were not selected."""
    score: float
    """Joint score, 0..1, of these weights on the rows that they were selected on: too high."""
    trace: tuple[Move, ...]
    """Moves of the single selection on all people, up to its best round; without bags they are the weights, else they
    only explain them."""

    @property
    def used(self) -> BoolArray:
        """Which members have a weight, shape (M,)."""
        return used_members(self.weights)


def select(
    votes: Votes,
    truth: npt.ArrayLike,
    groups: Groups,
    *,
    search: GreedySearch | None = None,
    limits: Limits = NO_LIMITS,
    times: npt.ArrayLike | None = None,
    threads: int | None = None,
    metric: Metric = MAIN,
) -> SelectedWeights:
    """Select weights that maximise a score over the joint classes.

    `truth` holds joint classes, `groups` the people, `times` how often each row counts (whole numbers; default 1), each
    of shape (n,). The truth of rows that count 0 times is never read. Bags run on `threads` threads (default: one a
    core), whose number does not change the result. Where some combinations cannot occur, selection by attribute counts
    a decision for one of them as wrong; the score is of the blend, which decides for the most probable that can.

    With limits, members are ranked by their weights in an unlimited selection, as many as the limits allow are taken
    from the top, and weights are selected again among these.

    Raises ValueError for shapes that do not match, InputError when the limits leave a block without a member.
    """
    search = search or GreedySearch()
    objective = objective_on(votes, truth, times, metric)
    person, num_people = group_numbers(groups)
    if len(person) != votes.num_rows:
        raise ValueError(f"{len(person)} groups for {votes.num_rows} rows")
    task = _Task(votes, [TopTwo.of(narrowed(block)) for block in votes.blocks], objective, person, num_people)
    members = limits.allowed(votes.num_members)
    limits.pick(members.astype(np.float64), votes.has)  # raises when nothing fits
    weights, trace = _selected(task, search, members, threads)
    if not limits.allow(used_members(weights)):
        members = limits.pick(weights.sum(axis=0), votes.has)
        weights, trace = _selected(task, search, members, threads)
    return SelectedWeights(weights, score_of(votes, weights, truth, times=times, metric=metric), trace)


def score_of(
    votes: Votes,
    weights: npt.ArrayLike,
    truth: npt.ArrayLike,
    *,
    times: npt.ArrayLike | None = None,
    metric: Metric = MAIN,
) -> float:
    """Joint score, 0..1, of the blend by `weights`, shape (B, M); the others as in `select`."""
    return objective_on(votes, truth, times, metric).score_of(decide_classes(votes, weights))


@dataclass(frozen=True)
class _Task:
    votes: Votes
    top_two: list[TopTwo]
    objective: Objective
    person: IntArray
    num_people: int


def objective_on(
    votes: Votes, truth: npt.ArrayLike, times: npt.ArrayLike | None = None, metric: Metric = MAIN
) -> Objective:
    """The objective for blends of `votes`; `truth`, `times` and errors as in `select`."""
    true = np.asarray(truth, np.int64)
    counted = np.ones(len(true)) if times is None else np.asarray(times, np.float64)
    if true.shape != (votes.num_rows,) or counted.shape != true.shape:
        raise ValueError(f"truth {true.shape}, times {counted.shape}: expected ({votes.num_rows},) as the votes have")
    if (counted < 0).any() or (counted % 1 != 0).any() or not counted.any():
        raise ValueError("times must be whole numbers, 0 or more, not all of them 0")
    used = true[counted > 0]
    if used.min() < 0 or used.max() >= votes.space.num_joint:
        raise ValueError(f"true classes are {used.min()}..{used.max()}, expected 0..{votes.space.num_joint - 1}")
    counts = votes.decided_in.num_joint, votes.space.num_joint
    return Objective(counted, votes.numbered(np.where(counted > 0, true, 0)), *counts, metric)


def _selected(
    task: _Task, search: GreedySearch, members: BoolArray, threads: int | None
) -> tuple[FloatArray, tuple[Move, ...]]:
    """Weights, shape (B, M), averaged over the bags, and the moves of the single selection."""
    pools = _pools(task.votes, members)

    def bag(number: int) -> FloatArray:
        # Two streams, so that the people of a bag do not depend on the candidates.
        of_people, of_members = (np.random.default_rng([search.seed, number, which]) for which in range(2))
        objective = _drawn_people(task, of_people) if search.people else task.objective
        return _greedy(task, objective, search, [_drawn(pool, search.share, of_members) for pool in pools])[0]

    with ThreadPoolExecutor(threads or len(os.sched_getaffinity(0))) as workers:
        single = workers.submit(_greedy, task, task.objective, search, pools)
        bags = list(workers.map(bag, range(search.bags)))
        weights, trace = single.result()
    return np.mean(bags, axis=0) if bags else weights, trace


def _pools(votes: Votes, members: BoolArray) -> list[IntArray]:
    """Positions, in each block, of the members that may be used."""
    return [np.flatnonzero(members[block.members]).astype(np.int64) for block in votes.blocks]


def _drawn(pool: IntArray, share: float, draws: np.random.Generator) -> IntArray:
    size = max(min(FEWEST, len(pool)), round(share * len(pool)))
    return np.sort(draws.choice(pool, size, replace=False))


def _drawn_people(task: _Task, draws: np.random.Generator) -> Objective:
    """Bootstrap over people: rows count as often as their person was drawn."""
    present = np.unique(task.person[task.objective.rows])
    drawn = np.bincount(draws.choice(present, len(present)), minlength=task.num_people)
    return replace(task.objective, times=task.objective.times * drawn[task.person])


def _greedy(
    task: _Task, objective: Objective, search: GreedySearch, pools: list[IntArray]
) -> tuple[FloatArray, tuple[Move, ...]]:
    """Weights, shape (B, M), at the best round of one selection (ties: the earliest), and the moves up to it."""
    votes = task.votes
    starts = [
        _best_single(a, replace(objective, truth=classes, num_joint=size, num_scored=size), pool, search.start)
        for a, block, classes, pool in zip(
            task.top_two, votes.blocks, votes.classes_of(objective.truth), pools, strict=True
        )
        for size in [block.votes.shape[2]]
    ]
    tallies = [Tally(a, objective.rows, p, s) for a, p, s in zip(task.top_two, pools, starts, strict=True)]
    selection = Selection(votes, objective, tallies)
    members = [block.members[pool] for block, pool in zip(votes.blocks, pools, strict=True)]
    options = [(b, i) for b, pool in enumerate(pools) for i in range(len(pool))]
    moves = [Move(1, b, int(members[b][i]), selection.score) for b, start in enumerate(starts) for i in start]
    for number in range(2, search.rounds + 1):
        b, i = options[first_best(np.concatenate([selection.scores(b) for b in range(len(pools))]))]
        selection.add(b, i)
        moves.append(Move(number, b, int(members[b][i]), selection.score))
    best = moves[first_best(np.array([s.score for s in moves]))].round
    moves_to_best = tuple(s for s in moves if s.round <= best)
    return _shares(moves_to_best, votes), moves_to_best


def _best_single(top_two: TopTwo, objective: Objective, pool: IntArray, count: int) -> IntArray:
    """Positions in `pool` of the `count` best members by the block's own score; the first of ties."""
    rows = objective.rows
    scores = [float(objective.score(*objective.counts(top_two.classes(rows, top_two.top[i, rows])))) for i in pool]
    return np.argsort(-np.round(scores, 12), kind="stable")[:count].astype(np.int64)


def _shares(moves: tuple[Move, ...], votes: Votes) -> FloatArray:
    weights = np.zeros((len(votes.blocks), votes.num_members))
    for move in moves:
        weights[move.block, move.member] += 1.0
    shares: FloatArray = weights / weights.sum(axis=1, keepdims=True)
    return shares
