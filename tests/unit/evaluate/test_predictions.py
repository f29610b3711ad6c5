"""Prediction tables, read once: laws of the product, of the marginal, of the average and of decisions; bad numbers."""

from __future__ import annotations

import re

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facetwise.core.errors import ArtefactError, InputError, MismatchError
from facetwise.core.labels import Attribute, LabelSpace
from facetwise.core.tables import (
    PREDICTIONS,
    prediction_columns,
    score_column,
    year_columns,
    year_values,
)
from facetwise.evaluate.compose import log_normalised, log_sums
from facetwise.evaluate.predictions import Predictions

SPACE = LabelSpace((Attribute("hat", ("none", "cap", "helmet")), Attribute("hue", ("red", "blue"))))
HAT, HUE = SPACE.columns("hat"), SPACE.columns("hue")


def table(images: list[str], blocks: dict[tuple[str, ...], np.ndarray], fold: int = 0) -> pl.DataFrame:
    keys = pl.DataFrame(
        {"image": images, "group": ["p"] * len(images), "fold": [fold] * len(images), "repeat": [0] * len(images)},
        schema=dict(PREDICTIONS),
    )
    for columns, logs in blocks.items():
        keys = keys.hstack(pl.DataFrame(np.asarray(logs, dtype=np.float32), schema=list(columns), orient="row"))
    return keys


def logs(seed: int, rows: int, size: int, scale: float = 3.0) -> np.ndarray:
    return log_normalised(np.random.default_rng(seed).normal(0, scale, (rows, size)))


read = Predictions.read


def names(rows: int) -> list[str]:
    return [f"i{i}" for i in range(rows)]


SEEDS = st.integers(0, 2**32 - 1)
SCALES = st.sampled_from([0.1, 3.0, 80.0])


@given(SEEDS, SCALES)
def test_joint_of_a_product_gives_its_factors_back(seed, scale):
    hat, hue = logs(seed, 4, 3, scale), logs(seed + 1, 4, 2, scale)
    apart = table(names(4), {HAT: hat, HUE: hue})
    joint = read(apart, SPACE).joint
    np.testing.assert_allclose(np.exp(joint).sum(axis=1), 1, atol=1e-6)
    for i, codes in enumerate(SPACE.decode(np.arange(6))):
        np.testing.assert_allclose(joint[:, i], hat[:, codes[0]] + hue[:, codes[1]], rtol=1e-5, atol=1e-5)
    together = read(table(names(4), {SPACE.joint_columns: joint}), SPACE).marginals
    for name, expected in (("hat", hat), ("hue", hue)):
        np.testing.assert_allclose(together[name], expected, rtol=1e-5, atol=1e-5)


@given(SEEDS, SCALES)
def test_marginals_are_sums_of_joint_probabilities(seed, scale):
    joint = logs(seed, 5, 6, scale)
    found = read(table(names(5), {SPACE.joint_columns: joint}), SPACE).marginals
    cube = np.exp(joint).reshape(5, 3, 2)
    np.testing.assert_allclose(np.exp(found["hat"]), cube.sum(axis=2), atol=1e-6)
    np.testing.assert_allclose(np.exp(found["hue"]), cube.sum(axis=1), atol=1e-6)


def test_own_columns_win_over_the_joint():
    hue = logs(1, 3, 2)
    both = table(names(3), {HUE: hue, SPACE.joint_columns: logs(2, 3, 6)})
    np.testing.assert_allclose(read(both, SPACE).marginals["hue"], hue, atol=1e-5)


def test_far_apart_logs_do_not_overflow_or_vanish():
    joint = log_normalised(np.array([[-1000.0, -1001.0, -3000.0, -3000.0, -3000.0, -3000.0]]))
    found = read(table(["i"], {SPACE.joint_columns: joint}), SPACE).marginals
    np.testing.assert_allclose(found["hue"], log_normalised(np.array([[0.0, -1.0]])), atol=1e-5)
    assert np.isfinite(found["hat"]).all()


