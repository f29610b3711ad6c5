"""Single images on which sides differ, the surest contradictions first; votes of three or more; and whose images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from facetwise.core.labels import FloatArray, IntArray
from facetwise.evaluate.agreement import BoolArray, Moved, Votes, contradiction, tally_votes
from facetwise.evaluate.metrics import MISSING
from facetwise.results.differences.sides import Compared

MAX_PEOPLE = 10


@dataclass(frozen=True)
class Disagreement:
    """An image with different answers. Class names are those of the attributes compared, in their order."""

    image: str
    group: str | None
    """Whose image it is; None on the test side."""
    answers: tuple[tuple[str, ...] | None, ...]
    """A side each; None where it has no answer."""
    probabilities: tuple[float | None, ...]
    """Of each side's own answer; None where that is not known."""
    sure: float | None
    """How sure two sides are that contradict one another: as the less sure of the two, or as the one that is known;
    of several such pairs the surest. None where nothing is known."""
    moved: tuple[str, ...]
    """The attributes in which not all agree."""
    majority: tuple[str, ...] | None
    """Of three or more sides: the answer with most votes; None for a tie."""
    outvoted: tuple[str, ...]
    """Letters of the sides that more than half of all outvote."""
    truth: tuple[str, ...] | None
    """Out of fold: the dataset's own label."""
    right: tuple[str, ...]
    """Letters of the sides that give it."""


@dataclass(frozen=True)
class VotingSide:
    """How often one of three or more sides is against the others."""

    letter: str
    num_outvoted: int
    """Images on which more than half of all sides agree on another class."""
    num_alone: int
    """Of these, where all the others do, so nobody gives this side's answer."""
    num_outvoted_right: int | None
    """Of the images on which it is outvoted, where it is right all the same; None on the test side."""
    num_majority_right: int | None
    """Of the same images, where those who outvote it are right; None on the test side."""
    images: tuple[Disagreement, ...]
    """The images on which it is outvoted, surest first, as many as are shown."""


@dataclass(frozen=True)
class Voting:
    """Three or more sides as one vote each, over what is compared."""

    num_unanimous: int
    num_majority: int
    """Not unanimous, but one answer has most votes."""
    num_tied: int
    sides: tuple[VotingSide, ...]


@dataclass(frozen=True)
class PersonDiff:
    """A person whose images get different answers."""

    group: str
    num_images: int
    """That two sides or more answered."""
    num_different: int
    moved: tuple[str, ...]
    """Attributes that differ in any of them."""


@dataclass(frozen=True)
class Told:
    """Everything about single images, worked out once: (n,) or (m, n)."""

    rows: Compared
    votes: Votes
    sure: FloatArray
    differs: BoolArray
    """Not all that answer agree."""
    moved: BoolArray
    """(n, attributes): the same of each attribute."""

    @classmethod
    def of(cls, rows: Compared) -> Told:
        """Compare all sides on every image."""
        moved = np.stack([_not_alike(rows.codes[:, :, k]) for k in range(rows.codes.shape[2])], axis=1)
        sure = contradiction(rows.joint, rows.sureness)
        differs: BoolArray = np.asarray(moved.any(axis=1))
        return cls(rows, tally_votes(rows.joint), sure, differs, moved)

    def surest(self, among: BoolArray) -> IntArray:
        """Positions of the images `among` (n,), surest contradiction first, unknown last; ties in the images' order."""
        found = np.flatnonzero(among)
        order = np.argsort(-np.nan_to_num(self.sure[found], nan=-1.0), kind="stable")
        ordered: IntArray = found[order].astype(np.int64)
        return ordered


def disagreements(told: Told, limit: int) -> tuple[Disagreement, ...]:
    """The surest images with different answers, at most `limit` of each set of attributes that differ."""
    seen: Counter[bytes] = Counter()
    kept = []
    for i in told.surest(told.differs):
        kind = told.moved[i].tobytes()
        seen[kind] += 1
        if seen[kind] <= limit:
            kept.append(i)
    return _shown(told, kept)


def kinds(told: Told) -> tuple[Moved, ...]:
    """Images by the set of attributes in which not all agree, most first."""
    names = told.rows.space.names
    found = Counter(tuple(np.flatnonzero(moved).tolist()) for moved in told.moved[told.differs])
    ordered = sorted(found.items(), key=lambda f: (-f[1], len(f[0]), f[0]))
    return tuple(Moved(tuple(names[p] for p in which), n) for which, n in ordered)


