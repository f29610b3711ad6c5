"""Prediction tables to probabilities: laws of the product, of the marginal and of the average."""

from __future__ import annotations

import re

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facetwise.core.errors import ArtefactError, InputError
from facetwise.core.labels import Attribute, LabelSpace
from facetwise.core.tables import (
    PREDICTIONS,
    check_table,
    prediction_columns,
    probability_columns,
    score_column,
    year_columns,
    year_values,
)
from facetwise.evaluate.compose import (
    attributes_in,
    average,
    covered,
    joint_log_probs,
    log_normalised,
    log_sums,
    marginals,
    scores_of,
    subspace,
    year_log_probs,
)

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


def names(rows: int) -> list[str]:
    return [f"i{i}" for i in range(rows)]


SEEDS = st.integers(0, 2**32 - 1)
SCALES = st.sampled_from([0.1, 3.0, 80.0])


@given(SEEDS, SCALES)
def test_joint_of_a_product_gives_its_factors_back(seed, scale):
    hat, hue = logs(seed, 4, 3, scale), logs(seed + 1, 4, 2, scale)
    apart = table(names(4), {HAT: hat, HUE: hue})
    joint = joint_log_probs(apart, SPACE)
    np.testing.assert_allclose(np.exp(joint).sum(axis=1), 1, atol=1e-6)
    for i, codes in enumerate(SPACE.decode(np.arange(6))):
        np.testing.assert_allclose(joint[:, i], hat[:, codes[0]] + hue[:, codes[1]], rtol=1e-5, atol=1e-5)
    together = marginals(table(names(4), {SPACE.joint_columns: joint}), SPACE)
    for name, expected in (("hat", hat), ("hue", hue)):
        np.testing.assert_allclose(together[name], expected, rtol=1e-5, atol=1e-5)


@given(SEEDS, SCALES)
def test_marginals_are_sums_of_joint_probabilities(seed, scale):
    joint = logs(seed, 5, 6, scale)
    found = marginals(table(names(5), {SPACE.joint_columns: joint}), SPACE)
    cube = np.exp(joint).reshape(5, 3, 2)
    np.testing.assert_allclose(np.exp(found["hat"]), cube.sum(axis=2), atol=1e-6)
    np.testing.assert_allclose(np.exp(found["hue"]), cube.sum(axis=1), atol=1e-6)


def test_own_columns_win_over_the_joint():
    hue = logs(1, 3, 2)
    both = table(names(3), {HUE: hue, SPACE.joint_columns: logs(2, 3, 6)})
    np.testing.assert_allclose(marginals(both, SPACE)["hue"], hue, atol=1e-5)


def test_far_apart_logs_do_not_overflow_or_vanish():
    joint = np.array([[-1000.0, -1001.0, -3000.0, -3000.0, -3000.0, -3000.0]])
    found = marginals(table(["i"], {SPACE.joint_columns: joint}), SPACE)
    np.testing.assert_allclose(found["hue"], log_normalised(np.array([[0.0, -1.0]])), atol=1e-5)
    assert np.isfinite(found["hat"]).all()


def test_attributes_in():
    assert attributes_in(table(["i"], {HUE: logs(0, 1, 2)}), SPACE) == ("hue",)
    assert attributes_in(table(["i"], {HUE: logs(0, 1, 2), HAT: logs(0, 1, 3)}), SPACE) == ("hat", "hue")
    assert attributes_in(table(["i"], {SPACE.joint_columns: logs(0, 1, 6)}), SPACE) == ("hat", "hue")
    assert subspace(SPACE, ["hue"]).names == ("hue",)


def test_columns_that_are_not_of_the_space():
    with pytest.raises(ArtefactError, match="`hat=helmet` is missing"):
        attributes_in(table(["i"], {HAT[:2]: logs(0, 1, 2)}), SPACE)
    with pytest.raises(ArtefactError, match="`hue=green` is not of this label space"):
        attributes_in(table(["i"], {(*HUE, "hue=green"): logs(0, 1, 3)}), SPACE)
    with pytest.raises(ArtefactError, match="`joint=6` is not"):
        attributes_in(table(["i"], {(*SPACE.joint_columns, "joint=6"): logs(0, 1, 7)}), SPACE)
    with pytest.raises(ArtefactError, match="no prediction columns"):
        attributes_in(table(["i"], {}), SPACE)


def test_no_joint_of_a_specialist_or_of_too_many_classes():
    with pytest.raises(InputError, match="lack `hat`"):
        joint_log_probs(table(["i"], {HUE: logs(0, 1, 2)}), SPACE)
    classes = tuple(f"c{i}" for i in range(30))
    wide = LabelSpace(tuple(Attribute(name, classes) for name in "abcd"))
    apart = table(["i"], {wide.columns(n): logs(0, 1, 30) for n in wide.names})
    assert set(marginals(apart, wide)) == set("abcd")
    with pytest.raises(InputError, match="810000 joint classes"):
        joint_log_probs(apart, wide)


def test_missing_rows_stay_missing():
    hat, hue = logs(0, 4, 3), logs(1, 4, 2)
    hat[1, 0] = np.nan
    hue[2] = -np.inf  # a model that gave no class any probability said nothing
    both = table(names(4), {HAT: hat, HUE: hue})
    assert covered(both).tolist() == [True, False, False, True]
    assert np.isnan(joint_log_probs(both, SPACE)).any(axis=1).tolist() == [False, True, True, False]


