"""Runs of heads on a frozen backbone: trained together or alone, the same bits; and usable as any other run."""

import shutil

import numpy as np
import polars as pl
import pytest
import torch

import facetwise as fw
from facetwise.core.errors import ArtefactError, TrainingError
from facetwise.core.project import Project
from facetwise.core.runs import list_runs
from facetwise.model.tensors import load_tensors, save_tensors
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
    "bins": ["model.head={name='multilabel', kinds={age='bins'}}"],
    "parts": ["loss=soft-f1", "train.batch_size=4", "train.accumulate=2"],
    "adamp": ["optimizer={name='adamp', lr=1e-2}"],
    "small-batches": ["train.batch_size=7"],
    "tta": ["predict.tta=flip"],
    "ordinal": ["model.head={name='single', attribute='age', kind='ordinal'}", "optimizer=sgd", "train.select=best"],
}


@pytest.fixture
def recipes(own):
    path = own.project / "recipes" / "frozen.toml"
    text = (
        own.recipe.read_text(encoding="utf-8")
        .replace("[model]\n", '[model]\nfreeze = "backbone"\n')
        .replace('[[augment]]\nname = "flip"\n', "")
    )
    path.write_text(text, encoding="utf-8")
    return {name: load_recipe(path, settings) for name, settings in CHANGES.items()}


def test_together_or_alone_the_same_bits_and_everything_works(own, recipes, monkeypatch):
    project = Project.open(own.project)
    together = dict(zip(recipes, crossval.fit_all(project, list(recipes.values())), strict=True))
    assert all(run.finished for run in together.values())
    # One for "base", one for another seed, by which the backbone's weights are drawn, and one with mirrored images.
    assert len(list(project.workspace.features.glob("[0-9a-f]*"))) == 3

    # Alone, and on as many threads as there are.
    monkeypatch.setattr("facetwise.train.frozen.together.SMALL_STACK", 0)
    for name, recipe in recipes.items():
        alone = crossval.fit(project, recipe, again=True)
        assert scores(alone) == scores(together[name]), name
        for side in ("oof", "test"):
            assert alone.table(side).equals(together[name].table(side), null_equal=True), name

    base = together["base"]
    assert scores(together["tta"]) == scores(base)  # epochs are scored on the images as they are, as of networks
    assert not together["tta"].oof().equals(base.oof(), null_equal=True)
    assert [e.epoch for e in base.epochs()] == [1, 2] * 3
    assert len(together["longer"].epochs()) == 12
    assert "age:score" in together["ordinal"].oof().columns
    assert not any(c.startswith("mask=") for c in together["ordinal"].oof().columns)

    # The whole network, put together again, predicts what the features said.
    folder = fw.predict(own.project, base.id, tta="flip")
    flipped = pl.read_parquet(folder / "oof.parquet")
    monkeypatch.setattr("facetwise.inference.predict.views", lambda x, _: [x])
    again = pl.read_parquet(fw.predict(own.project, base.id, tta="flip") / "oof.parquet")
    columns = [c for c in again.columns if "=" in c]
    np.testing.assert_allclose(again.select(columns).to_numpy(), base.oof().select(columns).to_numpy(), atol=1e-4)
    assert not np.allclose(flipped.select(columns).to_numpy(), base.oof().select(columns).to_numpy(), atol=1e-4)
    assert fw.show(own.project, together["focal"].id).scorecard.num_images == base.oof().height


def scores(run):
    return [(e.fold, e.epoch, e.train_loss, e.val_loss, e.val_macro_f1) for e in run.epochs()]


def test_features_do_not_depend_on_who_computed_them(own, recipes):
    project, found = Project.open(own.project), []
    for name in ("base", "small-batches"):
        crossval.fit(project, recipes[name])
        (path,) = project.workspace.features.glob("[0-9a-f]*/features.npy")
        found.append((path.parent.name, path.read_bytes()))
        shutil.rmtree(project.workspace.features)
    assert found[0] == found[1]
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 1)  # other sums, so other features
    try:
        crossval.fit(project, recipes["base"], again=True)
    finally:
        torch.set_num_threads(threads)
    (path,) = project.workspace.features.glob("[0-9a-f]*/features.npy")
    assert path.parent.name != found[0][0]


