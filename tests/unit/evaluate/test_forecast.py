"""Laws of joint forecasts: what a known score does to the others."""

from dataclasses import replace
from typing import get_args

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_tables import truth_of

from facetwise.core.choices import Metric
from facetwise.evaluate.agreement import disagreement_matrix
from facetwise.evaluate.forecasts.forecast import JointScores, Offset, Part, Shift, TestPeople, simulate
from facetwise.evaluate.intervals import expanded_tails
from facetwise.evaluate.metrics import macro_f1
from facetwise.evaluate.resampling import PersonTally, resampled_people

NUM_CLASSES, IMAGES = 6, 3
HALVES = TestPeople(40, 40)
NO_OFFSET = Offset()
Classes = npt.NDArray[np.int64]


def made(seed: int, num_people: int, num_predictors: int, wrong: float = 0.4) -> tuple[Classes, list[Classes], Classes]:
    """True classes, answers of predictors that share half of their errors, and people: the errors of a person go
    together."""
    draws = np.random.default_rng(seed)
    truth = np.repeat(draws.integers(0, NUM_CLASSES, num_people), IMAGES)
    people = np.repeat(np.arange(num_people), IMAGES)
    hard = draws.random(num_people) < wrong / 2
    answers = []
    for _ in range(num_predictors):
        fails = hard | (draws.random(num_people) < wrong / 2)
        guess = draws.integers(0, NUM_CLASSES, len(truth))
        answers.append(np.where(np.repeat(fails, IMAGES), guess, truth))
    return truth, answers, people


def joint_of(
    seed: int = 0, num: int = 3, people: TestPeople = HALVES, resamples: int = 300, offset: Offset = NO_OFFSET
) -> JointScores:
    truth, answers, groups = made(seed, 60, num)
    joint = simulate(truth_of(truth, groups, NUM_CLASSES), answers, people, resamples=resamples)
    return joint.shifted(offset, disagreement_matrix(answers))


def known(*scores: float | None) -> npt.NDArray[np.float64]:
    return np.array([np.nan if s is None else s for s in scores])


@pytest.mark.parametrize("metric", get_args(Metric))
def test_a_forecast_is_of_the_score_that_the_truth_names(metric: Metric) -> None:
    truth, answers, groups = made(1, 300, 1)
    truth = np.where(truth == 0, 1, truth)  # nobody has class 0, and some are answered with it
    known = replace(truth_of(truth, groups, NUM_CLASSES), metric=metric)
    found = simulate(known, answers, TestPeople(150, 150), resamples=300).forecast("all", 0)
    assert found.expected == pytest.approx(known.score(answers[0]), abs=0.02)
    assert found.interval.low < found.expected < found.interval.high


@pytest.mark.parametrize("level", [0.9, 0.95])
def test_without_a_known_score_it_is_the_pivot_around_the_score_in_hand(level: float) -> None:
    truth, answers, groups = made(1, 70, 3)
    joint = simulate(
        truth_of(truth, groups, NUM_CLASSES), answers, TestPeople(20, 25), level=level, resamples=500, seed=3
    )
    for k, row in enumerate(answers):
        tally, draws = PersonTally.count(truth, row, groups, NUM_CLASSES, "macro_f1"), np.random.default_rng(3)
        past, future = (
            np.concatenate([tally.scores(weights) for weights in resampled_people(70, size, 500, draws)])
            for size in (70, 45)
        )
        around = macro_f1(truth, row, NUM_CLASSES) + future - past
        found = joint.forecast("all", k)
        assert found.expected == pytest.approx(around.mean(), abs=1e-12)
        ends = np.quantile(around, expanded_tails(level, tally.leave_one_out()))
        assert (found.interval.low, found.interval.high) == pytest.approx(tuple(ends), abs=1e-12)
        assert (found.interval.level, found.num_people) == (level, 45)


@settings(max_examples=25)
@given(score=st.floats(0.3, 0.9), seed=st.integers(0, 20))
def test_a_copy_of_a_scored_file_gets_its_public_score_and_no_width(score: float, seed: int) -> None:
    truth, answers, groups = made(seed, 40, 1)
    rows, offset = [answers[0], answers[0].copy()], Offset(common=0.02, individual=0.01)
    joint = simulate(truth_of(truth, groups, NUM_CLASSES), rows, HALVES, resamples=200, seed=seed)
    joint = joint.shifted(offset, disagreement_matrix(rows))
    found = joint.conditioned_on(known(score, None)).forecast("public", 1)
    assert found.expected == pytest.approx(score, abs=1e-3)
    assert found.interval.high - found.interval.low < 2e-3
    assert found.spread < 1e-3