def test_attributes_in():
    assert read(table(["i"], {HUE: logs(0, 1, 2)}), SPACE).attributes == ("hue",)
    assert read(table(["i"], {HUE: logs(0, 1, 2), HAT: logs(0, 1, 3)}), SPACE).attributes == ("hat", "hue")
    assert read(table(["i"], {SPACE.joint_columns: logs(0, 1, 6)}), SPACE).attributes == ("hat", "hue")
    assert SPACE.only(["hue"]).names == ("hue",)


def test_columns_that_are_not_of_the_space():
    with pytest.raises(ArtefactError, match="`hat=helmet` is missing"):
        read(table(["i"], {HAT[:2]: logs(0, 1, 2)}), SPACE)
    with pytest.raises(ArtefactError, match="`hue=green` is not of this label space"):
        read(table(["i"], {(*HUE, "hue=green"): logs(0, 1, 3)}), SPACE)
    with pytest.raises(ArtefactError, match="`joint=6` is not"):
        read(table(["i"], {(*SPACE.joint_columns, "joint=6"): logs(0, 1, 7)}), SPACE)
    with pytest.raises(ArtefactError, match="no prediction columns"):
        read(table(["i"], {}), SPACE)


def test_no_joint_of_a_specialist_or_of_too_many_classes():
    with pytest.raises(InputError, match="lack `hat`"):
        _ = read(table(["i"], {HUE: logs(0, 1, 2)}), SPACE).joint
    classes = tuple(f"c{i}" for i in range(30))
    wide = LabelSpace(tuple(Attribute(name, classes) for name in "abcd"))
    apart = table(["i"], {wide.columns(n): logs(0, 1, 30) for n in wide.names})
    assert set(read(apart, wide).marginals) == set("abcd")
    with pytest.raises(InputError, match="810000 joint classes"):
        _ = read(apart, wide).joint


def test_missing_rows_stay_missing():
    hat, hue = logs(0, 4, 3), logs(1, 4, 2)
    hat[1], hue[1] = np.nan, np.nan
    found = read(table(names(4), {HAT: hat, HUE: hue}), SPACE)
    assert found.covered.tolist() == [True, False, True, True]
    assert np.isnan(found.joint).any(axis=1).tolist() == [False, True, False, False]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ([np.nan, -0.7, -0.7], "`hat` is not a number"),
        ([np.nan, np.nan, np.nan], "`hat` is not a number"),
        ([np.inf, 0.0, 0.0], "`hat` is no distribution: its probabilities sum to inf"),
        ([-np.inf, -np.inf, -np.inf], "`hat` is no distribution: its probabilities sum to 0"),
        ([0.0, 0.0, 0.0], "`hat` is no distribution: its probabilities sum to 3"),
    ],
)
def test_a_row_that_is_predicted_and_is_no_distribution(row, words):
    hat = logs(0, 4, 3)
    hat[2] = row
    with pytest.raises(ArtefactError, match=f"^run `03-x`: image `i2` of fold 7: {words} \\(1 such") as told:
        read(table(names(4), {HAT: hat, HUE: logs(1, 4, 2)}, fold=7), SPACE, "run `03-x`")
    assert told.value.hint


def test_columns_that_hold_no_numbers():
    words = table(["i"], {HAT: logs(0, 1, 3)}).with_columns(pl.lit("0.1").alias("hat=cap"))
    with pytest.raises(ArtefactError, match="`hat=cap` is String, expected Float32"):
        read(words, SPACE)


@given(SEEDS)
def test_rows_are_matched_by_image(seed):
    found = read(table(names(6), {HAT: logs(seed, 6, 3), HUE: logs(seed + 1, 6, 2)}), SPACE)
    order = np.random.default_rng(seed).permutation(6)
    moved = found.where(order).in_order(names(6))
    np.testing.assert_array_equal(moved.joint, found.joint)
    wider = found.where(order[:4]).in_order([*names(6), "gone"])
    assert wider.images.tolist() == [*names(6), "gone"]
    assert np.flatnonzero(wider.covered).tolist() == sorted(order[:4].tolist())
    np.testing.assert_array_equal(wider.codes[wider.covered], found.codes[np.sort(order[:4])])


