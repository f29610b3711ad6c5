"""How often the intervals hold what they promise, on a made population with a person's images correlated.

    python benchmarks/interval_coverage.py [--trials 400] [--quick]

First table: for each row, people with seven images are drawn from a population whose joint classes are as uneven as
those of the masked-face contest and whose errors go by person. `confidence` counts how often `bootstrap_interval` holds
the population's score, `prediction` how often that of `simulate` holds the score of a fresh test set; `by image` is
the confidence interval of somebody who resamples images. All are asked for 95 %; `+-` is two standard errors.

Second table: a base and five changes that do nothing. Six models answer for fresh people, alike but for luck, so every
true difference is exactly zero. `paired` is how often the interval of `paired_interval` leaves zero out, of a single
change (5 % asked for); `any of 5` how often that of at least one does; `called` how often `ablate` calls at least one
better or worse (at most 5 % asked for), and `without the rule` the same if widened intervals that the resamples do not
resolve counted too; `resolved` is the share that is, of those widened intervals that are looked at.

`--quick`: 150 trials, small rows only; under two minutes.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from truths import truth_of

from facetwise.evaluate.forecasts.forecast import TestPeople, simulate
from facetwise.evaluate.intervals import LEVEL, RESAMPLES, Interval, bootstrap_interval, paired_interval
from facetwise.evaluate.metrics import macro_f1
from facetwise.study.ablation import MAX_RESAMPLES
from facetwise.study.wording import bonferroni, winner

IMAGES = 7
NUM_CLASSES = 18
SIZES = ((150, 150), (800, 200), (800, 1800), (2700, 1800))
"""(labelled people, people of the test set)."""
NUM_CHANGES = 5
WIDENED = min(MAX_RESAMPLES, NUM_CHANGES * RESAMPLES)
"""Resamples of the widened intervals, as `ablate` takes them."""
FAMILY_SIZES = (120, 300, 800)
"""Labelled people of the second table."""

Classes = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Rows:
    """True and predicted joint classes, shape (people, images)."""

    truth: Classes
    predicted: Classes

    def people(self, draws: np.random.Generator, size: int) -> Rows:
        """`size` people drawn from these."""
        drawn = draws.integers(0, len(self.truth), size)
        return Rows(self.truth[drawn], self.predicted[drawn])

    @property
    def score(self) -> float:
        """Macro F1 of all rows."""
        return macro_f1(self.truth.ravel(), self.predicted.ravel(), NUM_CLASSES)


def draw_population(draws: np.random.Generator, num_people: int) -> Rows:
    """A 3 x 2 x 3 label: five, one and one images a person of the first attribute; the third ordinal and uneven.

    The second and third attributes belong to the person, and so does most of what goes wrong with them.
    """
    shape = (num_people, IMAGES)
    first = np.tile([0, 0, 0, 0, 0, 1, 2], (num_people, 1))
    second = draws.integers(0, 2, (num_people, 1))
    value = np.where(draws.random((num_people, 1)) < 0.45, 24.0, 46.0) + draws.normal(0, 6, (num_people, 1))
    value = np.where(draws.random((num_people, 1)) < 0.07, 61.0, np.clip(value, 18, 59))
    seen = value + draws.normal(0, 3, (num_people, 1)) + draws.normal(0, 2, shape)
    sure = draws.normal(3.2, 2, (num_people, 1)) + draws.normal(0, 1, shape)
    guessed = np.where(draws.random(shape) < 0.97, first, draws.integers(0, 3, shape))
    third, answer = np.digitize(value, [30, 60]), np.digitize(seen, [30, 58.5])
    return Rows(
        np.broadcast_to(first * 6 + second * 3 + third, shape).copy(),
        guessed * 6 + np.where(sure > 0, second, 1 - second) * 3 + answer,
    )


@dataclass(frozen=True)
class Coverage:
    """Shares of trials in which an interval held, and mean widths."""

    confidence: float
    prediction: float
    by_image: float
    width: float
    prediction_width: float
    bias: float
    """Mean of the score of the test sets minus the expected score that was forecast."""


def coverage(population: Rows, known: int, test: int, *, trials: int, resamples: int, seed: int) -> Coverage:
    """Draw `trials` labelled sets of `known` people and fresh test sets of `test`, and count."""
    draws, score = np.random.default_rng(seed), population.score
    found = [_trial(population, known, test, score, draws, resamples, seed + i) for i in range(trials)]
    return Coverage(*np.mean(found, axis=0).tolist())


def _trial(
    population: Rows, known: int, test: int, score: float, draws: np.random.Generator, resamples: int, seed: int
) -> tuple[float, ...]:
    here, there = population.people(draws, known), population.people(draws, test).score
    people = np.repeat(np.arange(known), IMAGES)
    truth, predicted = here.truth.ravel(), here.predicted.ravel()
    own = bootstrap_interval(truth, predicted, people, NUM_CLASSES, resamples=resamples, seed=seed)
    images = np.arange(known * IMAGES)
    wrong = bootstrap_interval(truth, predicted, images, NUM_CLASSES, resamples=min(resamples, 200), seed=seed)
    next_one = simulate(
        truth_of(truth, people, NUM_CLASSES),
        [predicted],
        TestPeople(test, 0),
        level=LEVEL,
        resamples=resamples,
        seed=seed,
    ).forecast("all", 0)
    return (
        _holds(own, score),
        _holds(next_one.interval, there),
        _holds(wrong, score),
        own.high - own.low,
        next_one.interval.high - next_one.interval.low,
        there - next_one.expected,
    )


def _holds(interval: Interval, score: float) -> bool:
    return interval.low <= score <= interval.high


def draw_models(draws: np.random.Generator, num_people: int, num_models: int) -> tuple[Classes, Classes]:
    """True classes, (people, images), and what each model says, (models, people, images), alike but for luck.

    Labels as in `draw_population`. Half of the variance of a person's errors is shared by all models, as hard people
    are hard for everyone, and the other half is a model's own.
    """
    shape, own = (num_people, IMAGES), (num_models, num_people, 1)
    images = (num_models, *shape)
    first = np.tile([0, 0, 0, 0, 0, 1, 2], (num_people, 1))
    second = draws.integers(0, 2, (num_people, 1))
    value = np.where(draws.random((num_people, 1)) < 0.45, 24.0, 46.0) + draws.normal(0, 6, (num_people, 1))
    value = np.where(draws.random((num_people, 1)) < 0.07, 61.0, np.clip(value, 18, 59))
    half = 0.5**0.5
    away = half * (draws.normal(0, 3, (num_people, 1)) + draws.normal(0, 3, own)) + draws.normal(0, 2, images)
    sure = 3.2 + half * (draws.normal(0, 2, (num_people, 1)) + draws.normal(0, 2, own)) + draws.normal(0, 1, images)
    guessed = np.where(draws.random(images) < 0.97, first, draws.integers(0, 3, images))
    third, answer = np.digitize(value, [30, 60]), np.digitize(value + away, [30, 58.5])
    predicted = guessed * 6 + np.where(sure > 0, second, 1 - second) * 3 + answer
    return np.broadcast_to(first * 6 + second * 3 + third, shape).copy(), predicted


def family(num_people: int, *, trials: int, seed: int) -> list[float]:
    """Shares of trials: `paired`, `any of 5`, `called` and `without the rule`; then `resolved`, of changes."""
    draws = np.random.default_rng(seed)
    found = np.array([_family_trial(draws, num_people, seed + i) for i in range(trials)])
    left_out, sure, resolved = found[:, 0], found[:, 1], found[:, 2]
    calls = [flags.any(axis=1).mean() for flags in (left_out, sure & resolved, sure)]
    looked_at = resolved[left_out].mean() if left_out.any() else float("nan")
    return [float(share) for share in (left_out[:, 0].mean(), *calls, looked_at)]


def _family_trial(draws: np.random.Generator, num_people: int, seed: int) -> list[list[bool]]:
    """Of each change: whether its own interval leaves zero out; if so, whether the widened one does and is resolved."""
    truth, predicted = draw_models(draws, num_people, 1 + NUM_CHANGES)
    people, flat = np.repeat(np.arange(num_people), IMAGES), predicted.reshape(1 + NUM_CHANGES, -1)
    own, sure, resolved = [], [], []
    for change in flat[1:]:
        rows = truth.ravel(), change, flat[0], people, NUM_CLASSES
        left_out = winner(paired_interval(*rows, seed=seed)) != "neither"
        many = paired_interval(*rows, level=bonferroni(NUM_CHANGES), resamples=WIDENED, seed=seed) if left_out else None
        own.append(left_out)
        sure.append(many is not None and winner(many) != "neither")
        resolved.append(many is not None and many.resolved)
    return [own, sure, resolved]


def print_coverage(trials: int, resamples: int, sizes: Sequence[tuple[int, int]]) -> None:
    """The first table."""
    population = draw_population(np.random.default_rng(0), 60_000)
    print(f"population macro F1 {population.score:.4f}; {trials} trials a row")
    print("| people | test people | confidence | prediction | +- | by image | width | prediction width | bias | s |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for known, test in sizes:
        start = time.perf_counter()
        c = coverage(population, known, test, trials=trials, resamples=resamples, seed=1)
        print(
            f"| {known} | {test} | {c.confidence:.3f} | {c.prediction:.3f} | {_error(trials):.3f} | {c.by_image:.3f} "
            f"| {c.width:.4f} | {c.prediction_width:.4f} | {c.bias:+.4f} | {time.perf_counter() - start:.0f} |",
            flush=True,
        )


def print_families(trials: int, sizes: Sequence[int]) -> None:
    """The second table."""
    print(f"\na base and {NUM_CHANGES} changes that do nothing; {trials} trials a row")
    print(f"| people | paired | +- | any of {NUM_CHANGES} | called | without the rule | resolved | s |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for size in sizes:
        start = time.perf_counter()
        paired, at_least_one, called, unruled, resolved = family(size, trials=trials, seed=1)
        print(
            f"| {size} | {paired:.3f} | {_error(trials):.3f} | {at_least_one:.3f} | {called:.3f} | {unruled:.3f} "
            f"| {resolved:.2f} | {time.perf_counter() - start:.0f} |",
            flush=True,
        )


def _error(trials: int) -> float:
    return 2.0 * math.sqrt(LEVEL * (1 - LEVEL) / trials)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=400)
    parser.add_argument("--resamples", type=int, default=1000, help="of the first table")
    parser.add_argument("--quick", action="store_true", help="150 trials, small rows only")
    arguments = parser.parse_args()
    trials = 150 if arguments.quick else arguments.trials
    print_coverage(trials, arguments.resamples, SIZES[:1] if arguments.quick else SIZES)
    print_families(trials, FAMILY_SIZES[:2] if arguments.quick else FAMILY_SIZES)


if __name__ == "__main__":
    main()
