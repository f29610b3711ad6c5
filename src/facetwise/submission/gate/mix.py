"""Comparison of the class mix on the test side with that out of fold, accounting for people.

The images of a person share gender and age, so counts of images vary far more than with independent images. The people
on the test side are unknown; their number is estimated from the images per person out of fold. The effect of chance is
then simulated: class shares of that many people against those of as many people as there are out of fold, both drawn
with replacement from the out-of-fold people.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from facetwise.core.labels import FloatArray, IntArray, LabelSpace
from facetwise.core.text.subject import A_PERSON
from facetwise.evaluate.resampling import Groups, group_numbers, resampled_people

RESAMPLES = 1000


@dataclass(frozen=True)
class Mix:
    """Out-of-fold joint classes, predicted and true, shape (n,), and the person of each row; covered rows only."""

    predicted: IntArray
    true: IntArray
    groups: Groups


@dataclass(frozen=True)
class ClassMix:
    """Share of one joint class, and how unusual it is."""

    name: str
    test: float
    """Share predicted on the test side, 0..1."""
    predicted: float
    """Share predicted out of fold."""
    true: float
    """Share of the labels."""
    z: float
    """(test - predicted) in standard deviations of the simulated differences; 0 when they never differ."""
    never_chance: float
    """Share of the simulated test sets in which the class is not predicted at all."""


@dataclass(frozen=True)
class MixCheck:
    """The class mix of a test side against out of fold."""

    distance: float
    """Total variation distance of the predicted shares, 0..1."""
    usual: float
    """Median of that distance by chance alone."""
    chance: float
    """Share of simulated distances at least as large (one added to both counts, so never 0)."""
    num_people: int
    """People assumed on the test side."""
    classes: tuple[ClassMix, ...]
    """Every class that occurs on either side, in class order."""

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {**asdict(self), "classes": [asdict(c) for c in self.classes]}


def assumed_people(num_images: int, num_known_images: int, num_known_people: int) -> tuple[int, str]:
    """Estimated number of people in `num_images` images, from the known side's images per person; and an
    explanation."""
    each = num_known_images / num_known_people
    people = max(1, round(num_images / each))
    return people, f"{num_images:,} test images at {each:.1f} images {A_PERSON}, as on the labelled side"


def check_mix(test: IntArray, oof: Mix, space: LabelSpace, *, resamples: int = RESAMPLES, seed: int = 0) -> MixCheck:
    """Compare the joint classes predicted on the test side, shape (m,), with those out of fold."""
    occurring = np.unique(np.concatenate([test, oof.predicted, oof.true]))
    person, num_known = group_numbers(oof.groups)
    num_people, _ = assumed_people(len(test), len(oof.predicted), num_known)
    counts = _counts(np.searchsorted(occurring, oof.predicted), person, num_known, len(occurring))
    draws = np.random.default_rng(seed)
    past = _simulated(counts, num_known, resamples, draws)
    future = _simulated(counts, num_people, resamples, draws)
    here, there, true = (_shares_of(side, occurring) for side in (test, oof.predicted, oof.true))
    simulated = np.abs(future - past).sum(axis=1) / 2
    distance = float(np.abs(here - there).sum() / 2)
    spread = (future - past).std(axis=0)
    z = np.divide(here - there, spread, out=np.zeros_like(spread), where=spread > 0)
    columns = zip(_names(occurring, space), here, there, true, z, (future == 0).mean(axis=0), strict=True)
    return MixCheck(
        distance=distance,
        usual=float(np.median(simulated)),
        chance=float(((simulated >= distance).sum() + 1) / (resamples + 1)),
        num_people=num_people,
        classes=tuple(ClassMix(name, *map(float, numbers)) for name, *numbers in columns),
    )


def _counts(classes: npt.NDArray[np.intp], person: IntArray, num_people: int, num_classes: int) -> FloatArray:
    cells = np.bincount(person * num_classes + classes, minlength=num_people * num_classes)
    return cells.reshape(num_people, num_classes).astype(np.float64)


def _simulated(counts: FloatArray, size: int, resamples: int, draws: np.random.Generator) -> FloatArray:
    """Class shares, shape (resamples, classes), of `size` people drawn from `counts`, shape (people, classes)."""
    totals = [weights @ counts for weights in resampled_people(len(counts), size, resamples, draws)]
    drawn: FloatArray = np.concatenate(totals)
    shares: FloatArray = drawn / drawn.sum(axis=1, keepdims=True)
    return shares


def _shares_of(classes: IntArray, occurring: IntArray) -> FloatArray:
    counted = np.bincount(np.searchsorted(occurring, classes), minlength=len(occurring))
    shares: FloatArray = counted / len(classes)
    return shares


def _names(classes: IntArray, space: LabelSpace) -> list[str]:
    return [
        "/".join(a.classes[code] for a, code in zip(space.attributes, codes, strict=True))
        for codes in space.decode(classes)
    ]
