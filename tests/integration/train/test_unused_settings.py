"""Settings that would have no effect are refused before a run is paid for; those that have one are not."""

import re

import pytest

import facetwise as fw
from facetwise.core.errors import SettingError
from facetwise.core.labels import Attribute, LabelSpace
from facetwise.inference.setup import recipe_layout
from facetwise.recipe import Recipe, load_recipe
from facetwise.recipe.load import apply_setting, shipped_recipes
from facetwise.train.planning.plan import make_plan
from facetwise.train.planning.unused_settings import refuse_unused

SPACE = LabelSpace(
    (Attribute("mask", ("wear", "incorrect", "normal")), Attribute("age", ("young", "middle", "old"), cuts=(30, 60)))
)
SOFT = "labels.soften.age=5"
CUTS = "labels.cuts.age=[29, 59]"
MASK = 'model.head={name="single", attribute="mask"}'
FROZEN = "model.freeze=backbone"


def recipe_of(*settings: str) -> Recipe:
    data = {
        "input": {"height": 32, "width": 32},
        "model": {"backbone": "small_resnet"},
        "train": {"length": "4ep"},
    }
    for setting in settings:
        apply_setting(data, setting)
    return Recipe.model_validate(data)


def check(*settings: str, steps: tuple[int, ...] = (10,)) -> None:
    recipe = recipe_of(*settings)
    refuse_unused(recipe, recipe_layout(recipe, SPACE), steps)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ((MASK, SOFT), r"`labels\.soften\.age` has no effect: .* leave it out"),
        ((MASK, CUTS), r"`labels\.cuts\.age` has no effect"),
        ((MASK, CUTS, 'augment+={name="mixup", partner="any"}'), r"`labels\.cuts\.age` has no effect"),
        (('model.head={name="multilabel", attributes=["mask"]}', SOFT), r"`labels\.soften\.age` has no effect"),
        ((MASK, SOFT, 'sampling={name="undersample", by="mask"}'), r"`labels\.soften\.age` has no effect"),
        (("labels.overlay=false", "labels.overlay_weight=2"), r"`labels\.overlay_weight` is 2, .*overlay_weight=1"),
        ((FROZEN, "optimizer.layer_decay=0.7"), r"`optimizer\.layer_decay` is 0\.7, .*`optimizer\.layer_decay=1`"),
        ((FROZEN, "model.drop_path=0.1"), r"`model\.drop_path` is 0\.1, .*`model\.drop_path=0`"),
        ((FROZEN, "model.activation_checkpointing=true"), r"`model\.activation_checkpointing` is true, .* it out"),
        (("model.freeze_norms=true",), r"`model\.freeze_norms` keeps the statistics of .* it out"),
        ((FROZEN, "model.freeze_norms=true", "model.weights=hub"), r"`model\.freeze_norms` is true, .* leave it out"),
        ((FROZEN, "model.head_first=1"), r"`model\.head_first` is 1, which has no effect .*; leave it out"),
        (("model.head_first=4",), r"`model\.head_first` is 4, and `train\.length` is 4ep: the backbone would never"),
        (("train.select=best", "train.patience=3"), r"`train\.patience` is 3, .*`train\.length` is 4ep: no fold"),
        (("schedule=step",), r"`schedule\.every` is 10ep, .* `train\.length`, 4ep: the learning rate would stay"),
        (('schedule={name="step", every="4ep"}',), r"`schedule\.every` is 4ep, but must be shorter"),
        (('schedule={name="step", every="40st"}',), r"`schedule\.every` is 40st"),
    ],
)  # fmt: skip
def test_a_setting_that_nothing_hears_is_refused_with_what_to_do(settings, words):
    with pytest.raises(SettingError, match=words):
        check(*settings)


@pytest.mark.parametrize(
    "settings",
    [
        (),
        (SOFT, CUTS),
        ("model.head=flat", SOFT),
        ('model.head={name="single", attribute="age"}', SOFT, CUTS),
        (MASK, "labels.drop.age=[[57, 60]]"),
        (MASK, SOFT, "sampling=undersample"),
        (MASK, SOFT, 'sampling={name="weighted", by="age"}'),
        (MASK, SOFT, "sampling.per_person=2"),
        (MASK, SOFT, 'augment+={name="cutmix", partner="rare"}'),
        ("labels.overlay=false",),
        ("labels.overlay_weight=2",),
        (FROZEN, "optimizer.lr=0.1", "optimizer.head_lr=0.2"),
        ("model.freeze=1", "optimizer.layer_decay=0.7", "model.drop_path=0.1"),
        ("model.head_first=3", "model.freeze=-1"),
        ("schedule.warmup=39st",),
        ("schedule.warmup=3.9ep",),
        ('schedule={name="step", every="39st"}',),
        ('schedule={name="step", every="3ep", warmup="3ep"}',),
    ],
)
def test_a_setting_that_is_heard_passes(settings):
    check(*settings)


def test_all_are_told_at_once():
    with pytest.raises(SettingError) as error:
        check(MASK, SOFT, CUTS, FROZEN, "model.drop_path=0.1", 'schedule={name="step", every="9ep"}')
    assert [line.split("`")[1] for line in str(error.value).splitlines()] == [
        "labels.cuts.age", "labels.soften.age", "model.drop_path", "schedule.every"
    ]  # fmt: skip


@pytest.mark.parametrize("name", shipped_recipes())
def test_shipped_recipes_say_nothing_in_vain(name):
    recipe = load_recipe(name)
    refuse_unused(recipe, recipe_layout(recipe, SPACE), (10,))
    if recipe.schedule.name != "step" and not recipe.model.head_first:  # they need several epochs
        refuse_unused(load_recipe(name, ["train.length=1ep"]), recipe_layout(recipe, SPACE), (10,))


def test_a_plan_refuses_them(ready_to_fit):
    recipe = load_recipe(ready_to_fit.recipe, ['schedule={name="step", every="2ep"}'])
    with pytest.raises(SettingError, match=r"`schedule\.every` is 2ep"):
        make_plan(fw.open_project(ready_to_fit.project), recipe)


@pytest.mark.parametrize("steps", [(10,), (3, 2), (1,)])
@pytest.mark.parametrize(
    "settings", [('schedule={name="step", every="4ep"}',), ("schedule=step",), ("train.length=1ep", "schedule=step")]
)
def test_what_is_said_of_a_schedule_that_is_too_long_works(settings, steps):
    with pytest.raises(SettingError) as error:
        check(*settings, steps=steps)
    cure = re.search(r"--set (\S+)`", str(error.value))
    assert cure is not None
    check(*settings, cure[1], steps=steps)
