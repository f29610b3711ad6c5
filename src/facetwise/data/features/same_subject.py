"""One subject under two names: those whose images are as alike as the images of one subject are.

Likeness is the cosine of two subjects' mean vectors in the directions of `subject_space`. How sure it is follows from
the dataset itself: whoever has several images is two halves that are one subject for certain, and where nearly nobody
has two names, the *second* nearest of a half is another subject. A logistic curve through these two kinds (J. Platt,
1999, "Probabilistic outputs for support vector machines", with its smoothed targets) says how much likelier one subject
is than two at a likeness, and `DOUBLES` how many have a second name at all. Halves are compared in directions that were
found without them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from facetwise.core.errors import InputError
from facetwise.core.labels import FloatArray, IntArray
from facetwise.core.people import person
from facetwise.core.plain import Plain
from facetwise.core.text.subject import A_PERSON, PEOPLE, count_people
from facetwise.data.features.nearest import Vectors, nearest_of_others
from facetwise.data.features.subject_space import directions_of_means, main_components, subject_directions
from facetwise.data.features.table import Features
from facetwise.data.manifest import Manifest

DOUBLES = 0.01
"""Share of subjects who are taken to have a second name, before anything is seen."""
LIKELY = 0.5
"""From this on a pair is likelier one subject than two."""
FEWEST = 100
"""Subjects with several images that it takes to say how sure a likeness is: of fewer, the curve could not get there."""
_NEAREST, _PARTS, _STEPS = 3, 5, 50
MOST_SHOWN = 8
"""Images of a subject that are named."""


@dataclass(frozen=True)
class SubjectPair:
    """Two names that may be one subject."""

    rank: int
    """From 1."""
    first: str
    second: str
    likeness: float
    """Cosine of their mean features, -1 to 1; 0 where they have no more in common than any two."""
    sure: float | None
    """Probability that they are one, if a share of `DOUBLES` has a second name; None where it cannot be said."""
    num_images: tuple[int, int]
    images: tuple[tuple[str, ...], tuple[str, ...]]
    """Those of each, at most `MOST_SHOWN`."""


@dataclass(frozen=True)
class SameSubject(Plain):
    """The names most alike, the surest first."""

    features: str
    """File name of the table of features."""
    num_subjects: int
    """Names of the training side."""
    num_several: int
    """Those with several images, from which it is known how alike images of one subject are."""
    found_if_split: float | None
    """Share of these who would be told as likely one, were half of their images under another name."""
    num_likely: int
    """Pairs that are likelier one subject than two."""
    pairs: tuple[SubjectPair, ...]
    """At most as many as asked for."""

    def joined(self, ranks: Iterable[int], same_person: Iterable[Sequence[str]] = ()) -> list[list[str]]:
        """The lists of `same_person` when the pairs of these ranks are one each, with the lists that there are.

        Raises InputError for a rank that is not listed.
        """
        lists = [[person(name) for name in names] for names in same_person]
        by_rank = {pair.rank: pair for pair in self.pairs}
        for rank in ranks:
            if rank not in by_rank:
                raise InputError(f"there is no pair {rank}, only 1 to {len(self.pairs)}")
            two = [by_rank[rank].first, by_rank[rank].second]
            touched = [names for names in lists if set(names) & set(two)]
            lists = [names for names in lists if names not in touched]
            lists.append(list(dict.fromkeys(name for names in (*touched, two) for name in names)))
        return lists


def find_same_subject(features: Features, manifest: Manifest, limit: int) -> SameSubject:
    """Pairs of names of the training side whose images are alike, at most `limit`, the surest first.

    Raises InputError when each image is its own subject, or when there is but one.
    """
    if manifest.each_its_own:
        raise InputError(
            f"each image is taken as {A_PERSON} of its own, so there are no names to compare",
            hint="`facetwise check --features FEATURES` tells images that are copies",
        )
    rows, vectors = features.of_training(manifest)
    train = manifest.train[rows]
    names, owner = np.unique(train["group"].to_numpy().astype(str), return_inverse=True)
    if len(names) < 2:
        raise InputError(f"{count_people(len(names))} with readable images: there are no two {PEOPLE} to compare")
    owner, points = owner.astype(np.int64), main_components(vectors)
    means = directions_of_means(points @ subject_directions(points, owner), owner)
    which, alike = nearest_of_others(means, np.arange(len(names)), _NEAREST)
    same, other = _known(points, owner)
    curve = _Curve.through(same, other) if len(same) else None
    found = _pairs(which, alike)
    images, sizes = train["image"].to_numpy(), np.bincount(owner)
    pairs = tuple(
        SubjectPair(
            rank,
            str(names[a]),
            str(names[b]),
            likeness,
            None if curve is None else float(curve.sure(np.array([likeness]))[0]),
            (int(sizes[a]), int(sizes[b])),
            (_some(images[owner == a]), _some(images[owner == b])),
        )
        for rank, (likeness, a, b) in enumerate(found[:limit], 1)
    )
    likely = (
        curve.sure(np.array([likeness for likeness, _, _ in found])) >= LIKELY if curve is not None else np.zeros(0)
    )
    return SameSubject(
        features=features.name,
        num_subjects=len(names),
        num_several=int((sizes > 1).sum()),
        found_if_split=None if curve is None else float((curve.sure(same) >= LIKELY).mean()),
        num_likely=int(likely.sum()),
        pairs=pairs,
    )


def _some(images: Iterable[str]) -> tuple[str, ...]:
    return tuple(map(str, list(images)[:MOST_SHOWN]))


def _pairs(which: IntArray, alike: Vectors) -> list[tuple[float, int, int]]:
    """Likeness and both numbers of each pair of whom one is among the other's nearest, most alike first."""
    found = {
        (min(a, int(b)), max(a, int(b))): float(likeness)
        for a, (others, own) in enumerate(zip(which, alike, strict=True))
        for b, likeness in zip(others, own, strict=True)
        if b >= 0
    }
    return sorted(((likeness, a, b) for (a, b), likeness in found.items()), key=lambda row: (-row[0], row[1:]))


