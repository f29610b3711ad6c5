"""Is the nested estimate true, does the forecast hold, and does choosing by either beat choosing by public score?

    python benchmarks/contests.py [--contests 200] [--people 800 2700] [--jobs 2]
    python benchmarks/contests.py --fit PROJECT --runs 1 2 3      # new parameters, from runs with every attribute
    python benchmarks/contests.py --quick

Contests are drawn from a model (`contest_model.py`) whose parameters were fitted to tables of real runs. In each, 800
or 2,700 labelled people are predicted out of fold by all runs, and two thirds as many other people are to be predicted,
half of them scored in public and half in private. `facetwise blend` does what it does (both ways, all decision rules,
bags); truth is the macro F1 on 20,000 other people.

Table 1, `nested`: mean of nested estimate minus truth (bias, 0.003 is good) and of the score on the people that chose
minus truth, with two standard errors; and what blending gains in truth over the run that looks best out of fold, and
over the truly best. `any run` is the same difference of fixed runs, where nothing is chosen: an F1 is a ratio of
counts, and its mean over samples of few people is lower than its value on many. What choosing costs is the rest.

Table 2, `forecast`: how often the 90 % forecast of the blend holds in public and private, before any score is known and
with the public scores of all runs; and the mean width. `room`: for a shift between out of fold and the leaderboard, as
`facetwise forecast` has it; there is no shift here.

Table 3, `choice`: private score of what is sent when one is chosen among all runs, the blend and equal weights: by
nested (out-of-fold) estimate, by public score; their difference with two standard errors, and the best there was.

Test people are answered by the same predictors as out of fold (no averaging of fold models): what averaging adds is not
in question here.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
from contest_model import SPACE, Ints, Model, People, drawn_and_real
from contest_model import fit as fitted
from printed import table
from truths import truth_of

from facetwise.blending.fit import ChosenVariant, blend_votes, choose, fit
from facetwise.blending.members import Member
from facetwise.blending.spec import BlendSpec
from facetwise.blending.votes import By, collect_votes
from facetwise.core.project import Project
from facetwise.core.records.external import ExternalMadeFrom, ExternalRecord
from facetwise.data.manifest import load_manifest
from facetwise.evaluate.agreement import disagreement_matrix
from facetwise.evaluate.forecasts.forecast import Part, TestPeople, simulate
from facetwise.evaluate.metrics import macro_f1
from facetwise.evaluate.rows import Truth
from facetwise.predictors.sources import Source
from facetwise.submission.planning.outlook import OFFSET

PARAMETERS = Path(__file__).parent / "results" / "contests" / "parameters.npz"
NUM_TRUE = 20_000
SIZES = (800, 2700)
WAYS: tuple[By, ...] = ("whole", "attribute")
RESAMPLES = 1000
DRAWN = ExternalRecord(
    name="drawn",
    imported="",
    made_from=ExternalMadeFrom(label_space="", manifest="", csv_sha256=""),
    content="probabilities",
    attributes=list(SPACE.names),
    how="drawn",
    num_images=0,
)
SLICE = 2000
"""People of the truth that are decided at a time, to hold little memory."""


@dataclass(frozen=True)
class Answers:
    """What one candidate answers: joint classes of the labelled people (nested, out of fold) and of the test people,
    and how well it does in truth."""

    oof: Ints
    test: Ints
    truth: float


@dataclass(frozen=True)
class Contest:
    """What a drawn contest shows. Candidates: every run, then the blend, then equal weights."""

    estimates: tuple[float, ...]
    """Macro F1 out of fold, nested for the blends."""
    truths: tuple[float, ...]
    public: tuple[float, ...]
    private: tuple[float, ...]
    optimistic: float
    """The blend on the people that chose it."""
    by: By
    ruled: bool
    """Whether another rule than argmax is used."""
    held: tuple[bool, ...]
    """The blend's 90 % forecast: public and private, before any score and with the public scores of all runs; with room
    for a shift as `facetwise forecast` has it, then without."""
    widths: tuple[float, ...]


def contest(parameters: Path, num_people: int, seed: int) -> Contest:
    """Draw one contest and play it."""
    model = Model.load(parameters)
    known, test = model.draw(num_people, (seed, num_people)), model.draw(num_people * 2 // 3, (seed, num_people, 1))
    runs = [
        Answers(a.classes, b.classes, t)
        for a, b, t in zip(known.tables, test.tables, run_truths(parameters), strict=True)
    ]
    greedy, optimistic = blend(known, BlendSpec())
    equal, _ = blend(known, BlendSpec(weigh="equal", rules=("argmax",)))
    blends = [answers_of(parameters, outcome, test) for outcome in (greedy, equal)]
    candidates = [*runs, *blends]
    size, split = SPACE.num_joint, TestPeople.split(num_people * 2 // 3, 0.5)
    cut = int((test.person < split.public).sum())
    scores = [
        tuple(macro_f1(test.joint[part], c.test[part], size) for c in candidates)
        for part in (slice(None, cut), slice(cut, None))
    ]
    held, widths = forecasts(known, candidates, len(runs), split, scores, seed)
    return Contest(
        estimates=tuple(macro_f1(known.joint, c.oof, size) for c in candidates),
        truths=tuple(c.truth for c in candidates),
        public=scores[0],
        private=scores[1],
        optimistic=optimistic,
        by=greedy.variant.by,
        ruled=greedy.fitted.rule.kind != "argmax",
        held=held,
        widths=widths,
    )


def blend(known: People, spec: BlendSpec) -> tuple[ChosenVariant, float]:
    """What `facetwise blend` would choose, and its score on the people that chose."""
    truth = Truth(SPACE, known.tables[0].images, known.codes, known.person)
    members = [
        Member(Source("run", str(i), "none", SPACE.names, t, None, DRAWN), math.nan) for i, t in enumerate(known.tables)
    ]
    outcomes = [fit(collect_votes(known.tables, by=by, method=spec.method)[0], by, truth, spec, members) for by in WAYS]
    best = choose(outcomes, truth, spec.seed)
    return best, best.optimistic


def answers_of(parameters: Path, outcome: ChosenVariant, test: People) -> Answers:
    """What a blend answers: nested out of fold, else by what was chosen on all people."""
    return Answers(
        outcome.nested, decided(outcome, test), true_score(population(parameters), partial(decided, outcome))
    )


def decided(outcome: ChosenVariant, people: People) -> Ints:
    """Joint classes of other people."""
    votes, _ = collect_votes(people.tables, by=outcome.variant.by, method=outcome.votes.method)
    return outcome.fitted.rule.decide(blend_votes(votes, outcome.fitted.weights, people.tables[0].images))


def forecasts(
    known: People,
    candidates: Sequence[Answers],
    num_runs: int,
    split: TestPeople,
    scores: Sequence[Sequence[float]],
    seed: int,
) -> tuple[tuple[bool, ...], tuple[float, ...]]:
    """Whether the forecasts of the blend hold, and how wide they are."""
    asked = candidates[: num_runs + 1]
    bare = simulate(
        truth_of(known.joint, known.person, SPACE.num_joint),
        [c.oof for c in asked],
        split,
        resamples=RESAMPLES,
        seed=seed,
    )
    public = np.array([*scores[0][:num_runs], np.nan])
    parts: list[tuple[Part, int]] = [("public", 0), ("private", 1)]
    found = [
        (state.forecast(part, num_runs).interval, scores[i][num_runs])
        for joint in (bare.shifted(OFFSET, disagreement_matrix([c.test for c in asked]), seed), bare)
        for state in (joint, joint.conditioned_on(public))
        for part, i in parts
    ]
    return tuple(i.low <= s <= i.high for i, s in found), tuple(i.high - i.low for i, _ in found)


# ------------------------------------------------------------------------------------------------------------ truth


@cache
def population(parameters: Path) -> tuple[People, ...]:
    """The people whose answers are the truth, in slices."""
    model = Model.load(parameters)
    return tuple(model.draw(SLICE, (10**6, i)) for i in range(NUM_TRUE // SLICE))


@cache
def run_truths(parameters: Path) -> tuple[float, ...]:
    """The truth about every single run."""
    slices = population(parameters)
    return tuple(true_score(slices, partial(_classes, k)) for k in range(len(slices[0].tables)))


def _classes(run: int, people: People) -> Ints:
    """What one run answers."""
    return people.tables[run].classes


def true_score(slices: Sequence[People], decide: Callable[[People], Ints]) -> float:
    """Macro F1 on the population."""
    predicted = np.concatenate([decide(people) for people in slices])
    return macro_f1(np.concatenate([people.joint for people in slices]), predicted, SPACE.num_joint)


# ------------------------------------------------------------------------------------------------------------ tables


def mean(values: Sequence[float]) -> str:
    """Mean, with two standard errors."""
    error = 2 * statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else math.nan
    return f"{statistics.fmean(values):+.4f} +- {error:.4f}"


def share(values: Sequence[bool]) -> str:
    """A share, with two standard errors."""
    found = statistics.fmean(values)
    return f"{found:.3f} +- {2 * math.sqrt(found * (1 - found) / len(values)):.3f}"


def nested_row(people: int, found: Sequence[Contest]) -> list[str]:
    """A row of table 1."""
    blends = [(c.estimates[-2], c.truths[-2], c) for c in found]
    runs = [(int(np.argmax(c.estimates[:-2])), c) for c in found]
    return [
        f"{people:,}",
        mean([e - t for e, t, _ in blends]),
        mean([c.optimistic - t for _, t, c in blends]),
        mean([statistics.fmean(np.subtract(c.estimates[:-2], c.truths[:-2])) for c in found]),
        mean([e - t - statistics.fmean(np.subtract(c.estimates[:-2], c.truths[:-2])) for e, t, c in blends]),
        mean([c.truths[-2] - c.truths[k] for k, c in runs]),
        mean([c.truths[-2] - max(c.truths[:-2]) for c in found]),
        mean([c.truths[-2] - c.truths[-1] for c in found]),
        f"{statistics.fmean(c.by == 'attribute' for c in found):.0%}",
        f"{statistics.fmean(c.ruled for c in found):.0%}",
    ]


def forecast_rows(people: int, found: Sequence[Contest]) -> list[list[str]]:
    """Two rows of table 2."""
    size = len(found[0].held)
    widths = [statistics.fmean(c.widths[k] for c in found) for k in range(size)]
    cells = [f"{share([c.held[k] for c in found])}, {widths[k]:.3f}" for k in range(size)]
    return [[f"{people:,}", "yes", *cells[: size // 2]], [f"{people:,}", "no", *cells[size // 2 :]]]


def choice_row(people: int, found: Sequence[Contest]) -> list[str]:
    """A row of table 3."""
    by_estimate = [c.private[int(np.argmax(c.estimates))] for c in found]
    by_public = [c.private[int(np.argmax(c.public))] for c in found]
    best = [max(c.private) for c in found]
    gains = [a - b for a, b in zip(by_estimate, by_public, strict=True)]
    cells = [f"{statistics.fmean(v):.4f}" for v in (by_estimate, by_public)]
    return [f"{people:,}", *cells, mean(gains), f"{statistics.fmean(best):.4f}"]


HEADERS = (
    [
        "people",
        "nested - truth",
        "on the people that chose - truth",
        "any run out of fold - truth",
        "nested, less that of any run",
        "blend - best run out of fold",
        "blend - truly best run",
        "blend - equal weights",
        "by attribute",
        "with a rule",
    ],
    ["people", "room", "public, no score", "private, no score", "public, all scores known", "private, all known"],
    ["people", "by nested estimate", "by public score", "difference", "the best there was"],
)


def fit_parameters(folder: Path, runs: Sequence[str], out: Path) -> None:
    """Fit the model to runs of a project, save it, and say how well drawn people score like real ones."""
    project = Project.open(folder)
    fitted(project, load_manifest(project), runs).save(out)
    rows = [[run, f"{real:.3f}", f"{drawn:.3f}"] for run, real, drawn in drawn_and_real(project, Model.load(out))]
    print(table(["run", "macro F1 out of fold", "of 5,000 drawn people"], rows))


def main() -> None:
    """Play all contests and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parameters", type=Path, default=PARAMETERS)
    parser.add_argument("--fit", type=Path, metavar="PROJECT", help="fit new parameters to its runs, and stop")
    parser.add_argument("--runs", nargs="+", default=(), help="of that project, finished and with every attribute")
    parser.add_argument("--contests", type=int, default=200, help="of each size")
    parser.add_argument("--people", type=int, nargs="+", default=SIZES)
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--quick", action="store_true", help="four contests of 200 people")
    options = parser.parse_args()
    if options.fit:
        fit_parameters(options.fit, options.runs, options.parameters)
        return
    if options.quick:
        options.contests, options.people = 4, [200]
    started, rows = time.time(), []
    with ProcessPoolExecutor(options.jobs) as workers:
        for people in options.people:
            play = partial(contest, options.parameters, people)
            rows.append((people, list(workers.map(play, range(options.contests)))))
    truths = run_truths(options.parameters)
    print(
        f"{len(truths)} runs, true macro F1 {min(truths):.3f} to {max(truths):.3f}; {options.contests} contests a size"
    )
    tables = (
        [nested_row(*row) for row in rows],
        [line for row in rows for line in forecast_rows(*row)],
        [choice_row(*row) for row in rows],
    )
    for header, lines in zip(HEADERS, tables, strict=True):
        print("\n" + table(header, lines))
    print(f"\n{time.time() - started:.0f} s")


if __name__ == "__main__":
    main()
