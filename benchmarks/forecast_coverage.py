"""How often the forecast of a leaderboard score holds, with and without scored submissions, on made contests.

    python benchmarks/forecast_coverage.py [--trials 400] [--quick]

A trial draws labelled people, a test set of other people and eleven predictors of a 3 x 2 x 3 label with seven images a
person. Each predictor has errors that it shares with all (hard people), errors of its own, and errors of each fold
model; the public scores of some of them are known, and the last one, which was never sent, is forecast with 90 %.
`public` and `private` count how often the forecast of that part held the score; `sent, private` is that of the first
predictor sent, whose public score is known. `+-` is two standard errors, `widths` the mean widths of the public and the
private interval, `bias` the mean of score minus expectation on the private part.

Worlds: `same` answers the test set as out of fold, with single fold models; `averaged` with the mean of five fold
models, which scores higher; `harder` does too, and photos on the test side are harder for everybody. Without scored
submissions nothing can know of the last two: those rows show what `not part of the out-of-fold estimate` costs.

`--quick`: 100 trials and fewer rows; about a minute.
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from facetwise.evaluate.forecast import LEVEL, Offset, ScoreForecast, TestPeople, disagreement, simulate
from facetwise.evaluate.metrics import macro_f1
from facetwise.submission.outlook import OFFSET

IMAGES, NUM_CLASSES, NUM_FOLDS = 7, 18, 5
NUM_PREDICTORS = 11
RESAMPLES = 1000
World = Literal["same", "averaged", "harder"]
Classes = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Row:
    """A row of the table: labelled people, people of the test set (half in public), scored submissions, world."""

    known: int
    test: int
    scored: int
    world: World


ROWS = tuple(
    [Row(800, 540, scored, "same") for scored in (0, 1, 3, 10)]
    + [Row(800, 540, scored, "averaged") for scored in (0, 1, 3, 10)]
    + [Row(800, 540, scored, "harder") for scored in (0, 1, 3, 10)]
    + [Row(2700, 1800, 0, "averaged"), Row(2700, 1800, 3, "averaged"), Row(2700, 1800, 10, "averaged")]
)


def draw_truth(draws: np.random.Generator, num_people: int) -> tuple[Classes, Classes, Floats]:
    """Classes of the first attribute, (people, images), of the second, (people, 1), and the value behind the third."""
    first = np.tile([0, 0, 0, 0, 0, 1, 2], (num_people, 1))
    second = draws.integers(0, 2, (num_people, 1))
    value = np.where(draws.random((num_people, 1)) < 0.45, 24.0, 46.0) + draws.normal(0, 6, (num_people, 1))
    return first, second, np.where(draws.random((num_people, 1)) < 0.07, 61.0, np.clip(value, 18, 59))


def draw_answers(
    draws: np.random.Generator, num_people: int, skill: Floats, *, averaged: bool, extra: float
) -> tuple[Classes, Classes]:
    """True classes, (people, images), and what each predictor says, (predictors, people, images).

    `skill` scales each predictor's own errors, shape (predictors,); `extra` is an error of the image that all share.
    """
    first, second, value = draw_truth(draws, num_people)
    shape, scale = (num_people, IMAGES), skill[:, None, None]
    own, images = (len(skill), num_people, 1), (len(skill), *shape)
    folds = 1 / NUM_FOLDS**0.5 if averaged else 1.0

    def error(hard: float, mine: float, fold: float) -> Floats:
        shared = draws.normal(0, hard, (num_people, 1)) + draws.normal(0, hard / 2 + extra, shape)
        model = draws.normal(0, mine, own) + draws.normal(0, mine / 2, images)
        single = draws.normal(0, fold, own) + draws.normal(0, fold / 2, images)
        return shared + scale * model + folds * single

    slip = np.where(draws.random(images) < 0.97, first, draws.integers(0, 3, images))
    age = np.digitize(value + error(2.0, 1.5, 1.5), [30, 58.5])
    sex = np.where(2.8 + error(1.4, 1.0, 1.0) > 0, second, 1 - second)
    truth = np.broadcast_to(first * 6 + second * 3 + np.digitize(value, [30, 60]), shape)
    return truth.reshape(-1).copy(), (slip * 6 + sex * 3 + age).reshape(len(skill), -1)


def trial(draws: np.random.Generator, row: Row, offset: Offset, seed: int) -> list[tuple[float, ...]]:
    """Of the candidate in public and in private, and of the first one sent in private: held, width, error."""
    skill = draws.uniform(0.7, 1.4, NUM_PREDICTORS)
    truth, oof = draw_answers(draws, row.known, skill, averaged=False, extra=0.0)
    hard = 0.8 if row.world == "harder" else 0.0
    labels, test = draw_answers(draws, row.test, skill, averaged=row.world != "same", extra=hard)
    people = TestPeople.split(row.test, 0.5)
    cut = people.public * IMAGES
    public = [macro_f1(labels[:cut], answers[:cut], NUM_CLASSES) for answers in test]
    private = [macro_f1(labels[cut:], answers[cut:], NUM_CLASSES) for answers in test]
    used = [*range(row.scored), NUM_PREDICTORS - 1]
    groups = np.repeat(np.arange(row.known), IMAGES)
    joint = simulate(truth, [oof[k] for k in used], groups, NUM_CLASSES, people, resamples=RESAMPLES, seed=seed)
    if row.scored:
        joint = joint.shifted(offset, disagreement([test[k] for k in used]), seed)
    joint = joint.given(np.array([*(round(public[k], 4) for k in used[:-1]), np.nan]))
    last = len(used) - 1
    found = [_held(joint.forecast("public", last), public[-1]), _held(joint.forecast("private", last), private[-1])]
    return [*found, _held(joint.forecast("private", 0), private[0 if row.scored else -1])]


def _held(forecast: ScoreForecast, score: float) -> tuple[float, ...]:
    low, high = forecast.interval.low, forecast.interval.high
    return float(low <= score <= high), high - low, score - forecast.expected


def print_table(trials: int, rows: tuple[Row, ...], offset: Offset) -> None:
    """A line a row, as it is found."""
    print(f"{trials} trials a row, asked for {LEVEL:.0%}; common shift {offset.common}, own shifts {offset.own}")
    print("| people | test people | world | scored | public | private | sent, private | +- | widths | bias | s |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for row in rows:
        start, draws = time.perf_counter(), np.random.default_rng(1)
        found = np.array([trial(draws, row, offset, seed) for seed in range(trials)]).mean(axis=0)
        held, width, error = found.T
        sent = f"{held[2]:.3f}" if row.scored else ""
        print(
            f"| {row.known} | {row.test} | {row.world} | {row.scored} | {held[0]:.3f} | {held[1]:.3f} | {sent} "
            f"| {2 * math.sqrt(LEVEL * (1 - LEVEL) / trials):.3f} | {width[0]:.4f}, {width[1]:.4f} | {error[1]:+.4f} "
            f"| {time.perf_counter() - start:.0f} |",
            flush=True,
        )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=400)
    parser.add_argument("--quick", action="store_true", help="100 trials, fewer rows")
    parser.add_argument("--common", type=float, default=OFFSET.common, help="another common shift")
    parser.add_argument("--own", type=float, default=OFFSET.own, help="other own shifts")
    arguments = parser.parse_args()
    rows = tuple(r for r in ROWS if r.known == 800 and r.scored in (0, 3)) if arguments.quick else ROWS
    offset = Offset(arguments.common, arguments.own)
    print_table(100 if arguments.quick else arguments.trials, rows, offset)


if __name__ == "__main__":
    main()
