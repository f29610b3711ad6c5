"""Cross-validation: a run from its plan to its tables. Everything finished stays finished."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from facetwise.core.disk import told_when_full
from facetwise.core.errors import ArtefactError, MismatchError
from facetwise.core.progress import Progress
from facetwise.core.project import Project
from facetwise.core.provenance import now, provenance
from facetwise.core.runs import RunFolder, find_run, list_runs, run_number
from facetwise.core.workspace import lock, write_atomic, write_json
from facetwise.recipe import Recipe, load_recipe, recipe_toml
from facetwise.train.choices import Choices, apply_choices, make_choices
from facetwise.train.finish import Job, complete
from facetwise.train.frozen.stacked import trains_on_features
from facetwise.train.frozen.together import train_heads
from facetwise.train.loop import Listener
from facetwise.train.plan import RunPlan, make_plan, run_name
from facetwise.train.setup import Setup
from facetwise.train.source import ImageSource


def fit(
    project: Project,
    recipe: Recipe,
    *,
    again: bool = False,
    listener: Listener | None = None,
    progress: Progress | None = None,
) -> RunFolder:
    """Train every fold of a recipe; returns the finished run.

    A run of the same fingerprint that is finished is returned as it is, and one that was interrupted is continued,
    unless `again` asks for another one. Raises LockedError when another process trains that run now.
    """
    return fit_all(project, [recipe], again=again, listener=listener, progress=progress)[0]


def fit_all(
    project: Project,
    recipes: Sequence[Recipe],
    *,
    again: bool = False,
    listener: Listener | None = None,
    progress: Progress | None = None,
) -> list[RunFolder]:
    """Train several recipes; returns a finished run each, in their order. See `fit`.

    Heads on one frozen backbone are trained together as one batched problem (`train.frozen`); the others one after the
    other. All recipes are planned before anything trains.
    """
    plans = [make_plan(project, recipe, progress) for recipe in recipes]
    runs = [claim_run(project, plan, again=again) for plan in plans]
    _train_all(list(zip(runs, plans, strict=True)), listener, progress)
    return runs


def resume(
    project: Project, reference: str, *, listener: Listener | None = None, progress: Progress | None = None
) -> RunFolder:
    """Continue an interrupted run; a finished one is returned as it is.

    Raises MismatchError naming every field of the fingerprint that is not what it was.
    """
    run = find_run(project.workspace, reference)
    if run.finished:
        return run
    plan = make_plan(project, load_recipe(run.recipe_file), progress)
    check_same(run, plan)
    _train_all([(run, plan)], listener, progress)
    return run


def claim_run(project: Project, plan: RunPlan, *, again: bool = False) -> RunFolder:
    """The run to train: the latest of the plan's fingerprint, or (with `again` always) a new one with a record.

    Looking and making are one step under one lock, so that two processes that start the same never make two runs.
    """
    choices, made = make_choices(plan.recipe.train), provenance()  # some seconds at worst, so before the lock is taken
    with lock(project.workspace.runs / ".lock", "the list of runs"):
        found = None if again else same_run(project, plan)
        return found or _start_run(project, plan, choices, made)


def same_run(project: Project, plan: RunPlan) -> RunFolder | None:
    """The latest run with the plan's fingerprint, if any."""
    same = [r for r in list_runs(project.workspace) if _fingerprint(r) == plan.fingerprint]
    return same[-1] if same else None


def _fingerprint(run: RunFolder) -> str | None:
    """None for a run whose record is damaged: it is for `facetwise doctor` to tell, and no reason not to train."""
    try:
        return str(run.record()["fingerprint"])
    except ArtefactError:
        return None


