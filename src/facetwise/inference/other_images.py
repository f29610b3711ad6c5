"""Predicting images that are not part of the project, with every model of a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from shlex import quote

import numpy as np
import polars as pl

from facetwise.core.choices import Tta
from facetwise.core.errors import InputError
from facetwise.core.files.writing import write_atomic
from facetwise.core.labels import LabelSpace
from facetwise.core.progress import Progress
from facetwise.core.project import Project
from facetwise.core.runs import RunFolder
from facetwise.core.tables import PREDICTIONS, write_table
from facetwise.core.workspace import new_artefact
from facetwise.data.images.store import prepare_store, recipe_store
from facetwise.data.manifest import Manifest, describe_other, list_images, saved_depth
from facetwise.evaluate.predictions import Predictions
from facetwise.inference.fold_models import fold_model, prediction_setup, recipe_of
from facetwise.inference.setup import predict_table


def predict_images(
    project: Project,
    run: RunFolder,
    manifest: Manifest,
    dataset: Path,
    *,
    boxes: Path | None = None,
    tta: Tta = "none",
    progress: Progress | None = None,
) -> Path:
    """Predict the images of any manifest (see `describe_other`, `list_images`) in the folder `dataset` with every model
    of the run.

    `boxes`: a csv of theirs, which a run that crops by boxes needs. Returns the folder `runs/<id>/predictions/<name>/`
    with `images.parquet`: one row for each image and fold model, NaN where the image is missing or damaged.
    """
    recipe = recipe_of(run)
    run.check_labels(project.space_hash)
    given = recipe_store(recipe.input)
    spec = given if boxes is None else replace(given, boxes=boxes.resolve())
    manifest = replace(manifest, depth=saved_depth(project) or manifest.depth)
    store = prepare_store(project, manifest, spec, dataset=dataset, progress=progress)
    setup = prediction_setup(project, run, store.images)
    tables = [
        predict_table(setup, store, fold_model(setup, run, fold), manifest.table, fold, tta)
        for fold in run.record().folds
    ]
    made_from = {"run": run.id, "tta": tta, "manifest_hash": manifest.hash, "store": store.key}
    name = f"images-{_plain_name(dataset)}-{manifest.hash[:8]}"
    name += ("" if boxes is None else f"-boxes-{store.key[:8]}") + ("" if tta == "none" else f"-tta-{tta}")
    with new_artefact(run.path / "predictions" / name, made_from) as folder:
        predictions = pl.concat(tables)
        write_table(predictions, folder / "images.parquet", PREDICTIONS)
        write_atomic(folder / "classes.csv", decided_csv(predictions, manifest, project.space))
    return run.path / "predictions" / name


def predict_other_images(
    project: Project,
    run: RunFolder,
    *,
    images: str | Path | None = None,
    dataset: str | Path | None = None,
    boxes: str | Path | None = None,
    tta: Tta = "none",
    progress: Progress | None = None,
) -> Path:
    """Predict a folder of photos or another dataset; adds `classes.csv`, the decision for each image.

    Raises InputError when there is no image to predict, and without the `boxes` that the run crops by.
    """
    run.check_weights()  # before photos are decoded
    _check_boxes(run, images or dataset or "", boxes)
    root = Path(images if images is not None else dataset or "").resolve()
    if images is not None:
        manifest = list_images(root, progress=progress)
    else:
        manifest = describe_other(project, root, progress=progress)
    if manifest.table.is_empty():
        raise InputError(f"{root}: no images to predict")
    cropped_by = None if boxes is None else Path(boxes)
    return predict_images(project, run, manifest, root, boxes=cropped_by, tta=tta, progress=progress)


def _check_boxes(run: RunFolder, photos: str | Path, boxes: str | Path | None) -> None:
    """Raise InputError unless boxes are given exactly where the run crops by them."""
    own = recipe_of(run).input.boxes
    if own is not None and boxes is None:
        find = f"`facetwise boxes --images {quote(str(photos))}`"
        raise InputError(
            f"run `{run.id}` crops by the boxes in `{own}`, which has none of other photos",
            hint=f"give a csv of theirs with `--boxes`; {find} finds them by a detector and writes one",
        )
    if own is None and boxes is not None:
        raise InputError(f"run `{run.id}` crops by no boxes", hint="leave out `--boxes`")


def decided_csv(table: pl.DataFrame, manifest: Manifest, space: LabelSpace) -> bytes:
    """A csv with one row for each image: the class of each attribute and its probability; empty where unreadable."""
    mean = Predictions.read(table, space).average(manifest.table["image"].to_list())
    codes, logs = mean.codes, mean.occurring
    columns: dict[str, list[object]] = {"image": mean.images.tolist()}
    for name in mean.attributes:
        chosen = codes[:, space.index(name)]
        classes = space.attribute(name).classes
        columns[name] = [classes[c] if c >= 0 else None for c in chosen]
        columns[f"{name}:probability"] = [
            round(float(np.exp(row[c])), 4) if c >= 0 else None for row, c in zip(logs[name], chosen, strict=True)
        ]
    return pl.DataFrame(columns).write_csv().encode()


def _plain_name(root: Path) -> str:
    return "".join(c if c.isalnum() or c in "._-" else "_" for c in root.name).strip(".") or "folder"
