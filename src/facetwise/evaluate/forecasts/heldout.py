"""Corrections of the forecast for a hold-out, which is a stratified and possibly incomplete sample of people.

Folds are stratified by class, so a hold-out has nearly the class shares of all labelled people. People drawn from it
with replacement do not: each draw misses a third of the people, and with them whole classes, which score 0. A pivot
that uses such draws as the past sample overestimates a hold-out of few people (`benchmarks/forecast_coverage.py`
measures by how much). So the mean of the past sample is that of a stratified bootstrap (Davison & Hinkley 1997, section
3.2): each person is redrawn within the stratum. The spread remains that of all people, which is conservative, since a
stratum of one or two people hardly varies.

Few people may lack whole classes, which then score 0, however well they are known from their attributes. The other
labelled people tell which classes a hold-out lacks. A joint class that no labelled person has, and that a predictor
answers all the same, is expected as often as its attributes are, taken as independent. Such classes are assumed to
score like the others on average, as often as they occur among the test people (`completion`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facetwise.core.arrays import count, flags, probabilities, takes
from facetwise.core.labels import MISSING, FloatArray, IntArray
from facetwise.evaluate.resampling import PersonTally, group_numbers, resampled_within
from facetwise.evaluate.rows import Truth


@dataclass(frozen=True)
class HoldOut:
    """The people with out-of-fold answers, when other people are labelled as well."""

    strata: IntArray
    """Most frequent class among each person's images, (answered people,), people in sorted order."""
    missing: FloatArray
    """Share of all labelled people with the class, for each class that only other labelled people have."""

    @classmethod
    @takes(answered=flags("n"))
    def among(cls, truth: Truth, answered: npt.NDArray[np.bool_]) -> HoldOut | None:
        """From all labelled rows, and which of them, (n,), are answered; None when all people are."""
        person, num_people = group_numbers(truth.people)
        pairs, images = np.unique(np.stack([person, truth.classes], axis=1), axis=0, return_counts=True)
        here = np.isin(np.arange(num_people), person[answered])
        if here.all():
            return None
        order = np.lexsort((pairs[:, 1], -images, pairs[:, 0]))
        strata = pairs[order[np.unique(pairs[order, 0], return_index=True)[1]], 1]
        present = np.unique(truth.classes[answered])
        _, have = np.unique(pairs[~np.isin(pairs[:, 1], present), 1], return_counts=True)
        return cls(strata[here], have / num_people)

    def past_means(self, tallies: Sequence[PersonTally], resamples: int, draws: np.random.Generator) -> FloatArray:
        """Mean scores, (k,), of stratified samples like this one."""
        drawn = resampled_within(self.strata, resamples, draws)
        sums = sum(np.stack([tally.scores(weights).sum() for tally in tallies]) for weights in drawn)
        means: FloatArray = np.asarray(sums) / resamples
        return means


def unlabelled_shares(truth: Truth, predicted: Sequence[IntArray]) -> FloatArray:
    """The share of people to expect with each joint class that no image of `truth` has and some of `predicted` answer.

    `predicted`: joint classes, (n,) each, -1 where there is none. The share is the product of those of the class's
    attributes: of the people who have an image of it.
    """
    answered = np.unique(np.concatenate(predicted))
    classes = np.setdiff1d(answered[answered != MISSING], truth.classes)
    shares = np.ones(len(classes))
    person, num_people = group_numbers(truth.people)
    for own, codes in zip(truth.codes.T, truth.space.decode(classes).T, strict=True):
        having = {code: len(np.unique(person[own == code])) / num_people for code in np.unique(codes).tolist()}
        shares *= [having[code] for code in codes.tolist()]
    return shares


@takes(missing=probabilities("k"), num_classes=count(), num_people=count(0))
def completion(missing: FloatArray, num_classes: int, num_people: int) -> float:
    """Factor from a score over `num_classes` classes to that over all classes which `num_people` other people have.

    `missing`: the share of people with each further class, (k,).
    """
    occurring = 1 - (1 - missing) ** num_people
    return 1 + float(occurring.sum()) / num_classes
