"""How often the forecast of a leaderboard score holds, with and without scored submissions, on made contests.

    python benchmarks/forecast_coverage.py [--trials 300] [--quick] [--picks] [--small]

A trial draws labelled people, a test set of other people and eleven predictors of a 3 x 2 x 3 label with seven images a
person. Each predictor has errors that it shares with all (hard people), errors of its own, and errors of each fold
model; the public scores of some of them are known, and the last one, which was never sent, is forecast with 90 %.
`public` and `private` count how often the forecast of that part held the score; `sent, private` is that of the first
predictor sent, whose public score is known. `+-` is two standard errors, `widths` the mean widths of the public and the
private interval, `bias` the mean of score minus expectation on the private part.

Worlds: `same` answers the test set as out of fold, with single fold models; `averaged` with the mean of five fold
models, which scores higher; `harder` does too, and photos on the test side are harder for everybody. Without scored
submissions nothing can know of the last two: the intervals only have room for a shift.

Second table: ten files were sent and scored in public. The private score of the better of two, and of one, chosen by
`facetwise final`, by the public score alone, and by out of fold alone; `best` is the best there was, `+-` two standard
errors of the difference of two by `final` and two by public score.

Third table (`--small`): one predictor, before any score is known, few labelled people and a test set of 400. `folds`:
all labelled people are answered; `hold-out`: these are the first of four folds, dealt by class as by `facetwise folds`.
`drawn` is the contest of the first table, with single models on both sides; `fitted` that of `contests.py`, whose
classes of few people are predicted much worse than the others. `out of fold`, `as folds` and `bias` are means of score
in hand, of a forecast that takes a hold-out for people drawn by lot, and of the forecast, each minus the true score on
the test set; `+-` is two standard errors. `holds`, `width`: of the 90 % forecast of people alone, and with the room for
a shift that `facetwise forecast` adds.

`--quick`: 100 trials and fewer rows; a few minutes.
"""

from __future__ import annotations

import argparse
import math
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from contest_model import SPACE, Model
from sklearn.model_selection import StratifiedGroupKFold
from truths import truth_of

from facetwise.evaluate.agreement import disagreement_matrix
from facetwise.evaluate.forecasts.forecast import LEVEL, JointScores, Offset, ScoreForecast, TestPeople, simulate
from facetwise.evaluate.forecasts.picks import best_picks
from facetwise.evaluate.metrics import MISSING, macro_f1
from facetwise.evaluate.rows import Truth
from facetwise.submission.planning.outlook import OFFSET

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


@dataclass(frozen=True)
class Contest:
    """What a trial draws: out-of-fold score, public and private score of each predictor, and their joint forecast."""

    oof: Floats
    public: Floats
    private: Floats
    joint: JointScores


def draw_contest(draws: np.random.Generator, row: Row, used: list[int], offset: Offset, seed: int) -> Contest:
    """A contest of the predictors `used`, in which the public scores of the first `row.scored` of them are known."""
    skill = draws.uniform(0.7, 1.4, NUM_PREDICTORS)
    truth, oof = draw_answers(draws, row.known, skill, averaged=False, extra=0.0)
    hard = 0.8 if row.world == "harder" else 0.0
    labels, test = draw_answers(draws, row.test, skill, averaged=row.world != "same", extra=hard)
    people, groups = TestPeople.split(row.test, 0.5), np.repeat(np.arange(row.known), IMAGES)
    cut = people.public * IMAGES
    public = np.array([round(macro_f1(labels[:cut], test[k][:cut], NUM_CLASSES), 4) for k in used])
    private = np.array([macro_f1(labels[cut:], test[k][cut:], NUM_CLASSES) for k in used])
    joint = simulate(
        truth_of(truth, groups, NUM_CLASSES), [oof[k] for k in used], people, resamples=RESAMPLES, seed=seed
    )
    joint = joint.shifted(offset, disagreement_matrix([test[k] for k in used]), seed)
    joint = joint.conditioned_on(np.where(np.arange(len(used)) < row.scored, public, np.nan))
    return Contest(np.array([macro_f1(truth, oof[k], NUM_CLASSES) for k in used]), public, private, joint)


def trial(draws: np.random.Generator, row: Row, offset: Offset, seed: int) -> list[tuple[float, ...]]:
    """Of the candidate in public and in private, and of the first one sent in private: held, width, error."""
    contest = draw_contest(draws, row, [*range(row.scored), NUM_PREDICTORS - 1], offset, seed)
    last, joint = len(contest.public) - 1, contest.joint
    found = [_held(joint.forecast("public", last), contest.public[-1])]
    found.append(_held(joint.forecast("private", last), contest.private[-1]))
    return [*found, _held(joint.forecast("private", 0), contest.private[0])]


def picked(draws: np.random.Generator, row: Row, offset: Offset, seed: int) -> list[float]:
    """The private score of two files (the better one) and of one: by `final`, by public score, by out of fold; the best
    that there was."""
    contest = draw_contest(draws, row, [*range(row.scored)], offset, seed)
    orders = np.argsort(-contest.public, kind="stable"), np.argsort(-contest.oof, kind="stable")
    found = []
    for count in (2, 1):
        ours = best_picks(contest.joint.scores("private"), count)[0].chosen
        found += [contest.private[list(chosen)].max() for chosen in (ours, *(order[:count] for order in orders))]
    return [*map(float, found), float(contest.private.max())]


def _held(forecast: ScoreForecast, score: float) -> tuple[float, ...]:
    low, high = forecast.interval.low, forecast.interval.high
    return float(low <= score <= high), high - low, score - forecast.expected


def print_table(trials: int, rows: tuple[Row, ...], offset: Offset) -> None:
    """The first table, a line a row, as it is found."""
    print(f"{trials} trials a row, asked for {LEVEL:.0%}; common shift {offset.common}, own shifts {offset.individual}")
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


