"""How often the intervals hold what they promise, on a made population with a person's images correlated.

    python benchmarks/interval_coverage.py [--trials 400]

For each row, people with seven images are drawn from a population whose joint classes are as uneven as those of the
masked-face contest and whose errors go by person. `confidence` counts how often `bootstrap_interval` holds the
population's score, `prediction` how often `prediction_interval` holds the score of a fresh test set; `by image` is
the confidence interval of somebody who resamples images. All are asked for 95 %; `+-` is two standard errors.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facetwise.evaluate.intervals import Interval, bootstrap_interval, prediction_interval
from facetwise.evaluate.metrics import macro_f1

IMAGES = 7
NUM_CLASSES = 18
SIZES = ((150, 150), (800, 200), (800, 1800), (2700, 1800))
"""(labelled people, people of the test set)."""

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
    next_one = prediction_interval(truth, predicted, people, NUM_CLASSES, test, resamples=resamples, seed=seed)
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


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=400)
    parser.add_argument("--resamples", type=int, default=1000)
    arguments = parser.parse_args()
    population = draw_population(np.random.default_rng(0), 60_000)
    print(f"population macro F1 {population.score:.4f}; {arguments.trials} trials a row")
    print("| people | test people | confidence | prediction | +- | by image | width | prediction width | bias | s |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for known, test in SIZES:
        start = time.perf_counter()
        c = coverage(population, known, test, trials=arguments.trials, resamples=arguments.resamples, seed=1)
        error = 2 * (0.95 * 0.05 / arguments.trials) ** 0.5
        print(
            f"| {known} | {test} | {c.confidence:.3f} | {c.prediction:.3f} | {error:.3f} | {c.by_image:.3f} "
            f"| {c.width:.4f} | {c.prediction_width:.4f} | {c.bias:+.4f} | {time.perf_counter() - start:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
