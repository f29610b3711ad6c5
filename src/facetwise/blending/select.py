"""Weights for a blend: greedy selection on out-of-fold rows, bagged, within limits.

`greedy.py` has the selection itself. Bagged (Caruana, Munson & Niculescu-Mizil 2006, ICDM, "Getting the most out of
ensemble selection"): each bag selects from a random share of the members and/or on people drawn with replacement, and
the weights of all bags are averaged.

The score that comes with the weights was maximised by them, so it flatters. What a blend is worth is told by a nested
estimate: `times` leaves a part of the people out (0), the blend decides them, and the parts are scored together.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facetwise.blending.greedy import Alone, Selection, Step, Tally
from facetwise.blending.limits import Limits
from facetwise.blending.objective import Exam, first_best
from facetwise.blending.votes import BoolArray, Votes, decided, used_by
from facetwise.core.errors import SettingError
from facetwise.core.labels import FloatArray, IntArray
from facetwise.evaluate.resampling import Groups, group_numbers

NO_LIMITS = Limits()
FEWEST = 2
"""Members of a block that a bag has at least, where there are as many: from a single one nothing is selected."""
MOST_ROUNDS = 1000
"""Rounds beyond which a weight is a share of less than a thousandth."""


@dataclass(frozen=True)
class Search:
    """How weights are looked for.

    Bags are worth having: -0.001 to +0.009 macro F1 on other people over one selection without, most by attribute.
    Where members are alike it makes no difference beyond chance whether bags draw people, half of the members, or both
    (six trials a case: `python benchmarks/blend.py --draws --nested --trials 6`). Where one is far better than the
    others, as the longest of 16 runs on masked-utk is, half of the bags would have to do without it: nested 0.494 with
    both, 0.506 with people alone. So bags draw people.
    """

    rounds: int = 50
    """Members added in all, those that a selection starts with counted as one round."""
    start: int = 1
    """How many of the best members each block starts with, judged by the block's own macro F1."""
    bags: int = 20
    """Selections whose weights are averaged; 0 is a single one from all members on all people."""
    share: float = 1.0
    """Share of each block's members that a bag selects from, at least two where there are; 1 is all of them."""
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
            raise SettingError("bags that draw neither members nor people are all the same: set bags = 0")


@dataclass(frozen=True)
class Chosen:
    """What was selected."""

    weights: FloatArray
    """Shape (B, M); each row sums to 1, 0 for members that lack the block or were not chosen."""
    score: float
    """Joint macro F1 of these weights on the rows that they were chosen on, 0..1: flattered."""
    trace: tuple[Step, ...]
    """The single selection on all people from the members that the limits left, up to its best round: for explaining.
    Without bags these moves are the weights."""

    @property
    def used(self) -> BoolArray:
        """Which members have a weight, shape (M,)."""
        return used_by(self.weights)


def select(
    votes: Votes,
    truth: npt.ArrayLike,
    groups: Groups,
    *,
    search: Search | None = None,
    limits: Limits = NO_LIMITS,
    times: npt.ArrayLike | None = None,
    threads: int | None = None,
) -> Chosen:
    """Weights that maximise the macro F1 over the joint classes on rows of known class.

    `truth` holds joint classes, `groups` the people, `times` how often each row counts (whole numbers; once, unless
    told), each of shape (n,). The truth of rows that do not count is not looked at. `threads` work on bags side by side
    (as many as cores, unless told) and change nothing.

    With limits, members are ranked by their weight in a first selection among all, as many of the first are kept as
    the limits allow, and the weights are selected again among these.

    Raises ValueError for shapes that do not fit, InputError when the limits leave a block without a member.
    """
    search = search or Search()
    exam = exam_on(votes, truth, times)
    person, num_people = group_numbers(groups)
    if len(person) != votes.num_rows:
        raise ValueError(f"{len(person)} groups for {votes.num_rows} rows")
    task = _Task(votes, [Alone.of(block) for block in votes.blocks], exam, person, num_people)
    members = limits.allowed(votes.num_members)
    limits.keep(members.astype(np.float64), votes.has)  # raises when nothing fits
    weights, trace = _selected(task, search, members, threads)
    if not limits.hold(used_by(weights)):
        members = limits.keep(weights.sum(axis=0), votes.has)
        weights, trace = _selected(task, search, members, threads)
    return Chosen(weights, score_of(votes, weights, truth, times=times), trace)


def score_of(
    votes: Votes, weights: npt.ArrayLike, truth: npt.ArrayLike, *, times: npt.ArrayLike | None = None
) -> float:
    """Joint macro F1, 0..1, of what `weights`, shape (B, M), decide; `truth` and `times` as in `select`."""
    return exam_on(votes, truth, times).score_of(decided(votes, weights))


@dataclass(frozen=True)
class _Task:
    votes: Votes
    alone: list[Alone]
    exam: Exam
    person: IntArray
    num_people: int