def test_the_backbone_is_weights_of_the_run(own, recipes):
    project = Project.open(own.project)
    run = crossval.fit(project, recipes["base"])
    assert run.weights_hashes().keys() == {"0", "1", "2", "backbone"}
    assert run.missing_weights() == []
    whole = run.backbone_file.read_bytes()
    tensors, metadata = load_tensors(run.backbone_file)
    save_tensors({name: tensor + 1 for name, tensor in tensors.items()}, run.backbone_file, metadata)
    with pytest.raises(ArtefactError, match=r"backbone\.safetensors: changed since it was made"):
        fw.predict(own.project, run.id, tta="flip")
    run.backbone_file.unlink()
    assert run.missing_weights() == [run.backbone_file]
    with pytest.raises(ArtefactError, match=r"backbone\.safetensors: missing"):
        fw.predict(own.project, run.id, tta="flip")
    run.backbone_file.write_bytes(whole)
    fw.predict(own.project, run.id, tta="flip")

    crossval.fit(project, recipes["seed"])  # the newest run stays whole
    fw.clean(own.project, keep=0, yes=True)
    assert run.missing_weights() == [*(run.weights_file(fold) for fold in range(3)), run.backbone_file]
    with pytest.raises(ArtefactError, match="its weights were cleaned away"):
        fw.predict(own.project, run.id, tta="crops")


@pytest.fixture
def focal_diverges(monkeypatch):
    """Every focal loss is NaN."""
    real = together.build_loss
    monkeypatch.setattr(
        together, "build_loss", lambda *a: lambda *b: real(*a)(*b) * (float("nan") if a[0].name == "focal" else 1.0)
    )


@pytest.mark.usefixtures("focal_diverges")
def test_where_nobody_waits_for_a_step_the_end_of_the_epoch_tells(own, recipes, monkeypatch):
    monkeypatch.setattr(together, "WAITING", ("cpu",))  # as on a GPU
    project = Project.open(own.project)
    with pytest.raises(TrainingError, match=r"in or before step \d+: the loss is not finite .*nothing was saved"):
        crossval.fit_all(project, [recipes["focal"], recipes["base"]])
    assert [run.finished for run in list_runs(project.workspace)] == [False, True]


def test_weights_that_ran_away_with_the_last_step_are_not_kept(own, recipes, monkeypatch):
    monkeypatch.setattr(together, "one_head", lambda heads, index: {n: t[index] + torch.inf for n, t in heads.items()})
    with pytest.raises(TrainingError, match=r"after step \d+: the weights are not finite"):
        crossval.fit(Project.open(own.project), recipes["base"])


@pytest.mark.usefixtures("focal_diverges")
def test_a_loss_that_is_not_finite_fails_its_run_alone(own, recipes, monkeypatch):
    project = Project.open(own.project)
    with pytest.raises(TrainingError, match=r"run `\d+-.*-FL-.*`, fold 0, step 0: the loss is nan .*nothing was saved"):
        crossval.fit_all(project, [recipes["focal"], recipes["base"], recipes["seed"]])
    assert [(run.id.split("-")[3], run.finished) for run in list_runs(project.workspace)] == [
        ("FL", False),
        ("CE", True),
        ("CE", True),
    ]
    failed, beside = list_runs(project.workspace)[:2]
    assert not list(failed.path.glob("fold-*"))
    assert failed.epochs() == []
    assert crossval.fit(project, recipes["base"], again=True).oof().equals(beside.oof(), null_equal=True)
    monkeypatch.undo()
    run = crossval.fit(Project.open(own.project), recipes["focal"])  # the interrupted run goes on
    assert run.finished
