"""Sampling of the training images of an epoch: positions among the training rows, drawn from a seed.

Two random orders are used. Within a person and class, images have *turns*: first, second, ... Within a class, images
are ordered by turn, so that a class that is undersampled is drawn from as many people as possible. Shapes: n training
rows, A attributes, m rows an epoch.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from facetwise.core.errors import SettingError, did_you_mean
from facetwise.core.labels import JOINT, MISSING, FloatArray, IntArray, LabelSpace
from facetwise.data.labels.views import TrainingView
from facetwise.recipe.sampling import AllImages, Oversample, Sampling, Undersample, Weighted
from facetwise.train.seeds import derive_seed


@dataclass(frozen=True)
class Pool:
    """Classes and people of a model's training rows, in their order."""

    codes: IntArray
    """(n, A): classes of the training view; -1 where one is not known."""
    groups: npt.NDArray[Any]
    """(n,): names of people."""
    space: LabelSpace

    @classmethod
    def of(cls, view: TrainingView, groups: npt.NDArray[Any], space: LabelSpace) -> Pool:
        """The pool of all rows of a training view; a soft label counts as its most probable class.

        Moved cuts and corrections may make combinations that cannot occur among the scored labels: they count as any.
        """
        return cls(view.codes, groups, space.product)

    def where(self, rows: npt.NDArray[np.bool_]) -> Pool:
        """The pool of some rows, (n,)."""
        return Pool(self.codes[rows], self.groups[rows], self.space)

    def __len__(self) -> int:
        return len(self.codes)

    @cached_property
    def people(self) -> IntArray:
        """(n,): people numbered from 0."""
        return np.unique(self.groups, return_inverse=True)[1].astype(np.int64)

    @cached_property
    def joint(self) -> IntArray:
        """(n,): joint classes; -1 where a class is not known."""
        return self.space.encode(self.codes, missing=True)

    def classes(self, by: str) -> IntArray:
        """(n,): joint classes, or the classes of the attribute `by`; raises SettingError for any other name."""
        if by == JOINT:
            return self.joint
        if by not in self.space.names:
            raise SettingError(
                f"`sampling.by`: no attribute is called `{by}`", hint=did_you_mean(by, [*self.space.names, JOINT])
            )
        return self.codes[:, self.space.index(by)]


def epoch_rows(spec: Sampling, pool: Pool, seed: tuple[int, ...], epoch: int) -> IntArray:
    """Positions in the pool for an epoch (from 0), in training order, (m,); deterministic for seed and epoch.

    Raises SettingError when the recipe names an unknown attribute.
    """
    chosen = _draw(spec, pool, np.random.default_rng(derive_seed(*seed, "sample", epoch)))
    assert len(chosen) == epoch_size(spec, pool), "every epoch has as many steps as the first"
    return chosen[np.random.default_rng(derive_seed(*seed, "order", epoch)).permutation(len(chosen))]


def epoch_size(spec: Sampling, pool: Pool) -> int:
    """Number of images in an epoch, m, which is the same for all epochs."""
    return len(_draw(spec, pool, np.random.default_rng(0)))


def rare_weights(classes: IntArray) -> FloatArray:
    """Probabilities of rows, (n,), proportional to 1 / frequency of their class: all classes are equally likely.

    A row without a class (-1) has the mean probability of the others.
    """
    return _probabilities(classes, power=1.0)


def partner_rows(weights: FloatArray, count: int, seed: int) -> IntArray:
    """`count` positions drawn with replacement with probabilities `weights`, (n,), as partners for mixing."""
    return np.random.default_rng(seed).choice(len(weights), count, p=weights)


@dataclass(frozen=True)
class EpochClassCount:
    """Counts of one class in an epoch."""

    name: str
    images: int
    """Images of the class, counting repeats."""
    people: int
    available: int
    """Distinct images of the class among the training rows."""