def exam_on(votes: Votes, truth: npt.ArrayLike, times: npt.ArrayLike | None = None) -> Exam:
    """What blends of `votes` are scored on; `truth`, `times` and what is raised as in `select`."""
    true = np.asarray(truth, np.int64)
    counted = np.ones(len(true)) if times is None else np.asarray(times, np.float64)
    if true.shape != (votes.num_rows,) or counted.shape != true.shape:
        raise ValueError(f"truth {true.shape}, times {counted.shape}: expected ({votes.num_rows},) as the votes have")
    if (counted < 0).any() or (counted % 1 != 0).any() or not counted.any():
        raise ValueError("times must be whole numbers, 0 or more, not all of them 0")
    used = true[counted > 0]
    if used.min() < 0 or used.max() >= votes.space.num_joint:
        raise ValueError(f"true classes are {used.min()}..{used.max()}, expected 0..{votes.space.num_joint - 1}")
    return Exam(counted, np.where(counted > 0, true, 0), votes.space.num_joint)


def _selected(
    task: _Task, search: Search, members: BoolArray, threads: int | None
) -> tuple[FloatArray, tuple[Step, ...]]:
    """Weights, shape (B, M), of all bags; and the steps of the single selection, which without bags makes them."""
    pools = _pools(task.votes, members)

    def bag(number: int) -> FloatArray:
        # Apart, so that the people of a bag are the same whoever the candidates are.
        of_people, of_members = (np.random.default_rng([search.seed, number, which]) for which in range(2))
        exam = _drawn_people(task, of_people) if search.people else task.exam
        return _greedy(task, exam, search, [_drawn(pool, search.share, of_members) for pool in pools])[0]

    with ThreadPoolExecutor(threads or len(os.sched_getaffinity(0))) as workers:
        single = workers.submit(_greedy, task, task.exam, search, pools)
        bags = list(workers.map(bag, range(search.bags)))
        weights, trace = single.result()
    return np.mean(bags, axis=0) if bags else weights, trace


def _pools(votes: Votes, members: BoolArray) -> list[IntArray]:
    """Positions in each block of the members that may be used."""
    return [np.flatnonzero(members[block.members]).astype(np.int64) for block in votes.blocks]


def _drawn(pool: IntArray, share: float, draws: np.random.Generator) -> IntArray:
    size = max(min(FEWEST, len(pool)), round(share * len(pool)))
    return np.sort(draws.choice(pool, size, replace=False))


def _drawn_people(task: _Task, draws: np.random.Generator) -> Exam:
    """As many people as count, drawn with replacement; rows count as often as their person was drawn."""
    present = np.unique(task.person[task.exam.rows])
    drawn = np.bincount(draws.choice(present, len(present)), minlength=task.num_people)
    return Exam(task.exam.times * drawn[task.person], task.exam.truth, task.exam.num_joint)


def _greedy(task: _Task, exam: Exam, search: Search, pools: list[IntArray]) -> tuple[FloatArray, tuple[Step, ...]]:
    """Weights, shape (B, M), of the best round of one selection, the earliest of equals; and its steps up to there."""
    votes = task.votes
    starts = [
        _best_alone(a, Exam(exam.times, classes, a.block.votes.shape[2]), pool, search.start)
        for a, classes, pool in zip(task.alone, votes.classes_of(exam.truth), pools, strict=True)
    ]
    tallies = [Tally(a, exam.rows, p, s) for a, p, s in zip(task.alone, pools, starts, strict=True)]
    selection = Selection(votes, exam, tallies)
    members = [block.members[pool] for block, pool in zip(votes.blocks, pools, strict=True)]
    moves = [(b, i) for b, pool in enumerate(pools) for i in range(len(pool))]
    steps = [Step(1, b, int(members[b][i]), selection.score) for b, start in enumerate(starts) for i in start]
    for number in range(2, search.rounds + 1):
        b, i = moves[first_best(np.concatenate([selection.scores(b) for b in range(len(pools))]))]
        selection.add(b, i)
        steps.append(Step(number, b, int(members[b][i]), selection.score))
    best = steps[first_best(np.array([s.score for s in steps]))].round
    kept = tuple(s for s in steps if s.round <= best)
    return _shares(kept, votes), kept


def _best_alone(alone: Alone, exam: Exam, pool: IntArray, count: int) -> IntArray:
    """The `count` best members of a block by its own macro F1, as positions in `pool`; of equals the first."""
    scores = [float(exam.score(*exam.counts(alone.own[i, exam.rows].astype(np.int64)))) for i in pool]
    return np.argsort(-np.round(scores, 12), kind="stable")[:count].astype(np.int64)


def _shares(steps: tuple[Step, ...], votes: Votes) -> FloatArray:
    weights = np.zeros((len(votes.blocks), votes.num_members))
    for step in steps:
        weights[step.block, step.member] += 1.0
    shares: FloatArray = weights / weights.sum(axis=1, keepdims=True)
    return shares