def test_the_private_score_of_a_copy_stays_open() -> None:
    truth, answers, groups = made(0, 60, 1)
    joint = simulate(truth_of(truth, groups, NUM_CLASSES), [answers[0]] * 2, HALVES, resamples=300)
    before = joint.forecast("private", 1)
    after = joint.conditioned_on(known(before.interval.high, None)).forecast("private", 1)
    assert before.expected < after.expected < before.interval.high, "drawn towards the public score, not onto it"
    assert after.spread > 0.7 * before.spread


@settings(max_examples=25)
@given(seed=st.integers(0, 30), values=st.lists(st.floats(0.2, 0.95), min_size=3, max_size=3))
def test_a_known_score_never_widens(seed: int, values: list[float]) -> None:
    before = joint_of(seed, resamples=150, offset=Offset(0.02, 0.005))
    for scores in (known(values[0], None, None), known(values[0], values[1], None), known(*values)):
        after = before.conditioned_on(scores)
        for part in before.people.parts:
            for k in range(3):
                assert after.spread(part, k) <= before.spread(part, k) + 1e-9
        assert after.shift.spread <= before.shift.spread + 1e-12


def test_scores_known_one_after_the_other_are_scores_known_at_once() -> None:
    before = joint_of()
    at_once = before.conditioned_on(known(0.7, 0.66, None))
    one_by_one = before.conditioned_on(known(0.7, None, None)).conditioned_on(known(None, 0.66, None))
    for part in before.people.parts:
        one, other = at_once.forecast(part, 2), one_by_one.forecast(part, 2)
        assert one.expected == pytest.approx(other.expected, abs=1e-4)
        assert one.spread == pytest.approx(other.spread, abs=1e-4)


def test_conditioning_is_that_of_the_gaussian() -> None:
    before = joint_of(num=2, resamples=2000)
    after = before.conditioned_on(known(0.8, None), rounding=0.0)
    seen, other = before.cell("public", 0), before.cell("public", 1)
    slope = before.covariance[other, seen] / before.covariance[seen, seen]
    mean = before.draws[:, other].mean() + slope * (0.8 - before.draws[:, seen].mean())
    assert after.draws[:, other].mean() == pytest.approx(mean)
    left = before.covariance[other, other] - slope * before.covariance[seen, other]
    assert after.covariance[other, other] == pytest.approx(left)
    assert after.draws[:, other].var() == pytest.approx(left, rel=0.1)


def test_draws_and_covariance_say_the_same() -> None:
    joint = joint_of(resamples=4000, offset=Offset(0.02, 0.01))
    assert np.cov(joint.draws.T) == pytest.approx(joint.covariance, abs=0.08 * joint.covariance.max())
    assert np.linalg.eigvalsh(joint.covariance).min() > -1e-5


def test_the_more_alike_two_files_are_the_more_one_score_tells() -> None:
    truth, answers, groups = made(5, 120, 2)
    spreads = []
    for share in (0.0, 0.5, 0.9, 1.0):
        mixed = np.where(groups < share * 120, answers[0], answers[1])
        rows = [answers[0], mixed]
        joint = simulate(truth_of(truth, groups, NUM_CLASSES), rows, HALVES, resamples=400)
        joint = joint.shifted(Offset(0.01, 0.01), disagreement_matrix(rows))
        spreads.append(joint.conditioned_on(known(0.7, None)).spread("public", 1) / joint.spread("public", 1))
    assert spreads == sorted(spreads, reverse=True)


@pytest.mark.parametrize("scores", [known(None, None), known(0.7, None)])
def test_more_people_are_narrower(scores: npt.NDArray[np.float64]) -> None:
    truth, answers, groups = made(2, 150, 2)
    widths = []
    for size in (20, 80, 320):
        joint = simulate(truth_of(truth, groups, NUM_CLASSES), answers, TestPeople(size, size), resamples=600)
        found = joint.conditioned_on(scores).forecast("private", 1).interval
        widths.append(found.high - found.low)
    assert widths == sorted(widths, reverse=True)


def test_the_order_of_rows_is_no_matter_and_a_seed_repeats() -> None:
    truth, answers, groups = made(3, 50, 3)
    order = np.random.default_rng(9).permutation(len(truth))
    offset, scores = Offset(0.02, 0.005), known(0.7, 0.65, None)

    def drawn(rows: npt.NDArray[np.int64], seed: int) -> npt.NDArray[np.float64]:
        shuffled = [a[rows] for a in answers]
        joint = simulate(truth_of(truth[rows], groups[rows], NUM_CLASSES), shuffled, HALVES, resamples=100, seed=seed)
        joint = joint.shifted(offset, disagreement_matrix(shuffled), seed)
        return joint.conditioned_on(scores).draws

    straight = np.arange(len(truth))
    assert drawn(order, 4) == pytest.approx(drawn(straight, 4), abs=1e-12)
    assert (drawn(straight, 4) == drawn(straight, 4)).all()
    assert (drawn(straight, 4) != drawn(straight, 5)).any()


