"""Class multipliers and thresholds: what they decide, and the ascent against trying everything."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_tables import AGE, HUE, SPACE, calibrated, contest, drawn_codes, joint_table, noise, product_table, read

from facetwise.core.labels import Attribute, LabelSpace
from facetwise.evaluate.compose import log_normalised
from facetwise.evaluate.metrics import macro_f1
from facetwise.evaluate.rules.multipliers import MOST, attribute_task, fit_multipliers, joint_task, spread
from facetwise.evaluate.rules.thresholds import at_least, classes_at_least, fit_thresholds

SEEDS = st.integers(0, 2**32 - 1)


def random_logs(seed: int, size: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.7, size)


@settings(max_examples=30)
@given(SEEDS)
def test_without_multipliers_it_is_the_argmax(seed):
    table, _, _ = contest(seed % 1000, num_people=8)
    for task in (attribute_task(read(table)), joint_task(read(table))):
        np.testing.assert_array_equal(task.decide(np.zeros(len(task.coordinates))), read(table).classes)


@settings(max_examples=30)
@given(SEEDS)
def test_a_product_is_decided_alike_by_attribute_as_joint_and_as_joint_columns(seed):
    rng, people = np.random.default_rng(seed), np.arange(30)
    logs, m = noise(rng, drawn_codes(rng, people)), random_logs(seed)
    table = product_table(people, logs)
    flat = joint_table(people, read(table).joint)
    decided = [
        attribute_task(read(table)).decide(m),
        attribute_task(read(flat)).decide(m),
        joint_task(read(flat)).decide(spread(m, SPACE)),
    ]
    np.testing.assert_array_equal(decided[0], decided[1])
    np.testing.assert_array_equal(decided[0], decided[2])


@settings(max_examples=30)
@given(SEEDS, st.floats(-3, 3))
def test_a_common_factor_of_an_attribute_changes_nothing(seed, shift):
    table, _, _ = contest(seed % 1000, num_people=8)
    m, task = random_logs(seed), attribute_task(read(table))
    shifted = m + np.array([0, 0, shift, shift, shift])
    np.testing.assert_array_equal(task.decide(m), task.decide(shifted))


@pytest.mark.parametrize("kind", ["attribute", "joint"])
def test_the_class_with_most_images_keeps_one_and_others_stay_within_range(kind):
    table, codes, _ = contest(3, num_people=30)
    task = attribute_task(read(table)) if kind == "attribute" else joint_task(read(table))
    truth = SPACE.encode(codes)
    found = fit_multipliers(task, truth)
    for family in {c.family for c in task.coordinates}:
        own = [i for i, c in enumerate(task.coordinates) if c.family == family]
        assert found[max(own, key=lambda i: task.images(truth)[i])] == 0
    assert np.abs(found).max() <= np.log(MOST)
    np.testing.assert_array_equal(found, fit_multipliers(task, truth))


@settings(max_examples=15)
@given(SEEDS)
def test_the_ascent_of_one_multiplier_is_as_good_as_trying_all(seed):
    """Two classes have one multiplier that is free, so the ascent is exact."""
    rng, people = np.random.default_rng(seed), np.arange(25)
    space = LabelSpace((HUE,))
    codes = rng.integers(0, 2, (25, 1))
    table = product_table(people, {"hue": log_normalised(rng.normal(0, 1, (25, 2)))}, space)
    task = attribute_task(read(table, space))
    fitted = macro_f1(codes[:, 0], task.decide(fit_multipliers(task, codes[:, 0])), 2)
    free = int(codes.sum() * 2 < 25)
    tried = (np.eye(2)[free] * w for w in np.linspace(-np.log(MOST), np.log(MOST), 500))
    assert fitted >= max(macro_f1(codes[:, 0], task.decide(m), 2) for m in tried) - 1e-5


def test_no_single_multiplier_can_be_moved_for_the_better_and_a_coarse_grid_is_no_better():
    table, codes, _ = contest(5, num_people=25, images=2)
    truth, task = SPACE.encode(codes), attribute_task(read(table))
    found = fit_multipliers(task, truth)
    best = macro_f1(truth, task.decide(found), 6)
    assert best >= macro_f1(truth, read(table).classes, 6)
    for c in np.flatnonzero(found):
        for w in np.linspace(-np.log(MOST), np.log(MOST), 100):
            moved = np.where(np.arange(5) == c, w, found)
            assert macro_f1(truth, task.decide(moved), 6) <= best + 1.1e-5
    grid = np.log([0.25, 0.5, 1, 2, 4])
    tried = (np.array([0, a, 0, b, c]) for a, b, c in product(grid, grid, grid))
    coarse = max(macro_f1(truth, task.decide(m), 6) for m in tried)
    assert best >= coarse - 0.02  # a local maximum, and here one that comes near the best of 125 combinations


def test_on_calibrated_probabilities_the_threshold_is_that_of_the_closed_form():
    """The probability of each row is known exactly, and so is the macro F1 that a threshold can be expected to have."""
    rng, n = np.random.default_rng(0), 20_000
    probability = np.repeat(np.linspace(0.005, 0.995, 200) ** 2, n // 200)
    truth = (rng.random(n) < probability).astype(np.int64)
    space = LabelSpace((HUE,))
    table = product_table(np.arange(n), {"hue": np.log(np.stack([1 - probability, probability], axis=1))}, space)
    task = attribute_task(read(table, space))
    found = fit_multipliers(task, truth)
    threshold = 1 / (1 + np.exp(found[1] - found[0]))

    def expected(t: float) -> float:
        """Macro F1 that a threshold is expected to have, counted in probabilities and not in drawn classes."""
        said = probability > t
        hits, misses = probability[said].sum(), (1 - probability)[~said].sum()
        positive, negative = probability.sum(), (1 - probability).sum()
        return float(hits / (said.sum() + positive) + misses / ((~said).sum() + negative))

    best = max(np.linspace(0.01, 0.9, 400), key=expected)
    assert threshold == pytest.approx(best, abs=0.05)
    assert expected(threshold) > expected(best) - 1e-3
    assert best < 0.5


@settings(max_examples=10)
@given(SEEDS)
def test_relabelled_classes_give_relabelled_multipliers(seed):
    rng = np.random.default_rng(seed)
    people = np.repeat(np.arange(40), 2)
    codes = drawn_codes(rng, people)
    codes[:6, 1], codes[6:9, 1] = 0, 1  # the numbers of images differ, or the order of the ascent is a matter of names
    counts = [np.bincount(codes[:, a], minlength=s) for a, s in enumerate(SPACE.sizes)]
    if any(len(set(c.tolist())) < len(c) for c in counts):
        return
    logs = calibrated(rng, codes)
    order = {"hue": [1, 0], "age": [2, 0, 1]}
    found = fit_multipliers(attribute_task(read(product_table(people, logs))), SPACE.encode(codes))
    other = {n: logs[n][:, order[n]] for n in logs}
    moved = np.stack([np.argsort(order[n])[codes[:, a]] for a, n in enumerate(SPACE.names)], axis=1)
    again = fit_multipliers(attribute_task(read(product_table(people, other))), SPACE.encode(moved))
    np.testing.assert_allclose(again[:2], found[:2][order["hue"]], atol=1e-6)
    np.testing.assert_allclose(again[2:], found[2:][order["age"]], atol=1e-6)


@pytest.mark.parametrize("permuted", [False, True])
def test_the_order_of_rows_does_not_matter(permuted):
    table, codes, _ = contest(8)
    order = np.random.default_rng(1).permutation(len(codes)) if permuted else np.arange(len(codes))
    found = fit_multipliers(attribute_task(read(table[order.tolist()])), SPACE.encode(codes[order]))
    expected = fit_multipliers(attribute_task(read(table)), SPACE.encode(codes))
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_a_class_that_is_ruled_out_stays_so():
    """Probability 0 times any multiplier is 0, and a certain row keeps its class."""
    space = LabelSpace((AGE,))
    hard = np.where(np.eye(3)[[0, 1, 2, 0]] == 1, 0.0, -np.inf)
    task = attribute_task(read(product_table(np.arange(4), {"age": hard}, space), space))
    found = fit_multipliers(task, np.array([1, 1, 2, 0]))
    assert task.decide(found).tolist() == [0, 1, 2, 0]


# ------------------------------------------------------------------------------------------- at least this class


def test_at_least_sums_a_class_and_the_higher_ones():
    probs = at_least(np.log([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7]]))
    np.testing.assert_allclose(probs, [[0.5, 0.2], [0.9, 0.7]])
    assert classes_at_least(probs, (0.5, 0.5)).tolist() == [1, 2]
    assert classes_at_least(probs, (0.6, 0.5)).tolist() == [0, 2]
    assert classes_at_least(probs, (0.95, 0.2)).tolist() == [2, 2]  # old enough, whatever the lower threshold says


def test_two_classes_are_cut_at_half_by_their_median():
    probs = at_least(log_normalised(np.random.default_rng(0).normal(size=(50, 2))))
    np.testing.assert_array_equal(classes_at_least(probs, (0.5,)), probs[:, 0] >= 0.5)


@settings(max_examples=40)
@given(SEEDS)
def test_raising_a_threshold_never_puts_more_rows_into_the_class_or_above(seed):
    probs = at_least(log_normalised(np.random.default_rng(seed).normal(0, 1, (60, 3))))
    above = [int((classes_at_least(probs, (0.5, t)) == 2).sum()) for t in np.linspace(0, 1, 21)]
    assert above == sorted(above, reverse=True)


@settings(max_examples=10)
@given(SEEDS)
def test_thresholds_are_as_good_as_a_grid_near_them(seed):
    rng, people = np.random.default_rng(seed), np.arange(60)
    codes = drawn_codes(rng, people)
    probs = at_least(calibrated(rng, codes)["age"])
    elsewhere = rng.integers(0, 2, 60) * 3
    truth = codes[:, 0] * 3 + codes[:, 1]
    found = fit_thresholds(probs, truth, elsewhere, 1, 6)

    def value(thresholds: tuple[float, ...]) -> float:
        return macro_f1(truth, elsewhere + classes_at_least(probs, thresholds), 6)

    best = value(found)
    assert best >= value((0.5, 0.5))
    for t in np.linspace(0.02, 0.98, 97):
        assert value((t, found[1])) <= best + 1.1e-5
        assert value((found[0], t)) <= best + 1.1e-5


def test_an_attribute_with_many_classes_has_a_threshold_each():
    age = Attribute("age", tuple("abcde"), cuts=(1, 2, 3, 4))
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 5, (300, 1))
    looks = log_normalised(3 * np.eye(5)[codes[:, 0]] + rng.normal(0, 1, (300, 5)))
    found = fit_thresholds(at_least(looks), codes[:, 0], np.zeros(300, np.int64), 1, age.size)
    assert len(found) == 4
    assert macro_f1(codes[:, 0], classes_at_least(at_least(looks), found), 5) > 0.7
