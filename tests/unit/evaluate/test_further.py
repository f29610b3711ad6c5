"""Scores beside macro F1 and accuracy: against scikit-learn and people drawn again, and what is absent or unknown."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_tables import AGE, HUE, block, contest, product_table, rows, without

from facetwise.core.errors import InputError
from facetwise.core.labels import Attribute, LabelSpace
from facetwise.core.tables import year_columns
from facetwise.evaluate.compose import log_normalised
from facetwise.evaluate.further.one_against_rest import auroc, aurocs, sensitivities, sensitivity
from facetwise.evaluate.further.scores import FurtherScore, FurtherScores, further_scores
from facetwise.evaluate.intervals import kappa_interval, resample_intervals
from facetwise.evaluate.metrics import quadratic_kappa
from facetwise.evaluate.resampling import resampled_people

RANKED = st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=2, max_size=40).filter(
    lambda drawn: len({own for _, own in drawn}) == 2
)


def sides(drawn: list[tuple[int, bool]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([s for s, _ in drawn], np.float64), np.array([own for _, own in drawn])


def looks(seed: int, num_people: int = 60, images: int = 4, size: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Log-probabilities that say something, classes a person, people."""
    rng = np.random.default_rng(seed)
    people = np.repeat(np.arange(num_people), images)
    truth = (np.arange(num_people) % size)[people]
    own = rng.normal(0, 0.7, (num_people, size))[people]
    return log_normalised(own + rng.normal(0, 1, own.shape) + 1.5 * np.eye(size)[truth]), truth, people


def by_name(found: FurtherScores, name: str) -> FurtherScore:
    return next(s for s in found.scores if s.name == name)


@given(RANKED, st.floats(0.05, 0.95))
def test_of_one_class_they_are_those_of_scikit_learn(drawn, specificity):
    from sklearn.metrics import roc_auc_score, roc_curve

    scores, positive = sides(drawn)
    assert auroc(scores, positive) == pytest.approx(roc_auc_score(positive, scores))
    wrong, right, _ = roc_curve(positive, scores, drop_intermediate=False)
    found = right[wrong <= 1 - specificity + 1e-9].max()
    assert sensitivity(scores, positive, specificity) == pytest.approx(found)


@given(RANKED)
def test_laws_of_one_class(drawn):
    scores, positive = sides(drawn)
    value = auroc(scores, positive)
    assert auroc(np.exp(scores), positive) == pytest.approx(value)  # only the order counts
    assert auroc(-scores, positive) == pytest.approx(1 - value)
    assert auroc(-scores, ~positive) == pytest.approx(value)
    at = [sensitivity(scores, positive, s) for s in (0.1, 0.5, 0.9)]
    assert all(a >= b for a, b in pairwise(at))
    assert np.isnan(auroc(scores, positive | True))
    assert np.isnan(sensitivity(scores, positive & False, 0.9))


def test_a_specificity_that_is_met_exactly_counts():
    scores, positive = np.arange(11.0)[::-1], np.arange(11) == 1
    assert sensitivity(scores, positive, 0.9) == 1  # one of ten others is above it: 1 - 0.9 is a little less than 0.1


@given(st.integers(0, 2**31))
@settings(max_examples=20)
def test_classes_are_told_from_the_rest_whatever_the_order_of_rows(seed):
    logs, truth, people = looks(seed, num_people=12)
    order = np.random.default_rng(seed).permutation(len(truth))
    for score in (aurocs, lambda *them, **how: sensitivities(*them, 0.8, **how)):
        one = score(logs, truth, people, resamples=50)
        again = score(logs[order], truth[order], [f"p{p:02}" for p in people[order]], resamples=50)
        for a, b in zip([*one.classes, one.mean], [*again.classes, again.mean], strict=True):
            ends = [(m.value, m.interval.low, m.interval.high) for m in (a, b)]
            assert ends[0] == pytest.approx(ends[1])
            assert 0 <= a.interval.low <= a.interval.high <= 1
        assert one.mean.value == pytest.approx(np.mean([c.value for c in one.classes]))


