"""Single images on which sides differ, majority votes of three or more sides, and the people concerned."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from facetwise.core.labels import FloatArray, IntArray
from facetwise.evaluate.agreement import BoolArray, MajorityVotes, Moved, contradiction, tally_votes
from facetwise.evaluate.metrics import MISSING
from facetwise.results.differences.sides import AlignedAnswers

MAX_PEOPLE = 10


@dataclass(frozen=True)
class Disagreement:
    """An image with different answers. Class names follow the order of the compared attributes."""

    image: str
    group: str | None
    """The person in the image; None on the test side."""
    answers: tuple[tuple[str, ...] | None, ...]
    """The answer of each side; None if missing."""
    probabilities: tuple[float | None, ...]
    """Probability of each side's own answer; None if unknown."""
    sure: float | None
    """Confidence of the contradiction: the lower confidence of two contradicting sides (or the known one), maximum over
    pairs; None if unknown."""
    moved: tuple[str, ...]
    """The attributes that differ."""
    majority: tuple[str, ...] | None
    """The answer with most votes of three or more sides; None for a tie."""
    outvoted: tuple[str, ...]
    """Letters of the sides outvoted by more than half of all sides."""
    truth: tuple[str, ...] | None
    """The dataset's own label; None on the test side."""
    right: tuple[str, ...]
    """Letters of the sides that answer it."""


@dataclass(frozen=True)
class VotingSide:
    """How often one of three or more sides disagrees with the majority."""

    letter: str
    num_outvoted: int
    """Images on which more than half of all sides agree on another class."""
    num_alone: int
    """Those of them on which all other sides do."""
    num_outvoted_right: int | None
    """Outvoted images on which it is right; None on the test side."""
    num_majority_right: int | None
    """Outvoted images on which the majority is right; None on the test side."""
    images: tuple[Disagreement, ...]
    """The outvoted images that are shown, most confident first."""


@dataclass(frozen=True)
class Voting:
    """Majority votes of three or more sides."""

    num_unanimous: int
    num_majority: int
    """Images without unanimity on which one answer has most votes."""
    num_tied: int
    sides: tuple[VotingSide, ...]


@dataclass(frozen=True)
class PersonDiff:
    """A person with differing images."""

    group: str
    num_images: int
    """Number of images that two or more sides answered."""
    num_different: int
    moved: tuple[str, ...]
    """Attributes that differ in any of the images."""


@dataclass(frozen=True)
class ImageComparison:
    """The comparison of all sides on every image; arrays are (n,) or (m, n)."""

    rows: AlignedAnswers
    votes: MajorityVotes
    sure: FloatArray
    differs: BoolArray
    """Whether the answers differ."""
    moved: BoolArray
    """Whether the answers differ in each attribute, (n, attributes)."""

    @classmethod
    def of(cls, rows: AlignedAnswers) -> ImageComparison:
        """Compare all sides on every image."""
        moved = np.stack([_differing(rows.codes[:, :, k]) for k in range(rows.codes.shape[2])], axis=1)
        sure = contradiction(rows.joint, rows.sureness)
        differs: BoolArray = np.asarray(moved.any(axis=1))
        return cls(rows, tally_votes(rows.joint), sure, differs, moved)

    def surest(self, among: BoolArray) -> IntArray:
        """Positions of the images `among`, (n,), by confidence of the contradiction, unknown last; ties in image
        order."""
        found = np.flatnonzero(among)
        order = np.argsort(-np.nan_to_num(self.sure[found], nan=-1.0), kind="stable")
        ordered: IntArray = found[order].astype(np.int64)
        return ordered


def disagreements(comparison: ImageComparison, limit: int) -> tuple[Disagreement, ...]:
    """The most confident disagreements, at most `limit` for each set of differing attributes."""
    seen: Counter[bytes] = Counter()
    kept = []
    for i in comparison.surest(comparison.differs):
        kind = comparison.moved[i].tobytes()
        seen[kind] += 1
        if seen[kind] <= limit:
            kept.append(i)
    return _shown(comparison, kept)


def count_by_attributes(comparison: ImageComparison) -> tuple[Moved, ...]:
    """Numbers of images by the set of differing attributes, most frequent first."""
    names = comparison.rows.space.names
    found = Counter(tuple(np.flatnonzero(moved).tolist()) for moved in comparison.moved[comparison.differs])
    ordered = sorted(found.items(), key=lambda f: (-f[1], len(f[0]), f[0]))
    return tuple(Moved(tuple(names[p] for p in which), n) for which, n in ordered)