def test_images_that_cannot_be_matched():
    found = read(table(["a", "b", "b"], {HAT: logs(0, 3, 3)}), SPACE, "run `x`")
    with pytest.raises(ArtefactError, match="run `x`: an image is predicted twice"):
        found.in_order(["a", "b", "c"], "run `x`")
    with pytest.raises(MismatchError, match="run `x`: 2 images not in the manifest, the first is `b`"):
        found.in_order(["a", "c", "d"], "run `x`")


@given(SEEDS, st.integers(1, 5), SCALES)
def test_average_is_the_mean_probability(seed, models, scale):
    blocks = [{HAT: logs(seed + i, 3, 3, scale), HUE: logs(seed + 10 + i, 3, 2, scale)} for i in range(models)]
    order = np.random.default_rng(seed).permutation(3 * models)
    stacked = pl.concat([table(names(3), b, fold) for fold, b in enumerate(blocks)])[order.tolist()]
    mean = read(stacked, SPACE).average(["i2", "i0", "i1"])
    assert mean.images.tolist() == ["i2", "i0", "i1"]
    expected = np.mean([np.exp(b[HAT]) for b in blocks], axis=0)[[2, 0, 1]]
    np.testing.assert_allclose(np.exp(mean.blocks["hat"]), expected, atol=1e-5)
    assert mean.blocks["hue"].dtype == np.float32


def test_average_keeps_what_is_far_below_the_smallest_float():
    low = np.array([[0.0, -800.0, -800.0]])
    mean = read(pl.concat([table(["i"], {HAT: low}), table(["i"], {HAT: low})]), SPACE).average(["i"])
    np.testing.assert_allclose(mean.blocks["hat"], low, atol=1e-3)


def test_average_of_missing_rows_and_images():
    one, two = logs(0, 2, 3), logs(1, 2, 3)
    two[0] = np.nan
    rows = pl.concat([table(["a", "b"], {HAT: one}, 0), table(["a", "b"], {HAT: two}, 1)])
    mean = read(rows, SPACE).average(["a", "b", "gone"])
    np.testing.assert_allclose(mean.blocks["hat"][0], one[0], atol=1e-6)
    assert mean.covered.tolist() == [True, True, False]
    assert mean.groups.tolist() == ["p", "p", None]


def test_average_refuses_images_of_another_list():
    rows = table(["a", "b"], {HAT: logs(0, 2, 3)})
    with pytest.raises(MismatchError, match="1 image not in the manifest, the first is `b`"):
        read(rows, SPACE).average(["a"])
    with pytest.raises(ArtefactError, match="names 1 image twice"):
        read(rows, SPACE).average(["a", "b", "b"])


# ---------------------------------------------------------------- what ordinal attributes have beside their classes

AGE = Attribute("age", ("young", "old"), cuts=(3,))
WITH_AGE = LabelSpace((*SPACE.attributes, AGE))
HUE_ONLY = SPACE.attribute("hue")
CLASSES, YEARS, SCORE = WITH_AGE.columns("age"), year_columns("age", (1, 2, 3, 4.5)), (score_column("age"),)


def age_blocks(seed: int, rows: int, scale: float = 3.0) -> dict[tuple[str, ...], np.ndarray]:
    """Values of age, and the classes that are their sums by the cut."""
    years = logs(seed, rows, 4, scale)
    return {CLASSES: log_sums(years, [0, 2, 4]), YEARS: years}


def test_names_of_the_columns_beside_the_classes():
    both = table(["i"], age_blocks(0, 1) | {SCORE: np.array([[0.5]])})
    assert YEARS == ("age:year=1", "age:year=2", "age:year=3", "age:year=4.5")
    assert year_values(both, "age") == (1, 2, 3, 4.5)
    assert year_values(both, "hat") == ()
    assert prediction_columns(both) == [*CLASSES, *YEARS, "age:score"]
    odd = LabelSpace((Attribute("hat", ("a:score", "b:year=1")), HUE_ONLY))
    assert prediction_columns(table(["i"], {odd.columns("hat"): logs(0, 1, 2)})) == ["hat=a:score", "hat=b:year=1"]