def _known(points: Vectors, owner: IntArray) -> tuple[FloatArray, FloatArray]:
    """How alike the two halves (every other image) are of each who has several, and how alike the second nearest other
    is to the first half: two arrays of one length."""
    sizes = np.bincount(owner)
    order = np.argsort(owner, kind="stable")
    place = np.empty(len(owner), np.int64)
    place[order] = np.arange(len(owner)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    same, other = [np.zeros(0)], [np.zeros(0)]
    for part in range(_PARTS if (sizes > 1).sum() >= FEWEST else 0):
        rest = owner % _PARTS != part
        moved = points @ subject_directions(points[rest], owner[rest])
        one, two = (directions_of_means(np.where((place % 2 == h)[:, None], moved, 0), owner) for h in (0, 1))
        held = np.flatnonzero((sizes > 1) & (np.arange(len(sizes)) % _PARTS == part))
        _, alike = nearest_of_others(two, np.arange(len(sizes)), 2, (one[held], held))
        same.append((one[held] * two[held]).sum(axis=1, dtype=np.float64))
        other.append(alike[:, 1].astype(np.float64))
    return np.concatenate(same), np.concatenate(other)


@dataclass(frozen=True)
class _Curve:
    """Log-odds of one subject against two, linear in likeness, both equally frequent."""

    start: float
    slope: float

    @classmethod
    def through(cls, same: FloatArray, other: FloatArray) -> _Curve:
        """The maximum likelihood, where each kind weighs the same in all; by Newton's steps."""
        other = other[np.isfinite(other)]
        x = np.concatenate([same, other])
        first = np.arange(len(x)) < len(same)
        wanted = np.where(first, (len(same) + 1) / (len(same) + 2), 1 / (len(other) + 2))
        weight = np.where(first, 1 / max(len(same), 1), 1 / max(len(other), 1))
        columns = np.stack([np.ones_like(x), x], axis=1)
        found = np.zeros(2)
        for _ in range(_STEPS):
            p = 1 / (1 + np.exp(-np.clip(columns @ found, -30, 30)))
            slope = columns.T @ (weight * (wanted - p)) - 1e-6 * found
            bend = (columns * (weight * p * (1 - p))[:, None]).T @ columns + 1e-6 * np.eye(2)
            found += np.linalg.solve(bend, slope).clip(-5, 5)
        return cls(float(found[0]), max(0.0, float(found[1])))

    def sure(self, likeness: FloatArray) -> FloatArray:
        """Probability of one subject at each likeness, when a share of `DOUBLES` has a second name."""
        odds = self.start + self.slope * likeness + np.log(DOUBLES / (1 - DOUBLES))
        probability: FloatArray = 1 / (1 + np.exp(-np.clip(odds, -30, 30)))
        return probability
