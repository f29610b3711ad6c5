"""Agreement: scikit-learn's kappa, symmetry, no matter the order or the names of classes, and votes by their law."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import cohen_kappa_score, confusion_matrix

from facetwise.core.labels import Attribute, LabelSpace
from facetwise.evaluate.agreement import (
    agreeing_rows,
    agreement,
    agreement_intervals,
    cohen_kappa,
    contradiction,
    count_correct,
    disagreement,
    disagreement_matrix,
    moved_by_attributes,
    people_moved,
    tally_votes,
    transitions,
)
from facetwise.evaluate.intervals import Interval, bootstrap_interval, share_intervals

SPACE = LabelSpace((Attribute("mask", ("on", "askew", "off")), Attribute("gender", ("m", "f"))))
CLASSES = 4
Array = np.ndarray[Any, Any]


def sides(size: int = 2, missing: bool = True) -> st.SearchStrategy[Array]:
    """Answers of `size` sides for some images: class numbers, -1 for none."""
    low = -1 if missing else 0
    return st.integers(1, 30).flatmap(lambda n: arrays(np.int64, (size, n), elements=st.integers(low, CLASSES - 1)))


@given(sides())
def test_a_disagreement_is_what_an_agreement_leaves(pair: Array) -> None:
    share = agreement("a", *pair).share
    assert disagreement(*pair) == disagreement(*pair[::-1]) or share is None
    if share is None:
        assert np.isnan(disagreement(*pair))
    else:
        assert disagreement(*pair) == pytest.approx(1 - share)


@given(sides(size=4, missing=False))
def test_disagreement_matrix_are_a_distance(answers: Array) -> None:
    found = disagreement_matrix(list(answers))
    assert (found == found.T).all()
    assert (np.diag(found) == 0).all()
    np.testing.assert_allclose(found, [[(a != b).mean() for b in answers] for a in answers])
    assert (found[:, None, :] <= found[:, :, None] + found[None, :, :] + 1e-12).all(), "the triangle inequality"
    assert np.linalg.eigvalsh(np.exp(-found / 0.1)).min() > -1e-9


@given(sides(size=4), st.randoms(use_true_random=False))
def test_neither_the_order_of_rows_nor_the_names_of_classes_move_shares(answers: Array, chance: Random) -> None:
    rows, names = list(range(answers.shape[1])), list(range(CLASSES))
    chance.shuffle(rows)
    chance.shuffle(names)
    renamed = np.where(answers < 0, -1, np.array(names)[answers])[:, rows]
    np.testing.assert_array_equal(disagreement_matrix(list(renamed)), disagreement_matrix(list(answers)))


def test_of_several_attributes_those_count_that_both_have() -> None:
    one = np.array([[0, 1], [0, 1], [0, 1], [-1, -1]])
    other = np.array([[0, 1], [0, 0], [-1, 1], [0, 1]])
    same, both = agreeing_rows(one, other)
    assert same.tolist() == [True, False, True, False]
    assert both.tolist() == [True, True, True, False]
    assert disagreement(one, other) == pytest.approx(1 / 3)
    assert disagreement_matrix([]).shape == (0, 0)
    with pytest.raises(ValueError, match="`second` must be class numbers"):
        disagreement(one, other[:2])


@given(sides(missing=False))
def test_kappa_is_scikit_learns(pair: Array) -> None:
    if len(np.unique(pair)) == 1:  # chance gives all: scikit-learn divides 0 by 0
        assert cohen_kappa(*pair) is None
    else:
        assert cohen_kappa(*pair) == pytest.approx(cohen_kappa_score(*pair), abs=1e-12)


def test_kappa_of_two_who_answer_by_lot_is_zero() -> None:
    one, two = (a.ravel() for a in np.meshgrid([0, 0, 1], [0, 1, 1]))
    assert cohen_kappa(one, two) == pytest.approx(0)
    assert cohen_kappa(one[:0], two[:0]) is None


@given(sides())
def test_agreement_is_symmetric(pair: Array) -> None:
    one, two = agreement("a", *pair), agreement("a", *pair[::-1])
    assert (one.num_images, one.num_same, one.share) == (two.num_images, two.num_same, two.share)
    assert one.kappa == (None if two.kappa is None else pytest.approx(two.kappa))
    assert one.num_images == int((pair >= 0).all(axis=0).sum())
    assert one.num_same + one.num_different == one.num_images


@given(sides(), st.permutations(range(CLASSES)), st.randoms(use_true_random=False))
def test_neither_the_order_of_images_nor_the_names_of_classes_matter(pair: Array, names: list[int], lot: Any) -> None:
    order = list(range(pair.shape[1]))
    lot.shuffle(order)
    renamed = np.append(names, -1)[pair[:, order]]  # -1 picks the last
    one, two = agreement("a", *pair), agreement("a", *renamed)
    assert (one.num_images, one.num_same) == (two.num_images, two.num_same)
    assert one.kappa == (None if two.kappa is None else pytest.approx(two.kappa))
    steps = Counter({(names[t.before], names[t.after]): t.num_images for t in transitions(*pair)})
    assert steps == Counter({(t.before, t.after): t.num_images for t in transitions(*renamed)})
    votes, again = tally_votes(pair), tally_votes(renamed)
    np.testing.assert_array_equal(np.append(names, -1)[votes.majority][order], again.majority)
    np.testing.assert_array_equal(votes.outvoted[:, order], again.outvoted)


@given(sides())
def test_transitions_are_the_confusion_off_its_diagonal(pair: Array) -> None:
    both = pair[:, (pair >= 0).all(axis=0)]
    found = transitions(*pair)
    counts = np.zeros((CLASSES, CLASSES), int)
    if both.size:
        counts = confusion_matrix(*both, labels=range(CLASSES))
    np.fill_diagonal(counts, 0)
    rebuilt = np.zeros_like(counts)
    for t in found:
        rebuilt[t.before, t.after] = t.num_images
    np.testing.assert_array_equal(rebuilt, counts)
    assert [t.num_images for t in found] == sorted((t.num_images for t in found), reverse=True)
    back = Counter({(t.after, t.before): t.num_images for t in transitions(*pair[::-1])})
    assert back == Counter({(t.before, t.after): t.num_images for t in found})


@given(arrays(np.int64, st.tuples(st.just(2), st.integers(1, 20)), elements=st.integers(0, SPACE.num_joint - 1)))
def test_what_moved_adds_up_to_the_images_that_differ(joint: Array) -> None:
    one, two = SPACE.decode(joint)
    found = moved_by_attributes(one, two, SPACE.names)
    assert sum(m.num_images for m in found) == agreement("joint", *joint).num_different
    for k, name in enumerate(SPACE.names):
        both = sum(m.num_images for m in found if name in m.attributes)
        assert both == agreement(name, one[:, k], two[:, k]).num_different
    assert moved_by_attributes(two, one, SPACE.names) == found


def test_what_moved_stands_most_first_and_leaves_out_what_lacks_an_answer() -> None:
    one = SPACE.decode(np.array([0, 0, 0, 0, 5]))
    two = SPACE.decode(np.array([1, 1, 2, 3, 5]))
    found = {m.attributes: m.num_images for m in moved_by_attributes(one, two, SPACE.names)}
    assert list(found.items()) == [(("gender",), 2), (("mask",), 1), (("mask", "gender"), 1)]
    one[0] = -1
    assert [m.attributes for m in moved_by_attributes(one, two, SPACE.names)] == [
        ("mask",),
        ("gender",),
        ("mask", "gender"),
    ]
    nothing = np.full_like(one, -1)
    assert moved_by_attributes(nothing, two, SPACE.names) == ()
    assert transitions(nothing[:, 0], two[:, 0]) == ()


@given(sides(3, missing=False))
def test_who_is_right_adds_up(three: Array) -> None:
    found = count_correct("a", *three)
    assert found.first + found.second + found.neither == int((three[0] != three[1]).sum())
    assert found.first == int(((three[0] == three[2]) & (three[1] != three[2])).sum())
    mirrored = count_correct("a", three[1], three[0], three[2])
    assert (mirrored.first, mirrored.second) == (found.second, found.first)


def test_people_are_counted_once() -> None:
    one, two = np.array([0, 0, 0, 0, 0, -1]), np.array([1, 1, 0, 1, 0, 0])
    people = ["a", "a", "b", "b", "c", "d"]
    found = people_moved("x", one, two, people)
    assert (found.num_people, found.num_some, found.num_all) == (3, 2, 1)
    assert people_moved("x", np.full(6, -1), two, people).num_people == 0


def votes_by_hand(answers: list[int]) -> tuple[int, list[bool], list[bool]]:
    """Majority, who is outvoted and who stands alone for one image."""
    counts = Counter(a for a in answers if a >= 0)
    top = counts.most_common(2)
    majority = -1 if not top or (len(top) == 2 and top[0][1] == top[1][1]) else top[0][0]
    strict = [c for c, n in counts.items() if 2 * n > counts.total()]
    outvoted = [bool(strict) and a >= 0 and a != strict[0] for a in answers]
    alone = [o and counts[strict[0]] == counts.total() - 1 for o in outvoted]
    return majority, outvoted, alone


@given(st.integers(3, 6).flatmap(sides))
def test_votes_are_those_of_counting_by_hand(answers: Array) -> None:
    votes = tally_votes(answers)
    for i, column in enumerate(answers.T.tolist()):
        majority, outvoted, alone = votes_by_hand(column)
        assert votes.majority[i] == majority
        assert votes.outvoted[:, i].tolist() == outvoted
        assert votes.alone[:, i].tolist() == alone
        voted = [a for a in column if a >= 0]
        assert votes.unanimous[i] == (len(voted) > 1 and len(set(voted)) == 1)


def test_two_against_two_is_no_majority() -> None:
    votes = tally_votes(np.array([[0], [0], [1], [1]]))
    assert (votes.majority[0], votes.outvoted.any(), votes.unanimous[0]) == (-1, False, False)


def test_a_contradiction_is_as_sure_as_the_less_sure_side() -> None:
    nothing = float("nan")
    answers = np.array([[0, 0, 0, 0, 0], [1, 1, 0, 1, 1], [1, 2, 0, 0, -1]])
    sure = np.array([[0.9, 0.9, 0.9, nothing, nothing], [0.6, 0.5, 0.9, 0.4, nothing], [0.7, 0.8, 0.9, 0.3, 0.9]])
    expected = [0.7, 0.8, nothing, 0.4, nothing]
    np.testing.assert_allclose(contradiction(answers, sure), expected)
    np.testing.assert_allclose(contradiction(answers[::-1], sure[::-1]), expected)


def test_sides_of_other_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="`second` must be class numbers"):
        agreement("a", np.zeros(3, np.int64), np.zeros(4, np.int64))


def test_intervals_are_those_of_an_accuracy_by_person() -> None:
    rng = np.random.default_rng(0)
    people = np.repeat([f"p{i}" for i in range(40)], 7)
    first = rng.integers(0, 3, len(people))
    pairs = [(first, np.where(rng.random(len(people)) < p, first, rng.integers(0, 3, len(people)))) for p in (0.5, 0.9)]
    found = agreement_intervals(pairs, people)
    for (one, two), interval in zip(pairs, found, strict=True):
        alone = bootstrap_interval(one, two, people, 3, metric="accuracy")
        assert (interval.low, interval.high) == pytest.approx((alone.low, alone.high))
        assert interval.low < (one == two).mean() < interval.high
    order = rng.permutation(len(people))
    assert agreement_intervals([(a[order], b[order]) for a, b in pairs], people[order]) == found


def test_an_interval_leaves_out_who_has_no_answer_and_knows_nothing_of_one_person() -> None:
    people = np.repeat(list("abcdefgh"), 3)
    one = np.arange(24) % 4
    two = np.where(np.arange(24) % 5 == 0, 0, one)
    few = np.where(people < "e", two, -1)
    single = np.where(people == "a", two, -1)
    alone = agreement_intervals([(one[:12], two[:12])], people[:12])[0]
    assert agreement_intervals([(one, few)], people)[0] == alone
    together = agreement_intervals([(one, two), (one, single)], people)
    assert together[0] == agreement_intervals([(one, two)], people)[0]
    assert together[1] == Interval(0.0, 1.0, 0.95)
    nothing = share_intervals(np.zeros((24, 1), bool), np.zeros((24, 1), bool), people)
    assert nothing == (Interval(0.0, 1.0, 0.95),)
