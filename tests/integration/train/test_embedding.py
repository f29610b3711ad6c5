"""Features as a table: those that heads are trained on, a row each image of the manifest."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

import facetwise as fw
from facetwise.core.errors import InputError, SettingError
from facetwise.data.manifest import load_manifest
from facetwise.recipe import load_recipe

SETTINGS = ("model.backbone=test_resnet", "model.args={}")


def test_features_are_those_of_the_backbone_in_the_order_of_the_manifest(own, tmp_path):
    project = fw.open_project(own.project)
    run = fw.fit(project, own.recipe, settings=[*SETTINGS, "model.freeze=backbone", "augment=[]", "train.length=1ep"])
    training = ["model.activation_checkpointing=true", "model.head_first=1", "train.precision=fp16"]  # not for features
    weights = [*SETTINGS, *training, f"model.weights={run.backbone_file}"]
    events: list[str] = []

    def embedded(name: str) -> Path:
        return fw.embed(
            project, own.recipe, out=tmp_path / name, settings=weights, listener=lambda e: events.append(e["event"])
        )

    out = embedded("a.parquet")
    table, manifest = pl.read_parquet(out), load_manifest(project)
    assert table.select("image", "group", "split").equals(manifest.table.select("image", "group", "split"))
    vectors = table["features"].to_numpy()
    (folder,) = [f for f in project.workspace.features.glob("[!.]*") if f.is_dir()][:1]
    stored = np.load(folder / "features.npy")
    assert vectors.dtype == np.float32
    assert vectors.shape == (manifest.table.height, stored.shape[-1])
    torch.testing.assert_close(torch.tensor(vectors), torch.tensor(stored[:, 0]))
    assert events == ["features"]
    assert embedded("b.parquet").read_bytes() == out.read_bytes()
    assert events == ["features"]


def test_an_image_that_cannot_be_read_is_a_row_without_features(own, tmp_path):
    broken = next((own.contest / "eval" / "images").iterdir())
    broken.write_bytes(b"no picture")
    assert fw.check(own.project, workers=1).usable
    table = pl.read_parquet(fw.embed(own.project, own.recipe, out=tmp_path / "a.parquet", settings=SETTINGS))
    without = table.filter(pl.col("features").is_null())
    assert [Path(image).name for image in without["image"]] == [broken.name]
    assert table["split"].to_list().count("test") == len(list(broken.parent.iterdir()))


def test_what_only_training_hears_does_not_matter(own, tmp_path):
    more = ["model.drop_path=0.1", "optimizer.layer_decay=0.5", "folds.plan=3", "model.head=flat"]
    one, other = (
        fw.embed(own.project, own.recipe, out=tmp_path / f"{len(s)}.parquet", settings=[*SETTINGS, *s])
        for s in ((), more)
    )
    assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize(
    ("out", "settings", "error"),
    [
        ("a.csv", (), InputError),
        ("missing/a.parquet", (), InputError),
        ("a.parquet", ("model.weights=runs/1/fold-{fold}/model.safetensors",), SettingError),
    ],
)
def test_what_cannot_be_embedded_is_told_and_nothing_is_written(own, tmp_path, out, settings, error):
    with pytest.raises(error):
        fw.embed(own.project, own.recipe, out=tmp_path / out, settings=settings)
    assert not (tmp_path / out).exists()


def test_settings_beside_a_recipe_that_is_no_file_are_refused_and_not_forgotten(ready_to_fit, tmp_path):
    project, recipe, settings = ready_to_fit.project, load_recipe(ready_to_fit.recipe), ["optimizer.lr=1e-2"]
    for call in (
        lambda: fw.fit(project, recipe, settings=settings),
        lambda: fw.embed(project, recipe, out=tmp_path / "a.parquet", settings=settings),
        lambda: fw.augment(project, recipe, out=tmp_path / "a.png", settings=settings),
        lambda: fw.ablate(project, recipe, tries=["loss=focal"], settings=settings),
    ):
        with pytest.raises(SettingError, match="settings change a recipe file"):
            call()
    assert not list(tmp_path.glob("a.*"))