def print_picks(trials: int, worlds: tuple[World, ...], offset: Offset) -> None:
    """The second table."""
    print(f"\n{trials} trials a row: private score of what is chosen of 10 that were sent")
    print("| world | two: final | public | out of fold | one: final | public | out of fold | best | +- |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for world in worlds:
        row, draws = Row(800, 540, 10, world), np.random.default_rng(2)
        found = np.array([picked(draws, row, offset, seed) for seed in range(trials)])
        error = 2 * (found[:, 0] - found[:, 1]).std() / math.sqrt(trials)
        means = " | ".join(f"{mean:.4f}" for mean in found.mean(axis=0))
        print(f"| {world} | {means} | {error:.4f} |", flush=True)


FEW_ROWS = tuple((plan, size) for plan in ("hold-out", "folds") for size in (30, 38, 60, 100, 200, 400, 800))
FEW_TEST = TestPeople(400, 0)
PARAMETERS = Path(__file__).parent / "results" / "contests" / "parameters.npz"
FITTED_RUN = 3
"""Which of the fitted runs answers: one in the middle."""


@cache
def fitted_model() -> Model:
    """The predictors of `contests.py`."""
    return Model.load(PARAMETERS)


def draw_few(draws: np.random.Generator, num_people: int, world: str) -> tuple[Classes, Classes]:
    """True classes and what one predictor says, (images,), person by person."""
    if world == "drawn":
        truth, predicted = draw_answers(draws, num_people, np.array([1.0]), averaged=False, extra=0.0)
        return truth, predicted[0]
    people = fitted_model().draw(num_people, int(draws.integers(2**31)))
    return people.joint, people.tables[FITTED_RUN].classes


def held_out(truth: Classes, groups: Classes, seed: int) -> npt.NDArray[np.bool_]:
    """Rows of the first of four folds."""
    splitter = StratifiedGroupKFold(n_splits=4, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        _, rows = next(iter(splitter.split(truth, truth, groups)))
    return np.isin(np.arange(len(truth)), rows)


def few_trial(draws: np.random.Generator, plan: str, size: int, world: str, seed: int) -> list[float]:
    """Score in hand, a forecast as folds, and the forecast, each minus the score; then held and width, bare and not."""
    num_people = 4 * size if plan == "hold-out" else size
    truth, predicted = draw_few(draws, num_people, world)
    score = macro_f1(*draw_few(draws, FEW_TEST.public, world), NUM_CLASSES)
    groups = np.repeat(np.arange(num_people), IMAGES)
    rows = held_out(truth, groups, seed) if plan == "hold-out" else np.ones(len(truth), bool)
    answers, more = np.where(rows, predicted, MISSING), {"resamples": RESAMPLES, "seed": seed}
    labelled = Truth(SPACE, np.arange(len(truth)), SPACE.decode(truth), groups)
    as_folds = simulate(labelled.where(rows), [predicted[rows]], FEW_TEST, **more).forecast("all", 0)
    joint = simulate(labelled, [answers], FEW_TEST, **more)
    with_room = joint.shifted(OFFSET, np.zeros((1, 1)), seed)
    held = [_held(j.forecast("all", 0), score) for j in (joint, with_room)]
    in_hand = macro_f1(truth[rows], predicted[rows], NUM_CLASSES)
    return [in_hand - score, as_folds.expected - score, -held[0][2], *(x for h in held for x in h[:2])]


def print_few(trials: int, worlds: Sequence[str] = ("drawn", "fitted")) -> None:
    """The third table."""
    print(f"\n{trials} trials a row: {FEW_TEST.public} people ahead, forecast from few")
    print("| world | plan | people | out of fold | as folds | bias | +- | holds, width | with room |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for world in worlds:
        for plan, size in FEW_ROWS:
            draws = np.random.default_rng(3)
            found = np.array([few_trial(draws, plan, size, world, seed) for seed in range(trials)])
            means, error = found.mean(axis=0), 2 * found[:, 2].std() / math.sqrt(trials)
            biases = " | ".join(f"{mean:+.3f}" for mean in means[:3])
            held = " | ".join(f"{means[i]:.3f}, {means[i + 1]:.3f}" for i in (3, 5))
            print(f"| {world} | {plan} | {size} | {biases} | {error:.3f} | {held} |", flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=300)
    parser.add_argument("--quick", action="store_true", help="100 trials, fewer rows")
    parser.add_argument("--common", type=float, default=OFFSET.common, help="another common shift")
    parser.add_argument("--own", type=float, default=OFFSET.individual, help="other own shifts")
    parser.add_argument("--people", type=int, nargs="+", help="rows of so many labelled people only")
    parser.add_argument("--scored", type=int, nargs="+", help="rows of so many scored submissions only")
    parser.add_argument("--picks", action="store_true", help="the second table only")
    parser.add_argument("--small", action="store_true", help="the third table only")
    arguments = parser.parse_args()
    rows = tuple(r for r in ROWS if r.known == 800 and r.scored in (0, 3)) if arguments.quick else ROWS
    rows = tuple(
        r for r in rows if r.known in (arguments.people or [r.known]) and r.scored in (arguments.scored or [r.scored])
    )
    offset = Offset(arguments.common, arguments.own)
    trials = 100 if arguments.quick else arguments.trials
    if arguments.small:
        print_few(trials)
        return
    if not arguments.picks:
        print_table(trials, rows, offset)
    if arguments.picks or not (arguments.people or arguments.scored):
        print_picks(trials, ("averaged",) if arguments.quick else ("same", "averaged", "harder"), offset)
    if not (arguments.picks or arguments.people or arguments.scored):
        print_few(trials)


if __name__ == "__main__":
    main()
