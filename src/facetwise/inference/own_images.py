"""Predicting a run's own images again with test-time augmentation."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from facetwise.core.choices import Tta
from facetwise.core.progress import Progress
from facetwise.core.project import Project
from facetwise.core.runs import RunFolder
from facetwise.core.tables import PREDICTIONS, write_table
from facetwise.core.workspace import new_artefact
from facetwise.inference.data import RunData, check_same, in_manifest_order, load_run_data
from facetwise.inference.fold_models import fold_model, prediction_setup, recipe_of
from facetwise.inference.setup import Setup, predict_table
from facetwise.model.backbone import Network


def predict_own_images(
    project: Project, run: RunFolder, *, tta: Tta = "flip", progress: Progress | None = None
) -> Path:
    """Predict the run's own images with `tta`: each training image by the model that held it out, test images by all.

    Returns the new folder `runs/<id>/predictions/tta-<tta>/` with `oof.parquet` and `test.parquet`. Raises
    MismatchError when the data have changed since the run.
    """
    plan = load_run_data(project, recipe_of(run), progress)
    check_same(run, plan.data_fields, ("label space", "manifest", "folds", "store"))
    setup = prediction_setup(plan.project, run, plan.store.images)
    networks = {fold: fold_model(setup, run, fold) for fold in plan.fold_numbers}
    target = run.path / "predictions" / f"tta-{tta}"
    with new_artefact(target, {"run": run.id, "tta": tta, "fingerprint": run.record().fingerprint}) as folder:
        if plan.fold_of_row is not None:
            parts = [_held_out(plan, setup, network, fold, tta) for fold, network in networks.items()]
            write_table(in_manifest_order(parts, plan), folder / "oof.parquet", PREDICTIONS)
        if not plan.manifest.test.is_empty():
            write_table(_all_models(plan, setup, networks, tta), folder / "test.parquet", PREDICTIONS)
    return target


def _held_out(plan: RunData, setup: Setup, network: Network, fold: int, tta: Tta) -> pl.DataFrame:
    rows = plan.manifest.train.filter(pl.Series(plan.fold_of_row) == fold)
    return predict_table(setup, plan.store, network, rows, fold, tta)


def _all_models(plan: RunData, setup: Setup, networks: dict[int, Network], tta: Tta) -> pl.DataFrame:
    test = plan.manifest.test
    return pl.concat([predict_table(setup, plan.store, net, test, fold, tta) for fold, net in networks.items()])
