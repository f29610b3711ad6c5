"""The plan of a run: data, folds, tasks and fingerprint, computed before anything is trained."""

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
from facetwise.core.records.shelf import BASE, BaseWeights
from facetwise.core.workspace import content_hash, file_hash
from facetwise.data.images.store import prepare_store, recipe_store
from facetwise.data.labels.overlay import read_overlay
from facetwise.data.labels.views import TrainingView, training_view
from facetwise.data.manifest import Manifest, load_manifest
from facetwise.evaluate.metrics import MAIN
from facetwise.inference.data import RunData, fold_numbers_of, recipe_folds
from facetwise.inference.setup import recipe_layout, value_grids
from facetwise.model.backbone import build_network, hub_weights
from facetwise.model.heads import HeadLayout
from facetwise.model.origin import base_of
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
    """The training rows, (n_train,), that each model of a run trains on and is validated on."""

    fold_of_row: IntArray | None
    """Fold that holds out each row; None when the run trains on all people."""
    included: npt.NDArray[np.bool_]
    """Rows that the recipe trains on: not dropped, and with a known class of something that the head predicts. The
    others are still validated on."""

    def trained(self, fold: int) -> npt.NDArray[np.bool_]:
        """The rows that the model of one fold trains on."""
        return self.included if self.fold_of_row is None else self.included & (self.fold_of_row != fold)

    def held_out(self, fold: int) -> npt.NDArray[np.bool_]:
        """The rows that the model of one fold is validated on."""
        return np.zeros(len(self.included), bool) if self.fold_of_row is None else self.fold_of_row == fold


@dataclass(frozen=True, eq=False)
class RunPlan(RunData):
    """Everything that determines a run's numbers, except the machine."""

    layout: HeadLayout
    view: TrainingView
    """The labels used for training."""
    pool: Pool
    """Classes and people of all training rows, for samplers."""
    rows: Rows
    """The rows that are trained on and validated on."""
    inherited: Mapping[int, frozenset[str]]
    """Fold -> hashes of the people that its pretrained weights were trained on."""
    targets: npt.NDArray[np.float32]
    """The training view as target probabilities of the head, (n_train, t)."""
    fields: dict[str, Any]
    """Fields of the fingerprint: name -> hash or JSON data."""
    base: BaseWeights | None = None
    """The weights of others that it starts from."""

    @property
    def fingerprint(self) -> str:
        """The same fingerprint, machine kind and thread count give the same numbers."""
        return content_hash(self.fields)

    @property
    def base_metadata(self) -> dict[str, str]:
        """What weights trained from those of others say of them."""
        return {} if self.base is None else {BASE: self.base.model_dump_json()}

    @property
    def training_labels_hash(self) -> str:
        """sha256 of everything that `recipe.labels` determines: the training rows, their targets and weights, and their
        classes for the sampler."""
        included = self.rows.included
        digest = hashlib.sha256(repr(self.layout.blocks).encode())
        for part in (included, self.targets[included], self.view.weights[included], self.pool.codes[included]):
            digest.update(np.ascontiguousarray(part).tobytes())
        return digest.hexdigest()

    @cached_property
    def codes(self) -> IntArray:
        """The scored view, (n_train, A)."""
        return self.manifest.codes(self.project.space)

    @property
    def num_epochs(self) -> int:
        """The most epochs of the first fold: of all, where epochs are chosen."""
        pool = self.pool.where(self.rows.trained(self.fold_numbers[0]))
        return self.recipe.train.length.epochs(steps_per_epoch(self.recipe, pool))

    def task(self, fold: int) -> FoldTask:
        """The task of one fold's model."""
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
            self.project.file.score.metric,
        )


def make_plan(project: Project, recipe: Recipe, progress: Progress | None = None) -> RunPlan:
    """Load and check everything that a run needs; creates the image store if it is missing.

    Raises ArtefactError or MismatchError when an earlier artefact is missing or was made from other data, and
    SettingError when the recipe does not match the project.
    """
    space, metric = project.space, project.file.score.metric
    manifest = load_manifest(project)
    if manifest.train.is_empty():
        raise InputError("there is nothing to train on: the dataset has no labelled images")
    layout = recipe_layout(recipe, space, value_grids(recipe.model.head, space, manifest))
    overlay = read_overlay(project.workspace.overlay_file, space, manifest)
    folds = recipe_folds(project, recipe, manifest)
    view = training_view(manifest, space, recipe.labels, overlay)
    layout = layout.trained_on(view)
    pool = Pool.of(view, manifest.train["group"].to_numpy(), space)
    known = view.known[:, [space.index(name) for name in layout.attributes]].any(axis=1)
    rows = Rows(None if folds is None else folds.of(manifest.train), view.included & known)
    model, fold_numbers = recipe.model.located(project.root), fold_numbers_of(recipe)
    base = base_of(recipe.model, project.root, fold_numbers[0])
    inherited = _inherited(model, manifest, rows, fold_numbers)
    _check_trains(project, recipe, layout, pool, rows)
    store = prepare_store(project, manifest, recipe_store(recipe.input), progress=progress)
    data = RunData(project, recipe, manifest, folds, store)
    fields = {
        "recipe": recipe.as_dict(),
        **data.data_fields,
        "overlay": overlay.hash if recipe.labels.overlay else None,
        "weights": _weights_hashes(model, fold_numbers),
        **({"metric": metric} if metric != MAIN and recipe.train.select == "best" else {}),
    }
    targets = layout.soft_targets(view)
    return RunPlan(project, recipe, manifest, folds, store, layout, view, pool, rows, inherited, targets, fields, base)


def _check_trains(project: Project, recipe: Recipe, layout: HeadLayout, pool: Pool, rows: Rows) -> None:
    """Check network and epoch sizes before the store is created and the run gets its number."""
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
    """The people of each fold's pretrained weights; raises LeakError when the fold validates any of them."""
    if model.weights in NO_FILE:
        return dict.fromkeys(fold_numbers, frozenset())
    return refuse_leaks(Path(model.weights), manifest, rows.fold_of_row, fold_numbers)


def _weights_hashes(model: ModelSpec, fold_numbers: Sequence[int]) -> list[str] | None:
    """Content hashes of the weight files, so that a changed file under the same name gives another run."""
    if model.weights == "none":
        return None
    if model.weights == "hub":
        return [file_hash(hub_weights(model.backbone))]
    files = dict.fromkeys(weights_of_fold(Path(model.weights), fold) for fold in fold_numbers)
    return [file_hash(path) for path in files]


def run_name(number: int, recipe: Recipe, layout: HeadLayout, taken: list[str]) -> str:
    """The name of a run: number, optimizer, schedule, loss, changed labels, version, targets and folds.

    `01-AdamW-StepLR-CE-v0-age_5fold`, or `02-AdamW-StepLR-CE-cuts-age29-59-v0-age_5fold`: the version counts earlier
    runs with otherwise the same name.
    """
    targets = layout.attributes[0] if recipe.model.head.name == "single" else recipe.model.head.name
    plan = {"holdout": "holdout", "none": "all"}.get(str(recipe.folds.plan), f"{recipe.folds.plan}fold")
    how = (recipe.optimizer.short, recipe.schedule.short, recipe.loss.short, recipe.labels.short)
    before, after = f"{'-'.join(filter(None, how))}-v", f"-{_plain(targets)}_{plan}"
    version = sum(before in name and name.endswith(after) for name in taken)
    return f"{number:02d}-{before}{version}{after}"


def _plain(name: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in name)
