"""What members say, as votes, and back to log-probabilities."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_votes import SPACE, apart_table, cast_tables, draw_truth, draw_votes, joint_table, logs_for, table_of

from facetwise.blending.methods import FLOOR, METHODS, RankTransform, as_votes
from facetwise.blending.votes import combine, decide_classes, used_members
from facetwise.core.errors import InputError
from facetwise.core.labels import Attribute, LabelSpace
from facetwise.evaluate.predictions import Predictions

SEEDS = st.integers(0, 2**32 - 1)
WAYS = [(by, method) for by in ("whole", "attribute") for method in METHODS]


def equal(votes):
    """The same weight for every member of each block."""
    return votes.has / votes.has.sum(axis=1, keepdims=True)


@given(SEEDS, st.sampled_from(["soft", "geometric", "hard"]), st.sampled_from(["whole", "attribute"]))
def test_one_member_decides_as_it_does_by_itself(seed, method, by):
    draws = np.random.default_rng(seed)
    table = apart_table(draws, draw_truth(draws, 30))
    votes, kept = cast_tables([table], SPACE, by=by, method=method)
    assert kept.all()
    np.testing.assert_array_equal(decide_classes(votes, equal(votes)), Predictions.read(table, SPACE).classes)


@given(SEEDS, st.sampled_from(WAYS))
def test_log_probabilities_are_normalised_and_order_as_votes_do(seed, way):
    votes, _, _ = draw_votes(seed, *way)
    logs = combine(votes, equal(votes))
    for block in logs:
        np.testing.assert_allclose(np.exp(block).sum(axis=1), 1)
    np.testing.assert_array_equal(votes.joint_of([b.argmax(axis=1) for b in logs]), decide_classes(votes, equal(votes)))


def test_soft_is_the_mean_of_probabilities_and_geometric_that_of_logs():
    draws = np.random.default_rng(0)
    tables = [joint_table(draws, draw_truth(draws, 40)) for _ in range(3)]
    weights = np.array([[0.5, 0.3, 0.2]])
    logs = np.stack([Predictions.read(t, SPACE).joint for t in tables])
    mean = np.log(np.tensordot(weights[0], np.exp(logs), 1))
    product = np.tensordot(weights[0], logs, 1)
    product -= np.log(np.exp(product).sum(axis=1, keepdims=True))
    for method, wanted in (("soft", mean), ("geometric", product)):
        votes, _ = cast_tables(tables, SPACE, by="whole", method=method)
        np.testing.assert_allclose(combine(votes, weights)[0], wanted, atol=1e-5)


@given(SEEDS)
def test_products_blended_geometrically_are_the_same_whole_and_by_attribute(seed):
    draws = np.random.default_rng(seed)
    truth = draw_truth(draws, 30)
    tables = [apart_table(draws, truth) for _ in range(3)]
    weights = draws.dirichlet(np.ones(3))
    both = [cast_tables(tables, SPACE, by=by, method="geometric")[0] for by in ("whole", "attribute")]
    whole, apart = (decide_classes(v, np.tile(weights, (len(v.blocks), 1))) for v in both)
    np.testing.assert_array_equal(whole, apart)


@given(SEEDS, st.sampled_from(["whole", "attribute"]))
def test_hard_votes_are_the_majority_and_ties_go_to_the_likelier_class(seed, by):
    votes, _, _ = draw_votes(seed, by, "hard", num_members=6)
    soft, _, _ = draw_votes(seed, by, "soft", num_members=6)
    said = votes.classes_of(decide_classes(votes, equal(votes)))
    for block, probabilities, classes in zip(votes.blocks, soft.blocks, said, strict=True):
        count = (block.votes >= 0.99).sum(axis=0)
        ahead = count == count.max(axis=1, keepdims=True)
        likeliest = np.where(ahead, probabilities.votes.sum(axis=0), -1).argmax(axis=1)
        np.testing.assert_array_equal(classes, likeliest)
        assert (count.sum(axis=1) == len(block.members)).all()


def test_a_member_votes_for_what_its_joint_decides_not_its_marginals():
    joint = np.log([[0.30, 0.10, 0.05, 0.20, 0.05, 0.30]])  # the joint says none/red, the marginal of hue says blue
    table = table_of(SPACE.joint_columns, joint)
    hard, _ = cast_tables([table], SPACE, by="attribute", method="hard")
    soft, _ = cast_tables([table], SPACE, by="attribute", method="soft")
    assert decide_classes(hard, equal(hard)).tolist() == [0]
    assert decide_classes(soft, equal(soft)).tolist() == [1]


def test_what_was_decided_by_a_rule_is_what_a_member_votes_for():
    draws = np.random.default_rng(1)
    table = joint_table(draws, draw_truth(draws, 20))
    ruled = table.with_columns(decided=np.arange(20, dtype=np.int32) % SPACE.num_joint)
    for by in ("whole", "attribute"):
        votes, _ = cast_tables([ruled], SPACE, by=by, method="hard")
        assert decide_classes(votes, equal(votes)).tolist() == [i % SPACE.num_joint for i in range(20)]


def test_an_impossible_class_costs_a_finite_vote_only_where_geometric():
    table = table_of(SPACE.columns("hue"), np.array([[-np.inf, 0.0]]))
    space = LabelSpace((SPACE.attribute("hue"),))
    for method in METHODS:
        votes, _ = cast_tables([table, table], space, by="attribute", method=method)
        assert np.isfinite(votes.blocks[0].votes).all()
    floored, _ = cast_tables([table], space, by="attribute", method="geometric")
    assert floored.blocks[0].votes[0, 0, 0] == np.float32(np.log(FLOOR))
    assert combine(cast_tables([table], space, by="attribute", method="soft")[0], [[1.0]])[0][0, 0] == -np.inf


@given(SEEDS)
def test_places_do_not_change_under_what_grows_with_the_probability(seed):
    draws = np.random.default_rng(seed)
    known, new = draws.random((40, 3)), draws.random((10, 3))
    places = RankTransform.fit(known).transform(new)
    np.testing.assert_array_equal(RankTransform.fit(np.exp(3 * known)).transform(np.exp(3 * new)), places)
    assert ((places > 0) & (places < 1)).all()


def test_places_by_hand():
    places = RankTransform.fit(np.array([[0.1], [0.2], [0.2], [np.nan]]))
    assert places.transform(np.array([[0.0], [0.1], [0.15], [0.2], [1.0]]))[:, 0].tolist() == [
        0.125,
        0.25,
        0.375,
        0.625,
        0.875,
    ]


@given(SEEDS)
def test_rank_votes_of_a_test_row_do_not_depend_on_its_neighbours(seed):
    draws = np.random.default_rng(seed)
    known = [joint_table(draws, draw_truth(draws, 40)) for _ in range(2)]
    test = [joint_table(draws, draw_truth(draws, 12)) for _ in range(2)]
    together, _ = cast_tables(test, SPACE, by="attribute", method="rank", references=known)
    alone, _ = cast_tables([t[4:5] for t in test], SPACE, by="attribute", method="rank", references=known)
    for block, one in zip(together.rows([4]).blocks, alone.blocks, strict=True):
        np.testing.assert_array_equal(block.votes, one.votes)


def test_rank_takes_each_class_among_the_members_own_out_of_fold_numbers():
    draws = np.random.default_rng(3)
    known, test = (joint_table(draws, draw_truth(draws, n)) for n in (50, 8))
    votes, _ = cast_tables([test], SPACE, by="whole", method="rank", references=[known])
    logs, new = Predictions.read(known, SPACE).joint, Predictions.read(test, SPACE).joint
    wanted = ((logs[None] < new[:, None]).sum(axis=1) + 0.5) / 51
    np.testing.assert_allclose(votes.blocks[0].votes[0], wanted, rtol=1e-6)


def test_rank_needs_predictions_out_of_fold():
    draws = np.random.default_rng(0)
    test = [joint_table(draws, draw_truth(draws, 5))] * 2
    with pytest.raises(InputError, match="`rank` needs out-of-fold predictions"):
        cast_tables(test, SPACE, by="whole", method="rank", references=[test[0], None])


def test_rows_that_a_member_does_not_cover_are_left_out_openly():
    draws = np.random.default_rng(0)
    truth = draw_truth(draws, 6)
    logs = logs_for(draws, truth, SPACE.num_joint)
    logs[2] = np.nan
    tables = [joint_table(draws, truth), table_of(SPACE.joint_columns, logs)]
    for method in METHODS:
        votes, kept = cast_tables(tables, SPACE, by="attribute", method=method)
        assert kept.tolist() == [True, True, False, True, True, True]
        assert votes.num_rows == 5
        assert not any(np.isnan(b.votes).any() for b in votes.blocks)


def test_a_member_without_a_block_has_no_say_in_what_is_covered():
    draws = np.random.default_rng(0)
    truth = draw_truth(draws, 6)
    specialist = table_of(SPACE.columns("hue"), np.full((6, 2), np.nan))
    votes, kept = cast_tables([joint_table(draws, truth), specialist], SPACE, by="whole", method="soft")
    assert kept.all()
    assert votes.has.tolist() == [[True, False]]
    with pytest.raises(InputError, match="no row is predicted by every member"):
        cast_tables([joint_table(draws, truth), specialist], SPACE, by="attribute", method="soft")


def test_specialists_have_only_their_own_block():
    draws = np.random.default_rng(0)
    truth = draw_truth(draws, 10)
    tables = [apart_table(draws, truth, ("hat",)), joint_table(draws, truth), apart_table(draws, truth, ("hue",))]
    votes, _ = cast_tables(tables, SPACE, by="attribute", method="soft")
    assert [b.name for b in votes.blocks] == ["hat", "hue"]
    assert [b.members.tolist() for b in votes.blocks] == [[0, 1], [1, 2]]
    own = Predictions.read(tables[2], SPACE).marginals["hue"]
    np.testing.assert_allclose(votes.blocks[1].votes[1], np.exp(own), rtol=1e-6)
    with pytest.raises(InputError, match="no member predicts `hat`"):
        cast_tables(tables[2:], SPACE, by="attribute", method="soft")
    with pytest.raises(InputError, match="no member predicts `joint`"):
        cast_tables(tables[::2], SPACE, by="whole", method="soft")
    with pytest.raises(ValueError, match="a member without the block"):
        decide_classes(votes, [[0, 1, 1], [0, 1, 0]])


def test_too_many_joint_classes_still_blend_by_attribute():
    space = LabelSpace(tuple(Attribute(n, tuple(f"{n}{i}" for i in range(20))) for n in ("a", "b", "c")))
    draws = np.random.default_rng(0)
    columns = tuple(c for n in space.names for c in space.columns(n))
    codes = draws.integers(0, 20, (15, 3))
    tables = [table_of(columns, np.hstack([logs_for(draws, c, 20, 20.0) for c in codes.T])) for _ in range(2)]
    votes, _ = cast_tables(tables, space, by="attribute", method="soft")
    np.testing.assert_array_equal(decide_classes(votes, equal(votes)), space.encode(codes))
    with pytest.raises(InputError, match="8000 joint classes are too many"):
        cast_tables(tables, space, by="whole", method="soft")


def test_tables_of_other_rows_and_weights_that_do_not_fit_are_refused():
    draws = np.random.default_rng(0)
    table = joint_table(draws, draw_truth(draws, 6))
    with pytest.raises(ValueError, match="member 1 has other rows than member 0"):
        cast_tables([table, table[::-1]], SPACE, by="whole", method="soft")
    with pytest.raises(ValueError, match="no members"):
        cast_tables([], SPACE, by="whole", method="soft")
    votes, _ = cast_tables([table, table], SPACE, by="whole", method="soft")
    for weights, message in (([1, 1], "have shape"), ([[-1, 2]], "0 or more"), ([[0, 0]], "some positive")):
        with pytest.raises(ValueError, match=message):
            combine(votes, weights)


def test_votes_stay_missing_where_log_probabilities_are():
    logs = np.array([[np.nan, np.nan], [-1.0, -0.5]])
    for method in ("soft", "geometric", "hard"):
        assert np.isnan(as_votes(logs, np.array([-1, 1]), method)).any(axis=1).tolist() == [True, False]


def test_used_by_any_block():
    assert used_members(np.array([[0, 0.5, 0.5], [0, 0, 1]])).tolist() == [False, True, True]
