"""Ablations: one run for each change of a base recipe, on the same folds; all are checked before any is trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from facetwise.core.errors import FacetwiseError, ProblemsError, SettingError
from facetwise.core.progress import Progress
from facetwise.core.project import Project
from facetwise.core.records.study import ChangeRecord, StudyRecord
from facetwise.core.text.counting import count
from facetwise.core.workspace import lock
from facetwise.jobs.executor import Executor
from facetwise.recipe import Recipe
from facetwise.study.ablation import Ablation, build_ablation
from facetwise.study.changes import apply_changes, problem_lines
from facetwise.study.fitting import FAILURES, Listener, Planned, plan_fields, train, train_stacked
from facetwise.study.record import StudyBase, StudyFolder, identity_of, open_record, study_folder

BASE = "base"


def ablate(
    project: Project,
    base: StudyBase,
    tries: Sequence[str],
    *,
    executor: Executor | None = None,
    listener: Listener | None = None,
    progress: Progress | None = None,
) -> Ablation:
    """Train the base and each change that has no run yet; returns the study with all comparisons.

    `tries`: one change each, consisting of one or more settings separated by `;`. An existing study of that name (or on
    that base) is continued, and its earlier changes are compared as well. Emits `change` before each recipe and
    `change_done` after it.

    Raises ProblemsError with all problems of all changes before anything is trained; if the base fails, its error. A
    change that fails is listed with its reason and does not stop the others.
    """
    if not tries:
        raise SettingError("nothing to try", hint='give changes: `--try "loss=focal" --try "train.ema=0.99"`')
    planned = _planned(project, {BASE: base.recipe, **apply_changes(base.recipe, [t.strip() for t in tries])}, progress)
    identity = identity_of(base.recipe, planned[BASE].fields)
    folder = study_folder(project, "ablation", base, identity)
    with lock(folder.lock_file, f"study `{folder.name}`"):
        record = open_record(folder, "ablation", identity)
        record = record.changed(changes=_with_changes(record, planned))
        folder.save(record)
        train_stacked(project, [plan.recipe for plan in planned.values()], listener or _nobody, progress)
        work = _AblationRunner(project, folder, record, executor, listener or _nobody, progress)
        work.base(planned.pop(BASE), 1 + len(planned))
        for number, (change, plan) in enumerate(planned.items(), 2):
            work.change(change, plan, number, 1 + len(planned))
    return build_ablation(project, folder)


def _planned(project: Project, recipes: Mapping[str, Recipe], progress: Progress | None) -> dict[str, Planned]:
    """Check every recipe against the data; raises ProblemsError with all problems."""
    found: dict[str, Planned] = {}
    problems: list[str] = []
    for change, recipe in recipes.items():
        try:
            found[change] = plan_fields(project, recipe, progress)
        except FacetwiseError as error:
            problems += [f"`{change}`: {line}" for line in problem_lines(error)]
    problems += _without_effect(found)
    if problems:
        raise ProblemsError(f"{count(len(problems), 'problem')}, nothing was trained", problems)
    return found


def _without_effect(planned: Mapping[str, Planned]) -> Iterator[str]:
    """Problems of label changes that have no effect on this dataset: their runs would repeat an earlier recipe."""
    first: dict[str, str] = {}
    for change, plan in planned.items():
        if (same := first.setdefault(plan.training, change)) != change:
            label = "the base" if same == BASE else f"`{same}`"
            yield (
                f"`{change}` changes nothing on this dataset: it trains on the same images as {label}, with the same "
                "labels and weights; leave it out"
            )


def _with_changes(record: StudyRecord, planned: Mapping[str, Planned]) -> list[dict[str, Any]]:
    """The recorded changes and the new ones; changes that give the same recipe are the same change."""
    existing = {entry.fingerprint for entry in record.changes}
    new = [
        ChangeRecord(change=change, fingerprint=plan.fingerprint)
        for change, plan in planned.items()
        if change != BASE and plan.fingerprint not in existing
    ]
    return [entry.as_dict() for entry in [*record.changes, *new]]


@dataclass
class _AblationRunner:
    """Trains the recipes of a study and saves each result at once."""

    project: Project
    folder: StudyFolder
    record: StudyRecord
    executor: Executor | None
    listener: Listener
    progress: Progress | None

    def base(self, plan: Planned, num_recipes: int) -> None:
        self._begin(BASE, 1, num_recipes)
        run = train(self.project, plan.recipe, self.listener, self.progress, executor=self.executor)
        self._save(base=run.id)
        self.listener({"event": "change_done", "change": BASE, "run": run.id, "reason": None})

    def change(self, change: str, plan: Planned, number: int, num_recipes: int) -> None:
        self._begin(change, number, num_recipes)
        found: dict[str, str | None] = {"reason": None}
        try:
            found["run"] = train(self.project, plan.recipe, self.listener, self.progress, executor=self.executor).id
        except FAILURES as error:
            found["reason"] = str(error)
        place = [entry.fingerprint for entry in self.record.changes].index(plan.fingerprint)
        changes = [entry.as_dict() for entry in self.record.changes]
        changes[place] |= found
        self._save(changes=changes)
        entry = self.record.changes[place]
        self.listener({"event": "change_done", "change": change, "run": entry.run, "reason": entry.reason})

    def _save(self, **changes: object) -> None:
        self.record = self.record.changed(**changes)
        self.folder.save(self.record)

    def _begin(self, change: str, number: int, num_recipes: int) -> None:
        self.listener({"event": "change", "change": change, "number": number, "of": num_recipes})


def _nobody(_event: dict[str, Any]) -> None:
    """The default listener."""
