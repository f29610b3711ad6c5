"""A run reads other photos as it read those that it was trained on, whatever `input.fit` says, and tells of it."""

from __future__ import annotations

import shlex

import numpy as np
import polars as pl
import pytest
from conftest import Ready
from typer.testing import CliRunner

import facetwise as fw
from facetwise.cli.main import app
from facetwise.core.errors import InputError, SettingError
from facetwise.core.runs import find_run
from facetwise.core.tables import prediction_columns
from facetwise.data.manifest import load_manifest

SHORT = ("input.width=32", "folds.plan=holdout", "train.length=1ep", "augment=[]")


@pytest.mark.parametrize("fit", ["letterbox", "crop"])
def test_other_photos_are_fitted_as_those_of_the_run(own: Ready, fit: str) -> None:
    settings = [word for one in (f"input.fit={fit}", *SHORT) for word in ("--set", one)]
    trained = CliRunner().invoke(app, ["-p", str(own.project), "fit", str(own.recipe), *settings])
    assert trained.exit_code == 0, trained.output
    assert "have another shape than height 32, width 32 by more than 25%" in " ".join(trained.output.split())
    project = fw.open_project(own.project)
    run = find_run(project.workspace, "last")
    assert run.record().recipe["input"]["fit"] == fit
    test = run.test()
    assert test is not None
    folder = fw.predict(project, images=own.contest / "eval" / "images")
    columns = prediction_columns(test)
    here = pl.read_parquet(folder / "images.parquet").sort("image").select(columns).to_numpy()
    np.testing.assert_allclose(here, test.sort("image").select(columns).to_numpy(), atol=1e-5)


def test_other_photos_are_cropped_by_boxes_of_their_own(own: Ready) -> None:
    project, photos = fw.open_project(own.project), own.contest / "eval" / "images"
    rows = load_manifest(project).table.select("image", "width", "height").rows()
    boxes = {image: f"{width // 8},{height // 8},{width - 2},{height - 1}" for image, width, height in rows}
    header = "image,left,top,right,bottom"
    own_csv, theirs = own.project / "boxes.csv", own.project / "theirs.csv"
    own_csv.write_text("\n".join([header, *(f"{i},{box}" for i, box in boxes.items()), ""]), encoding="utf-8")
    run = fw.fit(project, own.recipe, settings=("input.box=[0,0,1,1]", "input.boxes=boxes.csv", *SHORT))
    test = run.test()
    assert test is not None
    with pytest.raises(InputError, match=r"crops by the boxes in `boxes\.csv`, which has none of other photos") as told:
        fw.predict(project, run.id, images=photos)
    assert f"`{shlex.join(['facetwise', 'boxes', '--images', str(photos)])}`" in str(told.value.hint)
    with pytest.raises(SettingError, match="`boxes` are of other photos"):
        fw.predict(project, run.id, boxes=theirs)
    named = {i.rpartition("/")[2]: box for i, box in boxes.items() if i.startswith("eval/")}
    theirs.write_text("\n".join([header, *(f"{i},{box}" for i, box in named.items()), ""]), encoding="utf-8")
    folder = fw.predict(project, run.id, images=photos, boxes=theirs)
    columns = prediction_columns(test)
    here = pl.read_parquet(folder / "images.parquet").sort("image").select(columns).to_numpy()
    np.testing.assert_allclose(here, test.sort("image").select(columns).to_numpy(), atol=1e-5)
