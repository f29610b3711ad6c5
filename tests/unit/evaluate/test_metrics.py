"""Metrics against scikit-learn, and the laws they keep."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facetwise.core.choices import Metric
from facetwise.evaluate.metrics import (
    accuracy,
    balanced_accuracy,
    confusion,
    divisor,
    f1_of_counts,
    macro_f1,
    parts_of_counts,
    quadratic_kappa,
    score_of,
)

ROWS = st.integers(2, 7).flatmap(
    lambda size: st.tuples(
        st.just(size),
        st.lists(st.tuples(st.integers(0, size - 1), st.integers(0, size - 1)), min_size=1, max_size=60),
    )
)


def sides(rows: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    both = np.array(rows, dtype=np.int64)
    return both[:, 0], both[:, 1]


@given(ROWS)
def test_agrees_with_scikit_learn_over_all_classes(drawn):
    from sklearn.metrics import accuracy_score, cohen_kappa_score, confusion_matrix, f1_score, recall_score

    size, rows = drawn
    truth, predicted = sides(rows)
    labels = range(size)
    f1 = f1_score(truth, predicted, labels=labels, average=None, zero_division=0)
    matrix = confusion(truth, predicted, size)
    np.testing.assert_array_equal(matrix, confusion_matrix(truth, predicted, labels=labels))
    np.testing.assert_allclose(
        f1_of_counts(np.diagonal(matrix), matrix.sum(axis=0), matrix.sum(axis=1)), f1, atol=1e-12
    )
    assert macro_f1(truth, predicted, size) == pytest.approx(f1.mean(), abs=1e-12)
    assert accuracy(truth, predicted, size) == accuracy_score(truth, predicted)
    recall = recall_score(truth, predicted, labels=sorted(set(truth.tolist())), average="macro", zero_division=0)
    assert balanced_accuracy(truth, predicted, size) == pytest.approx(recall, abs=1e-12)
    if len({*truth.tolist(), *predicted.tolist()}) > 1:
        kappa = cohen_kappa_score(truth, predicted, labels=labels, weights="quadratic")
        assert quadratic_kappa(truth, predicted, size) == pytest.approx(kappa, abs=1e-9)
    else:
        assert np.isnan(quadratic_kappa(truth, predicted, size))


@given(ROWS, st.randoms(use_true_random=False))
def test_names_of_classes_and_order_of_rows_do_not_matter(drawn, random):
    size, rows = drawn
    truth, predicted = sides(rows)
    renamed = np.array(random.sample(range(size), size))
    order = np.array(random.sample(range(len(rows)), len(rows)))
    for metric in (macro_f1, accuracy, balanced_accuracy):
        score = metric(truth, predicted, size)
        assert metric(renamed[truth][order], renamed[predicted][order], size) == pytest.approx(score, abs=1e-12)


@given(ROWS)
def test_bounds_and_symmetry(drawn):
    size, rows = drawn
    truth, predicted = sides(rows)
    assert 0 <= macro_f1(truth, predicted, size) <= 1
    assert macro_f1(truth, predicted, size) == pytest.approx(macro_f1(predicted, truth, size))
    assert accuracy(truth, truth, size) == 1
    assert macro_f1(truth, truth, size) == pytest.approx(len(set(truth.tolist())) / size)


@given(ROWS, st.sampled_from(get_args(Metric)))
def test_a_score_is_the_sum_of_what_classes_add(drawn, metric):
    size, rows = drawn
    truth, predicted = sides(rows)
    hits, answered, true = (
        np.bincount(of, minlength=size).astype(float) for of in (truth[truth == predicted], predicted, truth)
    )
    total = parts_of_counts(metric, hits, answered, true).sum() / divisor(metric, true, size)
    assert score_of(metric, truth, predicted, size) == pytest.approx(total, abs=1e-12)


def test_more_joint_classes_than_memory_holds():
    size = 30**6
    truth = np.array([0, size - 1, 5, 5])
    assert macro_f1(truth, truth, size) == pytest.approx(3 / size)
    assert balanced_accuracy(truth, np.array([0, 0, 5, 0]), size) == pytest.approx((1 + 0 + 1 / 2) / 3)


def test_missing_rows_are_refused_unless_told():
    truth, predicted = np.array([0, 1, 1]), np.array([0, -1, 1])
    for metric in (macro_f1, accuracy, confusion):
        with pytest.raises(ValueError, match="1 of 3 rows are missing"):
            metric(truth, predicted, 2)
    assert macro_f1(truth, predicted, 2, skip_missing=True) == 1
    assert accuracy(truth, predicted, 2, skip_missing=True) == 1
    assert confusion(truth, predicted, 2, skip_missing=True).sum() == 2


@pytest.mark.parametrize(
    ("truth", "predicted", "message"),
    [
        ([0, 1], [0], r"`predicted` must be class numbers \(integers\) of shape \(n\) with n = 2, got .*\(1,\)"),
        ([0, 2], [0, 1], "`truth` must be class numbers 0 to 1, or -1 for none, got .* 0 to 2"),
        ([0, 1], [0, -2], "`predicted` must be class numbers 0 to 1, or -1 for none, got .* -2 to 0"),
        ([], [], "no rows"),
        ([0.0, 1.0], [0, 1], "must be class numbers"),
        ([[0], [1]], [0, 1], r"of shape \(2, 1\)"),
    ],
)
def test_bad_rows(truth, predicted, message):
    for metric in (macro_f1, accuracy, confusion):
        with pytest.raises(ValueError, match=message):
            metric(np.array(truth), np.array(predicted), 2)
