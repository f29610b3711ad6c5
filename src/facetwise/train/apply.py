"""Predicting with the models of a finished run: other photos, or its own with test-time augmentation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from facetwise.core.errors import ArtefactError, InputError
from facetwise.core.labels import LabelSpace
from facetwise.core.progress import Progress
from facetwise.core.project import Project
from facetwise.core.runs import RunFolder
from facetwise.core.tables import PREDICTIONS, write_table
from facetwise.core.workspace import new_artefact, verify_files
from facetwise.core.writing import write_atomic
from facetwise.data.images.store import prepare_store, recipe_store
from facetwise.data.manifest import Manifest, describe_other, list_images, saved_depth
from facetwise.evaluate.compose import attributes_in, average, marginals
from facetwise.evaluate.decide import decide
from facetwise.model.backbone import Network
from facetwise.recipe import Recipe, load_recipe
from facetwise.recipe.predict import Tta
from facetwise.train.checkpoint import load_tensors
from facetwise.train.choices import apply_choices, make_choices
from facetwise.train.finish import in_manifest_order
from facetwise.train.job import check_same
from facetwise.train.plan import DataPlan, plan_data
from facetwise.train.setup import Setup, predict_table, recipe_layout
from facetwise.train.source import ImageSource


def predict_own(project: Project, run: RunFolder, *, tta: Tta = "flip", progress: Progress | None = None) -> Path:
    """Predict the run's own images again with `tta`: each training image by the model that held it out, each test
    image by every model. Returns the new folder `runs/<id>/predictions/tta-<tta>/` with `oof.parquet`, `test.parquet`.

    Raises MismatchError when the data is not what the run was made from.
    """
    plan = plan_data(project, _recipe(run), progress)
    check_same(run, plan.data_fields, ("label space", "manifest", "folds", "store"))
    setup = _setup(plan.project, run, plan.store.images)
    networks = {fold: _network(setup, run, fold) for fold in plan.fold_numbers}
    target = run.path / "predictions" / f"tta-{tta}"
    with new_artefact(target, {"run": run.id, "tta": tta, "fingerprint": run.record()["fingerprint"]}) as folder:
        if plan.fold_of_row is not None:
            parts = [_held_out(plan, setup, network, fold, tta) for fold, network in networks.items()]
            write_table(in_manifest_order(parts, plan), folder / "oof.parquet", PREDICTIONS)
        if not plan.manifest.test.is_empty():
            write_table(_all_models(plan, setup, networks, tta), folder / "test.parquet", PREDICTIONS)
    return target


def predict_images(
    project: Project,
    run: RunFolder,
    manifest: Manifest,
    dataset: Path,
    *,
    name: str,
    tta: Tta = "none",
    progress: Progress | None = None,
) -> Path:
    """Predict the images of any manifest (see `describe_other`, `list_images`) with every model of the run.

    Returns the folder `runs/<id>/predictions/<name>/` with `images.parquet`: each image once a fold model, NaN where
    the image is missing or damaged.
    """
    recipe = _recipe(run)
    run.check_labels(project.space_hash)
    if recipe.input.boxes is not None:
        raise InputError(f"run `{run.id}` reads boxes from `{recipe.input.boxes}`, which has none for other photos")
    manifest = replace(manifest, depth=saved_depth(project) or manifest.depth)
    store = prepare_store(project, manifest, recipe_store(recipe.input), dataset=dataset, progress=progress)
    setup = _setup(project, run, store.images)
    tables = [
        predict_table(setup, store, _network(setup, run, fold), manifest.table, fold, tta)
        for fold in run.record()["folds"]
    ]
    made_from = {"run": run.id, "tta": tta, "manifest_hash": manifest.hash}
    with new_artefact(run.path / "predictions" / name, made_from) as folder:
        predictions = pl.concat(tables)
        write_table(predictions, folder / "images.parquet", PREDICTIONS)
        write_atomic(folder / "classes.csv", decided_csv(predictions, manifest, project.space))
    return run.path / "predictions" / name


def _recipe(run: RunFolder) -> Recipe:
    if not run.finished:
        raise ArtefactError(f"run `{run.id}` is not finished", hint=f"continue it: `facetwise fit --resume {run.id}`")
    run.check_weights()
    return load_recipe(run.recipe_file)


def _setup(project: Project, run: RunFolder, images: npt.NDArray[np.uint8]) -> Setup:
    """Ready to predict; device and precision are chosen anew, since the run may come from another machine."""
    recipe = _recipe(run)
    choices = make_choices(recipe.train)
    device = apply_choices(choices)
    layout = recipe_layout(recipe, project.space, run.record().get("grids"))
    return Setup(recipe, layout, ImageSource(images, device), device, choices)


def _network(setup: Setup, run: RunFolder, fold: int) -> Network:
    verify_files(run.fold(fold))
    tensors, _ = load_tensors(run.weights_file(fold))
    run.verify_backbone()
    if run.backbone_file.is_file():  # a head alone: what it shares with the other folds is kept once
        tensors |= load_tensors(run.backbone_file)[0]
    try:
        return setup.load_network(tensors)
    except RuntimeError as error:  # of an imported run: names and shapes of the weights are whatever was sent
        hint = "the run is damaged: train it again, or have it sent again"
        raise ArtefactError(
            f"{run.weights_file(fold)}: not weights of the run's network ({error})", hint=hint
        ) from None


def _held_out(plan: DataPlan, setup: Setup, network: Network, fold: int, tta: Tta) -> pl.DataFrame:
    rows = plan.manifest.train.filter(pl.Series(plan.fold_of_row) == fold)
    return predict_table(setup, plan.store, network, rows, fold, tta)


def _all_models(plan: DataPlan, setup: Setup, networks: dict[int, Network], tta: Tta) -> pl.DataFrame:
    test = plan.manifest.test
    return pl.concat([predict_table(setup, plan.store, net, test, fold, tta) for fold, net in networks.items()])


def predict_elsewhere(
    project: Project,
    run: RunFolder,
    *,
    images: str | Path | None = None,
    dataset: str | Path | None = None,
    tta: Tta = "none",
    progress: Progress | None = None,
) -> Path:
    """Predict a folder of photos or another dataset; adds `classes.csv`, the decision for each image.

    Raises InputError when there is no image to predict.
    """
    run.check_weights()
    root = Path(images if images is not None else dataset or "").resolve()
    if images is not None:
        manifest = list_images(root, progress=progress)
    else:
        manifest = describe_other(project, root, progress=progress)
    if manifest.table.is_empty():
        raise InputError(f"{root}: no images to predict")
    name = f"images-{_plain_name(root)}-{manifest.hash[:8]}" + ("" if tta == "none" else f"-tta-{tta}")
    return predict_images(project, run, manifest, root, name=name, tta=tta, progress=progress)


def decided_csv(table: pl.DataFrame, manifest: Manifest, space: LabelSpace) -> bytes:
    """A row an image: its class of each attribute, and the probability of the decision; empty where unreadable."""
    mean = average(table, manifest.table["image"].to_list(), space)
    codes = decide(mean, space)
    logs = marginals(mean, space)
    columns: dict[str, list[object]] = {"image": mean["image"].to_list()}
    for name in attributes_in(mean, space):
        chosen = codes[:, space.index(name)]
        classes = space.attribute(name).classes
        columns[name] = [classes[c] if c >= 0 else None for c in chosen]
        columns[f"{name}:probability"] = [
            round(float(np.exp(row[c])), 4) if c >= 0 else None for row, c in zip(logs[name], chosen, strict=True)
        ]
    return pl.DataFrame(columns).write_csv().encode()


def _plain_name(root: Path) -> str:
    return "".join(c if c.isalnum() or c in "._-" else "_" for c in root.name).strip(".") or "folder"
