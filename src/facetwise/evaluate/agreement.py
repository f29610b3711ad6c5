"""Agreement between the answers of several sides: how often they agree, where they differ, and who is outvoted.

Answers are class numbers, -1 (`MISSING`) where missing. A row that either side of a pair does not answer is left out of
that pair; a side without an answer has no vote. Only `count_correct` looks at the truth. Comparisons, blends and
forecasts all count agreement with `agreeing_rows`.
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
    """Agreement of two sides."""

    name: str
    """An attribute, or the name of the product of several."""
    num_images: int
    """Number of images that both answered."""
    num_same: int
    share: float | None
    """`num_same / num_images`; None without images."""
    kappa: float | None
    """Cohen's kappa: 1 for full agreement, 0 for chance agreement; None where chance agreement is 1."""
    interval: Interval | None
    """Interval of `share`, by person; None where people are not known."""

    @property
    def num_different(self) -> int:
        """Number of images with different answers."""
        return self.num_images - self.num_same


@dataclass(frozen=True)
class Moved:
    """Number of images that differ in exactly these attributes."""

    attributes: tuple[str, ...]
    num_images: int


@dataclass(frozen=True)
class Transition:
    """Number of images that the first side puts into class `before` and the second into another class, `after`."""

    before: int
    after: int
    num_images: int


@dataclass(frozen=True)
class CorrectCounts:
    """Which side has the true class, on the images where two sides differ."""

    name: str
    first: int
    second: int
    neither: int


@dataclass(frozen=True)
class PeopleMoved:
    """Number of people with different answers."""

    name: str
    num_people: int
    """People with an image that both sides answered."""
    num_some: int
    """People with different answers for at least one image."""
    num_all: int
    """People with different answers for every image."""


@dataclass(frozen=True)
class MajorityVotes:
    """Answers of m sides for n images counted as votes, one for each side."""

    majority: IntArray
    """The class with most votes, (n,); -1 for a tie or no votes."""
    unanimous: BoolArray
    """Whether two or more sides vote and all agree, (n,)."""
    outvoted: BoolArray
    """Whether more than half of all votes are for one class other than this side's, (m, n)."""
    alone: BoolArray
    """Whether the side is outvoted by all others, (m, n)."""


@takes(first=answers("n"), second=answers("n"))
def agreement(name: str, first: IntArray, second: IntArray, interval: Interval | None = None) -> Agreement:
    """Agreement of the classes of two sides, (n,) each; `interval` as from `agreement_intervals`.

    Raises ValueError when the sides differ in length.
    """
    same, both = agreeing_rows(first, second)
    num, num_same = int(both.sum()), int(same.sum())
    share = num_same / num if num else None
    return Agreement(name, num, num_same, share, cohen_kappa(first[both], second[both]), interval)


@takes(first=answers("*n"), second=answers("*n"))
def agreeing_rows(first: IntArray, second: IntArray) -> tuple[BoolArray, BoolArray]:
    """Rows that two sides answer alike, and rows that both answer, (n,) each.

    Sides are classes, (n,), or codes of k attributes, (n, k). With codes, both answer a row where they have an
    attribute in common, and agree where these are all equal. Raises ValueError for different shapes.
    """
    both, same = both_answered(first, second), first == second
    if first.ndim == 1:
        return both & same, both
    common: BoolArray = np.logical_or.reduce(both, axis=1)
    return np.logical_and.reduce(same | ~both, axis=1) & common, common


@takes(first=answers("*n"), second=answers("*n"))
def disagreement(first: IntArray, second: IntArray) -> float:
    """The share of rows that two sides answer otherwise, 0..1, as `agreeing_rows`; NaN where they have no row in
    common."""
    same, both = agreeing_rows(first, second)
    return int((both & ~same).sum()) / num if (num := int(both.sum())) else float("nan")


@takes(answers=each(answers("*n")))
def disagreement_matrix(answers: Sequence[IntArray]) -> FloatArray:
    """`disagreement` of each two of m sides, shape (m, m), symmetric.

    Without missing answers it is the Hamming distance divided by n: it satisfies the triangle inequality, and
    exp(-d / r) is positive definite.
    """
    found = np.zeros((len(answers), len(answers)))
    for i, one in enumerate(answers):
        for j, other in enumerate(answers[: i + 1]):
            found[i, j] = found[j, i] = disagreement(one, other)
    return found


@takes(pairs=each(each(answers("n"))), groups=names("n"))
def agreement_intervals(
    pairs: Sequence[tuple[IntArray, IntArray]], groups: Groups, *, resamples: int = RESAMPLES
) -> tuple[Interval, ...]:
    """Intervals of the agreement of pairs of sides, (n,) each, all from the same resamples of people."""
    same, counted = (
        np.stack(rows, axis=1) for rows in zip(*(agreeing_rows(one, two) for one, two in pairs), strict=True)
    )
    return share_intervals(same, counted, groups, resamples=resamples)


