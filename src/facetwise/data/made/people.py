"""The people of the made contest, and their labels in the training table.

People are drawn by quota: the cells gender x age group have the proportions of a contest-like dataset of real faces
(male 39 %, female 61 %; under 30 47.5 %, 30..59 45.4 %, 60 and over 7.1 %), at any number of people.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

RACES = ("Asian", "Black", "Indian", "Others", "White")
"""Drawn evenly and used for nothing: neither the labels nor the pictures depend on it."""
AGE_RANGES = ((18, 29), (30, 59), (60, 70))
"""First and last age of each age group, in years."""
QUOTAS = ((163, 121, 25), (217, 242, 32))
"""People by gender and age group in the contest-like dataset whose proportions are kept."""
TRAIN, EVAL = 0, 1
"""The splits' numbers in the seeds."""


@dataclass(frozen=True)
class Person:
    """One made-up person; `gender` and `age` are the truth."""

    split: int
    """`TRAIN` or `EVAL`."""
    number: int
    """1, 2, ... within the split."""
    id: str
    """Six digits, unique over both splits."""
    gender: int
    """0 male, 1 female."""
    age: int
    """Years."""
    race: str


def draw_people(split: int, num_people: int, first_id: int, seed: int) -> list[Person]:
    """The people of a split, in the order of their ids, which start at `first_id`."""
    cells = np.repeat(np.arange(6), quotas(num_people))
    rng = person_rng(seed, split, 0)
    people = []
    for number, cell in enumerate(rng.permutation(cells).tolist(), start=1):
        gender, group = divmod(cell, 3)
        age = int(rng.integers(*AGE_RANGES[group], endpoint=True))
        race = RACES[rng.integers(len(RACES))]
        people.append(Person(split, number, f"{first_id + number - 1:06d}", gender, age, race))
    return people


def person_rng(seed: int, split: int, number: int, stream: int = 0) -> np.random.Generator:
    """The generator of a person, or, with number 0, of what concerns a whole split; streams are independent."""
    return np.random.default_rng(np.random.SeedSequence([seed, split, number, stream]))


def quotas(num_people: int) -> list[int]:
    """People in each of the six cells gender * 3 + age group, in the proportions of `QUOTAS`.

    Rounded by largest remainder; with six people or more no cell stays empty.
    """
    shares = np.array(QUOTAS).ravel() / np.sum(QUOTAS) * num_people
    counts = np.floor(shares).astype(int)
    counts[np.argsort(counts - shares, kind="stable")[: num_people - counts.sum()]] += 1
    while num_people >= len(counts) and counts.min() == 0:
        counts[counts.argmax()] -= 1
        counts[counts.argmin()] += 1
    return [int(count) for count in counts]


def age_group(age: int) -> int:
    """The age group of an age in years."""
    return sum(age >= first for first, _ in AGE_RANGES[1:])


def record_labels(people: Sequence[Person], wrong_share: float, seed: int) -> list[Person]:
    """The people as in the training table: a share of them with a wrong gender or a wrong age group.

    Errors alternate between the two attributes; nobody has both wrong.
    """
    rng = person_rng(seed, TRAIN, 0, stream=1)
    chosen = rng.permutation(len(people))[: round(wrong_share * len(people))]
    recorded = list(people)
    for turn, place in enumerate(chosen.tolist()):
        person = people[place]
        wrong_age = _wrong_age(person.age, rng)
        recorded[place] = replace(person, gender=1 - person.gender) if turn % 2 else replace(person, age=wrong_age)
    return recorded


def _wrong_age(age: int, rng: np.random.Generator) -> int:
    """An age from another age group, the groups by their shares."""
    shares = np.sum(QUOTAS, axis=0).astype(float)
    shares[age_group(age)] = 0
    group = rng.choice(len(AGE_RANGES), p=shares / shares.sum())
    return int(rng.integers(*AGE_RANGES[group], endpoint=True))
