"""Runs of heads on a frozen backbone: trained together or alone, the same bits; and usable as any other run."""

import numpy as np
import polars as pl
import pytest

import facetwise as fw
from facetwise.core.errors import TrainingError
from facetwise.core.project import Project
from facetwise.recipe import load_recipe
from facetwise.train import crossval
from facetwise.train.frozen import together

CHANGES = {
    "base": [],
    "focal": ["loss=focal"],
    "soft-f1": ["loss={name='sum', terms=[{name='cross-entropy'}, {name='soft-f1', joint=true}]}"],
    "seed": ["train.seed=3"],
    "longer": ["train.length=4ep", "optimizer.lr=1e-2", "train.ema=0.5", "optimizer.clip=0.1"],
    "cut": ["labels.cuts.age=[25, 50]", "sampling=oversample", "model.dropout=0.3"],
    "years": ["model.head={name='multilabel', kinds={age='years'}}"],
    "ordinal": ["model.head={name='single', attribute='age', kind='ordinal'}", "optimizer=sgd", "train.select=best"],
}


@pytest.fixture
def recipes(own):
    path = own.project / "recipes" / "frozen.toml"
    text = (
        own.recipe.read_text()
        .replace("[model]\n", '[model]\nfreeze = "backbone"\n')
        .replace('[[augment]]\nname = "flip"\n', "")
    )
    path.write_text(text)
    return {name: load_recipe(path, settings) for name, settings in CHANGES.items()}


def test_together_or_alone_the_same_bits_and_everything_works(own, recipes, monkeypatch):
    project = Project.open(own.project)
    together = dict(zip(recipes, crossval.fit_all(project, list(recipes.values())), strict=True))
    assert all(run.finished for run in together.values())
    assert len(list(project.workspace.features.glob("[0-9a-f]*"))) == 2  # one a seed: the backbone's weights are drawn

    for name in ("focal", "cut", "years"):
        alone = crossval.fit(project, recipes[name], again=True)
        for side in ("oof", "test"):
            assert alone.table(side).equals(together[name].table(side), null_equal=True), name

    base = together["base"]
    assert [e["epoch"] for e in base.epochs()] == [1, 2] * 3
    assert len(together["longer"].epochs()) == 12
    assert "age:score" in together["ordinal"].oof().columns
    assert not any(c.startswith("mask=") for c in together["ordinal"].oof().columns)

    # The whole network, put together again, predicts what the features said.
    folder = fw.predict(own.project, base.id, tta="flip")
    flipped = pl.read_parquet(folder / "oof.parquet")
    monkeypatch.setattr("facetwise.train.predict.views", lambda x, _: [x])
    again = pl.read_parquet(fw.predict(own.project, base.id, tta="flip") / "oof.parquet")
    columns = [c for c in again.columns if "=" in c]
    np.testing.assert_allclose(again.select(columns).to_numpy(), base.oof().select(columns).to_numpy(), atol=1e-4)
    assert not np.allclose(flipped.select(columns).to_numpy(), base.oof().select(columns).to_numpy(), atol=1e-4)
    assert fw.show(own.project, together["focal"].id).scorecard.num_images == base.oof().height


def test_a_loss_that_is_not_finite_names_the_run(own, recipes, monkeypatch):
    real = together.build_loss
    monkeypatch.setattr(
        together, "build_loss", lambda *a: lambda *b: real(*a)(*b) * (float("nan") if a[0].name == "focal" else 1.0)
    )
    with pytest.raises(TrainingError, match=r"run `\d+-.*-FL-.*`, step 0: the loss is nan"):
        crossval.fit_all(Project.open(own.project), [recipes["base"], recipes["focal"]])
    monkeypatch.undo()
    run = crossval.fit(Project.open(own.project), recipes["focal"])  # the interrupted run goes on
    assert run.finished
