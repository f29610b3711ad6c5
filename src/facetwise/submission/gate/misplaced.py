"""Rows of a file that hold the answers to other images: how many, where, and whose answers they are.

A shuffled row agrees with another opinion in each attribute by chance alone, so the attributes go wrong together; an
honest mistake is mostly made in one. Rows are then a mixture of two kinds, and the share of the second follows from how
often each set of attributes agrees (a latent class model of two classes, Lazarsfeld & Henry 1968, whose second class is
known). Rows are shuffled one by one, so images are the units here, not people.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from facetwise.core.labels import BoolArray, FloatArray, IntArray
from facetwise.evaluate.metrics import MISSING

SHARES: FloatArray = np.linspace(0, 0.99, 100)
"""Shares of misplaced rows that are tried."""
USUAL = 0.05
"""Share that is always allowed: images that nobody can see go wrong in every attribute."""
MIN_MORE = 0.1
"""Share above the usual one from which anything is said."""
LIKELIER = 9.0
"""Twice the gain in log-likelihood over the usual share that is asked for: three standard errors."""
MIN_BLOCK, MAX_BLOCK = 1 / 16, 3 / 4
"""Rows of a block that is named, as a share of the file."""
ACCIDENT = 3e-3
"""Chance, all blocks that could be found taken together, below which a block is no accident."""
MIN_DROP = 0.4
"""Kappa, mean of the attributes, by which a block must agree less than the other rows: some images are harder."""
MAX_UNLIKE = 3.0
"""Most that the rows of a block may differ from chance, as chi-square a degree of freedom: they may be merely hard."""
MIN_PIECES = 4
"""The same in pieces of two people each: the images of a few people may go wrong together."""
SAME_COUNTS = 1e-5
"""Chance below which two answers that differ do not have every class equally often by accident."""


@dataclass(frozen=True)
class Misplaced:
    """Rows that look as if they were of other images."""

    share: float
    """Of all rows, 0..1."""
    block: tuple[int, int] | None
    """First and last of the rows, from 0, when they stand together."""

    def told(self) -> str:
        """In words, to follow how far two agree."""
        if self.block is not None:
            first, last = (row + 1 for row in self.block)
            return f", but in rows {first:,} to {last:,} by chance alone: are they of other images?"
        return f", but about {self.share:.0%} of the rows look like answers to other images"


def misplaced_rows(here: IntArray, there: IntArray, num_people: int, usual: float = USUAL) -> Misplaced | None:
    """Rows of `here` that are misplaced, beside another opinion, shape (n, k >= 2) each, none missing; None without.

    `num_people`: whose images they are. `usual`: the share that the same two, or the other and the truth, seem to have
    out of fold.
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
    """The share of misplaced rows that explains best how two agree, shape (n, k) each; 0 where k is 1."""
    if here.shape[1] < 2 or len(here) < 2:
        return 0.0
    chance = _by_chance(here, there)
    counts = np.bincount(_agreeing(here, there), minlength=len(chance))
    return float(SHARES[_profile(counts, chance).argmax()])


def _agreeing(here: IntArray, there: IntArray) -> IntArray:
    """The set of attributes in which two agree, a bit an attribute, shape (n,)."""
    found: IntArray = (here == there) @ (1 << np.arange(here.shape[1]))
    return found


def _by_chance(here: IntArray, there: IntArray) -> FloatArray:
    """How often each set agrees between a row of one and any row of the other."""
    (one, num_one), (two, num_two) = (np.unique(side, axis=0, return_counts=True) for side in (here, there))
    sets = (one[:, None] == two[None]) @ (1 << np.arange(here.shape[1]))
    counts = np.bincount(sets.ravel(), np.outer(num_one, num_two).ravel(), minlength=1 << here.shape[1])
    shares: FloatArray = counts / counts.sum()
    return shares


def _profile(counts: IntArray, chance: FloatArray) -> FloatArray:
    """Log-likelihood of each of `SHARES`, given how often each set of attributes agrees, and does by chance.

    The other rows agree in each attribute independently, as often as the file as a whole demands.
    """
    bits = (np.arange(len(chance))[:, None] >> np.arange(len(chance).bit_length() - 1)) & 1
    seen, num, shares = counts @ bits / counts.sum(), counts.sum(), SHARES[:, None]
    agree = (seen - shares * (chance @ bits)) / (1 - shares)
    possible = ((agree >= 0) & (agree <= 1 + 1e-9)).all(axis=1)
    agree = np.clip(agree, 0.5 / num, 1 - 0.5 / num)[:, None, :]
    honest = np.where(bits == 1, agree, 1 - agree).prod(axis=2)
    return np.where(possible, np.log((1 - shares) * honest + shares * chance + 1e-300) @ counts, -np.inf)