def voting(comparison: ImageComparison, limit: int) -> Voting | None:
    """Majority votes, with at most `limit` images for each side; None for two sides."""
    rows, votes = comparison.rows, comparison.votes
    if len(rows.letters) < 3:
        return None
    voted = (rows.joint != MISSING).sum(axis=0) >= 2
    has_majority = votes.majority != MISSING
    return Voting(
        num_unanimous=int(votes.unanimous.sum()),
        num_majority=int((voted & has_majority & ~votes.unanimous).sum()),
        num_tied=int((voted & ~has_majority).sum()),
        sides=tuple(_voting_side(comparison, i, limit) for i in range(len(rows.letters))),
    )


def people_apart(comparison: ImageComparison) -> tuple[PersonDiff, ...]:
    """The `MAX_PEOPLE` people with the most differing images, ties by name; empty on the test side."""
    rows = comparison.rows
    if rows.groups is None:
        return ()
    answered = (rows.joint != MISSING).sum(axis=0) >= 2
    images = Counter(rows.groups[answered].tolist())
    different = Counter(rows.groups[comparison.differs].tolist())
    order = sorted(different, key=lambda g: (-different[g], str(g)))[:MAX_PEOPLE]
    return tuple(
        PersonDiff(g, images[g], different[g], _moved_names(rows, comparison.moved[rows.groups == g].any(axis=0)))
        for g in order
    )


def _voting_side(comparison: ImageComparison, i: int, limit: int) -> VotingSide:
    rows, votes, truth = comparison.rows, comparison.votes, comparison.rows.truth
    outvoted = votes.outvoted[i]

    def right(answers: IntArray) -> int | None:
        return None if truth is None else int((outvoted & (answers == truth.classes)).sum())

    return VotingSide(
        letter=rows.letters[i],
        num_outvoted=int(outvoted.sum()),
        num_alone=int(votes.alone[i].sum()),
        num_outvoted_right=right(rows.joint[i]),
        num_majority_right=right(votes.majority),
        images=_shown(comparison, comparison.surest(outvoted)[:limit].tolist()),
    )


def _shown(comparison: ImageComparison, chosen: Iterable[int]) -> tuple[Disagreement, ...]:
    return tuple(_disagreement(comparison, int(i)) for i in chosen)


def _disagreement(comparison: ImageComparison, i: int) -> Disagreement:
    rows, votes = comparison.rows, comparison.votes
    answers = tuple(_names(rows, codes) for codes in rows.codes[:, i])
    truth = None if rows.truth is None else _names(rows, rows.truth.codes[i])
    several, majority = len(rows.letters) > 2, int(votes.majority[i])
    return Disagreement(
        image=rows.images[i],
        group=None if rows.groups is None else rows.groups[i],
        answers=answers,
        probabilities=tuple(None if np.isnan(p) else float(p) for p in rows.sureness[:, i]),
        sure=None if np.isnan(comparison.sure[i]) else float(comparison.sure[i]),
        moved=_moved_names(rows, comparison.moved[i]),
        majority=_names(rows, rows.space.decode(majority)) if several and majority != MISSING else None,
        outvoted=_letters(rows, votes.outvoted[:, i]) if several else (),
        truth=truth,
        right=() if truth is None else _letters(rows, np.array([a == truth for a in answers])),
    )


def _names(rows: AlignedAnswers, codes: IntArray) -> tuple[str, ...] | None:
    if (codes == MISSING).any():
        return None
    return tuple(a.classes[c] for a, c in zip(rows.space.attributes, codes.tolist(), strict=True))


def _moved_names(rows: AlignedAnswers, is_moved: BoolArray) -> tuple[str, ...]:
    return tuple(n for n, m in zip(rows.space.names, is_moved, strict=True) if m)


def _letters(rows: AlignedAnswers, chosen: Sequence[bool] | BoolArray) -> tuple[str, ...]:
    return tuple(letter for letter, c in zip(rows.letters, chosen, strict=True) if c)


def _differing(codes: IntArray) -> BoolArray:
    """Images on which the answers of m sides, (m, n), differ, ignoring missing ones; (n,)."""
    largest = codes.max(axis=0)
    smallest = np.where(codes == MISSING, largest, codes).min(axis=0)
    different: BoolArray = smallest != largest
    return different
