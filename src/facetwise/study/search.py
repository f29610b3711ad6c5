"""Results of a search: its trials, the best one, and the nested estimate of choosing it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from shlex import quote
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from facetwise.core.choices import Metric
from facetwise.core.labels import IntArray
from facetwise.core.plain import Plain
from facetwise.core.project import Project
from facetwise.core.runs import RunFolder, run_number
from facetwise.core.text.counting import count
from facetwise.core.text.scored import NAMES, SCORE
from facetwise.core.text.subject import PEOPLE, PERSON, count_people
from facetwise.core.workspace import is_done
from facetwise.data.manifest import Manifest, load_manifest
from facetwise.evaluate.intervals import LEVEL, Interval
from facetwise.evaluate.rows import Truth
from facetwise.evaluate.scorecard import name_of
from facetwise.results.wording import with_interval
from facetwise.study.ablation import seconds_of
from facetwise.study.nested import nested_estimate
from facetwise.study.record import StudyFolder
from facetwise.study.scored_run import ScoredRun, read_scored_run
from facetwise.study.trials import Trials

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

TrialState = Literal["finished", "pruned", "failed", "training", "stopped"]


@dataclass(frozen=True)
class TrialRow:
    """One trial."""

    number: int
    state: TrialState
    """`training`: a process is working on it; `stopped`: its process stopped, and the next call resumes it."""
    settings: Mapping[str, Any]
    """Recipe key -> value."""
    score: float | None
    """Out of fold; for a pruned trial the mean of its folds' last validation scores."""
    folds_done: int
    num_folds: int
    run: str | None
    seconds: float
    """Time spent in epochs."""
    reason: str | None
    """Why it failed."""


@dataclass(frozen=True)
class BestTrial:
    """The trial with the highest out-of-fold score, which is too high when it was chosen among several."""

    trial: int
    run: str
    score: float
    interval: Interval
    recipe_file: str
    """Path of its recipe, relative to the project."""
    command: str
    """The command that trains (or finds) it."""


@dataclass(frozen=True)
class NestedScore:
    """Nested estimate of choosing the best trial: each fold is scored by the choice of the other folds."""

    score: float
    interval: Interval
    chosen: Mapping[int, int]
    """Fold -> number of the trial that is best on the other folds."""


@dataclass(frozen=True)
class Search(Plain):
    """A search with its trials in the order in which they were begun."""

    project: str
    metric: Metric
    """What it chooses by, and scores are: what the project did when it was begun."""
    name: str
    folder: str
    what: str
    """`joint`, or the predicted attributes."""
    trials: tuple[TrialRow, ...]
    best: BestTrial | None
    """None until a trial is finished."""
    nested: NestedScore | None
    """None with fewer than two finished trials, or without folds (a hold-out)."""
    num_people: int
    num_images: int
    method: tuple[str, ...]
    """How the numbers were computed: sentences for the report."""

    @property
    def score_name(self) -> str:
        """What its scores are called."""
        return NAMES[self.metric]

    @property
    def was_chosen(self) -> bool:
        """Whether the best was chosen among several finished trials, which makes its score too high."""
        return sum(t.state == "finished" for t in self.trials) > 1


def build_search(project: Project, folder: StudyFolder, recorded: Trials) -> Search:
    """The current state of a search."""
    manifest, record = load_manifest(project), folder.record()
    names, metric = tuple(record.attributes), record.identity.metric
    trials = [_row(project, recorded, t) for t in recorded.all()]
    sides = _finished(project, manifest, trials)
    best, nested, num_people, num_images = None, None, 0, 0
    if sides:
        first = next(iter(sides.values())).rows
        keep = first.scored(names)
        truth, decided = (
            replace(first.truth.where(keep).only(names), metric=metric),
            {n: s.rows.decided(names)[1][keep] for n, s in sides.items()},
        )
        best = _best(project, folder, sides, truth, decided)
        nested = _nested(first.predictions.folds[keep], truth, decided)
        num_people, num_images = truth.num_people, len(truth)
    return Search(
        project=project.file.name,
        metric=metric,
        name=folder.name,
        folder=folder.path.relative_to(project.root).as_posix(),
        what=name_of(names, project.space),
        trials=tuple(trials),
        best=best,
        nested=nested,
        num_people=num_people,
        num_images=num_images,
        method=tuple(_method(len(sides), num_people, num_images, nested, metric)),
    )


