"""How far two or more answer alike: agreement, what moved where, and who is outvoted.

Answers are class numbers, -1 (`MISSING`) where there is none. A row without an answer on either side of a pair is left
out of that pair; a side without an answer has no vote. Nothing here asks which of them is right but `who_is_right`.
How often two sides answer alike is counted in one place, `alike`, whatever asks: a comparison, a blend or a forecast.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facetwise.core.arrays import answers, classes, each, names, probabilities, takes
from facetwise.core.labels import FloatArray, IntArray
from facetwise.evaluate.intervals import RESAMPLES, Interval, share_intervals
from facetwise.evaluate.metrics import MISSING, occurring
from facetwise.evaluate.resampling import Groups, group_array, group_numbers

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Agreement:
    """How often two sides give the same class."""

    name: str
    """An attribute, or what the product of several is called."""
    num_images: int
    """That both answered."""
    num_same: int
    share: float | None
    """`num_same / num_images`; None without images."""
    kappa: float | None
    """Cohen's kappa: 1 is the same throughout, 0 what chance alone would give; None where chance gives all."""
    interval: Interval | None
    """Of `share`, drawing people; None where people are not known."""

    @property
    def num_different(self) -> int:
        """Images with two answers."""
        return self.num_images - self.num_same


@dataclass(frozen=True)
class Moved:
    """Images that differ in exactly these attributes."""

    attributes: tuple[str, ...]
    num_images: int


@dataclass(frozen=True)
class Transition:
    """Images that one side puts into class `before` and the other into class `after`, another one."""

    before: int
    after: int
    num_images: int


@dataclass(frozen=True)
class Right:
    """Whose class is the true one where two sides differ."""

    name: str
    first: int
    second: int
    neither: int


@dataclass(frozen=True)
class PeopleMoved:
    """The people that two sides tell apart."""

    name: str
    num_people: int
    """With an image that both answered."""
    num_some: int
    """With different answers for at least one image."""
    num_all: int
    """With different answers for every image."""


@dataclass(frozen=True)
class Votes:
    """Answers of m sides for n images as votes, one a side."""

    majority: IntArray
    """The class with most votes, (n,); -1 where two classes have as many, or nobody votes."""
    unanimous: BoolArray
    """Two or more vote, and all alike, (n,)."""
    outvoted: BoolArray
    """(m, n): more than half of all who vote agree on one class, and it is not this side's."""
    alone: BoolArray
    """(m, n): outvoted by all the others."""


@takes(first=answers("n"), second=answers("n"))
def agreement(name: str, first: IntArray, second: IntArray, interval: Interval | None = None) -> Agreement:
    """How often two sides give the same class, (n,) each; `interval` as `agreement_intervals` has it.

    Raises ValueError when the sides differ in length.
    """
    same, both = alike(first, second)
    num, num_same = int(both.sum()), int(same.sum())
    share = num_same / num if num else None
    return Agreement(name, num, num_same, share, cohen_kappa(first[both], second[both]), interval)


@takes(first=answers("*n"), second=answers("*n"))
def alike(first: IntArray, second: IntArray) -> tuple[BoolArray, BoolArray]:
    """Rows that two sides answer alike, and rows that both answer, (n,) each.

    Sides are classes, (n,), or codes of k attributes, (n, k). Then a row is alike where both say the same in every
    attribute that both have, and both answer a row where they have one in common. Raises ValueError when they differ
    in shape.
    """
    both, same = answered(first, second), first == second
    if first.ndim == 1:
        return both & same, both
    common: BoolArray = np.logical_or.reduce(both, axis=1)
    return np.logical_and.reduce(same | ~both, axis=1) & common, common


@takes(first=answers("*n"), second=answers("*n"))
def share_apart(first: IntArray, second: IntArray) -> float:
    """The share of rows that two sides answer otherwise, 0..1, as `alike`; NaN where they have no row in common."""
    same, both = alike(first, second)
    return int((both & ~same).sum()) / num if (num := int(both.sum())) else float("nan")


@takes(answers=each(answers("*n")))
def shares_apart(answers: Sequence[IntArray]) -> FloatArray:
    """`share_apart` of each two of m sides, shape (m, m), symmetric.

    0 of a side with itself, if it answers anything. Where no answer is missing it is the Hamming distance over n, so
    the triangle inequality holds, and exp(-d / r) is positive definite.
    """
    found = np.zeros((len(answers), len(answers)))
    for i, one in enumerate(answers):
        for j, other in enumerate(answers[: i + 1]):
            found[i, j] = found[j, i] = share_apart(one, other)
    return found


@takes(pairs=each(each(answers("n"))), groups=names("n"))
def agreement_intervals(
    pairs: Sequence[tuple[IntArray, IntArray]], groups: Groups, *, resamples: int = RESAMPLES
) -> tuple[Interval, ...]:
    """The interval of the share of agreement of each pair of sides, (n,) each: people are drawn, the same for all."""
    same, counted = (np.stack(rows, axis=1) for rows in zip(*(alike(one, two) for one, two in pairs), strict=True))
    return share_intervals(same, counted, groups, resamples=resamples)


@takes(first=classes("n"), second=classes("n"))
def cohen_kappa(first: IntArray, second: IntArray) -> float | None:
    """Agreement beyond chance: (seen - chance) / (1 - chance), for answers (n,) without missing ones.

    Chance is that of two who answer at random with each side's own shares (Cohen 1960, "A coefficient of agreement for
    nominal scales"). None where that is certain, both saying one class throughout, or without answers.
    """
    if not len(first):
        return None
    chance = chance_agreement(first, second)
    return (float((first == second).mean()) - chance) / (1 - chance) if chance < 1 else None