def test_the_order_of_predictors_is_no_matter() -> None:
    truth, answers, groups = made(3, 50, 3)
    one = simulate(truth_of(truth, groups, NUM_CLASSES), answers, HALVES, resamples=200).conditioned_on(
        known(0.7, None, 0.6)
    )
    turned = simulate(truth_of(truth, groups, NUM_CLASSES), answers[::-1], HALVES, resamples=200).conditioned_on(
        known(0.6, None, 0.7)
    )
    assert turned.forecast("private", 0).expected == pytest.approx(one.forecast("private", 2).expected, abs=1e-9)
    assert turned.forecast("private", 0).spread == pytest.approx(one.forecast("private", 2).spread, abs=1e-9)


def test_a_shift_of_all_is_found_once_many_are_scored() -> None:
    truth, answers, groups = made(4, 400, 8)
    joint = simulate(truth_of(truth, groups, NUM_CLASSES), answers, TestPeople(4000, 4000), resamples=400)
    assert joint.shift == Shift(0.0, 0.0)
    joint = joint.shifted(Offset(0.03, 0.005), disagreement_matrix(answers))
    higher = [joint.forecast("public", k).expected + 0.04 for k in range(7)]
    shift = joint.conditioned_on(known(*higher, None)).shift
    assert 0.02 < shift.expected < 0.04, "shrunk towards 0, since the labelled people explain a part"
    assert shift.spread < joint.shift.spread
    assert joint.shift.expected == pytest.approx(0.0, abs=0.006)


@pytest.mark.parametrize("num_scored", [0, 1, 6])
def test_nine_of_ten_intervals_hold(num_scored: int) -> None:
    """A small simulation, to four standard errors; `benchmarks/forecast_coverage.py` is the large one."""
    held: dict[Part, list[bool]] = {"public": [], "private": []}
    for seed in range(60):
        truth, answers, groups = made(1000 + seed, 320, 7)
        here, public, private = groups < 160, (groups >= 160) & (groups < 240), groups >= 240
        used = [*range(num_scored), 6]
        joint = simulate(
            truth_of(truth[here], groups[here], NUM_CLASSES), [answers[k][here] for k in used], TestPeople(80, 80),
            resamples=400, seed=seed,
        )  # fmt: skip
        scored = [macro_f1(truth[public], answers[k][public], NUM_CLASSES) for k in used]
        joint = joint.conditioned_on(known(*scored[:-1], None))
        parts: tuple[tuple[Part, npt.NDArray[np.bool_]], ...] = (("public", public), ("private", private))
        for part, rows in parts:
            found = joint.forecast(part, num_scored).interval
            held[part].append(found.low <= macro_f1(truth[rows], answers[6][rows], NUM_CLASSES) <= found.high)
    for part, flags in held.items():
        assert np.mean(flags) > 0.9 - 4 * (0.9 * 0.1 / 60) ** 0.5, part


@pytest.mark.parametrize(
    ("num", "share", "parts"), [(100, 0.5, (50, 50)), (10, 0.01, (1, 9)), (10, 0.99, (9, 1)), (7, 1.0, (7, 0))]
)
def test_no_part_is_lost_by_rounding(num: int, share: float, parts: tuple[int, int]) -> None:
    people = TestPeople.split(num, share)
    assert (people.public, people.private) == parts
    assert people.number("all") == num
    assert ("private" in people.parts) == (parts[1] > 0)


def test_what_cannot_be_forecast_is_said() -> None:
    truth, answers, _ = made(0, 4, 1)
    with pytest.raises(ValueError, match="two people"):
        simulate(truth_of(truth, ["one"] * len(truth), NUM_CLASSES), answers, HALVES)
    with pytest.raises(ValueError, match="public_share"):
        TestPeople.split(10, 0.0)
    with pytest.raises(ValueError, match="`public` must be a whole number"):
        TestPeople(0, 3)
    joint = joint_of(people=TestPeople(10, 0), resamples=20)
    with pytest.raises(ValueError, match="no private part"):
        joint.forecast("private", 0)
    with pytest.raises(ValueError, match="expected as many"):
        joint.conditioned_on(known(0.5))
