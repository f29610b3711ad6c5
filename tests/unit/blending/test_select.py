"""Greedy selection against the plain algorithm, its laws, and its limits."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from made_votes import SPACE, draw_votes, people

from facetwise.blending.contributions import contributions, pairwise_agreement
from facetwise.blending.limits import Limits
from facetwise.blending.methods import METHODS
from facetwise.blending.objective import TIE, Objective
from facetwise.blending.select import GreedySearch, score_of, select
from facetwise.blending.votes import VoteBlock, Votes, decide_classes
from facetwise.core.choices import Metric
from facetwise.core.errors import InputError, SettingError
from facetwise.core.labels import Attribute, LabelSpace
from facetwise.evaluate.metrics import macro_f1
from facetwise.evaluate.metrics import score_of as class_score

SEEDS = st.integers(0, 2**32 - 1)
WAYS = [(by, method) for by in ("whole", "attribute") for method in METHODS]
SINGLE = GreedySearch(bags=0, rounds=12)
BAGGED = GreedySearch(bags=4, rounds=8, share=0.5)


def joint_of(votes, sums):
    return votes.joint_of([s.argmax(axis=1) for s in sums])


def plain(votes, truth, times, rounds, start, metric="macro_f1"):
    """The same selection by argmax of every row for every move: (block, member) by round, and the scores."""
    rows = np.repeat(np.arange(len(truth)), times)
    moves = [(b, i) for b, block in enumerate(votes.blocks) for i in range(len(block.members))]

    def score(sums, space_size, classes):
        return class_score(metric, classes[rows], sums[rows], space_size)

    sums, steps = [], []
    for block, classes in zip(votes.blocks, votes.classes_of(truth), strict=True):
        alone = [score(v.argmax(axis=1), v.shape[1], classes) for v in block.votes]
        first = sorted(range(len(alone)), key=lambda i: (-round(alone[i], 12), i))[:start]
        total = np.zeros(block.votes.shape[1:], np.float32)
        for i in first:
            total = total + block.votes[i]
        sums.append(total)
        steps += [(1, len(sums) - 1, int(block.members[i])) for i in first]
    scores = [score(joint_of(votes, sums), SPACE.num_joint, truth)]
    for number in range(2, rounds + 1):
        tried = []
        for b, i in moves:
            with_it = [s + votes.blocks[b].votes[i] if n == b else s for n, s in enumerate(sums)]
            tried.append(score(joint_of(votes, with_it), SPACE.num_joint, truth))
        best = next(n for n, found in enumerate(tried) if found >= max(tried) - TIE)
        b, i = moves[best]
        sums[b] = sums[b] + votes.blocks[b].votes[i]
        steps.append((number, b, int(votes.blocks[b].members[i])))
        scores.append(tried[best])
    last = 1 + next(n for n, found in enumerate(scores) if found >= max(scores) - TIE)
    return [s for s in steps if s[0] <= last], scores[:last]


@given(SEEDS, st.sampled_from(WAYS), st.integers(1, 3), st.sampled_from(get_args(Metric)))
@settings(max_examples=60)
def test_the_selection_is_that_of_the_plain_algorithm(seed, way, start, metric):
    votes, truth, groups = draw_votes(seed, *way)
    times = np.random.default_rng(seed).integers(0, 4, len(truth))
    times[0] = 1
    found = select(votes, truth, groups, search=replace(SINGLE, start=start), times=times, metric=metric)
    steps, scores = plain(votes, truth, times, SINGLE.rounds, start, metric)
    assert [(s.round, s.block, s.member) for s in found.trace] == steps
    np.testing.assert_allclose(sorted({s.round: s.score for s in found.trace}.items()), list(enumerate(scores, 1)))


@given(SEEDS)
@settings(max_examples=20)
def test_members_that_tie_in_every_row_are_chosen_alike_by_the_plain_algorithm(seed):
    """Votes of a few values only: sums tie, gaps are exactly zero."""
    draws = np.random.default_rng(seed)
    votes, truth, groups = draw_votes(seed, "whole", "soft")
    coarse = draws.integers(0, 3, votes.blocks[0].votes.shape).astype(np.float32) / 2
    votes = replace(votes, blocks=(replace(votes.blocks[0], votes=coarse),))
    found = select(votes, truth, groups, search=SINGLE)
    steps, _ = plain(votes, truth, np.ones(len(truth), np.int64), SINGLE.rounds, 1)
    assert [(s.round, s.block, s.member) for s in found.trace] == steps


def test_many_rounds_do_not_drift_from_the_plain_algorithm():
    for way in WAYS:
        votes, truth, groups = draw_votes(7, *way, num_members=6, num_rows=240)
        found = select(votes, truth, groups, search=GreedySearch(bags=0, rounds=40))
        steps, _ = plain(votes, truth, np.ones(len(truth), np.int64), 40, 1)
        assert [(s.round, s.block, s.member) for s in found.trace] == steps


@given(SEEDS, st.sampled_from(WAYS), st.sampled_from([SINGLE, BAGGED]))
@settings(max_examples=40)
def test_weights_sum_to_one_and_stand_at_members_that_have_the_block(seed, way, search):
    votes, truth, groups = draw_votes(seed, *way)
    found = select(votes, truth, groups, search=search)
    np.testing.assert_allclose(found.weights.sum(axis=1), 1)
    assert (found.weights >= 0).all()
    assert not found.weights[~votes.has].any()
    assert found.score == pytest.approx(macro_f1(truth, decide_classes(votes, found.weights), SPACE.num_joint))


@given(SEEDS, st.sampled_from(WAYS))
@settings(max_examples=30)
def test_a_single_selection_is_never_worse_than_what_it_starts_with(seed, way):
    votes, truth, groups = draw_votes(seed, *way)
    found = select(votes, truth, groups, search=SINGLE)
    assert found.trace[-1].score >= found.trace[0].score
    if way[0] == "whole":
        alone = [score_of(votes, np.eye(votes.num_members)[[m]], truth) for m in votes.blocks[0].members]
        assert found.trace[-1].score >= max(alone) - TIE


@given(SEEDS, st.sampled_from(WAYS), st.sampled_from([SINGLE, BAGGED]))
@settings(max_examples=40)
def test_the_order_of_rows_is_no_matter(seed, way, search):
    votes, truth, groups = draw_votes(seed, *way)
    order = np.random.default_rng(seed).permutation(len(truth))
    found = select(votes, truth, groups, search=search)
    mixed = select(votes.rows(order), truth[order], np.array(groups)[order], search=search)
    np.testing.assert_array_equal(found.weights, mixed.weights)


@given(SEEDS, st.sampled_from(["soft", "geometric"]))
@settings(max_examples=30)
def test_the_order_of_members_is_no_matter_where_none_tie(seed, method):
    votes, truth, groups = draw_votes(seed, "whole", method, num_rows=300)
    order = np.random.default_rng(seed).permutation(votes.num_members)
    block = votes.blocks[0]
    mixed = replace(votes, blocks=(replace(block, votes=block.votes[order]),))
    found, again = (select(v, truth, groups, search=replace(SINGLE, rounds=5)) for v in (votes, mixed))
    assume(not tied(votes, truth, found))
    assert [s.member for s in found.trace] == [order[s.member] for s in again.trace[: len(found.trace)]]


def tied(votes, truth, found):
    """Whether some other member would have done as well in a round of the trace."""
    counts = np.zeros((1, votes.num_members))
    for step in found.trace:
        scores = [score_of(votes, counts + np.eye(votes.num_members)[m], truth) for m in range(votes.num_members)]
        if sum(s >= max(scores) - TIE for s in scores) > 1:
            return True
        counts[0, step.member] += 1
    return False


@given(SEEDS, st.sampled_from([way for way in WAYS if way[1] in ("soft", "geometric")]))
@settings(max_examples=30)
def test_relabelled_classes_give_the_same_weights(seed, way):
    """Where classes do not tie, that is: of ranks and hard votes many do, and ties go to the lowest class."""
    votes, truth, groups = draw_votes(seed, *way)
    draws = np.random.default_rng(seed)
    orders = [draws.permutation(b.votes.shape[2]) for b in votes.blocks]
    blocks = tuple(replace(b, votes=b.votes[:, :, o]) for b, o in zip(votes.blocks, orders, strict=True))
    classes = [np.argsort(o)[c] for o, c in zip(orders, votes.classes_of(truth), strict=True)]
    relabelled = replace(votes, blocks=blocks)
    found = select(votes, truth, groups, search=BAGGED)
    again = select(relabelled, votes.joint_of(classes), groups, search=BAGGED)
    np.testing.assert_allclose(found.weights, again.weights)
    assert found.score == pytest.approx(again.score)


@given(SEEDS, st.sampled_from(WAYS))
@settings(max_examples=30)
def test_a_copy_of_a_member_changes_no_decision(seed, way):
    votes, truth, groups = draw_votes(seed, *way)
    twice = replace(
        votes,
        num_members=votes.num_members + 1,
        blocks=tuple(copied(b, votes.num_members) for b in votes.blocks),
    )
    for search in (SINGLE, GreedySearch(bags=3, share=1.0, rounds=8)):
        found, again = (select(v, truth, groups, search=search) for v in (votes, twice))
        np.testing.assert_array_equal(decide_classes(votes, found.weights), decide_classes(twice, again.weights))


def copied(block, number):
    """The block with a copy, called `number`, of its last member."""
    return VoteBlock(block.name, np.append(block.members, number), np.concatenate([block.votes, block.votes[-1:]]))


@pytest.mark.parametrize("by", ["whole", "attribute"])
def test_a_perfect_member_wins(by):
    votes, truth, groups = draw_votes(3, by, "soft")
    for block, classes in zip(votes.blocks, votes.classes_of(truth), strict=True):
        block.votes[2] = np.arange(block.votes.shape[2]) == classes[:, None]
    perfect = votes.blocks[-1].members[2]
    for search in (SINGLE, GreedySearch(bags=5, share=1.0)):
        found = select(votes, truth, groups, search=search)
        assert (found.weights[:, votes.blocks[0].members[2]][0], found.weights[-1, perfect]) == (1, 1)
        assert found.score == pytest.approx(5 / 6)  # the last class never occurs: its F1 is 0


def test_a_seed_repeats_whatever_the_threads():
    votes, truth, groups = draw_votes(0, "attribute", "soft")
    one, two, other = (
        select(votes, truth, groups, search=replace(BAGGED, seed=seed), threads=threads)
        for seed, threads in ((1, 1), (1, 3), (2, 1))
    )
    np.testing.assert_array_equal(one.weights, two.weights)
    assert (one.weights != other.weights).any()


@given(SEEDS, st.sampled_from(WAYS))
@settings(max_examples=20)
def test_rows_that_count_no_times_are_as_if_they_were_not_there(seed, way):
    votes, truth, groups = draw_votes(seed, *way)
    kept = np.arange(len(truth)) % 12 >= 6
    found = select(votes, np.where(kept, truth, -1), groups, search=BAGGED, times=kept)
    alone = select(votes.rows(kept), truth[kept], np.array(groups)[kept], search=BAGGED)
    np.testing.assert_array_equal(found.weights, alone.weights)
    assert found.score == alone.score


def test_bags_draw_people_with_all_of_their_rows():
    """A person's rows stand or fall together: with one person only, every bag is the whole."""
    votes, truth, groups = draw_votes(4, "whole", "soft")
    bagged = select(votes, truth, ["one"] * len(groups), search=GreedySearch(bags=3, share=1.0, rounds=8))
    single = select(votes, truth, groups, search=GreedySearch(bags=0, rounds=8))
    np.testing.assert_allclose(bagged.weights, single.weights)


