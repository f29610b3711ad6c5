"""A selection that looks at some classes of each row finds what one that looks at all of them does, ties included."""

from __future__ import annotations

import numpy as np
import pytest

from facetwise.blending import candidates
from facetwise.blending.candidates import FEW, narrowed
from facetwise.blending.select import GreedySearch, select
from facetwise.blending.votes import VoteBlock, Votes
from facetwise.core.labels import Attribute, LabelSpace
from facetwise.evaluate.compose import log_normalised

NUM_ROWS, NUM_MEMBERS = 24, 4


def block_of(draws: np.random.Generator, size: int, kind: str, name: str = "crop") -> VoteBlock:
    """Votes of members that are alike, so that few classes are left; `ties`: with a handful of different votes."""
    common = draws.normal(0, 1, (NUM_ROWS, size))
    logits = common + draws.normal(0, 0.5, (NUM_MEMBERS, NUM_ROWS, size))
    logs = np.stack([log_normalised(own) for own in logits])
    votes = {"soft": np.exp(logs), "geometric": np.maximum(logs, -13), "ties": np.ceil(np.exp(logs) * 200) / 256}[kind]
    if kind == "ties":
        votes[:, 0] = 0.25  # a row that says nothing
    return VoteBlock(name, np.arange(NUM_MEMBERS), votes.astype(np.float32))


@pytest.mark.parametrize("kind", ["soft", "geometric", "ties"])
@pytest.mark.parametrize("size", [FEW + 1, 300, 3000])
def test_every_sum_decides_the_same_class(size: int, kind: str) -> None:
    draws = np.random.default_rng(size)
    block = block_of(draws, size, kind)
    few = narrowed(block)
    assert few.classes is not None
    assert (np.sort(few.votes, axis=2)[:, 1:, -1] == np.sort(block.votes, axis=2)[:, 1:, -1]).all(), "the best is kept"
    rows = np.arange(NUM_ROWS)
    for _ in range(5):
        of_all, of_few = np.zeros(block.votes.shape[1:], np.float32), np.zeros(few.votes.shape[1:], np.float32)
        for member in draws.integers(0, NUM_MEMBERS, 40):
            of_all += block.votes[member]
            of_few += few.votes[member]
            np.testing.assert_array_equal(few.classes[rows, of_few.argmax(axis=1)], of_all.argmax(axis=1))


def test_a_class_that_another_beats_with_every_member_is_left_out_and_a_tie_is_not() -> None:
    votes = np.full((2, 1, FEW + 1), 0.001, np.float32)
    votes[:, 0, [3, 5, 8]] = [[0.3, 0.2, 0.3], [0.2, 0.1, 0.2]]
    found = narrowed(VoteBlock("crop", np.arange(2), votes))
    assert found.classes is not None
    np.testing.assert_array_equal(found.classes, [[3, 8]])
    np.testing.assert_array_equal(found.votes, votes[:, :, [3, 8]])


@pytest.mark.parametrize("size", [2, FEW])
def test_few_classes_are_all_looked_at(size: int) -> None:
    block = block_of(np.random.default_rng(0), size, "soft")
    assert narrowed(block) is block


@pytest.mark.parametrize("kind", ["soft", "geometric", "ties"])
@pytest.mark.parametrize("sizes", [(18,), (300, 2), (1000,)])
def test_weights_score_and_moves_are_those_of_all_classes(
    sizes: tuple[int, ...], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    draws = np.random.default_rng(sum(sizes))
    space = LabelSpace(tuple(Attribute(f"a{size}", tuple(f"c{k}" for k in range(size))) for size in sizes))
    blocks = tuple(block_of(draws, size, kind, f"a{size}") for size in sizes)
    votes = Votes(space, "geometric" if kind == "geometric" else "soft", NUM_MEMBERS, blocks)
    likely = votes.joint_of([b.votes[draws.integers(NUM_MEMBERS)].argmax(axis=1) for b in blocks])
    truth = np.where(draws.random(NUM_ROWS) < 0.7, likely, draws.integers(0, space.num_joint, NUM_ROWS))
    people, search = [f"p{i // 2}" for i in range(NUM_ROWS)], GreedySearch(rounds=12, bags=3)
    found = select(votes, truth, people, search=search, threads=1)
    monkeypatch.setattr(candidates, "FEW", 10_000)
    expected = select(votes, truth, people, search=search, threads=1)
    np.testing.assert_array_equal(found.weights, expected.weights)
    assert (found.score, found.trace) == (expected.score, expected.trace)