def test_intervals_are_those_of_people_drawn_again():
    """How people move the scores is computed, not drawn: it has to give what ranking each resample anew gives."""
    logs, truth, people = looks(3, num_people=90)
    logs = np.round(logs, 1)  # with ties

    def scores(weights: np.ndarray) -> list[float]:
        again = np.repeat(np.arange(len(people)), weights.astype(int)[people])
        each = [(logs[again, k], truth[again] == k) for k in range(3)]
        return [*(auroc(*one) for one in each), *(sensitivity(*one, 0.9) for one in each)]

    once, draws = np.ones(90), np.random.default_rng(0)
    drawn = [scores(w) for chunk in resampled_people(90, 90, 400, draws) for w in chunk]
    without = [scores(once - np.eye(90)[p]) for p in range(90)]
    exact = resample_intervals(np.array(scores(once)), np.array(drawn), np.array(without))
    ranked, found = aurocs(logs, truth, people, resamples=400), sensitivities(logs, truth, people, 0.9, resamples=400)
    for measured, own in zip([*ranked.classes, *found.classes], exact, strict=True):
        assert (measured.interval.low, measured.interval.high) == pytest.approx((own.low, own.high), abs=0.02)


def test_working_in_pieces_changes_nothing(monkeypatch):
    logs, truth, people = looks(5, num_people=15)
    logs = np.round(logs, 1)  # with ties
    whole = sensitivities(logs, truth, people, 0.8, resamples=60)
    monkeypatch.setattr("facetwise.evaluate.further.one_against_rest.CELLS", 240)
    assert sensitivities(logs, truth, people, 0.8, resamples=60) == whole


def test_two_classes_have_one_auroc_also_where_a_probability_rounds_to_one():
    sure = np.array([-1e-9, -1e-9, -3.0, -1e-9])
    logs = np.stack([sure, np.array([-20.0, -25.0, -0.05, -18.0])], axis=1)
    ranked = aurocs(logs, np.array([0, 0, 1, 1]), [0, 1, 2, 3], resamples=20)
    assert [c.value for c in ranked.classes] == [1, 1]
    assert ranked.mean.interval == ranked.classes[0].interval


def test_kappa_of_people_that_show_one_class_is_left_out():
    truth, decided = np.array([0] * 38 + [1, 2]), np.array([0] * 38 + [1, 1])
    found = kappa_interval(truth, decided, np.arange(40))
    assert -1 <= found.low <= quadratic_kappa(truth, decided, 3) <= found.high <= 1


def test_all_of_a_contest():
    table, codes, _ = contest(0)
    found = further_scores(rows(table, codes), {}, 0.9)
    assert [s.name for s in found.scores] == ["joint", "hue", "age"]
    joint, hue, age = found.scores
    for s in (joint, hue, age):
        assert 0 < s.balanced_accuracy.interval.low < s.balanced_accuracy.value < s.balanced_accuracy.interval.high < 1
        assert s.auroc.interval.low < s.auroc.value < s.auroc.interval.high
    assert (joint.sensitivity, joint.kappa, hue.kappa, age.absolute_error) == (None, None, None, None)
    assert age.kappa.interval.low < age.kappa.value < age.kappa.interval.high
    assert [c.name for c in age.classes] == list(AGE.classes)
    assert found.ordinal == (age,)
    assert json.loads(json.dumps(found.as_dict()))["specificity"] == 0.9


def test_classes_that_no_image_shows_are_left_out_and_told():
    table, codes, _ = contest(1)
    codes = codes.copy()
    codes[:, 1] = np.minimum(codes[:, 1], 1)
    found = further_scores(rows(table, codes), {}, 0.9)
    joint, _, age = found.scores
    assert (joint.num_absent, joint.absent) == (2, ("red/>=60", "blue/>=60"))
    assert (age.num_absent, age.absent, age.classes[2].auroc, age.classes[2].sensitivity) == (1, (">=60",), None, None)
    assert age.auroc.value == pytest.approx(np.mean([c.auroc.value for c in age.classes[:2]]))
    codes[:, 1] = 1
    alone = by_name(further_scores(rows(table, codes), {}, 0.9), "age")
    assert (alone.auroc, alone.sensitivity, alone.num_absent) == (None, None, 2)


