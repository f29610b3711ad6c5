"""One change at a time: settings of lists, several settings of one change, and what two recipes differ in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facetwise.core.errors import ProblemsError, SettingError
from facetwise.recipe import Recipe, load_recipe
from facetwise.recipe.load import apply_setting
from facetwise.study.changes import (
    Change,
    apply_change,
    apply_changes,
    count_changes,
    recipe_changes,
    split_settings,
    value_text,
)

BASE = Recipe.model_validate(
    {
        "input": {"height": 32, "width": 24},
        "model": {"backbone": "resnet18"},
        "train": {"length": "3ep"},
        "augment": [{"name": "flip"}, {"name": "affine"}],
    }
)


def names(recipe: Recipe) -> list[str]:
    return [a.name for a in recipe.augment]


# ------------------------------------------------------------------------------------------------ settings of lists


def test_lists_grow_and_shrink_by_name() -> None:
    assert names(apply_change(BASE, 'augment+={name="cutout", p=0.25}')) == ["flip", "affine", "cutout"]
    assert apply_change(BASE, 'augment+={name="cutout", p=0.25}').augment[2].p == 0.25
    assert names(apply_change(BASE, "augment += cutout")) == ["flip", "affine", "cutout"]
    assert names(apply_change(BASE, "augment-=flip")) == ["affine"]
    assert names(apply_change(BASE, "augment-=flip; augment+=cutout; augment.0.rotate=3")) == ["affine", "cutout"]
    assert names(load_recipe("cpu-tiny", ["augment=[]", "augment+=flip"])) == ["flip"]


def test_a_list_that_is_not_there_begins_empty() -> None:
    data = BASE.as_dict()
    del data["augment"]
    apply_setting(data, "augment+=flip")
    assert data["augment"] == [{"name": "flip"}]


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("augment-=mixup", "`augment` has no `mixup`"),
        ("train.length+=1", "`train.length` is no list"),
        ("loss+=focal", "`loss` is no list"),
        ("+=3", "not a setting"),
        ("augment-=affine; augment-=flip; augment-=flip", "has no `flip`"),
        ("augment=[]; augment.0.p=1", "the list is empty"),
    ],
)
def test_lists_that_cannot_be_changed_so(setting: str, words: str) -> None:
    with pytest.raises(SettingError, match=words):
        apply_change(BASE, setting)


def test_what_a_list_has_is_told() -> None:
    with pytest.raises(SettingError) as error:
        apply_change(BASE, "augment-=flop")
    assert error.value.hint == "did you mean `flip`? allowed: `affine`, `flip`"


# ------------------------------------------------------------------------------------------------ several settings


@given(st.lists(st.sampled_from(["a=1", "b.c=[1, 2]", "d={x=';', y=1}", 'e="a;b"', "f+={name='x;'}"]), min_size=1))
def test_settings_joined_by_semicolons_come_apart_again(settings: list[str]) -> None:
    assert split_settings("; ".join(settings)) == tuple(settings)
    assert split_settings(";".join([*settings, " "])) == tuple(settings)


@pytest.mark.parametrize("nothing", ["", " ; ", ";"])
def test_a_change_of_nothing_is_none(nothing: str) -> None:
    with pytest.raises(SettingError, match="is not a change"):
        split_settings(nothing)


def test_a_change_is_made_on_the_frozen_base() -> None:
    before = BASE.as_dict()
    recipe = apply_change(BASE, "labels.cuts.age=[29,59]; train.seed=7")
    assert (recipe.labels.cuts, recipe.train.seed) == ({"age": [29, 59]}, 7)
    assert BASE.as_dict() == before


def test_all_problems_of_all_changes_are_told_at_once() -> None:
    tries = ["train.sede=1", "train.seed=0", "loss=cross-entropy", "train.ema=0.9", "train.ema = 0.90", "folds.plan=3"]
    with pytest.raises(ProblemsError) as error:
        apply_changes(BASE, [*tries, "optimizer.lr=-1; train.batch_size=0"])
    said = str(error.value)
    assert "did you mean `seed`?" in said
    assert "`train.seed=0` changes nothing" in said
    assert "`loss=cross-entropy` changes nothing" in said
    assert "`train.ema = 0.90` gives the same recipe as `train.ema=0.9`" in said
    assert "`folds.plan=3` changes the folds" in said
    assert "optimizer" in said
    assert "train.batch_size" in said
    assert len(error.value.problems) == 7


# ------------------------------------------------------------------------------------------------ differences


def differences(change: str) -> tuple[Change, ...]:
    return recipe_changes(BASE.as_dict(), apply_change(BASE, change).as_dict())


def test_differences_are_named_by_key() -> None:
    assert differences("train.seed=3") == (Change("train.seed", 0, 3),)
    assert differences("train.ema=0.5")[0] == Change("train.ema", None, 0.5)
    assert differences("augment.1.rotate=3")[0].key == "augment.affine.rotate"
    (cutout,) = differences("augment+=cutout")
    assert (cutout.key, cutout.before, cutout.after["name"]) == ("augment.cutout", None, "cutout")
    (flip,) = differences("augment-=flip")
    assert (flip.key, flip.after) == ("augment.flip", None)
    assert next(c.key for c in differences("loss=focal")) == "loss.name"
    swapped = differences("augment-=flip; augment+=flip")
    assert swapped == (Change("augment", ["flip", "affine"], ["affine", "flip"]),)


def test_the_same_differs_in_nothing_and_order_is_turned_with_the_sides() -> None:
    other = apply_change(BASE, "loss=focal; augment+=cutout; train.ema=0.5").as_dict()
    assert recipe_changes(other, other) == ()
    there, back = recipe_changes(BASE.as_dict(), other), recipe_changes(other, BASE.as_dict())
    assert {(c.key, str(c.before), str(c.after)) for c in there} == {(c.key, str(c.after), str(c.before)) for c in back}


def test_a_recipe_of_an_older_version_is_filled_with_the_defaults() -> None:
    old = BASE.as_dict()
    del old["loss"], old["labels"]
    assert recipe_changes(old, BASE.as_dict()) == ()
    unreadable = {**BASE.as_dict(), "gone": 1}
    assert Change("gone", 1, None) in recipe_changes(unreadable, BASE.as_dict())


@pytest.mark.parametrize(
    ("change", "things"),
    [
        ("train.seed=3", 1),
        ("loss=focal", 1),
        ("schedule=step", 1),
        ("optimizer.lr=1; optimizer.weight_decay=0", 2),
        ("schedule=step; train.ema=0.5; augment+=cutout", 3),
    ],
)
def test_a_family_is_one_thing(change: str, things: int) -> None:
    assert count_changes(differences(change)) == things


def test_values_are_written_as_toml() -> None:
    shown = [value_text(v) for v in ("a", 1, 0.5, True, [1, "x"], {"name": "b", "p": 0.1}, None)]
    assert shown == ['"a"', "1", "0.5", "true", '[1, "x"]', '{name = "b", p = 0.1}', "–"]  # noqa: RUF001