def best_header(search: Search) -> str:
    """Comment lines for the file of the best recipe."""
    assert search.best is not None
    best = search.best
    lines = [
        f"Trial {best.trial} of the search `{search.name}`, run {best.run}: the best of {len(search.trials)}.",
        f"{best.command}",
        f"Out-of-fold {search.score_name} {with_interval(best.score, best.interval)}"
        f"{', which flatters it' if search.was_chosen else ''}.",
    ]
    if search.nested is not None:
        nested = with_interval(search.nested.score, search.nested.interval)
        lines[-1] += f" Nested estimate of the choice: {nested}."
    return "".join(f"# {line}\n" for line in lines) + "\n"


def _row(project: Project, recorded: Trials, trial: FrozenTrial) -> TrialRow:
    attributes = trial.user_attrs
    run = RunFolder(project.workspace.runs / attributes["run"]) if "run" in attributes else None
    folds = run.record().folds if run is not None and run.record_file.is_file() else []
    done = 0 if run is None else len(folds) if run.finished else sum(is_done(run.fold(k)) for k in folds)
    return TrialRow(
        number=trial.number,
        state=_state(trial, recorded),
        settings=trial.params,
        score=trial.value,
        folds_done=done,
        num_folds=len(folds),
        run=None if run is None else run.id,
        seconds=0.0 if run is None else seconds_of(run),
        reason=attributes.get("reason"),
    )


def _state(trial: FrozenTrial, recorded: Trials) -> TrialState:
    states: dict[str, TrialState] = {"COMPLETE": "finished", "PRUNED": "pruned", "FAIL": "failed"}
    return states.get(trial.state.name) or ("training" if recorded.is_running(trial.number) else "stopped")


def _finished(project: Project, manifest: Manifest, trials: list[TrialRow]) -> dict[int, ScoredRun]:
    """Finished trials by number; only the first of those with the same run, and none whose run was deleted."""
    found: dict[int, ScoredRun] = {}
    for trial in trials:
        repeated = trial.run in {side.run.id for side in found.values()}
        if trial.state == "finished" and trial.run is not None and not repeated:
            run = RunFolder(project.workspace.runs / trial.run)
            if run.finished:
                found[trial.number] = read_scored_run(project, manifest, run)
    return found


def _best(
    project: Project, folder: StudyFolder, sides: Mapping[int, ScoredRun], truth: Truth, decided: Mapping[int, IntArray]
) -> BestTrial:
    scores = {number: truth.score(classes) for number, classes in decided.items()}
    number = max(scores, key=lambda n: (scores[n], -n))
    file = (folder.best_file).relative_to(project.root).as_posix()
    interval = truth.interval(decided[number])
    return BestTrial(number, sides[number].run.id, scores[number], interval, file, f"facetwise fit {quote(file)}")


def _nested(folds: IntArray, truth: Truth, decided: Mapping[int, IntArray]) -> NestedScore | None:
    numbers = list(decided)
    if len(numbers) < 2 or len(np.unique(folds)) < 2:
        return None
    nested = nested_estimate(list(decided.values()), folds, truth)
    return NestedScore(nested.score, nested.interval, {k: numbers[i] for k, i in nested.chosen.items()})


def _method(
    num_finished: int, num_people: int, num_images: int, nested: NestedScore | None, metric: Metric
) -> Iterator[str]:
    if NAMES[metric] != str(SCORE):
        now = f"the project goes by {SCORE} now"
        yield f"It was begun by {NAMES[metric]}, and {now}: begin another one to choose by that."
    if num_finished:
        yield (
            f"Scores are {NAMES[metric]} out of fold, on the dataset's own labels of {count_people(num_people)} "
            f"({count(num_images, 'image')}); {LEVEL * 100:.0f} % intervals by {PERSON} (BCa bootstrap)."
        )
    if nested is not None:
        yield (
            f"The best of many scores is too high by luck. Nested: the {PEOPLE} of the other folds choose the trial "
            "that predicts a fold, and all folds are pooled. It prices the choice among the finished trials; that "
            f"later trials were proposed, and some stopped, by looking at the same {PEOPLE} is not in it."
        )


def number_of(run: str | None) -> str:
    """The number of a run for commands; a dash for None."""
    return "-" if run is None else f"{run_number(run):02d}"
