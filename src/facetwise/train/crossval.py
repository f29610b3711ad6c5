"""Cross-validation: from a plan to the tables of a run. Finished parts are never repeated."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

from facetwise.core.errors import ArtefactError
from facetwise.core.files.disk import disk_full_errors
from facetwise.core.files.writing import write_atomic
from facetwise.core.progress import Progress
from facetwise.core.project import Project
from facetwise.core.records.artefact import next_number
from facetwise.core.records.base import checked, write_record
from facetwise.core.records.provenance import provenance
from facetwise.core.records.run import RunRecord
from facetwise.core.runs import RunFolder, find_run, list_runs, runs_lock
from facetwise.inference.choices import Choices, make_choices
from facetwise.inference.data import check_same
from facetwise.jobs.executor import Executor
from facetwise.recipe import Recipe, load_recipe, recipe_toml
from facetwise.train.finish import complete
from facetwise.train.fold.loop import Listener
from facetwise.train.frozen.stacked import trains_on_features
from facetwise.train.frozen.together import train_heads
from facetwise.train.job import Job, open_job, out_of_memory_errors
from facetwise.train.planning.plan import RunPlan, make_plan, run_name
from facetwise.train.worker import train_by


def fit(
    project: Project,
    recipe: Recipe,
    *,
    again: bool = False,
    executor: Executor | None = None,
    listener: Listener | None = None,
    progress: Progress | None = None,
) -> RunFolder:
    """Train every fold of a recipe; returns the finished run.

    A finished run with the same fingerprint is returned, and an interrupted one is resumed, unless `again` asks for a
    new one. Raises LockedError while another process trains that run. `executor` trains the folds; without one they are
    trained in this process, one after the other.
    """
    return fit_all(project, [recipe], again=again, executor=executor, listener=listener, progress=progress)[0]


def fit_all(
    project: Project,
    recipes: Sequence[Recipe],
    *,
    again: bool = False,
    executor: Executor | None = None,
    listener: Listener | None = None,
    progress: Progress | None = None,
) -> list[RunFolder]:
    """Train several recipes; returns their finished runs in order. See `fit`.

    Heads on one frozen backbone are trained together as one batched problem (`train.frozen`); other recipes one after
    the other. All recipes are planned before any is trained.
    """
    plans = [make_plan(project, recipe, progress) for recipe in recipes]
    side_by_side = 1 if executor is None else executor.side_by_side
    runs = [claim_run(project, plan, again=again, side_by_side=side_by_side) for plan in plans]
    _train_all(list(zip(runs, plans, strict=True)), executor, listener, progress)
    return runs


def resume(
    project: Project,
    reference: str,
    *,
    executor: Executor | None = None,
    listener: Listener | None = None,
    progress: Progress | None = None,
) -> RunFolder:
    """Resume an interrupted run; a finished one is returned as it is.

    Raises MismatchError naming every field of the fingerprint that has changed.
    """
    run = find_run(project.workspace, reference)
    if run.finished:
        return run
    plan = make_plan(project, load_recipe(run.recipe_file), progress)
    check_same(run, plan.fields)
    _train_all([(run, plan)], executor, listener, progress)
    return run


def claim_run(project: Project, plan: RunPlan, *, again: bool = False, side_by_side: int = 1) -> RunFolder:
    """The run to train: the latest with the plan's fingerprint, or (with `again` always) a new one with a record.

    `side_by_side`: number of its folds that will share a machine. Finding or creating the run is done under one lock,
    so that two processes starting the same recipe never create two runs.
    """
    choices, made = (
        make_choices(plan.recipe.train, plan.recipe.model, side_by_side),
        provenance(),
    )  # takes up to some seconds, so before the lock is taken
    with runs_lock(project.workspace):
        found = None if again else same_run(project, plan)
        return found or _start_run(project, plan, choices, made)


def same_run(project: Project, plan: RunPlan) -> RunFolder | None:
    """The latest run with the plan's fingerprint, if any."""
    same = [r for r in list_runs(project.workspace) if _fingerprint(r) == plan.fingerprint]
    return same[-1] if same else None


def _fingerprint(run: RunFolder) -> str | None:
    """A run's fingerprint; None if its record is damaged, which `facetwise doctor` reports and does not stop
    training."""
    try:
        return run.record().fingerprint
    except ArtefactError:
        return None


def _start_run(project: Project, plan: RunPlan, choices: Choices, made: dict[str, Any]) -> RunFolder:
    """Create the folder of a new run with recipe and record. The caller holds the lock of the runs."""
    runs, there = project.workspace.runs, list_runs(project.workspace)
    name = run_name(next_number(runs, RunFolder), plan.recipe, plan.layout, [r.id for r in there])
    temporary = runs / f".{name}.tmp-new"
    shutil.rmtree(temporary, ignore_errors=True)
    with disk_full_errors(temporary):
        temporary.mkdir()
    write_atomic(temporary / "recipe.toml", recipe_toml(plan.recipe))
    write_record(temporary / "run.json", _record(name, plan, choices, made))
    return RunFolder(temporary.rename(runs / name))


def _record(name: str, plan: RunPlan, choices: Choices, made: dict[str, Any]) -> RunRecord:
    copies = None if plan.folds is None else plan.folds.copies
    data = {
        "id": name,
        "fingerprint": plan.fingerprint,
        "fingerprint_fields": plan.fields,
        "recipe": plan.recipe.as_dict(),
        "attributes": list(plan.layout.attributes),
        "folds": plan.fold_numbers,
        "num_folds": 0 if plan.folds is None else plan.folds.num_folds,
        "fold_name": None if plan.folds is None else plan.folds.name,
        "split": plan.split,
        "copies": None if copies is None else copies.model_dump(mode="json"),
        "grids": {name: list(values) for name, values in plan.layout.grids.items()},
        "choices": choices.as_dict(),
        "base": None if plan.base is None else plan.base.as_dict(),
        "provenance": made,
    }
    return checked(RunRecord, data)


def _train_all(
    pairs: Sequence[tuple[RunFolder, RunPlan]],
    executor: Executor | None,
    listener: Listener | None,
    progress: Progress | None,
) -> None:
    """Train unfinished runs: first the heads on frozen backbones, together, then everything else."""
    different = list({run.id: (run, plan) for run, plan in pairs}.values())
    together = [(run, plan) for run, plan in different if trains_on_features(plan.recipe)]
    alone = [(run, plan) for run, plan in different if not trains_on_features(plan.recipe)]
    with out_of_memory_errors():
        with ExitStack() as stack:
            train_heads(_opened(stack, together, listener), progress)
        for pair in alone:
            with ExitStack() as stack:
                for job in _opened(stack, [pair], listener):
                    complete(job, None if executor is None else partial(train_by, executor))


def _opened(stack: ExitStack, pairs: Sequence[tuple[RunFolder, RunPlan]], listener: Listener | None) -> list[Job]:
    """Lock the unfinished runs until the stack is closed."""
    opened = [stack.enter_context(open_job(run, plan, listener)) for run, plan in pairs]
    return [job for job in opened if job is not None]
