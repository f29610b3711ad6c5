"""Corrections of the forecast for a hold-out, which is a stratified and possibly incomplete sample of people.

Folds are stratified by class, so a hold-out has nearly the class shares of all labelled people. People drawn from it
with replacement do not: each draw misses a third of the people, and with them whole classes, which score 0. A pivot
that uses such draws as the past sample overestimates a hold-out of few people (`benchmarks/forecast_coverage.py`
measures by how much). So the mean of the past sample is that of a stratified bootstrap (Davison & Hinkley 1997, section
3.2): each person is redrawn within the stratum. The spread remains that of all people, which is conservative, since a
stratum of one or two people hardly varies.

A hold-out of few people may lack whole classes. The other labelled people tell which; these classes are assumed to
score like the others on average, as often as they occur among the test people.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facetwise.core.arrays import flags, takes
from facetwise.core.labels import FloatArray, IntArray
from facetwise.evaluate.resampling import PersonTally, group_numbers, resampled_within
from facetwise.evaluate.rows import Truth


@dataclass(frozen=True)
class HoldOut:
    """The people with out-of-fold answers, when other people are labelled as well."""

    strata: IntArray
    """Most frequent class among each person's images, (answered people,), people in sorted order."""
    num_classes: int
    """Number of classes that they have."""
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
        return cls(strata[here], len(present), have / num_people)

    def past_means(self, tallies: Sequence[PersonTally], resamples: int, draws: np.random.Generator) -> FloatArray:
        """Mean scores, (k,), of stratified samples like this one."""
        drawn = resampled_within(self.strata, resamples, draws)
        sums = sum(np.stack([tally.scores(weights).sum() for tally in tallies]) for weights in drawn)
        means: FloatArray = np.asarray(sums) / resamples
        return means

    def completed(self, num_people: int) -> float:
        """Factor from the score over these classes to the expected score over all classes of `num_people` other
        people."""
        occurring = 1 - (1 - self.missing) ** num_people
        return 1 + float(occurring.sum()) / self.num_classes