@given(SEEDS, st.sampled_from(["whole", "attribute"]), st.integers(1, 4), st.sampled_from([SINGLE, BAGGED]))
@settings(max_examples=60)
def test_limits_hold(seed, by, max_models, search):
    votes, truth, groups = draw_votes(seed, by, "soft", num_members=7)
    draws = np.random.default_rng(seed)
    costs = draws.integers(1, 9, 7) / 10
    costs[draws.integers(7)] = np.nan
    budget = float(draws.uniform(0.3, 2.0))
    try:
        limits = Limits(max_models, budget, tuple(costs))
        found = select(votes, truth, groups, search=search, limits=limits)
    except InputError:
        allowed = np.nan_to_num(costs, nan=np.inf) <= budget
        assert not (votes.has.all(axis=0) & allowed).any()  # one member with every block would have done
        return
    assert found.used.sum() <= max_models
    assert costs[found.used].sum() <= budget
    np.testing.assert_allclose(found.weights.sum(axis=1), 1)


def test_limits_leave_room_for_what_a_block_needs():
    has = np.array([[True, True, False, False], [False, False, True, True]])
    weight = np.array([0.9, 0.8, 0.1, 0.0])
    assert Limits(max_models=2).pick(weight, has).tolist() == [True, False, True, False]
    costs = (1.0, 3.0, 9.0, 2.0)
    assert Limits(max_cost=5.0, costs=costs).pick(weight, has).tolist() == [True, False, False, True]
    with pytest.raises(InputError, match="max_models is 1"):
        Limits(max_models=1).pick(weight, has)
    with pytest.raises(InputError, match=r"max_cost is 2\.5"):
        Limits(max_cost=2.5, costs=costs).pick(weight, has)


