"""Scores of labels that are known in part: the joint score is of rows known whole, an attribute's of its own rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facetwise.core.errors import InputError
from facetwise.core.labels import Attribute, LabelSpace
from facetwise.evaluate.rows import Truth
from facetwise.evaluate.scorecard import score_decided

SPACE = LabelSpace((Attribute("a", ("x", "y")), Attribute("b", ("p", "q", "r"))))


def drawn(seed: int, rows: int = 40) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """True codes with gaps, decided codes, people."""
    random = np.random.default_rng(seed)
    truth, decided = (np.stack([random.integers(0, n, rows) for n in SPACE.sizes], axis=1) for _ in range(2))
    truth[random.random(truth.shape) < 0.3] = -1
    truth[:4] = [[0, 0], [1, 1], [0, 2], [1, 0]]
    return truth, decided, np.arange(rows) // 2


@given(st.integers(0, 2**31))
def test_a_card_scores_each_part_on_the_rows_that_have_it(seed: int) -> None:
    codes, decided, people = drawn(seed)
    images = np.arange(len(codes)).astype(str)
    card = score_decided(decided, Truth(SPACE, images, codes, people))
    whole = (codes != -1).all(axis=1)
    alone = score_decided(decided[whole], Truth(SPACE, images[whole], codes[whole], people[whole]))
    assert (card.macro_f1, card.macro_f1_interval, card.accuracy) == (
        alone.macro_f1, alone.macro_f1_interval, alone.accuracy,
    )  # fmt: skip
    assert (card.num_covered, card.num_unknown, card.num_images) == (whole.sum(), (~whole).sum(), len(codes))
    for i, attribute in enumerate(SPACE.attributes):
        own = codes[:, i] != -1
        truth = Truth(SPACE.only([attribute.name]), images[own], codes[own][:, [i]], people[own])
        assert card.attributes[i].macro_f1 == truth.score(decided[own, i])
        assert card.attributes[i].interval == truth.interval(decided[own, i])
        assert card.attributes[i].num_images == own.sum()


def test_a_truth_scores_what_it_knows() -> None:
    codes = np.array([[0, 0], [1, -1], [-1, 2], [1, 1]])
    truth = Truth(SPACE, list("abcd"), codes, list("uvwx"))
    assert truth.classes.tolist() == [0, -1, -1, 4]
    assert truth.known.tolist() == [True, False, False, True]
    assert truth.score(np.array([0, 5, 5, 4])) == pytest.approx(2 / 6)
    assert truth.only(["b"]).known.tolist() == [True, False, True, True]


def test_without_a_row_that_is_known_whole_there_is_no_joint_score() -> None:
    truth = Truth(SPACE, list("abcd"), np.array([[0, -1], [1, -1], [-1, 2], [-1, 1]]), list("uvwx"))
    with pytest.raises(InputError, match="no predicted image has a known class of `a` and `b`"):
        score_decided(np.zeros((4, 2), np.int64), truth)
    decided = np.array([[0, -1], [0, -1], [0, -1], [0, -1]])
    assert score_decided(decided, truth).num_covered == 2  # a specialist needs its own attribute alone


def test_codes_and_joint_classes_go_both_ways_with_gaps() -> None:
    codes = np.array([[0, 2], [1, -1], [-1, -1]])
    assert SPACE.encode(codes, missing=True).tolist() == [2, -1, -1]
    assert SPACE.decode([5, -1], missing=True).tolist() == [[1, 2], [-1, -1]]
    with pytest.raises(ValueError, match="class number out of range"):
        SPACE.encode(codes)
    with pytest.raises(ValueError, match="joint class out of range"):
        SPACE.decode([-1])
    with pytest.raises(ValueError, match="or -1 for none"):
        SPACE.encode([[0, -2]], missing=True)
