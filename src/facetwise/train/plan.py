"""What a run will do, worked out before anything is trained: data, folds, tasks, and the fingerprint of it all."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from facetwise.core.errors import InputError, SettingError
from facetwise.core.labels import IntArray
from facetwise.core.progress import Progress
from facetwise.core.project import Project
from facetwise.core.workspace import content_hash, file_hash
from facetwise.data.folds import Folds, load_folds
from facetwise.data.manifest import Manifest, load_manifest
from facetwise.data.overlay import read_overlay
from facetwise.data.store import Store, prepare_store, recipe_store
from facetwise.data.views import training_targets
from facetwise.model.backbone import build_network
from facetwise.model.heads import HeadLayout, head_layout
from facetwise.recipe import Recipe
from facetwise.recipe.model import NO_FILE, ModelSpec
from facetwise.train.loop import FoldTask, steps_per_epoch


@dataclass(frozen=True)
class RunPlan:
    """Everything that decides a run's numbers, besides the machine."""

    project: Project
    recipe: Recipe
    manifest: Manifest
    folds: Folds | None
    """None when the run trains on everybody."""
    store: Store
    layout: HeadLayout
    targets: npt.NDArray[np.float32]
    """The training view: target probabilities of the head's outputs, (n_train, d)."""
    fields: dict[str, Any]
    """What the fingerprint is made of: name -> hash or plain data."""

    @property
    def fingerprint(self) -> str:
        """Same fingerprint, machine kind and thread count: same numbers."""
        return content_hash(self.fields)

    @cached_property
    def codes(self) -> IntArray:
        """The scored view, (n_train, A)."""
        return self.manifest.codes(self.project.space)

    @cached_property
    def fold_of_row(self) -> IntArray | None:
        """Fold that holds out each training row, (n_train,)."""
        return None if self.folds is None else self.folds.of(self.manifest.train)

    @property
    def split(self) -> str:
        """`group`, `image` (unsafe) or `none`."""
        return "none" if self.folds is None else self.folds.split

    @property
    def fold_numbers(self) -> list[int]:
        """The folds that a model is trained for; one model on everybody counts as fold 0."""
        plan = self.recipe.folds.plan
        return list(range(plan)) if isinstance(plan, int) else [0]

    def task(self, fold: int) -> FoldTask:
        """What the model of one fold trains on and is validated on."""
        rows = self.store.index(self.manifest.train["image"].to_list())
        held_out = np.zeros(len(rows), bool) if self.fold_of_row is None else self.fold_of_row == fold
        return FoldTask(fold, rows[~held_out], self.targets[~held_out], rows[held_out], self.codes[held_out])


def make_plan(project: Project, recipe: Recipe, progress: Progress | None = None) -> RunPlan:
    """Load and check everything that a run needs; makes the image store when it is not there.

    Raises ArtefactError or MismatchError when a stage to the left is missing or was made from other data, and
    SettingError when the recipe does not fit the project.
    """
    space = project.space
    layout = head_layout(recipe.model.head, space)
    manifest = load_manifest(project)
    if manifest.train.is_empty():
        raise InputError("there is nothing to train on: the dataset has no labelled images")
    overlay = read_overlay(project.workspace.overlay_file, space, manifest)
    folds = _folds(project, recipe, manifest)
    targets = layout.soft_targets(training_targets(manifest, space, recipe.labels, overlay))
    _check_trains(recipe, project, layout, manifest, folds)
    store = prepare_store(project, manifest, recipe_store(recipe.input), progress=progress)
    fields = {
        "recipe": recipe.as_dict(),
        "label space": project.space_hash,
        "manifest": manifest.hash,
        "labels": manifest.labels_hash,
        "overlay": overlay.hash if recipe.labels.overlay else None,
        "folds": None if folds is None else folds.hash,
        "store": store.key,
        "weights": _weights_hash(recipe.model.located(project.root)),
    }
    return RunPlan(project, recipe, manifest, folds, store, layout, targets, fields)


def _check_trains(
    recipe: Recipe, project: Project, layout: HeadLayout, manifest: Manifest, folds: Folds | None
) -> None:
    """Fail now, and not after the store is made and a run has its number, on what the network or a batch cannot be."""
    build_network(recipe.model.located(project.root), layout, recipe.input.height, recipe.input.width)
    num_rows = manifest.train.height
    held_out = 0 if folds is None else int(np.bincount(folds.of(manifest.train)).max())
    steps_per_epoch(num_rows - held_out, recipe.train.batch_size)


def _folds(project: Project, recipe: Recipe, manifest: Manifest) -> Folds | None:
    plan, name = recipe.folds.plan, recipe.folds.name
    if plan == "none":
        if recipe.train.select == "best":
            raise SettingError('`train.select = "best"` needs folds to choose by, but `folds.plan` is "none"')
        return None
    folds = load_folds(project.workspace, manifest, name)
    if isinstance(plan, int) and plan != folds.num_folds:
        raise SettingError(
            f"`folds.plan` is {plan}, but folds `{name}` are {folds.num_folds}",
            hint=f"`--set folds.plan={folds.num_folds}`, or `facetwise folds --folds {plan} --name k{plan}`",
        )
    if plan == "holdout" and recipe.train.select == "best":
        raise SettingError(
            '`train.select = "best"` takes each fold\'s epoch from the other folds, but a hold-out run has none',
            hint='use `train.select = "last"`, or all folds',
        )
    return folds


def _weights_hash(model: ModelSpec) -> str | None:
    """Of the file's content, so that another file under the same name is another run."""
    return None if model.weights in NO_FILE else file_hash(Path(model.weights))


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