def voting(told: Told, limit: int) -> Voting | None:
    """Who is outvoted, with at most `limit` images a side; None of two sides."""
    rows, votes = told.rows, told.votes
    if len(rows.letters) < 3:
        return None
    voted = (rows.joint != MISSING).sum(axis=0) >= 2
    has_majority = votes.majority != MISSING
    return Voting(
        num_unanimous=int(votes.unanimous.sum()),
        num_majority=int((voted & has_majority & ~votes.unanimous).sum()),
        num_tied=int((voted & ~has_majority).sum()),
        sides=tuple(_voting_side(told, i, limit) for i in range(len(rows.letters))),
    )


def people_apart(told: Told, limit: int = MAX_PEOPLE) -> tuple[PersonDiff, ...]:
    """The people with most images that get different answers, most first, ties by name; none on the test side."""
    rows = told.rows
    if rows.groups is None:
        return ()
    answered = (rows.joint != MISSING).sum(axis=0) >= 2
    images = Counter(rows.groups[answered].tolist())
    different = Counter(rows.groups[told.differs].tolist())
    order = sorted(different, key=lambda g: (-different[g], str(g)))[:limit]
    return tuple(
        PersonDiff(g, images[g], different[g], _moved_names(rows, told.moved[rows.groups == g].any(axis=0)))
        for g in order
    )


def _voting_side(told: Told, i: int, limit: int) -> VotingSide:
    rows, votes, truth = told.rows, told.votes, told.rows.truth
    outvoted = votes.outvoted[i]

    def right(answers: IntArray) -> int | None:
        return None if truth is None else int((outvoted & (answers == truth.classes)).sum())

    return VotingSide(
        letter=rows.letters[i],
        num_outvoted=int(outvoted.sum()),
        num_alone=int(votes.alone[i].sum()),
        num_outvoted_right=right(rows.joint[i]),
        num_majority_right=right(votes.majority),
        images=_shown(told, told.surest(outvoted)[:limit].tolist()),
    )


def _shown(told: Told, chosen: Iterable[int]) -> tuple[Disagreement, ...]:
    return tuple(_disagreement(told, int(i)) for i in chosen)


def _disagreement(told: Told, i: int) -> Disagreement:
    rows, votes = told.rows, told.votes
    answers = tuple(_names(rows, codes) for codes in rows.codes[:, i])
    truth = None if rows.truth is None else _names(rows, rows.truth.codes[i])
    several, majority = len(rows.letters) > 2, int(votes.majority[i])
    return Disagreement(
        image=rows.images[i],
        group=None if rows.groups is None else rows.groups[i],
        answers=answers,
        probabilities=tuple(None if np.isnan(p) else float(p) for p in rows.sureness[:, i]),
        sure=None if np.isnan(told.sure[i]) else float(told.sure[i]),
        moved=_moved_names(rows, told.moved[i]),
        majority=_names(rows, rows.space.decode(majority)) if several and majority != MISSING else None,
        outvoted=_letters(rows, votes.outvoted[:, i]) if several else (),
        truth=truth,
        right=() if truth is None else _letters(rows, np.array([a == truth for a in answers])),
    )


def _names(rows: Compared, codes: IntArray) -> tuple[str, ...] | None:
    if (codes == MISSING).any():
        return None
    return tuple(a.classes[c] for a, c in zip(rows.space.attributes, codes.tolist(), strict=True))


def _moved_names(rows: Compared, is_moved: BoolArray) -> tuple[str, ...]:
    return tuple(n for n, m in zip(rows.space.names, is_moved, strict=True) if m)


def _letters(rows: Compared, chosen: Sequence[bool] | BoolArray) -> tuple[str, ...]:
    return tuple(letter for letter, c in zip(rows.letters, chosen, strict=True) if c)


def _not_alike(codes: IntArray) -> BoolArray:
    """Where the answers of m sides, (m, n), are not all one class; missing ones do not count."""
    largest = codes.max(axis=0)
    smallest = np.where(codes == MISSING, largest, codes).min(axis=0)
    different: BoolArray = smallest != largest
    return different
