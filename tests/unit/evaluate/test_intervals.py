"""Intervals: exact laws, and how often they hold on a made population (a person's images correlated)."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_tables import truth_of

from facetwise.core.labels import Attribute, LabelSpace
from facetwise.evaluate.forecasts.forecast import ScoreForecast, TestPeople, simulate
from facetwise.evaluate.intervals import (
    LEVEL,
    MIN_TAIL,
    RESAMPLES,
    bootstrap_interval,
    expanded_tails,
    paired_interval,
    student,
)
from facetwise.evaluate.metrics import accuracy, balanced_accuracy, macro_f1
from facetwise.evaluate.resampling import PersonTally, group_numbers, resampled_people
from facetwise.evaluate.rows import Truth

SIZE = 6
IMAGES = 4


def drawn(seed: int, people: int = 12) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """True and predicted classes and people, in no order."""
    draws = np.random.default_rng(seed)
    groups = draws.permutation(np.repeat(np.arange(people), IMAGES))
    truth = draws.integers(0, SIZE, len(groups))
    return truth, np.where(draws.random(len(groups)) < 0.6, truth, draws.integers(0, SIZE, len(groups))), groups


def ahead(truth: np.ndarray, predicted: np.ndarray, groups: np.ndarray, num_people: int, **more: int) -> ScoreForecast:
    """What to expect of the score of `num_people` other people."""
    settings = {"resamples": RESAMPLES, "seed": 0, **more}
    people = TestPeople(num_people, 0)
    return simulate(truth_of(truth, groups, SIZE), [predicted], people, level=LEVEL, **settings).forecast("all", 0)


@given(
    st.integers(0, 2**31),
    st.sampled_from([("macro_f1", macro_f1), ("accuracy", accuracy), ("balanced_accuracy", balanced_accuracy)]),
)
@settings(max_examples=30)
def test_weighted_counts_equal_the_score_of_repeated_rows(seed, named):
    metric, score = named
    truth, predicted, groups = drawn(seed)
    tally = PersonTally.count(truth, predicted, groups, SIZE, metric)
    weights = next(resampled_people(12, 12, 1, np.random.default_rng(seed)))
    rows = np.repeat(np.arange(len(groups)), weights[0].astype(int)[groups])
    assert tally.scores(weights)[0] == pytest.approx(score(truth[rows], predicted[rows], SIZE))
    assert tally.score == pytest.approx(score(truth, predicted, SIZE))
    without = groups != 3
    assert tally.leave_one_out()[3] == pytest.approx(score(truth[without], predicted[without], SIZE))


def test_working_in_pieces_changes_nothing(monkeypatch):
    truth, predicted, groups = drawn(1)
    whole = bootstrap_interval(truth, predicted, groups, SIZE, resamples=100)
    told = ahead(truth, predicted, groups, 30, resamples=100)
    monkeypatch.setattr("facetwise.evaluate.resampling.CELLS", 300)
    pieces = bootstrap_interval(truth, predicted, groups, SIZE, resamples=100)
    assert (pieces.low, pieces.high) == pytest.approx((whole.low, whole.high))
    assert ahead(truth, predicted, groups, 30, resamples=100).expected == pytest.approx(told.expected)


def test_row_order_class_numbers_and_names_of_people_do_not_matter():
    truth, predicted, groups = drawn(2)
    interval = bootstrap_interval(truth, predicted, groups, SIZE)
    order = np.random.default_rng(0).permutation(len(groups))
    renamed = np.array([3, 5, 0, 1, 4, 2])
    again = bootstrap_interval(
        renamed[truth][order], renamed[predicted][order], [f"person {g:03d}" for g in groups[order]], SIZE
    )
    assert (again.low, again.high) == pytest.approx((interval.low, interval.high))


def test_seed_and_level():
    truth, predicted, groups = drawn(3)
    one = bootstrap_interval(truth, predicted, groups, SIZE, seed=1)
    assert one == bootstrap_interval(truth, predicted, groups, SIZE, seed=1)
    assert one != bootstrap_interval(truth, predicted, groups, SIZE, seed=2)
    narrow = bootstrap_interval(truth, predicted, groups, SIZE, seed=1, level=0.5)
    assert one.low < narrow.low < macro_f1(truth, predicted, SIZE) < narrow.high < one.high


def test_a_test_set_is_less_certain_than_the_population():
    truth, predicted, groups = drawn(4, people=60)
    width = [(f := ahead(truth, predicted, groups, n)).interval.high - f.interval.low for n in (15, 60, 5000)]
    own = bootstrap_interval(truth, predicted, groups, SIZE)
    assert width[0] > width[1] > width[2]
    assert width[1] > 1.2 * (own.high - own.low)
    assert width[2] == pytest.approx(own.high - own.low, rel=0.15)
    assert ahead(truth, predicted, groups, 15).expected < macro_f1(truth, predicted, SIZE)


def test_pairs_cancel_what_both_share():
    truth, first, groups = drawn(5, people=60)
    same = paired_interval(truth, first, first, groups, SIZE)
    assert (same.low, same.high) == (0, 0)
    second = first.copy()
    second[groups < 12] = truth[groups < 12]
    gain = paired_interval(truth, second, first, groups, SIZE)
    alone = bootstrap_interval(truth, first, groups, SIZE)
    assert 0 < gain.low < macro_f1(truth, second, SIZE) - macro_f1(truth, first, SIZE) < gain.high
    assert gain.high - gain.low < alone.high - alone.low
    back = paired_interval(truth, first, second, groups, SIZE)
    assert (back.low, back.high) == pytest.approx((-gain.high, -gain.low), abs=0.01)


def test_a_tail_that_hardly_any_resample_reaches_is_told():
    truth, first, groups = drawn(5, people=60)
    second = first.copy()
    second[groups == 0] = truth[groups == 0]  # all of the difference is one person's
    few = paired_interval(truth, second, first, groups, SIZE, level=0.99, resamples=10_000)
    second[groups < 30] = truth[groups < 30]
    many = paired_interval(truth, second, first, groups, SIZE, level=0.99, resamples=10_000)
    assert (few.resolved, many.resolved) == (False, True)
    assert not paired_interval(truth, second, first, groups, SIZE, level=0.99, resamples=100).resolved


@pytest.mark.parametrize(
    ("freedom", "at_95", "at_90"),
    [(1, 12.70620, 6.313752), (2, 4.302653, 2.919986), (3, 3.182446, 2.353363), (4, 2.776445, 2.131847),
     (5, 2.570582, 2.015048), (10, 2.228139, 1.812461), (30, 2.042272, 1.697261), (1e9, 1.959964, 1.644854)],
)  # fmt: skip
def test_student_is_that_of_the_tables(freedom, at_95, at_90):
    assert student(0.95, freedom) == pytest.approx(at_95, rel=1e-6)
    assert student(0.9, freedom) == pytest.approx(at_90, rel=1e-6)


@pytest.mark.parametrize(
    ("influences", "freedom"),
    [
        ([1.0, -1.0], 1),  # two people: as few as there are
        ([1.0, -1.0] * 15 + [0.0], 30),  # light tails: not more than people less one
        ([3.0, *[-1.0] * 3], 3),  # one person of four decides: kurtosis 7/3, and 2 * 4 / (7/3 - 1) = 6 is more than 3
        ([9.0, *[-1.0] * 9], 20 / (73 / 9 - 1)),  # one of ten: kurtosis (9^4 + 9) / 10 / 81 = 73/9
    ],
)
def test_tails_are_widened_by_the_people_that_matter(influences, freedom):
    normal = NormalDist()
    tail, above = expanded_tails(0.95, np.array(influences))
    assert above == 1 - tail
    wanted = normal.cdf(-np.sqrt(1 + 1 / freedom) * student(0.95, freedom))
    assert tail == pytest.approx(max(wanted, MIN_TAIL))
    assert (tail, above) == pytest.approx(expanded_tails(0.95, 7 - 3 * np.array(influences)))


def test_one_person_tells_nothing():
    truth, predicted = np.array([0, 1]), np.array([0, 1])
    assert bootstrap_interval(truth, predicted, ["a", "a"], 2).high == 1
    assert bootstrap_interval(truth, predicted, ["a", "a"], 2).low == 0
    assert paired_interval(truth, predicted, predicted, ["a", "a"], 2).low == -1


def test_two_people_and_perfect_scores_are_finite():
    truth = np.array([0, 1, 0, 1])
    perfect = bootstrap_interval(truth, truth, ["a", "a", "b", "b"], 2)
    assert (perfect.low, perfect.high) == (1, 1)
    half = bootstrap_interval(truth, np.array([0, 1, 1, 0]), ["a", "a", "b", "b"], 2)
    assert 0 <= half.low <= half.high <= 1


def test_bad_input():
    truth, predicted, groups = drawn(6)
    with pytest.raises(ValueError, match=r"`groups` must be .* with n = 48"):
        bootstrap_interval(truth, predicted, groups[1:], SIZE)
    with pytest.raises(ValueError, match=r"rows without a group \(1 of "):
        group_numbers(["a", None])
    space = LabelSpace((Attribute("kind", tuple(map(str, range(SIZE)))),))
    for missing in (float("nan"), np.float64("nan"), np.datetime64("NaT"), None):
        some = [*map(str, groups[:24]), *[missing] * 24]
        with pytest.raises(ValueError, match=r"rows without a group \(24 of "):
            bootstrap_interval(truth, predicted, some, SIZE)
        with pytest.raises(ValueError, match=r"rows without a group \(24 of "):
            paired_interval(truth, predicted, truth, some, SIZE)
        with pytest.raises(ValueError, match=r"rows without a group \(24 of "):
            Truth(space, [str(i) for i in range(48)], truth[:, None], some)
    with pytest.raises(ValueError, match="missing"):
        bootstrap_interval(truth, np.full_like(truth, -1), groups, SIZE)
    with pytest.raises(ValueError, match="`level` must be"):
        bootstrap_interval(truth, predicted, groups, SIZE, level=95)


def test_many_joint_classes_need_no_matrix_of_them():
    draws = np.random.default_rng(0)
    truth = draws.integers(0, 30**6, 2000)
    interval = bootstrap_interval(truth, truth, np.arange(2000) // 5, 30**6, resamples=50)
    assert 0 < interval.low <= interval.high < 1e-4


# How often they hold. 200 trials: a true 95 % is seen within 95 +- 6.2 % in all but one of 16,000 tests (four binomial
# standard errors); the seed is fixed, so a failure is a change of the method, not bad luck.

TRIALS = 200
MARGIN = 4 * (0.95 * 0.05 / TRIALS) ** 0.5


def population(people: int) -> tuple[np.ndarray, np.ndarray]:
    """Classes, shape (people, images): uneven, most of a person's images alike, errors by person."""
    draws = np.random.default_rng(7)
    second = draws.choice(3, size=(people, 1), p=[0.45, 0.45, 0.10])
    first = np.broadcast_to(np.arange(IMAGES) // (IMAGES - 1), (people, IMAGES))
    doubt = draws.normal(0, 0.5, (people, 1)) + draws.normal(0, 0.3, (people, IMAGES))
    guessed = np.clip(np.rint(second + doubt), 0, 2).astype(np.int64)
    return first * 3 + second, np.where(draws.random(first.shape) < 0.95, first, 1 - first) * 3 + guessed


@pytest.fixture(scope="module")
def held() -> np.ndarray:
    """Shares of trials in which each interval held: by person, of the next test set, and by image."""
    truth, predicted = population(20_000)
    score = macro_f1(truth.ravel(), predicted.ravel(), SIZE)
    draws, found = np.random.default_rng(11), []
    for seed in range(TRIALS):
        here, there = draws.integers(0, 20_000, 300), draws.integers(0, 20_000, 100)
        t, p, people = truth[here].ravel(), predicted[here].ravel(), np.repeat(np.arange(300), IMAGES)
        own = bootstrap_interval(t, p, people, SIZE, resamples=400, seed=seed)
        other = ahead(t, p, people, 100, resamples=400, seed=seed).interval
        images = bootstrap_interval(t, p, np.arange(len(t)), SIZE, resamples=50, seed=seed)
        fresh = macro_f1(truth[there].ravel(), predicted[there].ravel(), SIZE)
        inside = [(i.low <= s <= i.high) for i, s in ((own, score), (other, fresh), (own, fresh), (images, score))]
        found.append(inside)
    return np.mean(found, axis=0)


def test_the_population_is_in_the_confidence_interval(held):
    assert abs(held[0] - 0.95) < MARGIN


def test_the_score_of_new_people_is_in_the_prediction_interval(held):
    assert abs(held[1] - 0.95) < MARGIN


def test_the_confidence_interval_is_too_narrow_for_new_people(held):
    assert held[2] < 0.95 - MARGIN


def test_resampling_images_is_too_narrow(held):
    assert held[3] < 0.95 - MARGIN
