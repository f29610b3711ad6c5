"""What a forecast makes of a hold-out: people dealt by class, some classes that only other labelled people have."""

import numpy as np
import numpy.typing as npt
import pytest
from made_tables import truth_of

from facetwise.core.labels import Attribute, LabelSpace
from facetwise.evaluate.forecasts.forecast import TestPeople, simulate
from facetwise.evaluate.forecasts.heldout import HoldOut, completion, unlabelled_shares
from facetwise.evaluate.metrics import MISSING, macro_f1
from facetwise.evaluate.resampling import PersonTally, resampled_within
from facetwise.evaluate.rows import Truth

Classes = npt.NDArray[np.int64]
NUM_CLASSES, IMAGES = 6, 3
SHARES = (0.4, 0.3, 0.15, 0.05, 0.05, 0.05)
AHEAD = TestPeople(200, 200)


def test_people_are_redrawn_among_their_kind() -> None:
    kinds = np.array([2, 0, 2, 1, 0, 2])
    weights = np.concatenate(list(resampled_within(kinds, 3000, np.random.default_rng(0))))
    assert weights.shape == (3000, 6)
    for kind, size in ((0, 2), (1, 1), (2, 3)):
        assert (weights[:, kinds == kind].sum(axis=1) == size).all()
    # A person of a kind of 3 is left out with a chance of 8/27: 0.296, and 0.0083 is a standard error.
    assert (weights[:, kinds == 2] == 0).mean(axis=0) == pytest.approx(8 / 27, abs=4 * 0.0083)