def _block(sets: IntArray, chance: FloatArray, num_people: int) -> tuple[int, int] | None:
    """First and last of rows that stand together and agree less than all others; None where there are none.

    The run of rows that agree least beyond chance, compared with half of what the other rows agree; found twice: the
    second time the other rows are those outside the first run.
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
    """Whether the rows of a block agree as they do in any order, and are not merely hard."""
    part = slice(block[0], block[1] + 1)
    sets, expected = _agreeing(here[part], there[part]), _by_chance(here[part], there[part])
    expected *= len(sets)
    unlike = float(((np.bincount(sets, minlength=len(expected)) - expected) ** 2 / (expected + 0.5)).sum())
    return unlike < MAX_UNLIKE * (len(expected) - 1)


def _beyond_chance(sets: IntArray, chance: FloatArray) -> FloatArray:
    """How far each row agrees: 0 as chance would have it, 1 in every attribute, shape (n,); the mean is that of kappas.

    An attribute of which both say one class throughout tells nothing.
    """
    bits = (np.arange(len(chance))[:, None] >> np.arange(len(chance).bit_length() - 1)) & 1
    alike = chance @ bits
    told = alike < 1
    if not told.any():
        return np.zeros(len(sets))
    found: FloatArray = ((bits - alike)[:, told] / (1 - alike[told])).mean(axis=1)[sets]
    return found


def _stands_out(beyond: FloatArray, inside: BoolArray, size: int) -> bool:
    """Whether the rows of a block agree less than as many others ever do by accident.

    Counted in pieces of `size` rows, those of two people: images of one person may stand together and go wrong
    together. Their variance is that of differences of neighbours (von Neumann 1941), which a block leaves as it is.
    Any of the m^2 / 2 blocks of m pieces could have been found (Bonferroni); the variance is one of 2/3 (m - 1) degrees
    of freedom.
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
    """What a submission, a run, a blend or predictions from elsewhere answer, in the organisers' order."""

    name: str
    codes: IntArray
    """(n, num_attributes), -1 where there is none."""


def same_in_another_order(joint: IntArray, other: IntArray) -> int | None:
    """Rows that differ, when two give every class equally often but to other images; None when that may be accident.

    Joint classes, (n,) each; the other may lack some (-1), for which the file says anything. When each row that differs
    is as likely to differ one way as the other, counts of classes differ by a random walk on the classes. The chance
    that it ends where it began is (2 / pi)^(r/2) / sqrt(D): D is the determinant of the Laplacian of that graph
    without one class a connected part, r its size (a local limit theorem).
    """
    size = int(max(joint.max(), other.max())) + 1
    spare = np.bincount(joint, minlength=size) - np.bincount(other[other != MISSING], minlength=size)
    differs = (joint != other) & (other != MISSING)
    if not differs.any() or (spare < 0).any() or spare.sum() != (other == MISSING).sum():
        return None
    return int(differs.sum()) if chance_of_equal_counts(joint[differs], other[differs]) < SAME_COUNTS else None


def chance_of_equal_counts(one: IntArray, two: IntArray) -> float:
    """How likely two answers, (r,) each and different in every row, have every class equally often by accident."""
    classes, flat = np.unique(np.concatenate([one, two]), return_inverse=True)
    here, there = flat[: len(one)], flat[len(one) :]
    laplacian = np.zeros((len(classes), len(classes)))
    np.add.at(laplacian, (here, here), 1)
    np.add.at(laplacian, (there, there), 1)
    np.add.at(laplacian, (here, there), -1)
    np.add.at(laplacian, (there, here), -1)
    values = np.linalg.eigvalsh(laplacian)
    values = values[values > 1e-9]
    # The product of non-zero eigenvalues is the determinant times the number of classes of each part (Kirchhoff).
    return float(np.exp(-0.5 * (np.log(values * np.pi / 2).sum() - np.log(len(classes)))))


def others_that_say(codes: IntArray, others: Sequence[ProjectAnswers]) -> Iterator[tuple[int, int, int, int]]:
    """Classes of an attribute that a file never answers and more than half of the others do.

    Yields (attribute, class, how many of the others say it, the median of their images).
    """
    for place in range(codes.shape[1]):
        sides = [o.codes[:, place] for o in others if (o.codes[:, place] != MISSING).any()]
        for code in sorted({int(c) for side in sides for c in np.unique(side[side != MISSING])}):
            counts = [int((side == code).sum()) for side in sides]
            says = [count for count in counts if count]
            if not (codes[:, place] == code).any() and 2 * len(says) > len(counts):
                yield place, code, len(says), int(np.median(says))
