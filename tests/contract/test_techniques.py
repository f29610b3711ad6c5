"""What every technique must do: a line of a recipe each, trained through the real path on a made contest.

The lines stand in `made_techniques.py`; the tests at the end fail when a kind or a key of a recipe has none.
"""

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from made_techniques import LINES, MANY, PAIRS, REFUSED, recipe_of, section
from torch import Tensor

import facetwise as fw
from facetwise.core.errors import SettingError
from facetwise.core.project import Project
from facetwise.core.tables import prediction_columns
from facetwise.data.made.contest import SynthSpec, draw_contest
from facetwise.data.manifest import load_manifest
from facetwise.inference.choices import make_choices
from facetwise.inference.setup import Setup
from facetwise.inference.source import ImageSource
from facetwise.model.tensors import load_tensors
from facetwise.recipe import Recipe
from facetwise.recipe.labels import LabelsSpec
from facetwise.recipe.model import ModelSpec
from facetwise.recipe.optim import OptimizerSpec, TimmOptimizer
from facetwise.recipe.predict import PredictSpec
from facetwise.recipe.train import TrainSpec
from facetwise.train.crossval import fit
from facetwise.train.fold.loop import new_state
from facetwise.train.frozen.features import HEAD
from facetwise.train.frozen.stacked import new_heads, one_head, trains_on_features
from facetwise.train.planning.plan import make_plan

TECHNIQUES = Path(__file__).parents[2] / "docs" / "guides" / "techniques.md"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """12 people to train on, in two folds, four of them with a corrected gender; 2 to predict."""
    folder = tmp_path_factory.mktemp("techniques")
    draw_contest(folder / "contest", SynthSpec(train_people=12, eval_people=2, height=32, width=24), workers=1)
    root = folder / "project"
    fw.init(root, folder / "contest", name="made")
    assert not fw.check(root, workers=1).has_errors
    fw.folds(root, num_folds=2)
    project = Project.open(root)
    manifest, space = load_manifest(project), project.space
    gender = dict(zip(manifest.train["group"], manifest.codes(space)[:, space.index("gender")].tolist(), strict=True))
    rows = [f",{group},gender,{('female', 'male')[code]},looks so,me" for group, code in list(gender.items())[:4]]
    lines = ("image,group,attribute,value,reason,author", *rows)
    project.workspace.overlay_file.parent.mkdir(exist_ok=True)
    project.workspace.overlay_file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return project


@dataclass(frozen=True)
class Trained:
    """A finished run, taken from the disk."""

    fingerprint: str
    events: list[dict[str, Any]]
    files: dict[str, bytes]
    """Weights and tables."""
    weights: list[dict[str, Tensor]]
    """Of each fold."""
    oof: pl.DataFrame
    test: pl.DataFrame


def train(project: Project, recipe: Recipe) -> Trained:
    """Train a recipe as `facetwise fit --again` does, and take the run away."""
    run = fit(project, recipe, again=True)
    paths = [*run.path.glob("fold-*/*.safetensors"), *run.path.rglob("*.parquet")]
    oof, test = run.oof(), run.test()
    assert oof is not None
    assert test is not None
    trained = Trained(
        run.record().fingerprint,
        run.events(),
        {path.relative_to(run.path).as_posix(): path.read_bytes() for path in paths},
        [load_tensors(run.weights_file(fold))[0] for fold in run.record().folds],
        oof,
        test,
    )
    shutil.rmtree(run.path)
    return trained


@pytest.fixture(scope="module")
def base(project: Project) -> Trained:
    return train(project, recipe_of())


# ---------------------------------------------------------------------------------------------------------- the laws


def first_weights(project: Project, recipe: Recipe) -> Iterator[tuple[dict[str, Tensor], set[str]]]:
    """For each fold the weights that its training begins with, and the names of those that are to train."""
    plan, cpu = make_plan(project, recipe), torch.device("cpu")
    setup = Setup(
        recipe, plan.layout, ImageSource(plan.store.images, cpu), cpu, make_choices(recipe.train, recipe.model)
    )
    for fold in plan.fold_numbers:
        if trains_on_features(recipe):
            heads = new_heads(plan.layout.blocks, 8, [(recipe.train.seed, fold)])
            head = {HEAD + name: tensor for name, tensor in one_head(heads, 0).items()}
            yield head, set(head)
        else:
            network = new_state(setup, fold).network
            yield dict(network.state_dict()), {name for name, p in network.named_parameters() if p.requires_grad}


def assert_finite_losses(trained: Trained) -> None:
    epochs = [e for e in trained.events if e["event"] == "epoch"]
    assert {e["fold"] for e in epochs} == {0, 1}
    assert all(np.isfinite([e["train_loss"], e["val_loss"], e["val_macro_f1"]]).all() for e in epochs)
    assert all(e["steps"] * e["epochs"] >= 2 for e in trained.events if e["event"] == "fold")


def assert_moved(project: Project, recipe: Recipe, trained: Trained) -> None:
    """Every weight that is to train moved, and no other."""
    no_weights = ("running_mean", "running_var", "num_batches_tracked")
    for after, (before, trainable) in zip(trained.weights, first_weights(project, recipe), strict=True):
        names = [name for name in after if not name.endswith(no_weights)]
        assert {name for name in names if not torch.equal(after[name], before[name])} == trainable


