"""Detection of misplaced rows, which hold the answers to other images: their share, their place, and their source.

A shuffled row agrees with another opinion in each attribute only by chance, so that all attributes are wrong together,
while an ordinary mistake mostly concerns one. Rows are a mixture of both kinds, and the share of the second follows
from how often each set of attributes agrees (a latent class model with two classes, Lazarsfeld & Henry 1968, of which
the second is known). Rows are shuffled individually, so images are the units here, not people.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from facetwise.core.labels import BoolArray, FloatArray, IntArray
from facetwise.evaluate.metrics import MISSING

SHARES: FloatArray = np.linspace(0, 0.99, 100)
"""Grid of shares of misplaced rows."""
USUAL = 0.05
"""Share that is always allowed: unrecognisable images are wrong in every attribute."""
MIN_MORE = 0.1
"""Smallest share above the usual one that is reported."""
LIKELIER = 9.0
"""Required likelihood-ratio statistic against the usual share: three standard errors."""
MIN_BLOCK, MAX_BLOCK = 1 / 16, 3 / 4
"""Size of a reported block as a share of the file."""
ACCIDENT = 3e-3
"""Significance level of a block, over all possible blocks together."""
MIN_DROP = 0.4
"""Difference in mean kappa between a block and the other rows that is required, since some images are harder."""
MAX_UNLIKE = 3.0
"""Largest chi-square per degree of freedom between the rows of a block and chance; above it they are merely hard."""
MIN_PIECES = 4
"""Smallest size of a block in pieces of two people: the images of a few people may be wrong together."""
SAME_COUNTS = 1e-5
"""Significance level for two different answers having every class equally often."""


@dataclass(frozen=True)
class Misplaced:
    """Rows that look like answers to other images."""

    share: float
    """Share of all rows, 0..1."""
    block: tuple[int, int] | None
    """First and last row, from 0, if they are contiguous."""

    def text(self) -> str:
        """Text that follows the agreement of two sides."""
        if self.block is not None:
            first, last = (row + 1 for row in self.block)
            return f", but in rows {first:,} to {last:,} by chance alone: are they of other images?"
        return f", but about {self.share:.0%} of the rows look like answers to other images"


def misplaced_rows(here: IntArray, there: IntArray, num_people: int, usual: float = USUAL) -> Misplaced | None:
    """Misplaced rows of `here`, compared with `there`, (n, k >= 2) each, none missing; None if there are none.

    `num_people`: number of people in the images. `usual`: the share found out of fold for the same two sides, or for
    the other side and the truth.
    """
    if here.shape[1] < 2 or len(here) < 2:
        return None
    sets, chance = _agreeing(here, there), _by_chance(here, there)
    if (block := _block(sets, chance, num_people)) and _is_chance(here, there, block):
        return Misplaced((block[1] - block[0] + 1) / len(here), block)
    likelihood = _profile(np.bincount(sets, minlength=len(chance)), chance)
    best, allowed = int(likelihood.argmax()), int(np.searchsorted(SHARES, max(usual, USUAL)))
    if SHARES[best] < SHARES[allowed] + MIN_MORE or 2 * (likelihood[best] - likelihood[allowed]) < LIKELIER:
        return None
    return Misplaced(float(SHARES[best]), None)


def misplaced_share(here: IntArray, there: IntArray) -> float:
    """Maximum-likelihood share of misplaced rows of two sides, (n, k) each; 0 if k is 1."""
    if here.shape[1] < 2 or len(here) < 2:
        return 0.0
    chance = _by_chance(here, there)
    counts = np.bincount(_agreeing(here, there), minlength=len(chance))
    return float(SHARES[_profile(counts, chance).argmax()])


def _agreeing(here: IntArray, there: IntArray) -> IntArray:
    """The set of attributes in which two sides agree, as bits, shape (n,)."""
    found: IntArray = (here == there) @ (1 << np.arange(here.shape[1]))
    return found


def _by_chance(here: IntArray, there: IntArray) -> FloatArray:
    """Probability of each set of agreeing attributes between independent rows of both sides."""
    (one, num_one), (two, num_two) = (np.unique(side, axis=0, return_counts=True) for side in (here, there))
    sets = (one[:, None] == two[None]) @ (1 << np.arange(here.shape[1]))
    counts = np.bincount(sets.ravel(), np.outer(num_one, num_two).ravel(), minlength=1 << here.shape[1])
    shares: FloatArray = counts / counts.sum()
    return shares


def _profile(counts: IntArray, chance: FloatArray) -> FloatArray:
    """Log-likelihood of each of `SHARES`, from the counts of sets of agreeing attributes and their chance frequencies.

    The other rows are assumed to agree in each attribute independently, at the rate implied by the whole file.
    """
    bits = (np.arange(len(chance))[:, None] >> np.arange(len(chance).bit_length() - 1)) & 1
    seen, num, shares = counts @ bits / counts.sum(), counts.sum(), SHARES[:, None]
    agree = (seen - shares * (chance @ bits)) / (1 - shares)
    possible = ((agree >= 0) & (agree <= 1 + 1e-9)).all(axis=1)
    agree = np.clip(agree, 0.5 / num, 1 - 0.5 / num)[:, None, :]
    honest = np.where(bits == 1, agree, 1 - agree).prod(axis=2)
    return np.where(possible, np.log((1 - shares) * honest + shares * chance + 1e-300) @ counts, -np.inf)


def _block(sets: IntArray, chance: FloatArray, num_people: int) -> tuple[int, int] | None:
    """First and last row of a contiguous block that agrees less than all other rows; None if there is none.

    The segment with the lowest agreement beyond chance, relative to half of that of the other rows; searched twice, the
    second time relative to the rows outside the first segment.
    """
    beyond = _beyond_chance(sets, chance)
    inside, start, end = np.zeros(len(sets), bool), 0, 0
    for _ in range(2):
        sums = np.concatenate([[0.0], np.cumsum(beyond[~inside].mean() / 2 - beyond)])
        end = int((sums - np.minimum.accumulate(sums)).argmax())
        start = int(sums[: end + 1].argmin())
        inside[:] = False
        inside[start:end] = True
    piece = 2 * max(round(len(sets) / num_people), 1)
    if not max(MIN_PIECES * piece, MIN_BLOCK * len(sets)) <= end - start <= MAX_BLOCK * len(sets):
        return None
    return (start, end - 1) if _stands_out(beyond, inside, piece) else None


def _is_chance(here: IntArray, there: IntArray, block: tuple[int, int]) -> bool:
    """Whether the rows of a block agree only by chance, and are not merely hard."""
    part = slice(block[0], block[1] + 1)
    sets, expected = _agreeing(here[part], there[part]), _by_chance(here[part], there[part])
    expected *= len(sets)
    unlike = float(((np.bincount(sets, minlength=len(expected)) - expected) ** 2 / (expected + 0.5)).sum())
    return unlike < MAX_UNLIKE * (len(expected) - 1)


def _beyond_chance(sets: IntArray, chance: FloatArray) -> FloatArray:
    """Agreement of each row beyond chance, shape (n,): 0 for chance, 1 in every attribute; its mean is the mean kappa.

    Attributes for which both sides always answer the same class are ignored.
    """
    bits = (np.arange(len(chance))[:, None] >> np.arange(len(chance).bit_length() - 1)) & 1
    alike = chance @ bits
    telling = alike < 1
    if not telling.any():
        return np.zeros(len(sets))
    found: FloatArray = ((bits - alike)[:, telling] / (1 - alike[telling])).mean(axis=1)[sets]
    return found


def _stands_out(beyond: FloatArray, inside: BoolArray, size: int) -> bool:
    """Whether the rows of a block agree significantly less than the others.

    Tested on means of pieces of `size` rows (two people), since the images of one person may be adjacent and wrong
    together. The variance is estimated from differences of neighbours (von Neumann 1941), which a block hardly affects,
    with 2/3 (m - 1) degrees of freedom; Bonferroni over the m^2 / 2 possible blocks of m pieces.
    """
    from scipy.special import stdtrit  # takes a moment, and most commands look at no file

    pieces = beyond[: len(beyond) // size * size].reshape(-1, size).mean(axis=1)
    if len(pieces) < 4:
        return False
    error = np.sqrt((np.diff(pieces) ** 2).mean() / 2 / (inside.sum() / size))
    errors_asked = stdtrit(2 / 3 * (len(pieces) - 1), 1 - ACCIDENT / (len(pieces) ** 2 / 2))
    return bool(beyond[~inside].mean() - beyond[inside].mean() > max(MIN_DROP, errors_asked * error))


@dataclass(frozen=True)
class ProjectAnswers:
    """Answers of a submission, run, blend or imported predictions, in the organisers' order."""

    name: str
    codes: IntArray
    """(n, num_attributes), -1 if missing."""


