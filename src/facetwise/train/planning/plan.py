"""What a run will do, worked out before anything is trained: data, folds, tasks, and the fingerprint of it all."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from facetwise.core.errors import InputError, SettingError
from facetwise.core.labels import IntArray
from facetwise.core.progress import Progress
from facetwise.core.project import Project
from facetwise.core.workspace import content_hash, file_hash
from facetwise.data.images.store import prepare_store, recipe_store
from facetwise.data.labels.overlay import read_overlay
from facetwise.data.labels.views import TrainingView, training_view
from facetwise.data.manifest import Manifest, load_manifest
from facetwise.inference.data import RunData, fold_numbers_of, recipe_folds
from facetwise.inference.setup import recipe_layout, value_grids
from facetwise.model.backbone import build_network, hub_weights
from facetwise.model.heads import HeadLayout
from facetwise.recipe import Recipe
from facetwise.recipe.model import NO_FILE, ModelSpec, weights_of_fold
from facetwise.train.fold.loop import FoldTask, steps_per_epoch
from facetwise.train.fold.optim import build_optimizer
from facetwise.train.frozen.stacked import check_stackable, trains_on_features
from facetwise.train.losses.parts import check_loss
from facetwise.train.planning.people import refuse_leaks
from facetwise.train.planning.unused_settings import refuse_unused
from facetwise.train.sampling import Pool


@dataclass(frozen=True)
class Rows:
    """Which of the training rows, (n_train,), the models of a run train on and are validated on."""

    fold_of_row: IntArray | None
    """Fold that holds out each row; None when the run trains on everybody."""
    kept: npt.NDArray[np.bool_]
    """Rows that the recipe trains on at all; those it drops are validated on all the same."""

    def trained(self, fold: int) -> npt.NDArray[np.bool_]:
        """The rows that the model of one fold trains on."""
        return self.kept if self.fold_of_row is None else self.kept & (self.fold_of_row != fold)

    def held_out(self, fold: int) -> npt.NDArray[np.bool_]:
        """The rows that the model of one fold is validated on."""
        return np.zeros(len(self.kept), bool) if self.fold_of_row is None else self.fold_of_row == fold


@dataclass(frozen=True, eq=False)
class RunPlan(RunData):
    """Everything that decides a run's numbers, besides the machine."""

    layout: HeadLayout
    view: TrainingView
    """What the labels are while training."""
    pool: Pool
    """What samplers go by, of every training row."""
    rows: Rows
    """Who is trained on and who is validated on."""
    inherited: Mapping[int, frozenset[str]]
    """Fold -> hashes of the people that its first weights were trained on."""
    targets: npt.NDArray[np.float32]
    """The training view as target probabilities of the head, (n_train, t)."""
    fields: dict[str, Any]
    """What the fingerprint is made of: name -> hash or plain data."""

    @property
    def fingerprint(self) -> str:
        """Same fingerprint, machine kind and thread count: same numbers."""
        return content_hash(self.fields)

    @property
    def taught(self) -> str:
        """A sha256 of all that `recipe.labels` decides: the rows that are trained on, their targets and weights, and
        the classes that samplers and head go by."""
        kept = self.rows.kept
        digest = hashlib.sha256(repr(self.layout.blocks).encode())
        for part in (kept, self.targets[kept], self.view.weights[kept], self.pool.codes[kept]):
            digest.update(np.ascontiguousarray(part).tobytes())
        return digest.hexdigest()

    @cached_property
    def codes(self) -> IntArray:
        """The scored view, (n_train, A)."""
        return self.manifest.codes(self.project.space)

    def task(self, fold: int) -> FoldTask:
        """What the model of one fold trains on and is validated on."""
        rows = self.store.index(self.manifest.train["image"].to_list())
        trained, held_out = self.rows.trained(fold), self.rows.held_out(fold)
        return FoldTask(
            fold,
            rows[trained],
            self.targets[trained],
            self.view.weights[trained],
            self.pool.where(trained),
            rows[held_out],
            self.codes[held_out],
            {name: self.manifest.values(name)[held_out] for name in self.layout.grids},
            self.manifest.train["image"].filter(pl.Series(held_out)).to_list(),
        )


