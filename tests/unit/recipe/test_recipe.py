"""Recipes: `--set`, durations, TOML there and back, and the recipes that are shipped."""

import copy
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facetwise.core.errors import InputError, SettingError
from facetwise.core.files.settings import parse
from facetwise.data.reading.recognising.presets import presets
from facetwise.recipe import Recipe, load_recipe, recipe_toml
from facetwise.recipe.duration import Duration, parse_duration
from facetwise.recipe.load import SHIPPED, apply_setting, shipped_recipes

MINIMAL = {"input": {"height": 32, "width": 24}, "model": {"backbone": "resnet18"}, "train": {"length": "3ep"}}


def changed(*settings: str) -> Recipe:
    data = {**{k: dict(v) for k, v in MINIMAL.items()}, "augment": [{"name": "flip"}, {"name": "affine"}]}
    for setting in settings:
        apply_setting(data, setting)
    return Recipe.model_validate(data)


def test_values_are_toml_and_bare_words_are_text():
    recipe = changed(
        "optimizer.lr=1e-3", "train.seed = 7", "labels.overlay=false", "labels.cuts.age=[29, 59]",
        "model.weights=hub", "folds.plan=holdout", "model.args={ drop_path_rate = 0.1 }",
    )  # fmt: skip
    assert recipe.optimizer.lr == 1e-3
    assert recipe.train.seed == 7
    assert recipe.labels.overlay is False
    assert recipe.labels.cuts == {"age": [29, 59]}
    assert recipe.model.weights == "hub"
    assert recipe.folds.plan == "holdout"
    assert recipe.model.args == {"drop_path_rate": 0.1}


def test_a_bare_word_for_a_family_takes_it_with_its_defaults():
    recipe = changed("optimizer.lr=1", "optimizer=adamw", "schedule=step", "model.head=flat")
    assert recipe.optimizer.lr == 1e-3
    assert recipe.schedule.name == "step"
    assert recipe.model.head.name == "flat"


def test_numbers_walk_into_lists():
    recipe = changed("augment.0.p=0.25", "augment.1.rotate=3")
    assert recipe.augment[0].p == 0.25
    assert recipe.augment[1].rotate == 3
    assert changed('augment.1={ name = "light" }').augment[1].name == "light"


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("train.seed", "not a setting"),
        ("=3", "not a setting"),
        ("augment.2.p=1", "expected a number from 0 to 1 instead of `2`"),
        ("augment.first.p=1", "instead of `first`"),
        ("augment.-1.p=1", "instead of `-1`"),
        ("train.length.days=1", "`length` is a value, not a section"),
    ],
)
def test_settings_that_lead_nowhere(setting, words):
    with pytest.raises(SettingError, match=words):
        changed(setting)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("train.seed=1\ntrain.seed=2", r"`train\.seed`: expected a whole number \(got '1\\ntrain\.seed=2'\)"),
        ("folds.name=../x", r"`folds\.name`: cannot name folds; letters"),
    ],
)
def test_settings_that_cannot_be(setting, words):
    with pytest.raises(SettingError, match=words):
        load_recipe("cpu-tiny", [setting])


def test_an_unknown_key_set_by_hand_names_the_setting():
    with pytest.raises(SettingError, match=r"cpu-tiny\.toml with `--set`") as error:
        load_recipe("cpu-tiny", ["train.sede=3"])
    assert "did you mean `seed`?" in str(error.value)


def test_an_effective_recipe_read_again_is_the_same():
    for settings in ([], ["schedule=step", "schedule.warmup=2ep", "train.ema=0.99", "labels.soften.age=5"]):
        recipe = changed(*settings)
        text = recipe_toml(recipe)
        assert Recipe.model_validate(tomllib.loads(text)) == recipe
        assert recipe_toml(Recipe.model_validate(tomllib.loads(text))) == text
    assert "weight_decay" in text  # defaults are written out


@given(st.floats(0.01, 1000).map(lambda x: round(x, 2)), st.sampled_from(["ep", "st"]), st.integers(1, 500))
def test_durations_in_steps_and_whole_epochs(amount, unit, per_epoch):
    duration = parse_duration(f"{amount:.2f}{unit}")
    steps = duration.steps(per_epoch)
    assert steps == max(1, round(amount * (per_epoch if unit == "ep" else 1)))
    epochs = duration.epochs(per_epoch)
    assert (epochs - 1) * per_epoch < steps <= epochs * per_epoch


@given(st.integers(1, 10**9).map(float) | st.floats(1e-9, 1e9), st.sampled_from(["ep", "st"]))
def test_a_duration_written_is_read_again(amount, unit):
    assert parse_duration(str(Duration(amount, unit))) == Duration(amount, unit)


def test_durations_are_written_as_people_write_them():
    assert [str(parse_duration(text)) for text in ("12ep", "0.5ep", "2000000st")] == ["12ep", "0.5ep", "2000000st"]


@pytest.mark.parametrize("bad", ["12", 12, "ep", "-3ep", "0ep", "3 ep", "3epochs", "1e3st", None])
def test_a_duration_needs_a_unit(bad):
    with pytest.raises(ValueError, match="with a unit"):
        parse_duration(bad)


# ------------------------------------------------------------------------------------------------ shipped recipes


