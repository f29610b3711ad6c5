"""What the score of a hold-out says of other people, beyond what resampling its people tells.

Folds are dealt by class, so a hold-out has nearly the shares of classes that all labelled people have. People drawn
with replacement from it have not: each draw lacks a third of the people, and with them whole classes, which score 0. A
pivot that takes such draws for the past sample lifts a hold-out of few people (by how much is measured in
`benchmarks/forecast_coverage.py`). So the mean of the past sample is that of a stratified
bootstrap (Davison & Hinkley 1997, section 3.2): each person is redrawn among those of the same kind. The spread stays
that of all people, which errs on the wide side, since a kind of one or two people hardly varies.

What a hold-out of few people cannot do is hold a person of every class. The labelled people it was dealt from say which
classes it lacks. These are taken to score as the others do on average, as far as they occur among the people ahead.
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
class HeldOut:
    """The people that are answered out of fold, where others are labelled too."""

    kinds: IntArray
    """The class most frequent among a person's images, (answered people,), people in sorted order."""
    num_classes: int
    """Classes that they have."""
    lacking: FloatArray
    """Of each class that only other labelled people have, the share of all labelled people who have it."""

    @classmethod
    @takes(answered=flags("n"))
    def among(cls, truth: Truth, answered: npt.NDArray[np.bool_]) -> HeldOut | None:
        """From all labelled rows, and which of them, (n,), are answered; None when all people are."""
        person, num_people = group_numbers(truth.people)
        pairs, images = np.unique(np.stack([person, truth.classes], axis=1), axis=0, return_counts=True)
        here = np.isin(np.arange(num_people), person[answered])
        if here.all():
            return None
        order = np.lexsort((pairs[:, 1], -images, pairs[:, 0]))
        kinds = pairs[order[np.unique(pairs[order, 0], return_index=True)[1]], 1]
        present = np.unique(truth.classes[answered])
        _, have = np.unique(pairs[~np.isin(pairs[:, 1], present), 1], return_counts=True)
        return cls(kinds[here], len(present), have / num_people)

    def past_means(self, tallies: Sequence[PersonTally], resamples: int, draws: np.random.Generator) -> FloatArray:
        """Mean scores, (k,), of samples dealt as this one was."""
        drawn = resampled_within(self.kinds, resamples, draws)
        sums = sum(np.stack([tally.scores(weights).sum() for tally in tallies]) for weights in drawn)
        means: FloatArray = np.asarray(sums) / resamples
        return means

    def completed(self, num_people: int) -> float:
        """How many times the score of these classes is that of all that `num_people` other people have."""
        occurring = 1 - (1 - self.lacking) ** num_people
        return 1 + float(occurring.sum()) / self.num_classes
