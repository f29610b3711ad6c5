"""Cross-validation: a run from its plan to its tables. Everything finished stays finished."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from facetwise.core.errors import ArtefactError, InputError, MismatchError
from facetwise.core.progress import Progress
from facetwise.core.project import Project
from facetwise.core.provenance import now, provenance
from facetwise.core.runs import RunFolder, find_run, list_runs, run_number
from facetwise.core.tables import PREDICTIONS, probability_columns, read_table, write_table
from facetwise.core.workspace import (
    content_hash,
    is_done,
    lock,
    mark_done,
    new_artefact,
    write_atomic,
    write_json,
)
from facetwise.recipe import Recipe, load_recipe, recipe_toml
from facetwise.train.checkpoint import load_tensors, save_tensors
from facetwise.train.choices import Choices, apply_choices, make_choices
from facetwise.train.loop import FoldTask, Kept, Listener, train_fold
from facetwise.train.plan import RunPlan, make_plan, run_name
from facetwise.train.predict import prediction_table
from facetwise.train.setup import Setup, predict_table
from facetwise.train.source import ImageSource

MODEL = "model.safetensors"


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
    unless `again` asks for another one.
    """
    plan = make_plan(project, recipe, progress)
    found = None if again else same_run(project, plan)
    run = found or start_run(project, plan)
    return _train(run, plan, listener)


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
    return _train(run, plan, listener)


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


def start_run(project: Project, plan: RunPlan) -> RunFolder:
    """Make the folder of a new run: its recipe and its record."""
    choices = make_choices(plan.recipe.train)
    runs = project.workspace.runs
    with lock(runs / ".lock", "the list of runs"):
        taken = [r.id for r in list_runs(project.workspace)]
        number = max((run_number(name) for name in taken), default=0) + 1
        name = run_name(number, plan.recipe, plan.layout, taken)
        temporary = runs / f".{name}.tmp-new"
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        write_atomic(temporary / "recipe.toml", recipe_toml(plan.recipe))
        write_json(temporary / "run.json", _record(name, plan, choices))
        return RunFolder(temporary.rename(runs / name))


def choose_epochs(curves: dict[int, list[float]]) -> dict[int, int]:
    """For each fold the epoch (from 1) at which the *other* folds score best on average; the earliest of equals.

    `curves`: fold -> validation score after each epoch, all of one length, at least two folds.
    """
    total = np.sum([curves[k] for k in curves], axis=0)
    return {k: int(np.argmax(total - np.asarray(curve))) + 1 for k, curve in curves.items()}


def _record(name: str, plan: RunPlan, choices: Choices) -> dict[str, Any]:
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
        "choices": choices.as_dict(),
        "provenance": provenance(),
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


def _train(run: RunFolder, plan: RunPlan, listener: Listener | None) -> RunFolder:
    if run.finished:
        return run
    with lock(run.lock_file, f"run `{run.id}`"):
        choices = Choices.from_dict(run.record()["choices"])
        device = apply_choices(choices)
        source = ImageSource(plan.store.images, device)
        setup = Setup(plan.recipe, plan.layout, source, device, choices, plan.project.root)
        emit = _emitter(run, listener)
        emit({"event": "run", "run": run.id, "folds": plan.fold_numbers, "store": source.placed.reason})
        for fold in plan.fold_numbers:
            _train_if_needed(run, plan, setup, plan.task(fold), emit)
        if plan.recipe.train.select == "best":
            _finish_best(run, plan, setup, emit)
        _write_tables(run, plan)
        emit({"event": "done", "run": run.id})
        mark_done(run.path, {"fingerprint": plan.fingerprint, **run.hashes()}, hash_files=False)
        shutil.rmtree(run.path / "state", ignore_errors=True)
    return run


def _train_if_needed(run: RunFolder, plan: RunPlan, setup: Setup, task: FoldTask, emit: Listener) -> None:
    if is_done(run.fold(task.fold)):
        return
    state_folder = _state_folder(run, task.fold)
    state_folder.mkdir(parents=True, exist_ok=True)
    state = train_fold(setup, task, state_folder, emit)
    if plan.recipe.train.select == "last":
        finish_fold(run, plan, setup, task, state.epoch, emit)