def test_classes_do_not_come_from_what_stands_beside_them():
    hue, ages = logs(3, 5, 2), age_blocks(0, 5)
    plain = table(names(5), {HUE: hue, CLASSES: ages[CLASSES]})
    more = table(names(5), {HUE: hue, **ages, SCORE: np.arange(5.0)[:, None]})
    assert read(more, WITH_AGE).attributes == ("hue", "age")
    for name, found in read(more, WITH_AGE).marginals.items():
        np.testing.assert_array_equal(found, read(plain, WITH_AGE).marginals[name])
    np.testing.assert_allclose(read(more, WITH_AGE).value_logs("age"), ages[YEARS], atol=1e-5)
    assert read(more, WITH_AGE).scores("age").tolist() == [0, 1, 2, 3, 4]
    part = LabelSpace((HUE_ONLY, AGE))
    np.testing.assert_array_equal(read(more, part).joint, read(plain, part).joint)


@given(SEEDS, st.integers(1, 4), SCALES)
def test_averaged_classes_are_still_sums_of_the_averaged_values(seed, models, scale):
    rows = [table(names(3), age_blocks(seed + i, 3, scale), fold=i) for i in range(models)]
    mean = read(pl.concat(rows), WITH_AGE).average(names(3))
    years = np.mean([np.exp(r.select(YEARS).to_numpy().astype(float)) for r in rows], axis=0)
    np.testing.assert_allclose(np.exp(mean.value_logs("age")), years, atol=1e-5)
    sums = np.exp(log_sums(mean.value_logs("age"), [0, 2, 4]))
    np.testing.assert_allclose(np.exp(mean.marginals["age"]), sums, atol=1e-5)
    assert {block.dtype for block in mean.blocks.values()} == {np.dtype(np.float32)}


def test_average_of_a_score_is_its_mean_over_the_covered_rows():
    def scored(values: list[float], fold: int) -> pl.DataFrame:
        classes = np.where(np.isnan(values)[:, None], np.nan, logs(0, 2, 2))
        return table(["a", "b"], {CLASSES: classes, SCORE: np.array(values)[:, None]}, fold)

    mean = read(pl.concat([scored([-1.0, np.nan], 0), scored([4.0, np.nan], 1)]), WITH_AGE).average(["b", "a", "gone"])
    np.testing.assert_array_equal(mean.scores("age"), [np.nan, 1.5, np.nan])
    assert mean.blocks["age:score"].dtype == np.float32


@pytest.mark.parametrize(
    ("columns", "value", "words"),
    [
        (SCORE, np.nan, "`age:score` is not a number"),
        (SCORE, np.inf, "`age:score` is inf"),
        (SCORE, -np.inf, "`age:score` is -inf"),
        (YEARS[1:2], np.nan, "`age:year` is not a number"),
    ],
)
def test_values_and_scores_of_a_covered_row_are_numbers(columns, value, words):
    whole = table(names(3), age_blocks(0, 3) | {SCORE: np.zeros((3, 1))})
    assert read(whole, WITH_AGE).covered.all()
    column = pl.when(pl.int_range(pl.len()) == 1).then(value).otherwise(pl.col(columns[0])).cast(pl.Float32)
    with pytest.raises(ArtefactError, match=f"^predictions: image `i1` of fold 0: {words} "):
        read(whole.with_columns(column.alias(columns[0])), WITH_AGE)