@takes(first=classes("n"), second=classes("n"))
def cohen_kappa(first: IntArray, second: IntArray) -> float | None:
    """Agreement beyond chance, (observed - chance) / (1 - chance), of answers (n,) without missing ones.

    Chance agreement is that of independent answers with the same class shares (Cohen 1960, "A coefficient of agreement
    for nominal scales"). None where it is 1, when both always answer the same class, and without answers.
    """
    if not len(first):
        return None
    chance = chance_agreement(first, second)
    return (float((first == second).mean()) - chance) / (1 - chance) if chance < 1 else None


@takes(first=classes("n"), second=classes("n"))
def chance_agreement(first: IntArray, second: IntArray) -> float:
    """Agreement of independent answers with the class shares of `first` and `second`, (n,) without missing ones.

    Exactly 1 when both always answer the same class.
    """
    one, two, size = occurring(first, second)
    shares = [np.bincount(side, minlength=size) / len(side) for side in (one, two)]
    return float(shares[0] @ shares[1]) if size > 1 else 1.0


@takes(first=answers("n k"), second=answers("n k"), names=names("k"))
def moved_by_attributes(first: IntArray, second: IntArray, names: Sequence[str]) -> tuple[Moved, ...]:
    """Images by the set of attributes in which two sides differ, most first; codes (n, len(names)) each.

    Images with a missing attribute are left out. Ties follow the order of `names`.
    """
    both = both_answered(first, second).all(axis=1)
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
    """Differing classes of two sides, (n,) each, by number of images, most first; ties in class order."""
    changed = both_answered(first, second) & (first != second)
    one, two, size = occurring(first[changed], second[changed])
    classes = np.unique(np.concatenate([first[changed], second[changed]])).tolist()
    cells, counts = np.unique(one * size + two, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    found = ((*divmod(int(cells[i]), size), int(counts[i])) for i in order)
    return tuple(Transition(classes[before], classes[after], count) for before, after, count in found)


@takes(first=answers("n"), second=answers("n"), truth=answers("n"))
def count_correct(name: str, first: IntArray, second: IntArray, truth: IntArray) -> CorrectCounts:
    """Whose class is the true one, (n,) each, on the images where the two differ and the true one is known."""
    changed = both_answered(first, second) & (first != second) & (truth != MISSING)
    one, two, true = first[changed], second[changed], truth[changed]
    hits = int((one == true).sum()), int((two == true).sum())
    return CorrectCounts(name, *hits, len(true) - sum(hits))


@takes(first=answers("n"), second=answers("n"), groups=names("n"))
def people_moved(name: str, first: IntArray, second: IntArray, groups: Groups) -> PeopleMoved:
    """Number of people with different answers for some, and for all, of their images; sides are (n,)."""
    both = both_answered(first, second)
    if not both.any():
        return PeopleMoved(name, 0, 0, 0)
    person, num_people = group_numbers(group_array(groups)[both])
    images = np.bincount(person, minlength=num_people)
    changed = np.bincount(person[first[both] != second[both]], minlength=num_people)
    return PeopleMoved(name, num_people, int((changed > 0).sum()), int((changed == images).sum()))


@takes(answers=answers("m n"))
def tally_votes(answers: IntArray) -> MajorityVotes:
    """Count `answers`, shape (m, n), as votes: the classes of m sides for n images."""
    voted = answers != MISSING
    same = (answers[:, None] == answers[None, :]) & voted[:, None] & voted[None, :]
    votes = same.sum(axis=1)  # for the class of each side
    against = np.where(~same & voted[None, :], votes[None, :], 0).max(axis=1, initial=0)
    voters = voted.sum(axis=0)
    outvoted = voted & (2 * against > voters)
    return MajorityVotes(
        majority=_most_votes(answers, votes),
        unanimous=(voters >= 2) & (votes.max(axis=0) == voters),
        outvoted=outvoted,
        alone=outvoted & (against == voters - 1),
    )


@takes(first=answers("*n"), second=answers("*n"))
def both_answered(first: IntArray, second: IntArray) -> BoolArray:
    """Where both sides have an answer; raises ValueError when they differ in shape."""
    present: BoolArray = (first != MISSING) & (second != MISSING)
    return present


@takes(answers=answers("m n"), sureness=probabilities("m n", missing=True))
def contradiction(answers: IntArray, sureness: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Confidence with which sides contradict each other, (n,); NaN without a contradiction or without confidences.

    `answers` and `sureness`, the probability of a side's own answer or NaN, have shape (m, n). A pair with different
    answers has the lower of its two confidences, or the known one; the highest of all pairs counts.
    """
    best = np.full(answers.shape[1], np.nan)
    for i in range(len(answers)):
        for j in range(i):
            differ = both_answered(answers[i], answers[j]) & (answers[i] != answers[j])
            pair = np.fmin(sureness[i], sureness[j])
            best = np.where(differ, np.fmax(best, pair), best)
    return best


def _most_votes(answers: IntArray, votes: IntArray) -> IntArray:
    """The class with most votes for each image, (n,); -1 for a tie or no votes."""
    top = (votes == votes.max(axis=0)) & (votes > 0)
    largest = np.where(top, answers, MISSING).max(axis=0)
    smallest = np.where(top, answers, np.iinfo(np.int64).max).min(axis=0)
    return np.where(largest == smallest, largest, MISSING)
