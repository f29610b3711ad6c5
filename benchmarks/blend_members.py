"""Members for `blend.py`: simulated predictions of a 3 x 2 x 3 label whose errors go by person and by kind of model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facetwise.blending.votes import VoteBlock, Votes
from facetwise.core.labels import JOINT, Attribute, LabelSpace

SPACE = LabelSpace(
    (
        Attribute("mask", ("wear", "incorrect", "normal")),
        Attribute("gender", ("male", "female")),
        Attribute("age", ("<30", "30-59", ">=60"), cuts=(30.0, 60.0)),
    )
)
IMAGES = 7
NUM_FAMILIES = 5
YEARS = 3.2
"""Standard deviation of a middling member's error of age, in years."""

Floats = npt.NDArray[np.float64]
Probs = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Truth:
    """Labels of drawn images, each of shape (n,)."""

    joint: npt.NDArray[np.int64]
    person: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Members:
    """What kinds of models answer: the same for whatever people they are asked about. Arrays have shape (members,)."""

    noise: Floats
    """How large its own errors are; those shared by its family and by all are as large for everyone."""
    bias: Floats
    """Years that it is off on average."""
    sharpness: Floats
    """How sure it says it is: 1 is as sure as its errors allow."""
    family: npt.NDArray[np.int64]

    @classmethod
    def draw(cls, num_members: int, seed: int, spread: float = 0.35) -> Members:
        """Members in families that err alike; the larger `spread`, the more unequal their worth."""
        draws = np.random.default_rng([seed, 1])
        return cls(
            np.exp(draws.normal(0, spread, num_members)),
            draws.normal(0, 0.8, num_members),
            np.exp(draws.normal(0, 0.4, num_members)),
            draws.integers(0, NUM_FAMILIES, num_members),
        )

    def answer(self, num_people: int, seed: int) -> tuple[Truth, list[Probs]]:
        """Labels of `num_people` drawn people, and each member's probabilities an attribute, (members, n, classes)."""
        draws = np.random.default_rng([seed, 2])
        person = np.repeat(np.arange(num_people), IMAGES)
        mask = np.tile([0, 0, 0, 0, 0, 1, 2], num_people)
        gender = draws.integers(0, 2, num_people)[person]
        years = np.where(draws.random(num_people) < 0.45, 24.0, 46.0) + draws.normal(0, 6, num_people)
        years = np.where(draws.random(num_people) < 0.07, 61.0, np.clip(years, 18, 59))[person]
        joint = SPACE.encode(np.stack([mask, gender, SPACE.attribute("age").codes_of_values(years)], axis=1))
        probs = [
            _softmax(4.5 * (np.arange(3) == mask[:, None]) + 1.2 * e, s)
            for e, s in self._errors(draws, person, 3)
        ], [
            _softmax(np.stack([0 * gender, 5.0 * gender - 2.5 + 2.0 * e[:, 0]], axis=1), s)
            for e, s in self._errors(draws, person, 1)
        ], [
            _ages(years + bias + YEARS * e[:, 0], s)
            for (e, s), bias in zip(self._errors(draws, person, 1), self.bias, strict=True)
        ]  # fmt: skip
        return Truth(joint, person), [np.stack(p) for p in probs]

    def _errors(
        self, draws: np.random.Generator, person: npt.NDArray[np.int64], size: int
    ) -> list[tuple[Floats, float]]:
        """Each member's errors, (n, size), half of them by person, and its sharpness."""

        def part() -> Floats:
            return draws.normal(0, 0.5**0.5, (person[-1] + 1, size))[person] + draws.normal(
                0, 0.5**0.5, (len(person), size)
            )

        shared, families = part(), [part() for _ in range(NUM_FAMILIES)]
        return [
            (1.1 * shared + 0.5 * families[f] + 0.7 * noise * part(), float(sharp))
            for f, noise, sharp in zip(self.family, self.noise, self.sharpness, strict=True)
        ]


def whole(probs: list[Probs]) -> Votes:
    """Soft votes over the joint class, of members that predict each attribute by itself."""
    joint = probs[0]
    for more in probs[1:]:
        joint = (joint[..., :, None] * more[..., None, :]).reshape(*joint.shape[:2], -1)
    members = np.arange(len(joint))
    return Votes(SPACE, "soft", len(joint), (VoteBlock(JOINT, members, joint),))


def by_attribute(probs: list[Probs]) -> Votes:
    """Soft votes over each attribute."""
    members = np.arange(len(probs[0]))
    blocks = (VoteBlock(n, members, p) for n, p in zip(SPACE.names, probs, strict=True))
    return Votes(SPACE, "soft", len(members), tuple(blocks))


def _softmax(logits: Floats, sharpness: float) -> Probs:
    shifted = np.exp(sharpness * (logits - logits.max(axis=1, keepdims=True)))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True), np.float32)


def _ages(years: Floats, sharpness: float) -> Probs:
    """Classes of age from a logistic distribution around a guess, cut where the classes are."""
    below = 1 / (1 + np.exp(-sharpness * (np.array([30.0, 58.5]) - years[:, None]) / (0.55 * YEARS)))
    return np.diff(below, axis=1, prepend=0.0, append=1.0).astype(np.float32)