def test_costs_that_are_not_known_only_matter_where_costs_do():
    has = np.ones((1, 2), np.bool_)
    unknown = (math.nan, 1.0)
    assert Limits(max_models=1, costs=unknown).pick(np.array([0.7, 0.3]), has).tolist() == [True, False]
    assert Limits(max_cost=9.0, costs=unknown).pick(np.array([0.7, 0.3]), has).tolist() == [False, True]
    assert Limits(max_cost=0.3, costs=(0.1, 0.1)).allow(np.ones(2, np.bool_))


def test_limits_that_nothing_can_keep_are_refused():
    for wrong in (
        {"max_models": 0},
        {"max_cost": -1.0, "costs": (1.0,)},
        {"max_cost": 1.0},
        {"costs": (math.nan, -1.0)},
    ):
        with pytest.raises(SettingError):
            Limits(**wrong)
    with pytest.raises(ValueError, match="2 costs for 3 members"):
        Limits(max_cost=1.0, costs=(1.0, 1.0)).allowed(3)


def test_settings_that_make_no_sense_are_refused():
    for wrong in ({"rounds": 0}, {"start": 0}, {"bags": -1}, {"share": 0.0}, {"share": 1.0, "people": False}):
        with pytest.raises(SettingError):
            GreedySearch(**wrong)