@pytest.mark.parametrize("name", shipped_recipes())
def test_a_shipped_recipe_reads_builds_and_fits_every_shipped_layout(name):
    from facetwise.model.backbone import build_network
    from facetwise.model.heads import head_layout

    recipe = load_recipe(name)
    assert load_recipe(SHIPPED / f"{name}.toml") == recipe
    for preset in presets():
        layout = head_layout(recipe.model.head, preset.file.space)
        whole = layout.attributes == preset.file.space.names
        assert whole or recipe.model.head.name == "single", "a shipped recipe must be able to make a submission"
        if recipe.model.weights == "none":  # test_families.py trains the others
            network = build_network(recipe.model, layout, recipe.input.height, recipe.input.width)
            assert network.head.out_features == layout.num_outputs
        for attribute in (*recipe.labels.cuts, *recipe.labels.soften):
            assert preset.file.space.attribute(attribute).is_ordinal


def test_an_unknown_recipe_names_those_that_are_shipped():
    assert {"cpu-tiny", "cpu-small", "demo"} <= set(shipped_recipes())
    with pytest.raises(InputError, match="no such recipe file") as error:
        load_recipe("cpu-tinny")
    assert "`cpu-tiny`" in error.value.hint


@pytest.mark.parametrize("setting", ["optimizer.lr=inf", "optimizer.weight_decay=inf", "optimizer.lr=nan"])
def test_numbers_are_finite(setting):
    with pytest.raises(SettingError, match=setting.split("=")[0].replace(".", r"\.")):
        load_recipe("cpu-tiny", [setting])


def test_a_mistyped_path_is_not_the_shipped_recipe_of_that_name():
    with pytest.raises(InputError, match="no such recipe file"):
        load_recipe("no/such/folder/cpu-tiny.toml")


# ------------------------------------------------------------------------------------------------ kinds of values

PAINTS = ("flip", "affine", "perspective", "grid-distortion", "light", "grey", "blur", "noise", "cutout")
AUGMENTS = (*PAINTS, "cutmix", "mixup", "half-cutmix")
EVERYTHING = changed(
    "augment=[]", *(f"augment+={name}" for name in AUGMENTS), "augment.10.p=0.5", "augment.9.p=0.5",
    'loss={name="sum", terms=[{name="cross-entropy"}, {name="focal", balance="effective"}, {name="soft-f1"}]}',
    "labels.cuts.age=[29, 59]", "labels.drop.age=[[57, 60]]", "labels.soften.age=2",
    "sampling={name='weighted', length=10, per_person=3}", "schedule={name='one-cycle', warmup='1ep'}",
    "optimizer.head_lr=1", "optimizer.clip=1", "train.ema=0.9",
).as_dict()  # fmt: skip
KINDS = (
    *("loss=focal", "loss=binary", "loss=soft-f1"),
    *("optimizer=adam", "optimizer=adamp", "optimizer=sgd"),
    *("schedule=step", "schedule=cosine", "schedule=constant"),
    *("sampling=all", "sampling={name='undersample', to=3}", "sampling=oversample"),
)
RECIPES = {
    **{name: load_recipe(name).as_dict() for name in shipped_recipes()},
    "everything": EVERYTHING,
    **{kind: changed(kind).as_dict() for kind in KINDS},
}


def leaves(data: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Every value of a recipe that is not a section or a list; arguments for timm may be of any kind."""
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else None
    if items is None:
        yield path, data
        return
    for key, value in items:
        if key != "args":
            yield from leaves(value, (*path, key))


def with_value(data: dict[str, Any], path: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    copied: Any = copy.deepcopy(data)
    *above, last = path
    target = copied
    for key in above:
        target = target[key]
    target[last] = value
    return copied  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", RECIPES)
def test_text_is_no_number_and_a_number_no_yes(name: str) -> None:
    data = RECIPES[name]
    found = [(path, value) for path, value in leaves(data) if not isinstance(value, str)]
    assert len(found) > 15
    for path, value in found:
        expected, wrong = ("a number", (str(value), True, False))
        if isinstance(value, bool):
            expected, wrong = "true or false", (str(value).lower(), int(value), "yes")
        elif isinstance(value, int):
            expected, wrong = "a whole number", (str(value), True, float(value))
        for other in wrong:
            with pytest.raises(SettingError) as error:
                parse(Recipe, with_value(data, path, other), "r.toml")
            key, shown = ".".join(map(str, path)), str(other).lower() if isinstance(other, bool) else repr(other)
            assert f"`{key}`: expected {expected}" in str(error.value)
            assert f"(got {shown})" in str(error.value)


@pytest.mark.parametrize("name", RECIPES)
def test_a_whole_number_does_where_any_number_is_asked_for(name: str) -> None:
    data = RECIPES[name]
    for path, value in leaves(data):
        if isinstance(value, float) and value.is_integer():
            assert Recipe.model_validate(with_value(data, path, int(value))) == Recipe.model_validate(data)


@pytest.mark.parametrize(
    ("text", "value"),
    [(".5", 0.5), ("0.5", 0.5), ("5e-1", 0.5), (".5E0", 0.5), ("+.5", 0.5), ("1.", 1.0), ("1.e-1", 0.1), ("1", 1.0)],
)
def test_numbers_are_read_as_people_write_them_on_a_command_line(text: str, value: float) -> None:
    assert changed(f"optimizer.lr={text}").optimizer.lr == value


def test_other_words_stay_text() -> None:
    assert changed("labels.overlay=False").labels.overlay is False
    for text in (".", "1.2.3", "5ep", "e5", "..5"):
        data: dict[str, Any] = {**MINIMAL}
        apply_setting(data, f"optimizer.lr={text}")
        with pytest.raises(SettingError, match=r"`optimizer\.lr`: expected a number \(got '"):
            parse(Recipe, data, "r.toml")