def test_columns_beside_the_classes_that_are_not_as_expected():
    years = age_blocks(0, 1)[YEARS]
    for blocks, words in (
        ({YEARS: years}, "`age:year=1` is there without `age=young`"),
        ({SCORE: np.zeros((1, 1))}, "`age:score` is there without `age=young`"),
        ({CLASSES: logs(0, 1, 2), YEARS[::-1]: years}, "values of `age:year=...` are not ascending"),
        ({HUE: logs(0, 1, 2), ("hue:score",): np.zeros((1, 1))}, "`hue:score` is not of this label space"),
        ({CLASSES: logs(0, 1, 2), ("age:year=02",): np.zeros((1, 1))}, "`age:year=02` is not of this label space"),
        ({CLASSES: logs(0, 1, 2), ("age:year=old",): np.zeros((1, 1))}, "could not convert string to float: 'old'"),
    ):
        with pytest.raises(ArtefactError, match=re.escape(words)):
            read(table(["i"], blocks), WITH_AGE)
    for ask in (Predictions.value_logs, Predictions.scores):
        with pytest.raises(ArtefactError, match="`hue`: no column"):
            ask(read(table(["i"], {HUE: logs(0, 1, 2)}), WITH_AGE), "hue")


# ------------------------------------------------------------------------------------------------- what is decided


@given(st.integers(0, 2**32 - 1))
def test_apart_equals_the_argmax_of_the_product(seed):
    apart = table(names(20), {HAT: logs(seed, 20, 3, 2), HUE: logs(seed + 1, 20, 2, 2)})
    best = read(apart, SPACE).joint.argmax(axis=1)
    np.testing.assert_array_equal(read(apart, SPACE).codes, SPACE.decode(best))


def test_the_joint_decides_where_it_is_there():
    joint = np.log([[0.30, 0.10, 0.05, 0.20, 0.05, 0.30]])  # ties: 0 and 5; marginals: none .40, blue .60
    codes = read(table(names(1), {SPACE.joint_columns: joint}), SPACE).codes
    assert codes.tolist() == [[0, 0]]


def test_ties_go_to_the_lowest_class():
    even = {HAT: np.log(np.full((2, 3), 1 / 3)), HUE: np.log(np.full((2, 2), 1 / 2))}
    assert read(table(names(2), even), SPACE).codes.tolist() == [[0, 0], [0, 0]]


def test_missing_attributes_and_rows():
    logs = np.log([[0.2, 0.8], [0.5, 0.5], [0.9, 0.1]])
    logs[1] = np.nan
    assert read(table(names(3), {HUE: logs}), SPACE).codes.tolist() == [[-1, 1], [-1, -1], [-1, 0]]


def test_values_and_scores_do_not_change_the_decision():
    classes, years = np.log([[0.4, 0.6], [0.8, 0.2]]), np.log([[0.1, 0.3, 0.3, 0.3], [0.7, 0.1, 0.1, 0.1]])
    alone, both = {CLASSES: classes}, {CLASSES: classes, YEARS: years, SCORE: np.array([[-5.0], [5.0]])}
    expected = [[-1, -1, 1], [-1, -1, 0]]
    assert read(table(names(2), alone), WITH_AGE).codes.tolist() == expected
    assert read(table(names(2), both), WITH_AGE).codes.tolist() == expected


def test_one_attribute_alone_is_decided_for_itself():
    joint = np.log([[0.30, 0.10, 0.05, 0.20, 0.05, 0.30]])
    found = read(table(names(1), {SPACE.joint_columns: joint}), SPACE)
    assert (found.codes.tolist(), found.only(["hue"]).codes.tolist()) == ([[0, 0]], [[1]])
    assert found.only(["hat", "hue"]) is found


@pytest.mark.parametrize("decided", [6, -2, 99])
def test_decided_classes_that_there_are_not_are_damage(decided):
    good = table(names(2), {SPACE.joint_columns: logs(0, 2, 6)})
    assert read(good.with_columns(decided=pl.Series([5, None], dtype=pl.Int32())), SPACE).classes.tolist() == [5, -1]
    with pytest.raises(ArtefactError, match=r"predictions: `decided` holds .*, expected 0 to 5"):
        read(good.with_columns(decided=pl.Series([0, decided], dtype=pl.Int32())), SPACE)


@pytest.mark.parametrize("value", ["nan", "inf", "x"])
def test_values_of_columns_are_finite_numbers(value):
    with pytest.raises(ArtefactError, match=r"columns `hat:year=...`: "):
        year_values(pl.DataFrame({f"hat:year={value}": [0.0]}), "hat")
