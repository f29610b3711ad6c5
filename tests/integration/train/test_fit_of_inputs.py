"""A run reads other photos as it read those that it was trained on, whatever `input.fit` says, and tells of it."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from conftest import Ready
from typer.testing import CliRunner

import facetwise as fw
from facetwise.cli.main import app
from facetwise.core.runs import find_run
from facetwise.core.tables import prediction_columns

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
