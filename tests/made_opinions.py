"""People to train on and to predict, models of them, and their predictions as the gate gets them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from facetwise.core.labels import Attribute, IntArray, LabelSpace
from facetwise.submission.gate.gate import ExpectedFile, GateReport, check_submission
from facetwise.submission.gate.misplaced import ProjectAnswers
from facetwise.submission.gate.opinions import Opinion, TrainingSide

SPACE = LabelSpace(
    (
        Attribute("mask", ("wear", "incorrect", "normal")),
        Attribute("gender", ("male", "female")),
        Attribute("age", ("<30", "30-59", ">=60"), (30.0, 60.0)),
    )
)
TRAIN, TEST, IMAGES = 160, 120, 7
MASKS = np.array([0, 0, 0, 0, 0, 1, 2])
GOOD, WEAK, GUESSES = (0.97, 0.9, 0.8), (0.85, 0.7, 0.45), (0.72, 0.5, 0.45)
"""How often a model is right in mask, gender and age; the last says little more than what is common."""


def people(count: int, draws: np.random.Generator) -> IntArray:
    """True class numbers, (count * IMAGES, 3): seven images a person, who has one gender and one age."""
    own = np.stack([draws.integers(0, 2, count), draws.choice(3, count, p=[0.45, 0.42, 0.13])], axis=1)
    return np.concatenate([np.tile(MASKS, count)[:, None], np.repeat(own, IMAGES, axis=0)], axis=1)


def predicted(truth: IntArray, right: tuple[float, ...], draws: np.random.Generator) -> IntArray:
    """What a model says: half of its mistakes are about a person, the other half about an image."""
    told = truth.copy()
    for i, (share, size) in enumerate(zip(right, SPACE.sizes, strict=True)):
        for unit in (IMAGES, 1):
            wrong = np.repeat(draws.random(len(truth) // unit) > np.sqrt(share), unit)
            other = np.repeat(draws.integers(1, size, len(truth) // unit), unit)
            told[wrong, i] = (told[wrong, i] + other[wrong]) % size
    return told


class World:
    """People to train on and to predict, and models of them."""

    def __init__(self, seed: int, num_train: int = TRAIN, num_test: int = TEST) -> None:
        self.draws = np.random.default_rng(seed)
        self.train, self.test = people(num_train, self.draws), people(num_test, self.draws)
        self.test = self.test[self.draws.permutation(len(self.test))]
        self.groups = np.repeat(np.arange(num_train), IMAGES)
        self.num_test = num_test
        self.names = [f"{self.draws.integers(10**12):012d}.jpg" for _ in self.test]

    def model(self, right: tuple[float, ...] = GOOD, name: str = "01-other") -> Opinion:
        # Not in the people's order: a test side is shuffled, so mistakes there are by image alone.
        return Opinion(name, predicted(self.test, right, self.draws), predicted(self.train, right, self.draws))

    def known(self, own: Opinion | None) -> TrainingSide:
        return TrainingSide(self.train, self.groups, None if own is None else own.oof)

    def gate(
        self, joint: IntArray, own: Opinion | None, others: list[Opinion], here: Sequence[ProjectAnswers] = ()
    ) -> GateReport:
        text = "ImageID,ans\n" + "".join(f"{n},{c}\n" for n, c in zip(self.names, joint, strict=True))
        return check_submission(
            text.encode(), ExpectedFile(self.names, "ImageID", "ans"), self.known(own), SPACE,
            decided=None if own is None else joint, opinions=others, answers_here=here,
        )  # fmt: skip


def oof_of(model: Opinion) -> IntArray:
    assert model.oof is not None
    return model.oof


def in_classes(codes: IntArray, attribute: int, order: tuple[int, ...]) -> IntArray:
    """Joint classes when class k of an attribute is written as order[k]."""
    changed = codes.copy()
    changed[:, attribute] = np.array(order)[codes[:, attribute]]
    return SPACE.encode(changed)