@dataclass(frozen=True)
class EpochContent:
    """Counts of an epoch."""

    images: int
    """With repeats."""
    people: int
    classes: dict[str, tuple[EpochClassCount, ...]]
    """All classes of each attribute, and under `joint` the joint classes that occur in the pool."""

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for events."""
        return {**vars(self), "classes": {name: [dict(vars(c)) for c in own] for name, own in self.classes.items()}}


def epoch_content(pool: Pool, rows: IntArray) -> EpochContent:
    """Count images and people of each class in the `rows` of an epoch (positions in the pool)."""
    classes = {
        a.name: _counts(pool, rows, pool.codes[:, i], range(a.size), a.classes)
        for i, a in enumerate(pool.space.attributes)
    }
    there = np.unique(pool.joint[pool.joint != MISSING]).tolist()
    names = [pool.space.joint_name(j) for j in there]
    classes[JOINT] = _counts(pool, rows, pool.joint, there, names)
    return EpochContent(len(rows), len(np.unique(pool.people[rows])), classes)


def _draw(spec: Sampling, pool: Pool, generator: np.random.Generator) -> IntArray:
    """Positions of an epoch before shuffling. Rows without a class to sample by come once, or with mean probability."""
    rows = _capped(spec, pool, generator)
    if isinstance(spec, AllImages) or len(rows) == 0:
        return rows
    classes = pool.classes(spec.by)[rows]
    if isinstance(spec, Weighted):
        weights = _probabilities(classes, spec.power)
        return rows[generator.choice(len(rows), spec.length or len(rows), p=weights)]
    known = classes != MISSING
    own, people = _compact(classes[known]), pool.people[rows][known]
    repeats = np.ones(len(rows), np.int64)
    if len(own):
        repeats[known] = _repeats(spec, own, _places(own, _turns(people, own, generator), generator))
    return np.repeat(rows, repeats)


def _repeats(spec: Undersample | Oversample, classes: IntArray, places: IntArray) -> IntArray:
    """How often each row occurs in an epoch, given its rank (from 0) in its class."""
    counts = np.bincount(classes)
    if isinstance(spec, Undersample):
        return (places < (spec.to or counts.min())).astype(np.int64)
    whole, rest = np.divmod(counts.max(), counts)
    return whole[classes] + (places < rest[classes])


def _capped(spec: Sampling, pool: Pool, generator: np.random.Generator) -> IntArray:
    """Positions, ascending, with at most `spec.per_person` images for each person.

    A person's joint classes contribute images in turn until the cap is reached; `shift` gives the first class.
    """
    cap = spec.per_person
    if cap is None or len(pool) == 0 or np.bincount(pool.people).max() <= cap:
        return np.arange(len(pool))
    classes = _compact(pool.joint)  # images whose class is not known are one more
    base = classes.max() + 1
    keys, cell, sizes = np.unique(pool.people * base + classes, return_inverse=True, return_counts=True)
    person, joint = np.divmod(keys, base)
    owned = np.bincount(person)  # classes of each person
    number = np.arange(len(keys)) - np.repeat(np.cumsum(owned) - owned, owned)  # of a cell among its person's
    if isinstance(spec, Undersample | Oversample):
        shift = _dealt_shifts(_alike(person, joint, np.minimum(sizes, cap)), generator)
    else:
        shift = generator.integers(0, owned)
    rank = (number + shift[person]) % owned[person]
    turns = _turns(pool.people, classes, generator)
    return np.flatnonzero(_places(pool.people, turns * owned.max() + rank[cell], generator) < cap)


def _dealt_shifts(alike: IntArray, generator: np.random.Generator) -> IntArray:
    """The first class of each person: people with equal class counts get 0, 1, 2, ... in random order.

    So the number of images of each class, and the size of an epoch, are the same in every epoch, while each person's
    classes alternate over epochs. (A person with unique class counts always starts with the same class.)
    """
    return _places(alike, np.zeros_like(alike), generator)


def _alike(person: IntArray, joint: IntArray, sizes: IntArray) -> IntArray:
    """A number for each person, equal for people with the same number of images of each class.

    Arguments have one entry for each person and class, sorted by person, then class; `sizes` are image counts.
    """
    entries = np.stack([joint, sizes], axis=1)
    of_person = np.split(entries, np.flatnonzero(np.diff(person)) + 1)
    numbers: dict[bytes, int] = {}
    return np.array([numbers.setdefault(own.tobytes(), len(numbers)) for own in of_person], np.int64)


def _turns(people: IntArray, classes: IntArray, generator: np.random.Generator) -> IntArray:
    """Random rank, from 0, of each row within its person and class."""
    cells = _compact(people * (classes.max() + 1) + classes)
    return _places(cells, np.zeros_like(cells), generator)


def _places(cells: IntArray, before: IntArray, generator: np.random.Generator) -> IntArray:
    """Rank, from 0, of each row within its cell, sorted by `before` with ties in random order."""
    order = np.lexsort((generator.random(len(cells)), before, cells))
    counts = np.bincount(cells)
    places = np.empty_like(cells)
    places[order] = np.arange(len(cells)) - np.repeat(np.cumsum(counts) - counts, counts)
    return places


def _probabilities(classes: IntArray, power: float) -> FloatArray:
    """Probabilities of rows, (n,), proportional to the class frequency ** -power; the mean of those where it is -1."""
    known = classes != MISSING
    if not known.any():
        return np.full(len(classes), 1 / len(classes))
    own = _compact(classes[known])
    weights = np.zeros(len(classes))
    weights[known] = np.bincount(own).astype(np.float64)[own] ** -power
    weights[~known] = weights[known].mean()
    return np.asarray(weights / weights.sum())


def _compact(classes: IntArray) -> IntArray:
    """Classes renumbered from 0 without gaps."""
    return np.unique(classes, return_inverse=True)[1].astype(np.int64)


def _counts(
    pool: Pool, rows: IntArray, classes: IntArray, chosen: Iterable[int], names: Iterable[str]
) -> tuple[EpochClassCount, ...]:
    """Counts of the `chosen` classes of `classes`, (n,), in the `rows` of an epoch."""
    own, people, base = classes[rows], pool.people[rows], len(pool) + 1
    images, met, available = _tally(own), _tally(np.unique(own * base + people) // base), _tally(classes)
    return tuple(
        EpochClassCount(name, images.get(c, 0), met.get(c, 0), available.get(c, 0))
        for c, name in zip(chosen, names, strict=True)
    )


def _tally(classes: IntArray) -> dict[int, int]:
    """How often each class occurs."""
    return dict(zip(*(part.tolist() for part in np.unique(classes, return_counts=True)), strict=True))
