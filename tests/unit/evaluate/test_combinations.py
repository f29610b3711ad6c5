"""Combinations that cannot occur: nothing is predicted for them and no score counts them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_tables import HUE, joint_table, product_table, rows

import facetwise.evaluate.compose as compose
from facetwise.core.labels import Attribute, LabelSpace
from facetwise.evaluate.compose import (
    joint_logs,
    log_normalised,
    log_prob_of_joint,
    log_total,
    marginals_of,
    marginals_of_occurring,
    most_probable,
)
from facetwise.evaluate.predictions import Predictions
from facetwise.evaluate.rows import ScoredRows, Truth
from facetwise.evaluate.rules.fit import fit_rule, kinds_for
from facetwise.evaluate.rules.kinds import MovedCuts, Multipliers

BRAND, KIND = Attribute("brand", ("b0", "b1", "b2", "b3")), Attribute("kind", ("t0", "t1", "t2"), cuts=(1, 2))
ALL = LabelSpace((HUE, BRAND, KIND))
OCCUR = [0, 4, 5, 9, 11, 13, 20, 23]
SOME = ALL.with_combinations(ALL.decode(OCCUR))
SEEDS = st.integers(0, 2**32 - 1)
SCALES = st.sampled_from([0.1, 3.0, 80.0])


def drawn(seed: int, scale: float = 3.0, count: int = 20, space: LabelSpace = ALL) -> dict[str, np.ndarray]:
    """Log-probabilities of every attribute, (n, K)."""
    rng = np.random.default_rng(seed)
    return {a.name: log_normalised(rng.normal(0, scale, (count, a.size))) for a in space.attributes}


def predicted(logs: dict[str, np.ndarray], space: LabelSpace = SOME) -> Predictions:
    return Predictions.read(product_table(np.arange(len(logs["hue"])), logs, space), space)


@given(SEEDS, SCALES)
def test_the_joint_is_that_of_all_combinations_without_what_cannot_occur_renormalised(seed, scale):
    logs = drawn(seed, scale)
    kept = predicted(logs, ALL).joint[:, OCCUR]
    found = predicted(logs).joint
    np.testing.assert_allclose(found, log_normalised(kept), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(np.exp(found).sum(axis=1), 1)


@given(SEEDS, SCALES)
def test_the_most_probable_that_can_occur_is_decided(seed, scale):
    found = predicted(drawn(seed, scale))
    np.testing.assert_array_equal(found.classes, found.joint.argmax(axis=1))
    assert (found.classes >= 0).all()


@given(SEEDS, st.sampled_from([0.0, 0.1, 3.0, 80.0, 700.0]), st.sampled_from([40, 3000]))
def test_many_classes_are_composed_as_few(seed, scale, count):
    """What is computed without a number for every image and combination is what these say."""
    rng = np.random.default_rng(seed)
    space = LabelSpace(tuple(Attribute(n, tuple(map(str, range(k)))) for n, k in (("a", 40), ("b", 3), ("c", 60))))
    space = replace(space, combinations=tuple(np.sort(rng.choice(space.num_joint, count, replace=False)).tolist()))
    logs = {a.name: log_normalised(np.round(rng.normal(0, scale, (9, a.size)), 1)) for a in space.attributes}
    whole, classes = list(logs.values()), rng.integers(0, count, 9)
    joint = joint_logs(whole, space)
    decided = space.encode(most_probable(whole, space))
    np.testing.assert_allclose(joint[np.arange(9), decided], joint.max(axis=1), rtol=1e-12)
    assert scale > 0 or not decided.any(), "ties go to the lowest"
    own = log_prob_of_joint(whole, space, classes, log_total(whole, space))
    np.testing.assert_allclose(own, joint[np.arange(9), classes], rtol=1e-9, atol=1e-9)
    for name, sums in marginals_of(joint, space, space.names).items():
        np.testing.assert_allclose(np.exp(marginals_of_occurring(logs, space)[name]), np.exp(sums), atol=1e-12)


def test_rows_are_decided_alike_however_many_at_once(monkeypatch):
    logs = drawn(1)
    whole, classes = list(logs.values()), np.arange(20) % SOME.num_joint

    def found() -> list[np.ndarray]:
        shares = log_prob_of_joint(whole, SOME, classes, log_total(whole, SOME))
        return [most_probable(whole, SOME), shares, *marginals_of_occurring(logs, SOME).values()]

    nothing = {name: own[:0] for name, own in logs.items()}
    assert log_total(list(nothing.values()), SOME).shape == (0,)
    assert marginals_of_occurring(nothing, SOME)["hue"].shape == (0, 2)
    at_once = found()
    monkeypatch.setattr(compose, "_CHUNK", 3 * SOME.num_joint)
    for one, other in zip(at_once, found(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)


@given(SEEDS, SCALES)
def test_what_is_true_has_the_probability_that_the_joint_gives_it(seed, scale):
    found, truth = predicted(drawn(seed, scale)), np.random.default_rng(seed).integers(0, SOME.num_joint, 20)
    own = found.log_prob_of(SOME.decode(truth), SOME.names)
    np.testing.assert_allclose(own, found.joint[np.arange(20), truth], rtol=1e-6, atol=1e-6)


@given(SEEDS, SCALES)
def test_attributes_of_what_can_occur_are_the_sums_of_the_joint(seed, scale):
    found = predicted(drawn(seed, scale))
    for a, attribute in enumerate(SOME.attributes):
        for k in range(attribute.size):
            own = np.exp(found.joint[:, SOME.joint_codes[:, a] == k]).sum(axis=1)
            np.testing.assert_allclose(np.exp(found.occurring[attribute.name][:, k]), own, rtol=1e-5, atol=1e-9)


@given(SEEDS)
def test_attributes_of_a_joint_block_are_its_sums(seed):
    joint = log_normalised(np.random.default_rng(seed).normal(0, 3, (6, SOME.num_joint)))
    found = Predictions.read(joint_table(np.arange(6), joint, SOME), SOME).marginals
    for a, attribute in enumerate(SOME.attributes):
        for k in range(attribute.size):
            own = SOME.joint_codes[:, a] == k
            np.testing.assert_allclose(
                np.exp(found[attribute.name][:, k]), np.exp(joint[:, own]).sum(axis=1), rtol=1e-5, atol=1e-9
            )


@given(SEEDS, st.permutations(range(4)))
def test_an_order_of_classes_changes_nothing_but_the_order(seed, order):
    """The law of combinations: classes in another order permute what is decided, and leave every score as it was."""
    logs, truth = drawn(seed), np.random.default_rng(seed).integers(0, SOME.num_joint, 20)
    codes = SOME.decode(truth)
    swapped = LabelSpace((HUE, Attribute("brand", tuple(BRAND.classes[k] for k in order)), KIND))
    place = np.argsort(order)
    moved = SOME.joint_codes.copy()
    moved[:, 1] = place[moved[:, 1]]
    other = swapped.with_combinations(moved)
    theirs = codes.copy()
    theirs[:, 1] = place[theirs[:, 1]]
    mine, same = predicted(logs), predicted({**logs, "brand": logs["brand"][:, order]}, other)
    back = same.codes.copy()
    back[:, 1] = np.asarray(order)[back[:, 1]]
    np.testing.assert_array_equal(back, mine.codes)
    images, people = list(map(str, range(20))), np.arange(20) // 2
    scores = [Truth(s, images, c, people).score(p.classes) for s, c, p in ((SOME, codes, mine), (other, theirs, same))]
    assert scores[0] == pytest.approx(scores[1], abs=1e-12)


def test_a_perfect_model_reads_one_though_most_combinations_never_occur():
    truth = np.arange(SOME.num_joint).repeat(2)
    sure = {
        a.name: np.log(np.where(np.eye(a.size)[SOME.decode(truth)[:, i]] == 1, 1.0, 1e-9))
        for i, a in enumerate(SOME.attributes)
    }
    sure = {name: log_normalised(logs) for name, logs in sure.items()}
    some, every = predicted(sure), predicted(sure, ALL)
    images, people = list(map(str, range(len(truth)))), np.arange(len(truth))
    assert Truth(SOME, images, SOME.decode(truth), people).score(some.classes) == 1.0
    assert Truth(ALL, images, SOME.decode(truth), people).score(every.classes) == SOME.num_joint / ALL.num_joint


def test_where_all_that_can_occur_has_no_probability_the_most_of_its_parts_decides():
    with np.errstate(divide="ignore"):
        shares = {"hue": [[1.0, 0.0]], "brand": [[0.0, 0.0, 1.0, 0.0]], "kind": [[0.0, 0.7, 0.3]]}
        logs = {name: np.log(share) for name, share in shares.items()}
    two = ALL.with_combinations(np.array([[0, 2, 0], [1, 1, 1]]))
    found = predicted(logs, two)
    assert found.codes.tolist() == [[0, 2, 0]]
    np.testing.assert_array_equal(found.log_prob_of(np.array([[0, 2, 0]]), two.names), found.joint[:, 0])
    np.testing.assert_allclose(np.exp(found.joint).sum(axis=1), 1)


@given(SEEDS, st.sampled_from([OCCUR, [0, 4, 9, 12], [1, 4, 7]]))
def test_every_rule_decides_for_what_can_occur(seed, occur):
    """Also where a class can occur with nothing, or one alone of an attribute."""
    space = ALL.with_combinations(ALL.decode(occur))
    logs, truth = drawn(seed, 1.0, 40), np.random.default_rng(seed).integers(0, space.num_joint, 40)
    table = product_table(np.arange(40), logs, space)
    scored = rows(table, space.decode(truth), space=space)
    for kind in kinds_for(space):
        decided = fit_rule(kind, scored).decide(scored.predictions)
        assert ((decided >= 0) & (decided < space.num_joint)).all(), kind


def test_multipliers_of_ones_and_cuts_in_their_places_decide_as_no_rule():
    found = predicted(drawn(3, count=60))
    ones = Multipliers(tuple((1.0,) * a.size for a in SOME.attributes))
    np.testing.assert_array_equal(ones.decide(found), found.classes)


def test_a_moved_cut_decides_its_attribute_and_the_most_probable_of_the_others():
    found = predicted(drawn(5, count=60))
    decided = SOME.decode(MovedCuts("kind", "at-least", (0.0, 1.1)).decide(found))
    wanted = np.where(SOME.joint_codes[:, 2] == 1, found.joint, -np.inf).argmax(axis=1)
    assert (decided[:, 2] == 1).all()
    changed = (SOME.encode(np.column_stack([found.codes[:, :2], np.ones(60, int)]), missing=True)) == -1
    assert changed.any()
    np.testing.assert_array_equal(SOME.encode(decided)[changed], wanted[changed])


def test_a_true_label_can_occur():
    with pytest.raises(ValueError, match="1 of 2 labels have a combination that cannot occur"):
        Truth(SOME, ["a", "b"], ALL.decode([1, 0]), [0, 1])


def sure(space: LabelSpace, truth: np.ndarray) -> ScoredRows:
    """Rows that are predicted all but surely, and right."""
    logs = {}
    for i, a in enumerate(space.attributes):
        right = np.eye(a.size)[space.decode(truth)[:, i]] == 1
        logs[a.name] = log_normalised(np.log(np.where(right, 1.0, 1e-9)))
    return rows(product_table(np.arange(len(truth)), logs, space), space.decode(truth), space=space)


def test_cuts_of_a_perfect_model_read_one():
    scored = sure(SOME, np.arange(SOME.num_joint).repeat(6))
    rule = fit_rule("cuts:kind", scored)
    assert scored.truth.score(rule.decide(scored.predictions)) == 1.0


def test_rules_take_memory_by_rows_and_not_by_products():
    big = LabelSpace(tuple(Attribute(f"a{i}", tuple(map(str, range(200))), tuple(range(199))) for i in range(3)))
    some = big.with_combinations(np.random.default_rng(0).integers(0, 200, (60, 3)))
    scored = sure(some, np.arange(some.num_joint).repeat(2))
    assert scored.truth.score(fit_rule("cuts:a0", scored).decide(scored.predictions)) == 1.0


def test_rules_that_need_a_column_a_joint_class_are_not_there_for_too_many():
    big = LabelSpace((Attribute("a", tuple(map(str, range(200)))), Attribute("b", tuple(map(str, range(200))))))
    some = big.with_combinations(big.decode(np.arange(5000)))
    assert kinds_for(some) == ("argmax",)
    assert kinds_for(big) == ("argmax", "multipliers")