def test_bad_rows_are_refused():
    votes, truth, groups = draw_votes(0, "whole", "soft")
    for wrong, message in (
        ((truth[:-1], groups), "expected"),
        ((truth, groups[:-1]), "59 groups for 60 rows"),
        ((truth - 1, groups), "true classes are -1"),
    ):
        with pytest.raises(ValueError, match=message):
            select(votes, *wrong)
    for times in (np.zeros(60), np.full(60, 0.5), np.full(60, -1)):
        with pytest.raises(ValueError, match="whole numbers"):
            select(votes, truth, groups, times=times)


def test_many_joint_classes():
    """More than there are columns for: classes are looked up, not listed."""
    space = LabelSpace(tuple(Attribute(n, tuple(f"{n}{i}" for i in range(30))) for n in "abcd"))
    draws = np.random.default_rng(0)
    codes = draws.integers(0, 3, (90, 4))
    truth = space.encode(codes)
    blocks = tuple(
        VoteBlock(n, np.arange(3), (draws.random((3, 90, 30)) + (np.arange(30) == c[:, None])).astype(np.float32))
        for n, c in zip("abcd", codes.T, strict=True)
    )
    votes = Votes(space, "soft", 3, blocks)
    found = select(votes, truth, people(90), search=SINGLE)
    assert found.score == pytest.approx(macro_f1(truth, decide_classes(votes, found.weights), space.num_joint))
    assert found.trace[-1].score == pytest.approx(found.score)


@given(SEEDS)
def test_an_exam_scores_as_the_metric_does(seed):
    draws = np.random.default_rng(seed)
    truth, said, times = draws.integers(0, 4, 30), draws.integers(0, 6, 30), draws.integers(0, 3, 30)
    times[0] = 1
    exam = Objective(times.astype(float), truth, 6, 6)
    wanted = macro_f1(np.repeat(truth, times), np.repeat(said, times), 6)
    assert exam.score_of(said) == pytest.approx(wanted)


def test_what_a_member_adds():
    votes, truth, groups = draw_votes(5, "attribute", "soft")
    found = select(votes, truth, groups, search=SINGLE)
    added = contributions(votes, found.weights, truth)
    for member in range(votes.num_members):
        without = found.weights.copy()
        without[:, member] = 0
        if not found.weights[:, member].any():
            assert added[member] == 0
        elif (without.sum(axis=1) == 0).any():
            assert np.isnan(added[member])
        else:
            left = score_of(votes, without / without.sum(axis=1, keepdims=True), truth)
            assert added[member] == pytest.approx(found.score - left)


def test_likeness_is_the_share_of_rows_decided_alike_in_what_both_have():
    votes, _, _ = draw_votes(0, "attribute", "soft")
    found = pairwise_agreement(votes)
    np.testing.assert_array_equal(found, found.T)
    np.testing.assert_array_equal(np.diag(found), 1)
    hats, hues = (b.votes.argmax(axis=2) for b in votes.blocks)
    assert found[0, 2] == pytest.approx(((hats[0] == hats[1]) & (hues[0] == hues[2])).mean())
    assert found[0, 1] == pytest.approx((hues[0] == hues[1]).mean())  # member 1 has `hue` only
    hue = votes.blocks[1]
    apart = replace(votes, blocks=(votes.blocks[0], VoteBlock("hue", np.array([1]), hue.votes[1:2])))
    assert np.isnan(pairwise_agreement(apart)[0, 1])