def test_a_label_that_is_not_known_counts_for_the_others():
    table, codes, people = contest(2)
    gaps = codes.copy()
    gaps[::5, 1] = -1
    found = further_scores(rows(table, gaps), {}, 0.9)
    kept = np.arange(len(codes)) % 5 != 0
    alone = further_scores(rows(table.filter(kept), codes[kept], people[kept]), {}, 0.9)
    assert by_name(found, "hue") == by_name(further_scores(rows(table, codes), {}, 0.9), "hue")
    assert by_name(found, "age") == by_name(alone, "age")
    assert by_name(found, "joint") == by_name(alone, "joint")


def test_rows_without_a_prediction_do_not_count():
    table, codes, people = contest(3)
    kept = np.arange(len(codes)) >= 60
    found = further_scores(rows(without(table, list(range(60))), codes), {}, 0.9)
    assert found == further_scores(rows(table.filter(kept), codes[kept], people[kept]), {}, 0.9)
    with pytest.raises(InputError, match="nothing to score"):
        further_scores(rows(table, np.full_like(codes, -1)), {}, 0.9)


def test_a_specialist_has_no_product():
    table, codes, _ = contest(4)
    own = table.drop([c for c in table.columns if c.startswith("hue=")])
    assert [s.name for s in further_scores(rows(own, codes), {}, 0.9).scores] == ["age"]


def test_the_mean_absolute_error_is_of_the_mean_of_the_predicted_numbers():
    people = np.repeat(np.arange(20), 2)
    grid = np.array([20.0, 25, 30, 60, 70])
    rng = np.random.default_rng(0)
    probs = rng.dirichlet(np.ones(5), 40)
    of_classes = np.stack([probs[:, :2].sum(1), probs[:, 2], probs[:, 3:].sum(1)], axis=1)
    numbers = rng.uniform(18, 75, 40)
    codes = np.stack([rng.integers(0, 2, 40), AGE.codes_of_values(numbers)], axis=1)
    logs = {"hue": np.log(np.full((40, 2), 0.5)), "age": np.log(of_classes)}
    table = product_table(people, logs, LabelSpace((HUE, AGE)))
    table = table.hstack(block(year_columns("age", grid), np.log(probs)))
    numbers[7] = np.nan  # only its class is known
    age = by_name(further_scores(rows(table, codes), {"age": numbers}, 0.9), "age")
    apart = np.delete(np.abs(probs @ grid - numbers), 7)
    assert age.absolute_error.value == pytest.approx(apart.mean(), rel=1e-5)
    assert age.absolute_error.interval.low < apart.mean() < age.absolute_error.interval.high
    assert age.num_numbers == 39
    assert by_name(further_scores(rows(table, codes), {"age": numbers * np.nan}, 0.9), "age").absolute_error is None


def test_a_thousand_classes_and_a_million_joint_ones_have_means():
    space = LabelSpace(tuple(Attribute(n, tuple(map(str, range(1000)))) for n in "ab"))
    rng, people = np.random.default_rng(0), np.repeat(np.arange(100), 3)
    codes = rng.integers(0, 1000, (300, 2))
    logs = {n: log_normalised(6 * np.eye(1000)[codes[:, i]] + rng.normal(size=(300, 1000))) for i, n in enumerate("ab")}
    found = further_scores(rows(product_table(people, logs, space), codes, space=space), {}, 0.95)
    joint, a, _ = found.scores
    assert (joint.auroc, a.classes, a.sensitivity) == (None, (), None)
    assert a.auroc.interval.low <= a.auroc.value <= a.auroc.interval.high
    assert joint.num_absent == 10**6 - len(set(space.encode(codes).tolist()))
    assert len(joint.absent) == 4