def _finish_best(run: RunFolder, plan: RunPlan, setup: Setup, emit: Listener) -> None:
    curves: dict[int, list[float]] = {}
    for event in run.epochs():
        curves.setdefault(event["fold"], []).append(event["val_macro_f1"])
    for fold, epoch in choose_epochs(curves).items():
        if not is_done(run.fold(fold)):
            finish_fold(run, plan, setup, plan.task(fold), epoch, emit)


def finish_fold(run: RunFolder, plan: RunPlan, setup: Setup, task: FoldTask, epoch: int, emit: Listener) -> None:
    """Turn the kept epoch of a trained fold into its artefact: weights, held-out and test predictions."""
    kept = Kept(_state_folder(run, task.fold) / "epochs")
    tensors, _ = load_tensors(kept.weights(epoch))
    with new_artefact(run.fold(task.fold), {"fold": task.fold, "epoch": epoch}) as folder:
        save_tensors(
            tensors, folder / MODEL, {"fold": str(task.fold), "epoch": str(epoch), "people": _people(plan, task)}
        )
        if plan.fold_of_row is not None:
            rows = plan.manifest.train.filter(pl.Series(plan.fold_of_row) == task.fold)
            logs = np.load(kept.logs(epoch))
            oof = prediction_table(rows["image"].to_list(), rows["group"].to_list(), task.fold, logs, setup.layout)
            write_table(oof, folder / "oof.parquet", PREDICTIONS)
        if not plan.manifest.test.is_empty():
            test = predict_table(setup, plan.store, setup.load_network(tensors), plan.manifest.test, task.fold)
            write_table(test, folder / "test.parquet", PREDICTIONS)
    emit({"event": "fold_done", "fold": task.fold, "epoch": epoch})
    shutil.rmtree(_state_folder(run, task.fold))


def _people(plan: RunPlan, task: FoldTask) -> str:
    """Hashes of the people that a model was trained on, so that its weights can be kept from their validation."""
    groups = plan.manifest.train["group"].to_numpy()
    trained = groups if plan.fold_of_row is None else groups[plan.fold_of_row != task.fold]
    return json.dumps(sorted(content_hash(str(name))[:16] for name in np.unique(trained)))


def _write_tables(run: RunFolder, plan: RunPlan) -> None:
    if plan.fold_of_row is not None:
        parts = [read_table(run.fold(k) / "oof.parquet", PREDICTIONS) for k in plan.fold_numbers]
        write_table(in_manifest_order(parts, plan), run.path / "oof.parquet", PREDICTIONS)
    if not plan.manifest.test.is_empty():
        parts = [read_table(run.fold(k) / "test.parquet", PREDICTIONS) for k in plan.fold_numbers]
        write_table(pl.concat(parts), run.path / "test.parquet", PREDICTIONS)


def in_manifest_order(parts: Sequence[pl.DataFrame], plan: RunPlan) -> pl.DataFrame:
    """Held-out rows of all folds, each training image once, in manifest order; NaN where no fold covers a row."""
    held_out = pl.concat(parts)
    columns = probability_columns(held_out)
    keys = plan.manifest.train.select("image", "group").with_columns(
        pl.Series("fold", plan.fold_of_row, dtype=pl.Int32), pl.lit(0, dtype=pl.Int32).alias("repeat")
    )
    joined = keys.join(held_out.select("image", *columns), on="image", how="left", maintain_order="left")
    if joined.height != keys.height:
        raise InputError("an image was held out by two folds: the manifest lists it twice")
    return joined.with_columns(pl.col(columns).fill_null(float("nan")))


def _end_last_line(path: Path) -> None:
    """A kill may have cut the last line off: end it, so that the next event has a line of its own."""
    if path.is_file() and not path.read_bytes().endswith(b"\n"):
        with path.open("a", encoding="utf-8") as file:
            file.write("\n")


def _state_folder(run: RunFolder, fold: int) -> Path:
    return run.path / "state" / f"fold-{fold}"


def _emitter(run: RunFolder, listener: Listener | None) -> Listener:
    """Events go to the listener, and all but `step` events to `events.jsonl`, a line each."""
    _end_last_line(run.events_file)

    def emit(event: dict[str, Any]) -> None:
        if event["event"] != "step":
            line = json.dumps({**event, "time": now()}, ensure_ascii=False) + "\n"
            with run.events_file.open("a", encoding="utf-8") as file:
                file.write(line)
        if listener is not None:
            listener(event)

    return emit