def assert_complete(project: Project, trained: Trained) -> None:
    """Each training image once, in manifest order; each test image once a model; log-probabilities of every class."""
    manifest = load_manifest(project)
    assert trained.oof["image"].to_list() == manifest.train["image"].to_list()
    assert trained.test["image"].to_list() == manifest.test["image"].to_list() * 2
    for table in (trained.oof, trained.test):
        assert sorted(set(table["fold"])) == [0, 1]
        assert np.isfinite(table.select(prediction_columns(table)).to_numpy()).all()
        blocks = {name.partition("=")[0] for name in prediction_columns(table) if "=" in name}
        assert blocks
        for block in blocks:
            logs = table.select(pl.col(f"^{re.escape(block)}=.*$")).to_numpy().astype(np.float64)
            assert (logs <= 1e-6).all()
            np.testing.assert_allclose(np.exp(logs).sum(axis=1), 1, atol=1e-5)


def assert_lawful(project: Project, recipe: Recipe, trained: Trained) -> None:
    assert_finite_losses(trained)
    assert_moved(project, recipe, trained)
    assert_complete(project, trained)


def test_the_base_keeps_the_laws(project, base):
    assert_lawful(project, recipe_of(), base)


@pytest.mark.parametrize("line", LINES)
def test_a_technique_keeps_the_laws_and_does_something(project, base, line):
    """The same seed gives the same bits: of the first fold, in a hold-out run too, which takes half the time."""
    recipe = recipe_of(line)
    trained = train(project, recipe)
    assert_lawful(project, recipe, trained)
    again = {k: v for k, v in train(project, recipe_of(line, "folds.plan=holdout")).files.items() if "fold-0" in k}
    assert len(again) == 3
    assert again == {name: trained.files[name] for name in again}
    assert trained.fingerprint != base.fingerprint
    assert trained.files["oof.parquet"] != base.files["oof.parquet"]
    if line.startswith("predict."):
        assert all(
            trained.files[f"fold-{k}/model.safetensors"] == base.files[f"fold-{k}/model.safetensors"] for k in (0, 1)
        )


@pytest.mark.parametrize("name", MANY)
def test_many_techniques_at_once_keep_the_laws(project, name):
    recipe = recipe_of(*MANY[name])
    trained = train(project, recipe)
    assert_lawful(project, recipe, trained)
    assert train(project, recipe).files == trained.files


def unnamed(error: SettingError, lines: tuple[str, ...]) -> list[str]:
    """The lines that an error does not name by their key."""
    return [line for line in lines if f"`{section(line)}" not in f"{error} {error.hint}"]


@pytest.mark.parametrize("lines", PAIRS, ids=" and ".join)
def test_a_pair_of_techniques_works_or_is_refused_by_name(project, lines):
    recipe = recipe_of(*lines)
    try:
        make_plan(project, recipe)
    except SettingError as error:
        refused = unnamed(error, lines)
    else:
        refused = None
        assert_lawful(project, recipe, train(project, recipe))
    assert not refused


@pytest.mark.parametrize("lines", REFUSED, ids=" and ".join)
def test_a_pair_that_contradicts_itself_is_refused_by_name(project, lines):
    for line in lines:
        make_plan(project, recipe_of(line))
    with pytest.raises(SettingError) as refused:
        make_plan(project, recipe_of(*lines))
    assert unnamed(refused.value, lines) == []


# ------------------------------------------------------------------------------------------------- nothing is left out

RECIPES = [recipe_of(), *map(recipe_of, LINES)]
NO_TECHNIQUE = {
    # `test_battery.py`, `test_families.py`, `test_weights.py`; checkpointing changes no number: `test_checkpointing.py`
    # norms are frozen as pretrained weights have them: `test_shelf.py`
    "model": {"backbone", "weights", "args", "head_first", "activation_checkpointing", "freeze_norms"},
    "optimizer": {"name", "lr"},
    "train": {"length", "batch_size", "precision", "device", "select", "patience"},  # which epoch: `MANY`
}


def named(data: Any, key: str) -> Iterator[Any]:
    """Every value of a key, however deep."""
    for value in data.values() if isinstance(data, dict) else data if isinstance(data, list) else ():
        yield from named(value, key)
    if isinstance(data, dict) and key in data:
        yield data[key]


def test_every_kind_of_everything_is_in_the_battery():
    """Losses, heads, optimizers, schedules, samplings, augmentations: the kinds that a recipe can name."""
    kinds = {kind for choice in named(Recipe.model_json_schema(), "discriminator") for kind in choice["mapping"]}
    assert len(kinds) > 30
    assert kinds - {name for recipe in RECIPES for name in named(recipe.as_dict(), "name")} == set()
    values = ("ordinal", "bins", "rare", "inverse", "effective")
    assert [value for value in values if not any(f'"{value}"' in line or f"={value}" in line for line in LINES)] == []


def test_every_optimizer_of_timm_that_a_document_names_is_in_the_battery():
    described = TimmOptimizer.model_fields["optimizer"].description or ""
    documented = {
        *re.findall(r"`(\w+)`", described),
        *re.findall(r'optimizer="(\w+)"', TECHNIQUES.read_text(encoding="utf-8")),
    }
    assert len(documented) > 3
    assert (
        documented - {name for recipe in RECIPES for name in named(recipe.optimizer.model_dump(), "optimizer")} == set()
    )


@pytest.mark.parametrize(
    ("name", "spec"),
    [
        ("model", ModelSpec),
        ("optimizer", OptimizerSpec),
        ("labels", LabelsSpec),
        ("train", TrainSpec),
        ("predict", PredictSpec),
    ],
)
def test_every_key_of_a_section_is_in_the_battery(name, spec):
    plain = getattr(RECIPES[0], name)
    changed = {
        key
        for recipe in RECIPES
        for key in spec.model_fields
        if getattr(getattr(recipe, name), key) != getattr(plain, key)
    }
    assert set(spec.model_fields) - changed - NO_TECHNIQUE.get(name, set()) == set()