@takes(first=classes("n"), second=classes("n"))
def chance_agreement(first: IntArray, second: IntArray) -> float:
    """The share of answers, (n,) without missing ones, that two who answer at random by their own shares have alike.

    Exactly 1 where both say one class throughout.
    """
    one, two, size = occurring(first, second)
    shares = [np.bincount(side, minlength=size) / len(side) for side in (one, two)]
    return float(shares[0] @ shares[1]) if size > 1 else 1.0


@takes(first=answers("n k"), second=answers("n k"), names=names("k"))
def moved(first: IntArray, second: IntArray, names: Sequence[str]) -> tuple[Moved, ...]:
    """Images by the set of attributes in which two sides differ, most first; codes (n, len(names)) each.

    Images where one side lacks an attribute are left out. Ties go by the order of `names`.
    """
    both = answered(first, second).all(axis=1)
    places = 2 ** np.arange(len(names))[::-1]
    patterns, counts = np.unique((first[both] != second[both]) @ places, return_counts=True)
    found = [
        Moved(tuple(n for n, place in zip(names, places.tolist(), strict=True) if pattern & place), count)
        for pattern, count in zip(patterns.tolist()[::-1], counts.tolist()[::-1], strict=True)
        if pattern
    ]
    return tuple(sorted(found, key=lambda m: (-m.num_images, len(m.attributes))))


@takes(first=answers("n"), second=answers("n"))
def transitions(first: IntArray, second: IntArray) -> tuple[Transition, ...]:
    """From which class of the first side, (n,), to which of the second; most images first, ties in class order."""
    changed = answered(first, second) & (first != second)
    one, two, size = occurring(first[changed], second[changed])
    classes = np.unique(np.concatenate([first[changed], second[changed]])).tolist()
    cells, counts = np.unique(one * size + two, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    found = ((*divmod(int(cells[i]), size), int(counts[i])) for i in order)
    return tuple(Transition(classes[before], classes[after], count) for before, after, count in found)


@takes(first=answers("n"), second=answers("n"), truth=answers("n"))
def who_is_right(name: str, first: IntArray, second: IntArray, truth: IntArray) -> Right:
    """Whose class is the true one, (n,) each, on the images where the two differ."""
    changed = answered(first, second) & (first != second)
    one, two, true = first[changed], second[changed], truth[changed]
    hits = int((one == true).sum()), int((two == true).sum())
    return Right(name, *hits, len(true) - sum(hits))


@takes(first=answers("n"), second=answers("n"), groups=names("n"))
def people_moved(name: str, first: IntArray, second: IntArray, groups: Groups) -> PeopleMoved:
    """How many people two sides, (n,) each, tell apart in some of their images, and how many in all of them."""
    both = answered(first, second)
    if not both.any():
        return PeopleMoved(name, 0, 0, 0)
    person, num_people = group_numbers(group_array(groups)[both])
    images = np.bincount(person, minlength=num_people)
    changed = np.bincount(person[first[both] != second[both]], minlength=num_people)
    return PeopleMoved(name, num_people, int((changed > 0).sum()), int((changed == images).sum()))


@takes(answers=answers("m n"))
def tally_votes(answers: IntArray) -> Votes:
    """Count `answers`, shape (m, n), as votes: the classes of m sides for n images."""
    voted = answers != MISSING
    same = (answers[:, None] == answers[None, :]) & voted[:, None] & voted[None, :]
    votes = same.sum(axis=1)  # for the class of each side
    against = np.where(~same & voted[None, :], votes[None, :], 0).max(axis=1, initial=0)
    voters = voted.sum(axis=0)
    outvoted = voted & (2 * against > voters)
    return Votes(
        majority=_most_votes(answers, votes),
        unanimous=(voters >= 2) & (votes.max(axis=0) == voters),
        outvoted=outvoted,
        alone=outvoted & (against == voters - 1),
    )


@takes(first=answers("*n"), second=answers("*n"))
def answered(first: IntArray, second: IntArray) -> BoolArray:
    """Where both sides have an answer; raises ValueError when they differ in shape."""
    present: BoolArray = (first != MISSING) & (second != MISSING)
    return present


@takes(answers=answers("m n"), sureness=probabilities("m n", missing=True))
def contradiction(answers: IntArray, sureness: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """How sure the sides are that contradict one another, (n,): NaN where none do, or nothing is known of those who do.

    `answers` and `sureness`, the probability of a side's own answer or NaN, have shape (m, n). Two sides with different
    answers are as sure as the less sure of the two, or as the one that is known; of several such pairs the surest
    counts.
    """
    best = np.full(answers.shape[1], np.nan)
    for i in range(len(answers)):
        for j in range(i):
            differ = answered(answers[i], answers[j]) & (answers[i] != answers[j])
            pair = np.fmin(sureness[i], sureness[j])
            best = np.where(differ, np.fmax(best, pair), best)
    return best


def _most_votes(answers: IntArray, votes: IntArray) -> IntArray:
    """The class with most votes of each image, (n,); -1 for a tie or no vote."""
    top = (votes == votes.max(axis=0)) & (votes > 0)
    largest = np.where(top, answers, MISSING).max(axis=0)
    smallest = np.where(top, answers, np.iinfo(np.int64).max).min(axis=0)
    return np.where(largest == smallest, largest, MISSING)