def test_working_in_pieces_redraws_the_same_people(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = np.array([2, 0, 2, 1, 0, 2])
    whole = np.concatenate(list(resampled_within(kinds, 50, np.random.default_rng(1))))
    monkeypatch.setattr("facetwise.evaluate.resampling.CELLS", 40)
    pieces = list(resampled_within(kinds, 50, np.random.default_rng(1)))
    assert len(pieces) > 1
    assert (np.concatenate(pieces) == whole).all()


def test_a_person_is_of_the_class_of_most_images() -> None:
    truth = np.array([4, 1, 1, 3, 2, 5, 5, 5, 0])
    groups = ["a", "a", "a", "b", "b", "c", "c", "c", "c"]
    found = HoldOut.among(truth_of(truth, groups, 6), np.array([True] * 5 + [False] * 4))
    assert found is not None
    assert found.strata.tolist() == [1, 2], "of two as frequent the lower one"
    assert found.missing.tolist() == [1 / 3, 1 / 3], "0 and 5, which one of three people has"
    assert HoldOut.among(truth_of(truth, groups, 6), np.array([True, False] * 4 + [True])) is None, (
        "a part of everybody's images"
    )


def test_classes_that_only_others_have_score_as_the_rest_where_they_occur() -> None:
    missing = np.array([0.25, 0.5])
    assert completion(missing, 2, 1) == pytest.approx(1 + 0.75 / 2)
    assert completion(missing, 2, 2) == pytest.approx(1 + (1 - 0.75**2 + 1 - 0.5**2) / 2)
    assert completion(missing, 2, 10_000) == pytest.approx(2), "of 2 + 2 classes, when all occur"
    assert completion(np.zeros(0), 2, 100) == 1


def test_a_class_that_nobody_has_is_expected_as_often_as_its_attributes() -> None:
    """Of four people one is old and a half are female; nobody is both, and one predictor says so of somebody."""
    space = LabelSpace((Attribute("sex", ("m", "f")), Attribute("age", ("young", "old", "very old"))))
    codes = np.array([[0, 0], [0, 0], [0, 1], [1, 0], [1, 0], [1, 0]])
    truth = Truth(space, list("abcdef"), codes, ["p", "p", "q", "r", "s", "s"])
    own = truth.classes
    assert unlabelled_shares(truth, [own]).tolist() == []
    said = np.where(np.arange(6) == 3, space.encode([1, 1]), own)
    assert unlabelled_shares(truth, [own, said]).tolist() == [0.5 * 0.25]
    said[4] = space.encode([0, 2])
    said[5] = -1
    assert sorted(unlabelled_shares(truth, [said]).tolist()) == [0.0, 0.5 * 0.25], "of the very old none is expected"


def made(draws: np.random.Generator, counts: Classes) -> tuple[Classes, Classes, Classes]:
    """Classes, answers (a person is right in two of three cases) and people, so many of each class."""
    kinds = np.repeat(np.arange(NUM_CLASSES), counts)
    right = draws.random(len(kinds)) < 2 / 3
    said = np.where(right, kinds, draws.integers(0, NUM_CLASSES, len(kinds)))
    return np.repeat(kinds, IMAGES), np.repeat(said, IMAGES), np.repeat(np.arange(len(kinds)), IMAGES)


def test_without_others_everything_is_as_it_was_and_a_hold_out_keeps_its_spread() -> None:
    truth, said, people = made(np.random.default_rng(0), np.array([8, 8, 8, 2, 2, 2]))
    more = np.arange(100, 100 + NUM_CLASSES)
    all_truth = np.concatenate([truth, np.arange(NUM_CLASSES)])
    answers = np.concatenate([said, np.full(NUM_CLASSES, MISSING)])
    alone = simulate(truth_of(truth, people, NUM_CLASSES), [said], AHEAD)
    held_out = simulate(truth_of(all_truth, np.concatenate([people, more]), NUM_CLASSES), [answers], AHEAD)
    assert held_out.covariance == pytest.approx(alone.covariance)
    assert np.ptp(held_out.draws - alone.draws, axis=0) == pytest.approx(0, abs=1e-9)
    tally = PersonTally.count(truth, said, people, NUM_CLASSES, "macro_f1")
    within = tally.scores(next(resampled_within(truth[::IMAGES], 2000, np.random.default_rng((0, 2))))).mean()
    lifted = alone.forecast("all", 0).expected - held_out.forecast("all", 0).expected
    shares = np.random.default_rng(9).integers(0, 30, (20_000, 30))
    weights = np.stack([np.bincount(row, minlength=30) for row in shares]).astype(float)
    assert lifted == pytest.approx(within - tally.scores(weights).mean(), abs=0.01)
    assert lifted > 0.02


def test_a_hold_out_of_few_people_is_not_lifted() -> None:
    """Thirty people dealt by class: 12, 9, 5, 2, 1 and 1. In 300 trials the forecast is right on average but for four
    standard errors; that of somebody who takes them for people drawn by lot is too high by more than that."""
    counts = np.array([12, 9, 5, 2, 1, 1])
    errors, as_drawn = [], []
    for seed in range(300):
        draws = np.random.default_rng(seed)
        truth, said, people = made(draws, counts)
        ahead = made(draws, np.bincount(draws.choice(NUM_CLASSES, 400, p=SHARES), minlength=NUM_CLASSES))
        score = macro_f1(ahead[0], ahead[1], NUM_CLASSES)
        labelled = np.append(truth, 0), np.append(said, MISSING), np.append(people, 999)
        for found, (t, s, p) in ((errors, labelled), (as_drawn, (truth, said, people))):
            joint = simulate(truth_of(t, p, NUM_CLASSES), [s], AHEAD, resamples=100, seed=seed)
            found.append(joint.forecast("all", 0).expected - score)
    error = np.std(errors, ddof=1) / 300**0.5
    assert abs(np.mean(errors)) < 4 * error < 0.03
    assert np.mean(as_drawn) > 0.02 + 4 * error


def test_the_order_of_rows_is_no_matter_to_a_hold_out() -> None:
    truth, said, people = made(np.random.default_rng(4), np.array([9, 8, 7, 2, 2, 2]))
    said = np.where(people % 3 == 0, said, MISSING)
    order = np.random.default_rng(1).permutation(len(truth))
    one = simulate(truth_of(truth, people, NUM_CLASSES), [said], AHEAD, resamples=100)
    other = simulate(truth_of(truth[order], people[order], NUM_CLASSES), [said[order]], AHEAD, resamples=100)
    assert other.draws == pytest.approx(one.draws, abs=1e-12)