def _start_run(project: Project, plan: RunPlan, choices: Choices, made: dict[str, Any]) -> RunFolder:
    """Make the folder of a new run: its recipe and its record. The list of runs is locked by the caller."""
    runs = project.workspace.runs
    taken = [r.id for r in list_runs(project.workspace)]
    number = max((run_number(name) for name in taken), default=0) + 1
    name = run_name(number, plan.recipe, plan.layout, taken)
    temporary = runs / f".{name}.tmp-new"
    shutil.rmtree(temporary, ignore_errors=True)
    with told_when_full(temporary):
        temporary.mkdir()
    write_atomic(temporary / "recipe.toml", recipe_toml(plan.recipe))
    write_json(temporary / "run.json", _record(name, plan, choices, made))
    return RunFolder(temporary.rename(runs / name))


def _record(name: str, plan: RunPlan, choices: Choices, made: dict[str, Any]) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "id": name,
        "fingerprint": plan.fingerprint,
        "fingerprint_fields": plan.fields,
        "recipe": plan.recipe.as_dict(),
        "attributes": list(plan.layout.attributes),
        "folds": plan.fold_numbers,
        "num_folds": 0 if plan.folds is None else plan.folds.num_folds,
        "fold_name": None if plan.folds is None else plan.folds.name,
        "split": plan.split,
        "grids": {name: list(values) for name, values in plan.layout.grids.items()},
        "choices": choices.as_dict(),
        "provenance": made,
    }


def check_same(run: RunFolder, plan: RunPlan, names: Sequence[str] | None = None) -> None:
    """Raise MismatchError naming the fields of the fingerprint (all, or `names`) that are not what they were."""
    was = run.record()["fingerprint_fields"]
    looked_at = {**was, **plan.fields} if names is None else names
    if differ := [name for name in looked_at if was.get(name) != plan.fields.get(name)]:
        raise MismatchError(
            f"run `{run.id}` cannot go on: {', '.join(f'`{name}`' for name in differ)} changed since it began",
            hint="put it back as it was, or start a new run with `facetwise fit`",
        )


def _train_all(
    pairs: Sequence[tuple[RunFolder, RunPlan]], listener: Listener | None, progress: Progress | None
) -> None:
    """Train what is not finished: first, together, heads on frozen backbones, then everything else."""
    together = [pair for pair in pairs if trains_on_features(pair[1].recipe)]
    for group in [together, *([pair] for pair in pairs if pair not in together)]:
        with ExitStack() as stack:
            jobs = [stack.enter_context(_open_job(run, plan, listener)) for run, plan in group]
            started = [job for job in jobs if job is not None]
            if group is together:
                train_heads(started, progress)
            for job in started:
                complete(job)


@contextmanager
def _open_job(run: RunFolder, plan: RunPlan, listener: Listener | None) -> Iterator[Job | None]:
    """Lock a run and get it ready to train; None when it is finished."""
    if run.finished:
        yield None
        return
    with lock(run.lock_file, f"run `{run.id}` is being trained"):
        if run.finished:  # in the meantime, by the process that held the lock
            yield None
            return
        choices = Choices.from_dict(run.record()["choices"])
        device = apply_choices(choices)
        source = ImageSource(plan.store.images, device)
        setup = Setup(plan.recipe, plan.layout, source, device, choices, plan.project.root)
        emit = _emitter(run, listener)
        emit({"event": "run", "run": run.id, "folds": plan.fold_numbers, "store": source.placed.reason})
        yield Job(run, plan, setup, emit)


def _end_last_line(path: Path) -> None:
    """A kill may have cut the last line off: end it, so that the next event has a line of its own."""
    if path.is_file() and not path.read_bytes().endswith(b"\n"):
        with told_when_full(path, 1), path.open("a", encoding="utf-8") as file:
            file.write("\n")


def _emitter(run: RunFolder, listener: Listener | None) -> Listener:
    """Events go to the listener, and all but `step` events to `events.jsonl`, a line each."""
    _end_last_line(run.events_file)

    def emit(event: dict[str, Any]) -> None:
        if event["event"] != "step":
            line = json.dumps({**event, "time": now()}, ensure_ascii=False) + "\n"
            with told_when_full(run.events_file, len(line)), run.events_file.open("a", encoding="utf-8") as file:
                file.write(line)
        if listener is not None:
            listener(event)

    return emit
