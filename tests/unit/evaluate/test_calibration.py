"""Temperatures, and how far probabilities can be believed: planted temperatures, closed forms, a reference."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_tables import (
    AGE,
    SPACE,
    block,
    calibrated,
    contest,
    drawn_codes,
    joint_table,
    product_table,
    read,
    rows,
    without,
)
from sklearn.metrics import brier_score_loss, log_loss

from facetwise.core.errors import InputError, SettingError
from facetwise.core.labels import LabelSpace
from facetwise.core.tables import year_columns
from facetwise.evaluate.calibration import (
    BINS,
    COLDEST,
    HOTTEST,
    ProbabilityScores,
    apply_temperatures,
    bin_of,
    expected_calibration_error,
    fit_temperature,
    fit_temperatures,
)
from facetwise.evaluate.compose import log_normalised, log_sums
from facetwise.evaluate.intervals import mean_interval
from facetwise.evaluate.prediction_columns import DECIDED
from facetwise.evaluate.reliability import check_calibration, reliability_curve, share_interval
from facetwise.evaluate.rules.cut_classes import cuts_used

SEEDS = st.integers(0, 2**32 - 1)
GRID = tuple(float(v) for v in range(20, 71, 5))


def sampled(rng: np.random.Generator, logs: np.ndarray) -> np.ndarray:
    """True classes drawn from the probabilities themselves."""
    return (rng.random(len(logs))[:, None] > np.exp(logs).cumsum(axis=1)).sum(axis=1)


def loss(logs: np.ndarray, truth: np.ndarray, temperature: float) -> float:
    return float(-log_normalised(logs / temperature)[np.arange(len(truth)), truth].mean())


# -------------------------------------------------------------------------------------------------------- temperature


@pytest.mark.parametrize("planted", [0.3, 0.8, 1.0, 1.7, 4.0])
def test_a_planted_temperature_is_found(planted):
    rng = np.random.default_rng(0)
    honest = log_normalised(rng.normal(0, 1.5, (20_000, 3)))
    truth = sampled(rng, honest)
    assert fit_temperature(log_normalised(honest * planted), truth) == pytest.approx(planted, rel=0.04)


@settings(max_examples=30)
@given(SEEDS, st.integers(2, 5))
def test_no_temperature_of_a_grid_is_more_likely(seed, size):
    rng = np.random.default_rng(seed)
    logs, truth = log_normalised(rng.normal(0, 2, (40, size))), rng.integers(0, size, 40)
    found = fit_temperature(logs, truth)
    assert COLDEST <= found <= HOTTEST
    assert loss(logs, truth, found) <= min(loss(logs, truth, t) for t in np.geomspace(COLDEST, HOTTEST, 60)) + 1e-9


@settings(max_examples=20)
@given(SEEDS, st.floats(0.2, 5))
def test_fitting_again_after_tempering_finds_one(seed, factor):
    rng = np.random.default_rng(seed)
    logs = log_normalised(rng.normal(0, 1, (300, 3)))
    truth = sampled(rng, logs)
    found = fit_temperature(logs, truth)
    if 0.1 < found < 5:
        assert fit_temperature(log_normalised(logs / found), truth) == pytest.approx(1, abs=1e-6)
        assert fit_temperature(log_normalised(logs * factor), truth) == pytest.approx(found * factor, rel=1e-6)


def test_at_its_ends_it_stops():
    sure = np.where(np.eye(3)[[0, 1, 2]] == 1, 0.0, -np.inf)
    assert fit_temperature(sure, np.array([0, 1, 2])) == pytest.approx(COLDEST)
    assert fit_temperature(log_normalised(np.eye(3)), np.array([1, 2, 0])) == pytest.approx(HOTTEST)


@settings(max_examples=20)
@given(SEEDS, st.floats(0.1, 10))
def test_a_temperature_changes_no_attribute_that_is_decided_by_itself(seed, temperature):
    table, _, _ = contest(seed % 1000, num_people=8)
    cooled = apply_temperatures(read(table), {"hue": temperature, "age": 1 / temperature})
    np.testing.assert_array_equal(cooled.codes, read(table).codes)


def test_temperature_one_changes_nothing():
    table, _, _ = contest(0, num_people=8)
    flat = joint_table(np.arange(table.height), read(table).joint)
    for same, temperatures in ((table, {"hue": 1.0, "age": 1.0}), (flat, {"joint": 1.0}), (table, {})):
        after = apply_temperatures(read(same), temperatures)
        assert list(after.blocks) == list(read(same).blocks)
        for name, block_before in read(same).blocks.items():
            assert after.blocks[name].dtype == block_before.dtype
            np.testing.assert_allclose(after.blocks[name], block_before, atol=1e-6)


def test_a_joint_temperature_takes_the_attributes_along():
    table, _, _ = contest(1, num_people=10)
    joint = read(table).joint
    both = table.hstack(block(SPACE.joint_columns, joint))
    after = apply_temperatures(read(both), {"joint": 2.0})
    np.testing.assert_allclose(after.joint, log_normalised(joint / 2), atol=1e-5)
    alone = replace(after, blocks={"joint": after.blocks["joint"]}).marginals
    for name, logs in after.marginals.items():
        np.testing.assert_allclose(logs, alone[name], atol=1e-5)
    assert set(fit_temperatures(rows(both, np.zeros((both.height, 2), np.int64)))) == {"joint"}


def test_classes_stay_the_sums_of_their_values():
    rng, people = np.random.default_rng(2), np.arange(30)
    years = log_normalised(rng.normal(0, 2, (30, len(GRID))))
    years[3] = np.where(np.array(GRID) < 30, -np.inf, years[3])  # a class without any probability
    years[3] = log_normalised(years[3:4])
    classes = log_sums(years, [0, *np.searchsorted(GRID, (30, 60)).tolist(), len(GRID)])
    table = product_table(people, {"hue": calibrated(rng, drawn_codes(rng, people))["hue"], "age": classes})
    table = table.hstack(block(year_columns("age", GRID), years))
    after = apply_temperatures(read(without(table, [7])), {"age": 2.5})
    assert cuts_used(after, "age") == (30, 60)  # raises where classes are no sums
    assert all(np.isnan(found[7]).all() for found in after.blocks.values())
    expected = log_normalised(classes / 2.5)
    kept = np.delete(np.arange(30), 7)
    np.testing.assert_allclose(np.exp(after.marginals["age"])[kept], np.exp(expected)[kept], atol=1e-6)
    np.testing.assert_array_equal(after.blocks["hue"][kept], table.select(SPACE.columns("hue")).to_numpy()[kept])


def test_what_was_decided_goes_with_the_probabilities_it_was_decided_by():
    table, _, _ = contest(3, num_people=6)
    decided = table.with_columns(pl.lit(1, dtype=pl.Int32).alias(DECIDED))
    assert apply_temperatures(read(decided), {"age": 2.0}).decided is None


def test_temperatures_that_cannot_be():
    table, _, _ = contest(3, num_people=6)
    with pytest.raises(SettingError, match="have no block `ages`"):
        apply_temperatures(read(table), {"ages": 2.0})
    with pytest.raises(SettingError, match="have no block `joint`"):
        apply_temperatures(read(table), {"joint": 2.0})
    for wrong in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(SettingError, match="the temperature of `age` must be a number above 0"):
            apply_temperatures(read(table), {"age": wrong})


# -------------------------------------------------------------------------------------------------------- the measures


def test_the_measures_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    logs, truth = log_normalised(rng.normal(0, 1, (50, 2))), rng.integers(0, 2, 50)
    found = ProbabilityScores.of(logs, truth)
    assert found.nll == pytest.approx(log_loss(truth, np.exp(logs)))
    assert found.brier == pytest.approx(2 * brier_score_loss(truth, np.exp(logs[:, 1])))


def test_the_calibration_error_by_hand():
    """Two bins: 0.6 sure and half right; 0.9 sure and all right. (2 x 0.1 + 2 x 0.1) / 4."""
    confidence, right = np.array([0.6, 0.6, 0.9, 0.9]), np.array([True, False, True, True])
    assert expected_calibration_error(confidence, right) == pytest.approx(0.1)
    assert bin_of(np.array([0.0, 1 / 3, 0.34, 1.0]), 3).tolist() == [0, 0, 1, 2]
    curve = reliability_curve(confidence, right, ["a", "b", "c", "c"])
    assert [(b.confidence, b.right, b.num_images, b.num_people) for b in curve] == [(0.6, 0.5, 2, 2), (0.9, 1.0, 2, 1)]
    weighted = sum(b.num_images * abs(b.confidence - b.right) for b in curve) / 4
    assert weighted == pytest.approx(expected_calibration_error(confidence, right))
    assert all(b.low < b.confidence <= b.high for b in curve)
    assert all(b.high - b.low == pytest.approx(1 / BINS) for b in curve)


def test_probabilities_that_mean_what_they_say_have_a_small_error():
    rng = np.random.default_rng(0)
    logs = log_normalised(rng.normal(0, 1.5, (30_000, 3)))
    truth = sampled(rng, logs)
    assert ProbabilityScores.of(logs, truth).ece < 0.012
    assert ProbabilityScores.of(log_normalised(logs * 3), truth).ece > 0.1
    for b in reliability_curve(np.exp(logs).max(axis=1), logs.argmax(axis=1) == truth, np.arange(len(logs))):
        assert b.right_interval.low - 0.02 < b.confidence < b.right_interval.high + 0.02


def test_the_interval_of_a_share_goes_by_person():
    """Seven images that always agree are worth one: the interval is that of the people alone."""
    right = np.random.default_rng(0).random(60) < 0.7
    alone = share_interval(right, np.arange(60))
    seven = share_interval(np.repeat(right, 7), np.repeat(np.arange(60), 7))
    assert (seven.low, seven.high) == (pytest.approx(alone.low, abs=1e-6), pytest.approx(alone.high, abs=1e-6))
    assert alone.low < right.mean() < alone.high
    # Wilson's interval for 60 rows, but for the 60 / 59 of an unbiased variance and Student's t for 59.
    z, p = 1.959964, right.mean()
    n = 59.0 * (z / 2.000995) ** 2
    expected = (p + z * z / 2 / n - z * np.sqrt(p * (1 - p) / n + z * z / 4 / n / n)) / (1 + z * z / n)
    assert alone.low == pytest.approx(expected, abs=1e-4)
    every = share_interval(np.ones(70, bool), np.repeat(np.arange(10), 7))
    assert every.high == 1
    assert every.low == pytest.approx(10 / (10 + z * z), abs=1e-6)


@pytest.mark.parametrize("right", [[True, False, True], [True, False, True] * 3])
def test_where_people_do_not_differ_each_counts_as_one_row(right):
    """Also where the sums of floats would not cancel: one person, or three that are right two times of three."""
    found = share_interval(np.array(right), np.arange(len(right)) // 3)
    z2, p, n = 1.959964**2, 2 / 3, len(right) / 3
    spread = np.sqrt(z2 * (p * (1 - p) / n + z2 / 4 / n**2))
    assert found.low == pytest.approx((p + z2 / 2 / n - spread) / (1 + z2 / n), abs=1e-6)
    assert found.high == pytest.approx((p + z2 / 2 / n + spread) / (1 + z2 / n), abs=1e-6)


def test_the_share_of_few_people_is_less_certain_than_that_of_as_many_rows():
    """Two people, one always right and one never: a t of one degree of freedom, 12.7062, leaves next to nothing."""
    found = share_interval(np.array([True] * 4 + [False] * 4), np.repeat([0, 1], 4))
    n, z2 = (1.959964 / 12.7062) ** 2, 1.959964**2
    half = np.sqrt(z2 * (1 / n + z2 / n**2) / 4) / (1 + z2 / n)
    assert (found.low, found.high) == (pytest.approx(0.5 - half, abs=1e-5), pytest.approx(0.5 + half, abs=1e-5))
    assert found.high - found.low > 0.98


def test_the_interval_of_a_mean_goes_by_person():
    rng = np.random.default_rng(0)
    values = rng.normal(2, 1, 80)
    alone = mean_interval(values, np.arange(80))
    seven = mean_interval(np.repeat(values, 7), np.repeat(np.arange(80), 7))
    assert (seven.low, seven.high) == (pytest.approx(alone.low), pytest.approx(alone.high))
    assert alone.low < values.mean() < alone.high
    assert alone.high - alone.low == pytest.approx(2 * 1.96 * values.std(ddof=1) / np.sqrt(80), rel=0.15)
    assert mean_interval([1.0, 3.0], ["a", "a"]).low == -np.inf
    with pytest.raises(ValueError, match="`groups` must be a list or array of shape"):
        mean_interval([1.0, 2.0], ["a", "b", "c"])


# ----------------------------------------------------------------------------------------------------- what it is worth


def too_sure(seed: int, factor: float = 2.5) -> tuple[pl.DataFrame, np.ndarray, np.ndarray]:
    """A contest whose hue is calibrated, and whose age is surer than it should be."""
    table, codes, people = contest(seed, num_people=120)
    logs = log_normalised(table.select(SPACE.columns("age")).to_numpy().astype(np.float64) * factor)
    return table.with_columns(block(SPACE.columns("age"), logs)), codes, people


def test_only_what_is_too_sure_gets_better():
    table, codes, _ = too_sure(0)
    check = check_calibration(rows(table, codes), resamples=300)
    hue, age, joint = check.parts
    assert [p.name for p in check.parts] == ["hue", "age", "joint"]
    assert check.temperatures["age"] == pytest.approx(2.5, rel=0.25)
    assert check.temperatures["hue"] == pytest.approx(1, abs=0.25)
    assert age.difference_interval.high < 0
    assert age.after.fit.nll - age.before.fit.nll == pytest.approx(age.difference)
    assert age.after.fit.ece < age.before.fit.ece
    assert age.before.confidence > age.accuracy
    assert hue.difference_interval.high > -0.01
    assert joint.difference < 0
    assert (check.num_images, check.num_people, check.num_left_out) == (360, 120, 0)
    assert json.loads(json.dumps(check.as_dict()))["parts"][1]["name"] == "age"


def test_each_part_is_tempered_by_the_others():
    table, codes, _ = too_sure(1)
    check = check_calibration(rows(table, codes), seed=4, resamples=10)
    part, losses = rows(table, codes).truth.parts(4), []
    for p, temperatures in enumerate(check.by_part):
        others = part != p
        logs = {n: read(table).marginals[n] for n in SPACE.names}
        assert temperatures["age"] == fit_temperature(logs["age"][others], codes[others, 1])
        own = log_normalised(logs["age"][part == p] / temperatures["age"])
        losses.append(-own[np.arange(len(own)), codes[part == p, 1]])
    assert check.parts[1].after.fit.nll == pytest.approx(np.concatenate(losses).mean(), abs=1e-6)


def test_a_flat_head_has_one_temperature_and_a_specialist_its_own():
    table, codes, _ = too_sure(2)
    flat = joint_table(np.arange(table.height), log_normalised(read(table).joint * 2))
    check = check_calibration(rows(flat, codes), resamples=10)
    assert set(check.temperatures) == {"joint"}
    assert [p.name for p in check.parts] == ["hue", "age", "joint"]
    assert check.temperatures["joint"] > 1.5
    space = LabelSpace((AGE,))
    alone = check_calibration(rows(table.drop(SPACE.columns("hue")), codes[:, 1:], space=space), resamples=10)
    assert [p.name for p in alone.parts] == ["age"]


def test_rows_without_a_prediction_are_left_out_and_counted():
    table, codes, people = too_sure(3)
    gone = [4, 9, 31]
    holes = without(table, gone)
    kept = np.delete(np.arange(len(codes)), gone)
    one = check_calibration(rows(holes, codes), resamples=10)
    two = check_calibration(rows(table[kept.tolist()], codes[kept], people=people[kept]), resamples=10)
    assert one.num_left_out == 3
    assert {**one.as_dict(), "num_left_out": 0} == two.as_dict()


def test_too_few_people():
    table, codes, _ = contest(0, num_people=4)
    with pytest.raises(InputError, match="predictions of 4 people: a nested estimate needs 5"):
        check_calibration(rows(table, codes))
