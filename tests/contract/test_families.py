"""The shipped recipes: each can be read, and each family's trains from scratch at a small size, all weights of it."""

import tomllib

import made_training
import numpy as np
import pytest
import torch

from facetwise.core.labels import Attribute, LabelSpace
from facetwise.core.records.shelf import SHELF
from facetwise.recipe import load_recipe
from facetwise.recipe.load import SHIPPED, shipped_recipes
from facetwise.train.fold.loop import new_state, new_stepper, train_epoch, train_fold
from facetwise.train.frozen.stacked import trains_on_features

SPACE = LabelSpace(
    (Attribute("mask", ("wear", "incorrect", "normal")), Attribute("age", ("young", "middle", "old"), cuts=(30, 60)))
)
SMALL = ("input.height=64", "input.width=48", "model.weights=none", "train.batch_size=4", "train.accumulate=1")
SIBLINGS = {
    "diary-efficientnet-b7": "tf_efficientnet_b0",  # B7 itself takes half a minute for this
    "diary-age": "efficientnet_b0",  # of the same family as `efficientnet`, which trains whole
}
"""Smaller backbones of the same family, for the sake of time."""
FAMILIES = [name for name in shipped_recipes() if load_recipe(name).model.weights == "hub"]


def test_there_is_a_recipe_for_each_family_and_both_diaries():
    families = {"efficientnet", "efficientnetv2", "densenet", "resnext", "vit", "pit"}
    assert set(FAMILIES) == families | {"diary-efficientnet-b7", "diary-age"}


SHELVED = [name for name in shipped_recipes() if load_recipe(name).model.weights.startswith(SHELF)]


def test_a_recipe_of_the_shelf_says_what_to_put_there_under_the_name_that_it_gets():
    assert set(SHELVED) == {"lite0-finetune", "lite0-frozen", "frozen-zoo"}
    for name in SHELVED:
        model, text = load_recipe(name).model, (SHIPPED / f"{name}.toml").read_text(encoding="utf-8")
        assert model.weights == f"{SHELF}{model.backbone}"
        assert f"facetwise weights add FILE.pth --as {model.backbone}\n" in text
        assert trains_on_features(load_recipe(name)) == (name != "lite0-finetune")


@pytest.mark.parametrize("name", SHELVED)
def test_a_recipe_of_the_shelf_trains_what_it_says(name, tmp_path):
    recipe = load_recipe(name, [*SMALL, "train.length=2ep", "train.device=cpu"])
    setup, task = made_training.make_setup(recipe.as_dict(), SPACE, 8)
    drawn = new_state(setup, 0).network.state_dict()
    moved = {key for key, t in train_fold(setup, task, tmp_path, lambda _: None).network.state_dict().items()
             if not torch.equal(t, drawn[key])}  # fmt: skip
    assert {"head.weight", "head.bias"} <= moved
    assert any(key.startswith("backbone.") for key in moved) == (name == "lite0-finetune")


@pytest.mark.parametrize("name", shipped_recipes())
def test_a_recipe_says_what_it_is_how_to_run_it_and_what_it_gave(name):
    text = (SHIPPED / f"{name}.toml").read_text(encoding="utf-8")
    header = [line for line in text.split("\n\n")[0].splitlines() if line.startswith("# ")]
    assert any(line.startswith("# command: ") for line in header)
    assert any(line.startswith(("# measured: ", "# not measured")) for line in header)
    assert max(map(len, text.splitlines())) <= 120
    written = tomllib.loads(text)
    assert all(key in written for key in ("input", "model", "optimizer", "schedule", "train"))


def test_the_diaries_are_as_told():
    b7, age = load_recipe("diary-efficientnet-b7"), load_recipe("diary-age")
    assert b7.model.backbone.startswith("tf_efficientnet_b7")
    assert (b7.input.width, b7.input.height) == (384, 512)
    assert [(a.name, a.rotate) for a in b7.augment] == [("affine", 20)]
    assert age.model.head.attribute == "age"
    assert age.labels.cuts == {"age": [29, 59]}
    assert (age.loss.name, age.loss.smoothing) == ("cross-entropy", 0.1)
    assert (age.optimizer.name, age.schedule.name, age.folds.plan) == ("adamw", "step", 5)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_trains_for_two_steps_and_every_weight_gets_a_gradient(name):
    backbone = [f"model.backbone={SIBLINGS[name]}"] if name in SIBLINGS else []
    recipe = load_recipe(name, [*SMALL, "train.length=1ep", "train.device=cpu", *backbone])
    setup, task = made_training.make_setup(recipe.as_dict(), SPACE, 8)
    state = new_state(setup, 0)
    before = state.network.head.weight.detach().clone()
    stepper = new_stepper(setup, task, state.optimizer, num_steps=2, per_epoch=2)
    state.network.train()
    loss = train_epoch(setup, task, state, stepper, 2, lambda _: None)
    assert np.isfinite(loss)
    unreached = [k for k, p in state.network.named_parameters() if p.grad is None or not torch.isfinite(p.grad).all()]
    assert unreached == []
    assert not torch.equal(state.network.head.weight, before)
