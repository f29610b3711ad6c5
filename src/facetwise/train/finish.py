"""From trained folds to the tables of a run. Finished parts are never repeated."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from torch import Tensor

from facetwise.core.people import PEOPLE_KEY, people_text
from facetwise.core.runs import WEIGHTS, RunFolder
from facetwise.core.tables import PREDICTIONS, read_table, write_table
from facetwise.core.workspace import mark_done, new_artefact
from facetwise.inference.data import in_manifest_order
from facetwise.inference.predict import Float32Array, check_predictions, prediction_table
from facetwise.inference.setup import predict_table
from facetwise.model.tensors import save_tensors
from facetwise.train.fold.loop import EpochFiles, FoldTask, train_fold
from facetwise.train.job import Job
from facetwise.train.planning.plan import RunPlan
from facetwise.train.stopping import choose_epochs, epochs_needed


@dataclass(frozen=True)
class FoldResult:
    """The selected epoch of a trained fold: weights and predictions."""

    epoch: int
    tensors: Mapping[str, Tensor]
    valid: Float32Array
    """Outputs as stored in tables, (n_valid, columns), for the held-out rows."""
    test: pl.DataFrame | None
    """The table of the test images; None without test images."""


def complete(job: Job, train: Callable[[Job, int | None], None] | None = None) -> None:
    """Train the remaining folds, write the run's tables, and mark it finished.

    `train`: trains the folds that are left up to an epoch (None: to the end), elsewhere than in this process.
    """
    if job.left():
        _train(job, train or train_here)
    if job.plan.recipe.train.select == "best":
        for fold, epoch in choose_epochs(job.curves(), job.plan.recipe.train.patience).items():
            if fold in job.left():
                finish_fold(job, job.plan.task(fold), epoch)
    _write_tables(job.run, job.plan)
    job.emit({"event": "done", "run": job.run.id})
    mark_done(job.run.path, {"fingerprint": job.plan.fingerprint, **job.run.hashes()}, hash_files=False)
    shutil.rmtree(job.run.path / "state", ignore_errors=True)


def _train(job: Job, train: Callable[[Job, int | None], None]) -> None:
    """Train the folds that are left to the end, or as long as some fold may find a better epoch."""
    patience, reached = job.plan.recipe.train.patience, 0
    if patience is None:
        train(job, None)
        return
    while reached < (needed := epochs_needed(job.curves(), patience, job.plan.num_epochs)):
        train(job, needed)
        reached = needed
    if reached < job.plan.num_epochs:
        job.emit({"event": "stopped_early", "epoch": reached, "of": job.plan.num_epochs, "patience": patience})


def train_here(job: Job, until: int | None) -> None:
    """Train the folds that are left in this process, one after the other."""
    for fold in job.left():
        train_one(job, job.plan.task(fold), until)


def train_one(job: Job, task: FoldTask, until: int | None) -> None:
    """Train (or resume) one fold, and write its artefact unless the epoch selection depends on other folds."""
    folder = job.state_folder(task.fold)
    folder.mkdir(parents=True, exist_ok=True)
    state = train_fold(job.setup, task, folder, job.notify, job.record, until=until)
    if job.plan.recipe.train.select == "last":
        finish_fold(job, task, state.epoch)


def finish_fold(job: Job, task: FoldTask, epoch: int) -> None:
    """Write the artefact of a trained fold from the selected epoch: weights, held-out and test predictions."""
    kept = EpochFiles(job.state_folder(task.fold) / "epochs")
    tensors, logs = kept.load(epoch)
    network, tta, test = job.setup.load_network(tensors), job.plan.recipe.predict.tta, job.plan.manifest.test
    valid = logs if tta == "none" else job.setup.predict(network, task.valid_rows, tta)
    table = None if test.is_empty() else predict_table(job.setup, job.plan.store, network, test, task.fold, tta)
    write_fold(job, task, FoldResult(epoch, tensors, valid, table))


def write_fold(job: Job, task: FoldTask, result: FoldResult) -> None:
    """Write the artefact of a fold, and delete its training state."""
    metadata = {"fold": str(task.fold), "epoch": str(result.epoch), PEOPLE_KEY: _people(job.plan, task.fold)}
    metadata |= job.plan.base_metadata
    with new_artefact(job.run.fold(task.fold), {"fold": task.fold, "epoch": result.epoch}) as folder:
        save_tensors(result.tensors, folder / WEIGHTS, metadata)
        if job.plan.fold_of_row is not None:
            rows = job.plan.manifest.train.filter(pl.Series(job.plan.rows.held_out(task.fold)))
            images, groups = rows["image"].to_list(), rows["group"].to_list()
            check_predictions(result.valid, job.plan.layout, images, job.setup.where(task.fold))
            oof = prediction_table(images, groups, task.fold, result.valid, job.plan.layout)
            write_table(oof, folder / "oof.parquet", PREDICTIONS)
        if result.test is not None:
            write_table(result.test, folder / "test.parquet", PREDICTIONS)
    job.emit({"event": "fold_done", "fold": task.fold, "epoch": result.epoch})
    shutil.rmtree(job.state_folder(task.fold), ignore_errors=True)


def _people(plan: RunPlan, fold: int) -> str:
    """Hashes of the people that a model was trained on, including those of its pretrained weights, for the leak
    check."""
    trained = np.unique(plan.manifest.train["group"].to_numpy()[plan.rows.trained(fold)])
    hashes = plan.manifest.people_hashes
    return people_text(plan.inherited[fold].union(*(hashes[str(name)] for name in trained)))


def _write_tables(run: RunFolder, plan: RunPlan) -> None:
    if plan.fold_of_row is not None:
        parts = [read_table(run.fold(k) / "oof.parquet", PREDICTIONS) for k in plan.fold_numbers]
        write_table(in_manifest_order(parts, plan), run.path / "oof.parquet", PREDICTIONS)
    if not plan.manifest.test.is_empty():
        parts = [read_table(run.fold(k) / "test.parquet", PREDICTIONS) for k in plan.fold_numbers]
        write_table(pl.concat(parts), run.path / "test.parquet", PREDICTIONS)
