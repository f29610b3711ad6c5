"""Rows that hold the answers to other images are told, wherever they stand; honest files are let through."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_opinions import GOOD, SPACE, WEAK, World

from facetwise.core.labels import IntArray
from facetwise.submission.gate.misplaced import (
    ProjectAnswers,
    misplaced_rows,
    misplaced_share,
    others_that_say,
    same_in_another_order,
)


def shuffled(codes: IntArray, rows: IntArray) -> IntArray:
    """Each of `rows` has the answers of another of them: they are moved on by a third of their number."""
    out = codes.copy()
    out[rows] = codes[np.roll(rows, len(rows) // 3)]
    return out


def parts(num: int, share: float) -> dict[str, IntArray]:
    """Rows to shuffle: a block in the middle, or every so many, all over the file."""
    size = int(num * share)
    spread = np.random.default_rng(0).permutation(num)[:size]
    return {"block": np.arange(num // 3, num // 3 + size), "spread": spread}


@pytest.mark.parametrize("known", [True, False], ids=["known out of fold", "a file from elsewhere"])
@pytest.mark.parametrize("where", ["block", "spread"])
@pytest.mark.parametrize(("num_people", "share"), [(200, 0.5), (200, 0.25), (700, 0.5), (700, 0.25)])
def test_a_part_that_is_shuffled_is_a_warning(num_people, share, where, known):
    world = World(1, num_train=200, num_test=num_people)
    own, others = world.model(), [world.model(name="02-other"), world.model(name="03-other")]
    rows = parts(len(world.test), share)[where]
    report = world.gate(SPACE.encode(shuffled(own.codes, rows)), own if known else None, others)
    assert [f.code for f in (*report.errors, *report.warnings)] == ["opinions-differ"]
    assert not report.may_be_sent
    assert {v.word for v in report.verdicts} == {"misplaced"}
    for verdict in report.verdicts:
        assert verdict.misplaced.share == pytest.approx(share, abs=0.12)
    if where == "block":
        first, last = report.verdicts[0].misplaced.block
        assert abs(first - rows[0]) < 40
        assert abs(last - rows[-1]) < 40
        assert f"in rows {first + 1:,} to {last + 1:,} by chance alone" in report.warnings[0].message
    else:
        assert "of the rows look like answers to other images" in report.warnings[0].message


@pytest.mark.parametrize("num_people", [8, 40, 200])
def test_honest_files_have_no_misplaced_rows(num_people):
    for right, other in ((GOOD, GOOD), (WEAK, GOOD), (GOOD, WEAK)):
        world = World(2, num_train=2 * num_people, num_test=num_people)
        own = world.model(right)
        for known in (own, None):
            report = world.gate(SPACE.encode(own.codes), known, [world.model(other), world.model(other, "02-other")])
            assert not [v for v in report.verdicts if v.word == "misplaced"]


def test_the_share_of_tables_that_are_exactly_mixtures():
    """Half of the rows agree throughout; beside each class of the other half stands every class equally often."""
    grid = np.stack(np.meshgrid(range(4), range(4), indexing="ij"), axis=-1).reshape(-1, 2)
    there = np.tile(grid, (20, 1))
    assert misplaced_share(there, there) == 0
    assert misplaced_rows(there, there, 40) is None
    here = there.copy()
    here[:160] = np.repeat(grid, 10, axis=0)  # beside each class of the other, every class
    assert misplaced_share(here, there) == pytest.approx(0.5, abs=0.02)
    found = misplaced_rows(here, there, 40)
    assert found.block == pytest.approx((0, 159), abs=6)
    assert misplaced_rows(here[:, :1], there[:, :1], 40) is None  # one attribute cannot tell


def test_the_same_answers_in_another_order():
    joint = np.arange(280) % 18
    assert same_in_another_order(joint, joint) is None
    assert same_in_another_order(joint[::-1], joint) == int((joint[::-1] != joint).sum())
    quarter = joint.copy()
    quarter[:70] = quarter[:70][::-1]
    assert same_in_another_order(quarter, joint) == int((quarter != joint).sum())
    two = joint.copy()
    two[[0, 1]] = two[[1, 0]]  # two images exchanged is what honest predictions do
    assert same_in_another_order(two, joint) is None
    one = joint[::-1].copy()
    one[0] = (one[0] + 1) % 18
    assert same_in_another_order(one, joint) is None
    lacking = joint.copy()
    lacking[:5] = -1  # the other could not read five images, for which a file says anything
    assert same_in_another_order(joint[::-1], lacking) is not None


@settings(max_examples=40)
@given(st.integers(1, 7), st.integers(2, 5), st.integers(0, 10**6))
def test_thechance_of_equal_counts_is_that_of_turning_each_row(half, size, seed):
    """Against all ways in which rows that differ may be turned, which is what the formula approximates."""
    from facetwise.submission.gate.misplaced import chance_of_equal_counts

    draws = np.random.default_rng(seed)
    one = draws.integers(0, size, half)
    two = (one + draws.integers(1, size, half)) % size
    one, two = np.concatenate([one, two]), np.concatenate([two, one])  # as many each way, so that they may be equal
    turns = ((np.arange(1 << len(one))[:, None] >> np.arange(len(one))) & 1).astype(bool)
    steps = np.eye(size)[one] - np.eye(size)[two]
    ends = np.where(turns[:, :, None], steps, -steps).sum(axis=1)
    exact = float((ends == 0).all(axis=1).mean())
    assert exact / 3 < chance_of_equal_counts(one, two) < exact * 3


def test_classes_that_only_the_others_say():
    file = np.array([[0, 0], [1, 0], [0, 0], [1, 0]])
    three, two = np.array([[0, 1], [2, 0], [2, 1], [1, 1]]), np.array([[2, 0], [1, 0], [0, 1], [1, -1]])
    others = [ProjectAnswers("a", three), ProjectAnswers("b", two), ProjectAnswers("c", file)]
    assert list(others_that_say(file, others)) == [(0, 2, 2, 1), (1, 1, 2, 2)]
    assert list(others_that_say(file, [*others, ProjectAnswers("d", file)])) == []  # half of them say neither


@pytest.mark.parametrize("known", [True, False], ids=["known out of fold", "a file from elsewhere"])
def test_a_class_that_is_never_answered_is_named(known):
    world = World(3)
    own, other = world.model(), world.model(name="02-other")
    joint = SPACE.encode(np.where(own.codes == [[2, 9, 9]], 0, own.codes))
    here = [ProjectAnswers(other.name, other.codes)]
    report = world.gate(joint, own if known else None, [other], here)
    (found,) = (f for f in report.warnings if f.code == "class-absent")
    count = int((other.codes[:, 0] == 2).sum())
    assert found.message == f"`mask`: no image is answered `normal`; 1 other answer gives it to {count:,}"
    own.oof[own.oof[:, 0] == 2, 0] = 0  # a source that never says it out of fold either
    assert not [f for f in world.gate(joint, own, [other], here).findings if f.code == "class-absent"]


def test_a_known_answer_in_another_order_is_an_error_or_the_odd_one():
    world = World(4, num_test=40)
    own, good = world.model(), world.model(name="02-other")
    turned = own.codes[::-1]
    here = [ProjectAnswers("01-sent", own.codes)]
    report = world.gate(SPACE.encode(turned), None, [], here)  # with nobody to ask
    (found,) = report.errors
    assert found.code == "reordered"
    assert found.message.endswith(
        f"of the {len(own.codes)} rows have the answers of `01-sent` in another order: "
        "each class as often as there, but for other images"
    )
    report = world.gate(SPACE.encode(own.codes), own, [good], [ProjectAnswers("01-broken", turned)])
    assert not report.errors
    (found,) = (f for f in report.findings if f.code == "reordered")
    assert (found.level, "`01-broken` that is out of order" in found.message) == ("ok", True)
