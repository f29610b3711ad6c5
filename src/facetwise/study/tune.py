"""Searching a space of recipes with optuna: a sampler chooses trials, and a pruner stops poor ones between folds."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from facetwise.core.choices import Pruner
from facetwise.core.errors import LeakError, SettingError
from facetwise.core.files.writing import write_atomic
from facetwise.core.progress import Progress
from facetwise.core.project import Project
from facetwise.core.runs import RunFolder
from facetwise.core.workspace import is_done, is_locked, lock
from facetwise.data.manifest import Manifest, load_manifest
from facetwise.recipe import recipe_toml
from facetwise.study.fitting import FAILURES, WAIT, Listener, Planned, plan_fields, train
from facetwise.study.record import StudyBase, StudyFolder, identity_of, note_pruned, open_record, study_folder
from facetwise.study.scored_run import read_scored_run
from facetwise.study.search import Search, best_header, build_search
from facetwise.study.space import Space, read_space
from facetwise.study.trials import Claim, Trials, check_pruner, need_optuna


class Pruned(Exception):  # noqa: N818 - not an error: the run can be resumed later
    """Raised after a fold to prune a trial; its run stays as it is."""


def tune(
    project: Project,
    base: StudyBase,
    space: str | Path | Mapping[str, Any],
    num_trials: int,
    *,
    pruner: Pruner = "median",
    listener: Listener | None = None,
    progress: Progress | None = None,
) -> Search:
    """Search `space` around the base until the study has `num_trials` trials, those of earlier calls included.

    The objective is the out-of-fold score. After each fold the mean of the trained folds' last validation scores is
    reported, and the trial may be pruned. A trial whose recipe has a run uses that run, and one that a stopped process
    abandoned is resumed. Several processes may call this at once. The first trial is the recipe itself, if it is in the
    space. Emits `trial` and `trial_done` around each trial.

    Raises SettingError or ProblemsError for a space that does not match the recipe or drops an attribute, SettingError
    for an unknown pruner, LeakError for folds split by image, MismatchError when a study of that name has another
    recipe, space, score or data.
    """
    if num_trials < 1:
        raise SettingError(f"num_trials is {num_trials}, expected 1 or more")
    check_pruner(pruner)
    need_optuna()
    recipe = base.recipe
    checked = read_space(space, recipe, project.space.names)
    planned = plan_fields(project, recipe, progress)
    _check_estimate(planned)
    folder, trials = _opened(project, planned, checked, base, pruner)
    work = _TrialRunner(
        project, load_manifest(project), planned, checked, trials, listener or (lambda _: None), progress
    )
    first = checked.of_base(recipe)
    while True:
        with trials.claim(num_trials, first) as claim:
            if claim is None:
                break
            work.trial(claim, num_trials)
    search = build_search(project, folder, trials)
    if search.best is not None:
        best = checked.recipe(recipe, trials.labels(search.best.trial))
        write_atomic(folder.best_file, best_header(search) + recipe_toml(best))
    return search


def _check_estimate(planned: Planned) -> None:
    if planned.split == "none":
        raise SettingError('a search needs a score, but `folds.plan` is "none"', hint="use folds, or a hold-out")
    if planned.split == "image":
        raise LeakError(
            f"folds `{planned.recipe.folds.name}` are split by image: a search would choose by scores that are too high"
        )


def _opened(
    project: Project, planned: Planned, space: Space, base: StudyBase, pruner: Pruner
) -> tuple[StudyFolder, Trials]:
    """The study and its trials; its record is written last, so a study with a record has trials."""
    metric = project.file.score.metric
    identity = identity_of(planned.recipe, planned.fields, space=space.as_dict(), metric=metric)
    folder = study_folder(project, "search", base, identity)
    with lock(folder.lock_file, f"study `{folder.name}`"):
        record = open_record(folder, "search", identity)
        trials = Trials(folder, space, pruner)
        folder.save(record.changed(attributes=list(planned.attributes)))
    return folder, trials


@dataclass(frozen=True)
class _TrialRunner:
    """Runs the trials of a search."""

    project: Project
    manifest: Manifest
    planned: Planned
    space: Space
    trials: Trials
    listener: Listener
    progress: Progress | None

    def trial(self, claim: Claim, num_trials: int) -> None:
        """Train (or find) the run of one trial and record its outcome."""
        number, settings = claim.number, self.space.summary(claim.labels)
        self.listener({"event": "trial", "number": number, "of": num_trials, "settings": settings})
        while (duplicate := self.trials.running_duplicate(claim)) is not None and is_locked(duplicate):
            time.sleep(WAIT)
        state, score = self._outcome(claim)
        self.listener({"event": "trial_done", "number": number, "state": state, "score": score})

    def _outcome(self, claim: Claim) -> tuple[str, float | None]:
        trials, number = self.trials, claim.number
        watch = _PruningListener(self.project, trials, number, self.listener)
        try:
            run = train(self.project, self.space.recipe(self.planned.recipe, claim.labels), watch, self.progress)
            trials.note(number, "run", run.id)
            score = self._score(run)
        except Pruned:
            if watch.run is not None:
                note_pruned(watch.run, self.trials.folder.name, number)
            trials.finish(number, "pruned")
            return "pruned", watch.score
        except FAILURES as error:
            trials.note(number, "reason", str(error))
            trials.finish(number, "fail")
            return "failed", None
        trials.finish(number, "complete", score)
        return "finished", score

    def _score(self, run: RunFolder) -> float:
        scored, names = read_scored_run(self.project, self.manifest, run), self.planned.attributes
        if lacking := [n for n in names if n not in scored.attributes]:
            raise SettingError(f"it does not predict {', '.join(lacking)}, which the search compares by")
        truth, decided = scored.rows_with(names).decided(names)
        return truth.score(decided)


@dataclass
class _PruningListener:
    """Listens to the run of a trial: forwards events, reports after each fold, and raises Pruned."""

    project: Project
    trials: Trials
    number: int
    listener: Listener
    run: RunFolder | None = None
    epochs: dict[int, int] = field(default_factory=dict)
    """Epochs of each fold that was started here."""
    reported: int = 0
    score: float | None = None
    """The last reported mean."""

    def __call__(self, event: dict[str, Any]) -> None:
        self.listener(event)
        if event["event"] == "run":
            self.run = RunFolder(self.project.workspace.runs / event["run"])
            self.trials.note(self.number, "run", self.run.id)
        elif event["event"] in ("fold", "fold_done"):
            if event["event"] == "fold":
                self.epochs[event["fold"]] = event["epochs"]
            self._report()

    def _report(self) -> None:
        """Report and prune between folds, when no training is lost: everything is finished or saved."""
        assert self.run is not None
        folds = self.run.record().folds
        scores = [score for fold in folds if (score := self._trained_score(self.run, fold)) is not None]
        if len(scores) <= self.reported:
            return
        self.reported, self.score = len(scores), sum(scores) / len(scores)
        if self.trials.report(self.number, self.reported, self.score) and self.reported < len(folds):
            raise Pruned

    def _trained_score(self, run: RunFolder, fold: int) -> float | None:
        """The last validation score of a completely trained fold."""
        own = [e for e in run.epochs() if e.fold == fold]
        if not own or not (is_done(run.fold(fold)) or own[-1].epoch == self.epochs.get(fold)):
            return None
        return own[-1].score
