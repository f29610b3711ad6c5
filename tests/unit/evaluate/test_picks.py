"""Laws of choosing: twins are worth one, and what a score would tell is priced by what is done with it."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from made_tables import truth_of
from scipy.stats import spearmanr  # type: ignore[import-untyped]

from facetwise.evaluate.agreement import disagreement_matrix
from facetwise.evaluate.forecasts.forecast import JointScores, Offset, TestPeople, simulate
from facetwise.evaluate.forecasts.picks import (
    MAX_SETS,
    best_picks,
    expected_best,
    final_value,
    gain_over,
    variance_explained,
)
from facetwise.evaluate.ranks import MIN_PAIRS, rank_correlation

Floats = npt.NDArray[np.float64]


def gaussian(means: list[float], spread: float, correlation: float, seed: int = 0) -> Floats:
    draws = np.random.default_rng(seed)
    shared, own = draws.standard_normal((5000, 1)), draws.standard_normal((5000, len(means)))
    return np.array(means) + spread * (correlation**0.5 * shared + (1 - correlation) ** 0.5 * own)


def test_the_best_of_twins_is_one_of_them() -> None:
    one = gaussian([0.7], 0.03, 0.0)
    twins = np.concatenate([one, one], axis=1)
    assert expected_best(twins, (0, 1)) == pytest.approx(float(one.mean()))


def test_the_best_of_two_is_that_of_clark() -> None:
    """E[max] of two Gaussians of one mean and spread s, correlation r: mean + s sqrt((1 - r) / pi) (Clark 1961)."""
    scores = gaussian([0.7, 0.7], 0.03, 0.5)
    assert expected_best(scores, (0, 1)) == pytest.approx(0.7 + 0.03 * (0.5 / np.pi) ** 0.5, abs=1e-3)


def test_a_dissimilar_one_beats_a_twin_that_is_a_little_better() -> None:
    scores = gaussian([0.70, 0.70, 0.695], 0.03, 0.0)
    scores[:, 1] = scores[:, 0] + 0.001  # a twin that is always a little better
    assert best_picks(scores, 2)[0].chosen == (1, 2)
    assert best_picks(scores, 1)[0].chosen == (1,)


@given(arrays(np.float64, (20, 4), elements=st.floats(0, 1)), st.integers(1, 4))
def test_more_picks_are_never_worse(scores: Floats, count: int) -> None:
    fewer, more = best_picks(scores, count)[0], best_picks(scores, min(4, count + 1))[0]
    assert more.expected_best >= fewer.expected_best
    assert fewer.chosen == tuple(sorted(set(fewer.chosen)))


def test_ties_go_to_the_lower_numbers_and_too_many_sets_are_grown() -> None:
    assert best_picks(np.full((5, 4), 0.5), 2)[0].chosen == (0, 1)
    assert best_picks(np.full((5, 3), 0.5), 9)[0].chosen == (0, 1, 2)
    many = gaussian([0.5] * 60, 0.02, 0.3)
    assert MAX_SETS < 60 * 59 * 58 / 6
    (grown,) = best_picks(many, 3)
    assert len(set(grown.chosen)) == 3
    assert grown.expected_best >= best_picks(many, 2)[0].expected_best
    with pytest.raises(ValueError, match="0 predictors"):
        best_picks(np.empty((5, 0)), 2)


def test_gain_is_that_of_a_gaussian() -> None:
    """E[max(0, x - m)] of a Gaussian of mean m and spread s is s / sqrt(2 pi)."""
    found = gain_over(gaussian([0.7], 0.03, 0.0)[:, 0], 0.7)
    assert found.chance == pytest.approx(0.5, abs=0.02)
    assert found.expected == pytest.approx(0.03 / (2 * np.pi) ** 0.5, abs=1e-3)


def joint_of(wrong: list[float], copies: int = 0) -> JointScores:
    """Scores of predictors that are wrong for these shares of the people, and copies of the first."""
    draws = np.random.default_rng(0)
    truth = draws.integers(0, 4, 120)
    answers = [np.where(draws.random(120) < share, (truth + 1) % 4, truth) for share in wrong]
    rows = [*answers, *answers[:1] * copies]
    joint = simulate(truth_of(truth, np.arange(120), 4), rows, TestPeople(60, 60), resamples=1000)
    return joint.shifted(Offset(0.02, 0.01), disagreement_matrix(rows))


def test_a_copy_of_what_was_sent_is_worth_nothing_and_tells_what_it_is() -> None:
    joint = joint_of([0.3, 0.32], copies=1).conditioned_on(np.array([0.7, np.nan, np.nan]))
    now = final_value(joint, [0], [])
    assert now is not None
    assert final_value(joint, [0], [2]) == pytest.approx(now, abs=1e-6)
    assert final_value(joint, [0], [1]) > now + 1e-3  # type: ignore[operator]
    assert variance_explained(joint, 2, [1]) == pytest.approx(0.0, abs=1e-3)


def test_sending_more_is_never_worth_less() -> None:
    joint = joint_of([0.3, 0.31, 0.35, 0.5]).conditioned_on(np.array([0.68, np.nan, np.nan, np.nan]))
    values = [final_value(joint, [0], more) for more in ([], [1], [1, 2], [1, 2, 3])]
    assert values == sorted(values)  # type: ignore[type-var]
    assert final_value(joint, [], []) is None


def test_what_a_score_tells_is_the_variance_that_it_takes() -> None:
    joint = joint_of([0.3, 0.35, 0.4])
    known = joint.conditioned_on(np.array([0.7, np.nan, np.nan]))
    left = [(known.spread("private", k) / joint.spread("private", k)) ** 2 for k in (1, 2)]
    assert variance_explained(joint, 0, [1, 2]) == pytest.approx(1 - np.mean(left), abs=1e-6)
    assert variance_explained(joint, 0, []) == 0.0


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=MIN_PAIRS, max_size=15))
def test_rank_correlation_is_that_of_scipy(pairs: list[tuple[int, int]]) -> None:
    one, other = [a for a, _ in pairs], [b for _, b in pairs]
    found = rank_correlation(one, other, resamples=50)
    if len(set(one)) == 1 or len(set(other)) == 1:
        assert found.value is None
        assert found.interval is None
    else:
        assert found.value == pytest.approx(spearmanr(one, other).statistic)
        assert found.interval is not None
        assert -1 <= found.interval.low <= found.interval.high <= 1


def test_rank_correlation_of_few_has_no_interval_and_rows_have_no_order() -> None:
    few = rank_correlation([0.1, 0.2, 0.3, 0.4], [1, 2, 3, 4])
    assert (few.value, few.interval, few.num_pairs) == (1.0, None, 4)
    assert rank_correlation([0.1], [0.2]).value is None
    one, other = np.arange(9.0), np.array([2, 1, 4, 3, 6, 5, 8, 7, 9.0])
    order = np.random.default_rng(0).permutation(9)
    assert rank_correlation(one, other) == rank_correlation(one[order], other[order])
    assert rank_correlation(one, np.exp(other)) == rank_correlation(one, other)