def make_plan(project: Project, recipe: Recipe, progress: Progress | None = None) -> RunPlan:
    """Load and check everything that a run needs; makes the image store when it is not there.

    Raises ArtefactError or MismatchError when a stage to the left is missing or was made from other data, and
    SettingError when the recipe does not fit the project.
    """
    space = project.space
    manifest = load_manifest(project)
    if manifest.train.is_empty():
        raise InputError("there is nothing to train on: the dataset has no labelled images")
    layout = recipe_layout(recipe, space, value_grids(recipe.model.head, space, manifest))
    overlay = read_overlay(project.workspace.overlay_file, space, manifest)
    folds = recipe_folds(project, recipe, manifest)
    view = training_view(manifest, space, recipe.labels, overlay)
    pool = Pool.of(view, manifest.train["group"].to_numpy(), space)
    rows = Rows(None if folds is None else folds.of(manifest.train), view.kept)
    model, fold_numbers = recipe.model.located(project.root), fold_numbers_of(recipe)
    inherited = _inherited(model, manifest, rows, fold_numbers)
    _check_trains(project, recipe, layout, pool, rows)
    store = prepare_store(project, manifest, recipe_store(recipe.input), progress=progress)
    data = RunData(project, recipe, manifest, folds, store)
    fields = {
        "recipe": recipe.as_dict(),
        **data.data_fields,
        "overlay": overlay.hash if recipe.labels.overlay else None,
        "weights": _weights_hashes(model, fold_numbers),
    }
    targets = layout.soft_targets(view)
    return RunPlan(project, recipe, manifest, folds, store, layout, view, pool, rows, inherited, targets, fields)


def _check_trains(project: Project, recipe: Recipe, layout: HeadLayout, pool: Pool, rows: Rows) -> None:
    """Fail now, and not after the store is made and a run has its number, on what a network or an epoch cannot be."""
    check_loss(recipe.loss, layout)
    steps = {fold: steps_per_epoch(recipe, pool.where(rows.trained(fold))) for fold in fold_numbers_of(recipe)}
    refuse_unused(recipe, layout, steps.values())
    network = build_network(recipe.model.located(project.root, 0), layout, recipe.input.height, recipe.input.width)
    build_optimizer(recipe.optimizer, network)
    if trains_on_features(recipe):
        check_stackable(recipe.optimizer)
    epochs = {fold: recipe.train.length.epochs(per_epoch) for fold, per_epoch in steps.items()}
    if recipe.train.select == "best" and len(set(epochs.values())) > 1:
        raise SettingError(
            f'`train.select = "best"` compares folds after equal epochs, but `train.length` of {recipe.train.length} '
            f"is {min(epochs.values())} epochs of one fold and {max(epochs.values())} of another",
            hint='give `train.length` in epochs, such as "12ep"',
        )


def _inherited(
    model: ModelSpec, manifest: Manifest, rows: Rows, fold_numbers: Sequence[int]
) -> Mapping[int, frozenset[str]]:
    """The people of each fold's first weights; raises LeakError when the fold validates any of them."""
    if model.weights in NO_FILE:
        return dict.fromkeys(fold_numbers, frozenset())
    return refuse_leaks(Path(model.weights), manifest, rows.fold_of_row, fold_numbers)


def _weights_hashes(model: ModelSpec, fold_numbers: Sequence[int]) -> list[str] | None:
    """Of the files' contents, so that another file under the same name, or another download, is another run."""
    if model.weights == "none":
        return None
    if model.weights == "hub":
        return [file_hash(hub_weights(model.backbone))]
    files = dict.fromkeys(weights_of_fold(Path(model.weights), fold) for fold in fold_numbers)
    return [file_hash(path) for path in files]


def run_name(number: int, recipe: Recipe, layout: HeadLayout, taken: list[str]) -> str:
    """A name as the diaries wrote them: number, optimizer, schedule, loss, version, targets and folds.

    `01-AdamW-StepLR-CE-v0-age_5fold`: the version counts earlier runs whose name is otherwise the same.
    """
    targets = layout.attributes[0] if recipe.model.head.name == "single" else recipe.model.head.name
    plan = {"holdout": "holdout", "none": "all"}.get(str(recipe.folds.plan), f"{recipe.folds.plan}fold")
    before, after = (
        f"{recipe.optimizer.short}-{recipe.schedule.short}-{recipe.loss.short}-v",
        f"-{_plain(targets)}_{plan}",
    )
    version = sum(before in name and name.endswith(after) for name in taken)
    return f"{number:02d}-{before}{version}{after}"


def _plain(name: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in name)