@given(SEEDS, st.integers(1, 5), SCALES)
def test_average_is_the_mean_probability(seed, models, scale):
    blocks = [{HAT: logs(seed + i, 3, 3, scale), HUE: logs(seed + 10 + i, 3, 2, scale)} for i in range(models)]
    order = np.random.default_rng(seed).permutation(3 * models)
    stacked = pl.concat([table(names(3), b, fold) for fold, b in enumerate(blocks)])[order.tolist()]
    mean = average(stacked, ["i2", "i0", "i1"], SPACE)
    check_table(mean, PREDICTIONS, "average")
    assert mean["image"].to_list() == ["i2", "i0", "i1"]
    expected = np.mean([np.exp(b[HAT]) for b in blocks], axis=0)[[2, 0, 1]]
    np.testing.assert_allclose(np.exp(mean.select(HAT).to_numpy()), expected, atol=1e-5)
    assert mean.schema["hue=red"] == pl.Float32


def test_average_keeps_what_is_far_below_the_smallest_float():
    low = np.array([[0.0, -800.0, -800.0]])
    mean = average(pl.concat([table(["i"], {HAT: low}), table(["i"], {HAT: low})]), ["i"], SPACE)
    np.testing.assert_allclose(mean.select(HAT).to_numpy(), low, atol=1e-3)


def test_average_of_missing_rows_and_images():
    one, two = logs(0, 2, 3), logs(1, 2, 3)
    two[0] = np.nan
    rows = pl.concat([table(["a", "b"], {HAT: one}, 0), table(["a", "b"], {HAT: two}, 1)])
    mean = average(rows, ["a", "b", "gone"], SPACE)
    np.testing.assert_allclose(mean.select(HAT).to_numpy()[0], one[0], atol=1e-6)
    assert covered(mean).tolist() == [True, True, False]
    assert mean["group"].to_list() == ["p", "p", None]


def test_average_refuses_images_of_another_list():
    rows = table(["a", "b"], {HAT: logs(0, 2, 3)})
    with pytest.raises(ArtefactError, match="1 image\\(s\\) that are not in the image list, the first is 'b'"):
        average(rows, ["a"], SPACE)
    with pytest.raises(ArtefactError, match="names 1 image\\(s\\) twice"):
        average(rows, ["a", "b", "b"], SPACE)


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
    assert probability_columns(both) == [*CLASSES, *YEARS]
    assert prediction_columns(both) == [*CLASSES, *YEARS, "age:score"]
    odd = LabelSpace((Attribute("hat", ("a:score", "b:year=1")), HUE_ONLY))
    assert prediction_columns(table(["i"], {odd.columns("hat"): logs(0, 1, 2)})) == ["hat=a:score", "hat=b:year=1"]


def test_classes_do_not_come_from_what_stands_beside_them():
    hue, ages = logs(3, 5, 2), age_blocks(0, 5)
    plain = table(names(5), {HUE: hue, CLASSES: ages[CLASSES]})
    more = table(names(5), {HUE: hue, **ages, SCORE: np.arange(5.0)[:, None]})
    assert attributes_in(more, WITH_AGE) == ("hue", "age")
    for name, found in marginals(more, WITH_AGE).items():
        np.testing.assert_array_equal(found, marginals(plain, WITH_AGE)[name])
    np.testing.assert_allclose(year_log_probs(more, "age"), ages[YEARS], atol=1e-5)
    assert scores_of(more, "age").tolist() == [0, 1, 2, 3, 4]
    part = LabelSpace((HUE_ONLY, AGE))
    np.testing.assert_array_equal(joint_log_probs(more, part), joint_log_probs(plain, part))


@given(SEEDS, st.integers(1, 4), SCALES)
def test_averaged_classes_are_still_sums_of_the_averaged_values(seed, models, scale):
    rows = [table(names(3), age_blocks(seed + i, 3, scale), fold=i) for i in range(models)]
    mean = average(pl.concat(rows), names(3), WITH_AGE)
    years = np.mean([np.exp(r.select(YEARS).to_numpy().astype(float)) for r in rows], axis=0)
    np.testing.assert_allclose(np.exp(mean.select(YEARS).to_numpy()), years, atol=1e-5)
    sums = np.exp(log_sums(year_log_probs(mean, "age"), [0, 2, 4]))
    np.testing.assert_allclose(np.exp(mean.select(CLASSES).to_numpy()), sums, atol=1e-5)
    assert {mean.schema[c] for c in (*CLASSES, *YEARS)} == {pl.Float32}


def test_average_of_a_score_is_its_mean_over_the_covered_rows():
    def scored(values: list[float], fold: int) -> pl.DataFrame:
        return table(["a", "b"], {CLASSES: logs(0, 2, 2), SCORE: np.array(values)[:, None]}, fold)

    mean = average(pl.concat([scored([-1.0, np.nan], 0), scored([4.0, np.nan], 1)]), ["b", "a", "gone"], WITH_AGE)
    np.testing.assert_array_equal(mean["age:score"].to_numpy(), [np.nan, 1.5, np.nan])
    assert mean.schema["age:score"] == pl.Float32
    assert mean.columns[-3:] == ["age=young", "age=old", "age:score"]


def test_a_row_without_values_or_score_is_not_covered():
    blocks = age_blocks(0, 4) | {SCORE: np.array([[0.0], [np.nan], [1.0], [np.inf]])}
    blocks[YEARS][2, 1] = np.nan
    assert covered(table(names(4), blocks)).tolist() == [True, False, False, False]
    assert covered(table(names(1), age_blocks(0, 1))).tolist() == [True]


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
            attributes_in(table(["i"], blocks), WITH_AGE)
    for ask in (year_log_probs, scores_of):
        with pytest.raises(ArtefactError, match="`hue`: no column"):
            ask(table(["i"], {HUE: logs(0, 1, 2)}), "hue")
