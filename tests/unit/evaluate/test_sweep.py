"""One number that decides rows: its score at every value against counting anew, and the value that is taken."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from facetwise.core.choices import Metric
from facetwise.evaluate.metrics import macro_f1, score_of
from facetwise.evaluate.rules.sweep import Range, Switch, best_value, score_as_rows_change

SEEDS = st.integers(0, 2**32 - 1)
METRICS = st.sampled_from(get_args(Metric))
RANGE = Range(-2.0, 0.0, 2.0, margin=0.05)


def drawn(seed: int, n: int = 25, classes: int = 4, *, coarse: bool = False) -> tuple[Switch, np.ndarray]:
    """Rows that change class at places around 0, and true classes; `coarse`: many change at one place."""
    rng = np.random.default_rng(seed)
    at = rng.normal(0, 1.5, n)
    at = np.where(rng.random(n) < 0.1, rng.choice([-np.inf, np.inf], n), np.round(at * 2) / 2 if coarse else at)
    return Switch(at, rng.integers(0, classes, n), rng.integers(0, classes, n)), rng.integers(0, classes, n)


def said(switch: Switch, value: float) -> np.ndarray:
    return np.where(switch.at < value, switch.above, switch.below)


@settings(max_examples=20)
@given(SEEDS, st.integers(2, 6))
def test_the_running_score_is_that_of_scikit_learn(seed, classes):
    switch, truth = drawn(seed, n=18, classes=classes)
    order = np.random.default_rng(seed).permutation(18)[:11]
    found = score_as_rows_change(switch.below, switch.above, order, truth, classes)
    for changed in range(len(order) + 1):
        now = switch.below.copy()
        now[order[:changed]] = switch.above[order[:changed]]
        expected = f1_score(truth, now, labels=range(classes), average="macro", zero_division=0)
        assert found[changed] == pytest.approx(expected, abs=1e-12)


@settings(max_examples=20)
@given(SEEDS, METRICS)
def test_the_running_score_is_that_of_counting_anew_by_any_metric(seed, metric):
    switch, truth = drawn(seed, n=18, classes=5)
    order = np.random.default_rng(seed).permutation(18)[:11]
    found = score_as_rows_change(switch.below, switch.above, order, truth, 5, metric)
    for changed in range(len(order) + 1):
        now = switch.below.copy()
        now[order[:changed]] = switch.above[order[:changed]]
        assert found[changed] == pytest.approx(score_of(metric, truth, now, 5), abs=1e-12)


def test_nothing_changes_without_rows():
    truth = np.array([0, 1, 1])
    assert score_as_rows_change(truth, truth, np.array([], int), truth, 2).tolist() == [1.0]


@settings(max_examples=80)
@given(SEEDS, st.booleans(), METRICS)
def test_the_value_is_the_best_of_all_between_two_rows(seed, coarse, metric):
    switch, truth = drawn(seed, coarse=coarse)
    value = best_value(switch, truth, 4, 0.0, RANGE, metric)
    assert RANGE.low <= value <= RANGE.high
    places = np.unique([-2.0, *switch.at[np.abs(switch.at) < 2], 2.0])
    best = max(score_of(metric, truth, said(switch, v), 4) for v in (places[1:] + places[:-1]) / 2)
    assert score_of(metric, truth, said(switch, value), 4) >= best - 1.1e-5  # less is not worth a move


@settings(max_examples=40)
@given(SEEDS)
def test_a_value_within_the_range_wins_only_when_it_is_better(seed):
    switch, truth = drawn(seed)
    value = best_value(switch, truth, 4, 0.3, RANGE)
    if value != 0.3:
        before, after = (macro_f1(truth, said(switch, v), 4) for v in (0.3, value))
        assert after > before or (after == before and abs(value) < 0.3)
    assert best_value(switch, truth, 4, value, RANGE) == value


def test_of_equal_values_the_one_that_changes_nothing_is_taken():
    """Both rows are right anywhere between -1 and 1, and only there."""
    switch = Switch(np.array([-1.0, 1.0]), np.array([1, 0]), np.array([0, 1]))
    truth = np.array([0, 0])
    for now in (-0.7, 0.0, 0.4, 1.9):
        assert best_value(switch, truth, 2, now, RANGE) == 0.0


def test_a_value_stands_halfway_and_no_further_than_the_margin():
    rows, truth = np.array([0, 0]), np.array([1, 0])
    wide = Switch(np.array([0.5, 1.5]), rows, rows + 1)
    assert best_value(wide, truth, 2, 0.0, RANGE) == pytest.approx(0.55)
    narrow = Switch(np.array([0.5, 0.52]), rows, rows + 1)
    assert best_value(narrow, truth, 2, 0.0, RANGE) == pytest.approx(0.51)
    below = Switch(np.array([-0.5, -1.5]), rows + 1, rows)
    assert best_value(below, truth, 2, 0.0, RANGE) == pytest.approx(-0.55)


def test_a_price_forbids_moves_that_bring_too_little():
    """One row in twenty turns right at 1: that is +0.03, and not worth 0.05 a unit."""
    at = np.array([1.0] + [np.inf] * 19)
    switch = Switch(at, np.zeros(20, int), np.ones(20, int))
    truth = np.array([1] + [0] * 18 + [1])
    gain = macro_f1(truth, said(switch, 1.5), 2) - macro_f1(truth, said(switch, 0.0), 2)
    for price, moves in ((gain / 2, True), (gain * 2, False)):
        value = best_value(switch, truth, 2, 0.0, Range(-2, 0, 2, 0.05, price))
        assert (value > 1) is moves