def same_in_another_order(joint: IntArray, other: IntArray) -> int | None:
    """Number of differing rows if two sides have the same class counts but in another order; None if by chance.

    Joint classes, (n,) each; `other` may have missing ones (-1). If each differing row is equally likely to differ in
    either direction, the differences of class counts are a random walk on the classes. The probability that it returns
    to its start is (2 / pi)^(r/2) / sqrt(D), where D is the determinant of the Laplacian of the graph of differing
    classes, reduced by one class in each component, and r its size (a local limit theorem).
    """
    size = int(max(joint.max(), other.max())) + 1
    spare = np.bincount(joint, minlength=size) - np.bincount(other[other != MISSING], minlength=size)
    differs = (joint != other) & (other != MISSING)
    if not differs.any() or (spare < 0).any() or spare.sum() != (other == MISSING).sum():
        return None
    return int(differs.sum()) if chance_of_equal_counts(joint[differs], other[differs]) < SAME_COUNTS else None


def chance_of_equal_counts(one: IntArray, two: IntArray) -> float:
    """Probability that two answers, (r,) each and different in every row, have equal class counts by chance."""
    classes, flat = np.unique(np.concatenate([one, two]), return_inverse=True)
    here, there = flat[: len(one)], flat[len(one) :]
    laplacian = np.zeros((len(classes), len(classes)))
    np.add.at(laplacian, (here, here), 1)
    np.add.at(laplacian, (there, there), 1)
    np.add.at(laplacian, (here, there), -1)
    np.add.at(laplacian, (there, here), -1)
    values = np.linalg.eigvalsh(laplacian)
    values = values[values > 1e-9]
    # The product of non-zero eigenvalues is the determinant times the number of classes of each component (Kirchhoff).
    return float(np.exp(-0.5 * (np.log(values * np.pi / 2).sum() - np.log(len(classes)))))


def others_that_say(codes: IntArray, others: Sequence[ProjectAnswers]) -> Iterator[tuple[int, int, int, int]]:
    """Classes of an attribute that a file never answers and more than half of the others do.

    Yields (attribute, class, number of others that answer it, median of their numbers of images).
    """
    for place in range(codes.shape[1]):
        sides = [o.codes[:, place] for o in others if (o.codes[:, place] != MISSING).any()]
        for code in sorted({int(c) for side in sides for c in np.unique(side[side != MISSING])}):
            counts = [int((side == code).sum()) for side in sides]
            says = [count for count in counts if count]
            if not (codes[:, place] == code).any() and 2 * len(says) > len(counts):
                yield place, code, len(says), int(np.median(says))
