"""Faults that only show beside other predictions are named; honest predictions, however weak, are let through."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_opinions import GOOD, GUESSES, SPACE, TEST, WEAK, World, in_classes
from sklearn.metrics import cohen_kappa_score

from facetwise.core.labels import Attribute, IntArray, LabelSpace
from facetwise.evaluate.metrics import macro_f1
from facetwise.submission.gate.faults import readings
from facetwise.submission.gate.gate import BY_OPINION
from facetwise.submission.gate.opinions import Opinion, judge, kappa


@pytest.fixture(scope="module")
def world() -> World:
    return World(0)


def renumbered(codes: IntArray, order: tuple[int, ...]) -> IntArray:
    """Joint classes as somebody numbers them who multiplies attributes up in another order."""
    return np.ravel_multi_index([codes[:, i] for i in order], [SPACE.sizes[i] for i in order])


def in_name_order(world: World, codes: IntArray) -> IntArray:
    """Predictions made in the order of a folder listing, written into the organisers' order."""
    return SPACE.encode(codes[np.argsort(world.names)])


def sorted_as_text(codes: IntArray) -> IntArray:
    """ImageFolder on folders called 0 to 17: 0, 1, 10, 11, ..."""
    place = np.argsort(sorted(range(18), key=str))
    return place[SPACE.encode(codes)]


PLANTED: dict[str, tuple[Callable[[World, IntArray], IntArray], str]] = {
    "mask and gender swapped, so that sizes are transposed": (
        lambda _, c: renumbered(c, (1, 0, 2)), "when `mask` and `gender` are swapped",
    ),
    "mask and age swapped": (lambda _, c: renumbered(c, (2, 1, 0)), "when `mask` and `age` are swapped"),
    "sizes rotated": (lambda _, c: renumbered(c, (1, 2, 0)), "in the order `gender`, `age`, `mask`"),
    "classes as text sorts": (lambda _, c: sorted_as_text(c), "numbered as text sorts"),
    "rows as a listing has them": (in_name_order, "the images in the order of their names"),
    "rows upside down": (lambda _, c: SPACE.encode(c[::-1]), "upside down"),
    "rows one down": (lambda _, c: SPACE.encode(np.roll(c, 1, axis=0)), "moved up by one row"),
    "rows one up": (lambda _, c: SPACE.encode(np.roll(c, -1, axis=0)), "moved down by one row"),
}  # fmt: skip


@pytest.mark.parametrize("known", [True, False], ids=["known out of fold", "a file from elsewhere"])
@pytest.mark.parametrize("fault", PLANTED)
def test_planted_faults_are_named(world, fault, known):
    plant, words = PLANTED[fault]
    own, others = world.model(), [world.model(name="02-other"), world.model((0.95, 0.85, 0.7), "03-other")]
    report = world.gate(plant(world, own.codes), own if known else None, others)
    assert [f.code for f in report.errors] == ["likely-fault"]
    assert words in report.errors[0].message
    assert report.errors[0].message.startswith("agrees with `02-other` on ")
    assert "(1 other likewise)" in report.errors[0].message
    assert report.verdicts[0].undone > report.verdicts[0].share + 0.1
    assert json.loads(json.dumps(report.as_dict(), allow_nan=False)) == report.as_dict()


@pytest.mark.parametrize("known", [True, False], ids=["known out of fold", "a file from elsewhere"])
def test_shuffled_rows_are_chance(world, known):
    own, others = world.model(), [world.model(name="02-other"), world.model(name="03-other")]
    shuffled = SPACE.encode(own.codes[world.draws.permutation(len(own.codes))])
    report = world.gate(shuffled, own if known else None, others)
    assert [f.code for f in report.errors] == ["at-chance"]
    assert "which is what chance gives: are rows out of order, or classes mixed up?" in report.errors[0].message
    assert not [f for f in report.warnings if f.code == "drift"]  # nothing else shows it


def test_a_few_hundred_shuffled_rows_are_a_warning(world):
    own, part = world.model(), world.draws.permutation(len(world.test))[: int(0.6 * len(world.test))]
    mixed = own.codes.copy()
    mixed[part] = mixed[world.draws.permutation(part)]
    report = world.gate(SPACE.encode(mixed), own, [world.model()])
    assert not report.errors
    assert [f.code for f in report.warnings] == ["opinions-differ"]
    assert "of the rows look like answers to other images" in report.warnings[0].message


def test_an_honest_submission_is_agreed_with(world):
    own = world.model()
    report = world.gate(SPACE.encode(own.codes), own, [world.model(name="02-other")])
    assert not report.errors
    assert not report.warnings
    (finding,) = [f for f in report.findings if f.code == "opinions"]
    assert "agrees with `02-other` on " in finding.message
    assert ", out of fold 0." in finding.message


def test_the_odd_one_is_the_other_when_more_agree(world):
    """A broken submission of last week does not stop the good ones of this week."""
    own, broken = world.model(), world.model(name="09-broken")
    broken = Opinion("09-broken", SPACE.decode(renumbered(broken.codes, (1, 0, 2))), broken.oof)
    good = world.model(name="02-other")
    for others in ([good, broken], [broken, good, world.model(name="03-other")]):
        report = world.gate(SPACE.encode(own.codes), own, others)
        assert not report.errors
        assert not report.warnings
        assert any("the odd one is `09-broken`, not this file" in f.message for f in report.findings)
    report = world.gate(SPACE.encode(own.codes), own, [broken])  # one against one: somebody must look
    spoken = [f.code for f in (*report.errors, *report.warnings)]
    assert spoken
    assert {*spoken} <= BY_OPINION | {"opinions-differ"}


def test_a_file_with_the_fault_of_an_earlier_one_is_stopped_by_the_others(world):
    """Broken like last week's, against two that are right."""
    own, broken = world.model(), world.model(name="09-broken")
    wrong = renumbered(own.codes, (1, 0, 2))
    broken = Opinion(broken.name, SPACE.decode(renumbered(broken.codes, (1, 0, 2))), broken.oof)
    report = world.gate(wrong, own, [broken, world.model(name="02-other"), world.model(name="03-other")])
    assert "likely-fault" in [f.code for f in report.errors]
    assert any("`mask` and `gender` are swapped" in f.message for f in report.errors)


# -------------------------------------------------------------------------------------------------- no false alarms


def alarms(joint: IntArray, world: World, own: Opinion | None, others: list[Opinion]) -> list[str]:
    """What others say against an honest file; each asked alone, so that none is outvoted."""
    found = (judge(joint, world.names, other, world.known(own), SPACE, world.num_test) for other in others)
    return [v.text() for v in found if v is not None and v.word not in ("agrees", "unknown")]


HONEST = [(GOOD, GOOD), (WEAK, GOOD), (GOOD, WEAK), (WEAK, WEAK), (GUESSES, GOOD), (GUESSES, WEAK)]


@pytest.mark.parametrize("size", [8, 40, 120], ids=lambda n: f"{n} people")
@pytest.mark.parametrize(("right", "other"), HONEST)
def test_honest_predictions_raise_no_alarm(right, other, size):
    told = []
    for seed in range(60):
        world = World(seed, num_train=2 * size, num_test=size)
        own, others = world.model(right), [world.model(other, f"{i:02d}-other") for i in range(2)]
        told += alarms(SPACE.encode(own.codes), world, own, others)
        # Of a file from elsewhere nobody knows that it only guesses: that it is at chance is then the right answer.
        told += alarms(SPACE.encode(own.codes), world, None, others) if right != GUESSES else []
    assert told == []


def test_the_weak_models_of_these_tests_are_weak():
    world = World(0)
    scores = [macro_f1(SPACE.encode(world.train), SPACE.encode(world.model(w).oof), 18) for w in (GOOD, WEAK)]
    assert scores[0] > 0.55
    assert 0.1 < scores[1] < 0.3


def test_specialists_put_together_raise_no_alarm(world):
    """A mask model that is nearly perfect with an age model that hardly knows anything, beside flat models."""
    for right in ((0.99, 0.55, 0.4), (0.74, 0.95, 0.4), (0.74, 0.5, 0.85)):
        own = world.model(right)
        assert alarms(SPACE.encode(own.codes), world, own, [world.model(), world.model(WEAK)]) == []


def test_models_that_say_one_thing_throughout_raise_no_alarm(world):
    constant = Opinion("c", np.zeros_like(world.test), np.zeros_like(world.train))
    for own, other in ((constant, world.model()), (world.model(), constant), (constant, constant)):
        assert alarms(SPACE.encode(own.codes), world, own, [other]) == []


def test_a_specialist_judges_its_attribute_alone(world):
    own, other = world.model(), world.model(name="05-gender")
    for codes in (other.codes, other.oof):
        codes[:, [0, 2]] = -1
    honest = judge(SPACE.encode(own.codes), world.names, other, world.known(own), SPACE, TEST)
    assert (honest.word, list(honest.attributes)) == ("agrees", ["gender"])
    turned = judge(in_classes(own.codes, 1, (1, 0)), world.names, other, world.known(own), SPACE, TEST)
    assert (turned.word, turned.fault) == ("fault", "when classes are numbered with `gender` in the order female, male")
    ages = judge(in_classes(own.codes, 2, (1, 2, 0)), world.names, other, world.known(own), SPACE, TEST)
    assert ages.word == "agrees"
    nothing = Opinion("x", np.full_like(own.codes, -1))
    assert judge(SPACE.encode(own.codes), world.names, nothing, world.known(own), SPACE, TEST) is None


def test_an_opinion_of_which_nothing_is_known_judges_no_file_from_elsewhere(world):
    own, other = world.model(), world.model()
    turned = in_classes(own.codes, 1, (1, 0))
    unsure = Opinion(other.name, other.codes)
    assert judge(turned, world.names, unsure, world.known(None), SPACE, TEST).word == "unknown"
    weak = world.model((0.5, 0.5, 0.4))
    assert judge(turned, world.names, weak, world.known(None), SPACE, TEST).word == "unknown"


# --------------------------------------------------------------------------------------------------------- the parts


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=2, max_size=40), st.permutations(range(5)))
def test_kappa_is_that_of_scikit_learn_and_knows_no_numbering(pairs, order):
    one, two = np.array(pairs).T
    found = kappa(one, two, 5)
    assert found == kappa(two, one, 5)
    assert found.value == pytest.approx(kappa(np.array(order)[one], np.array(order)[two], 5).value)
    if len(set(one) | set(two)) > 1:
        assert found.value == pytest.approx(cohen_kappa_score(one, two))
    else:
        assert (found.share, found.value) == (1.0, 1.0)


def test_kappa_by_chance_is_as_wide_as_it_says():
    draws = np.random.default_rng(3)
    sides = [draws.choice(3, (2, 200), p=[0.6, 0.3, 0.1]) for _ in range(500)]
    values = [kappa(*side, 200).value for side in sides]
    assert np.std(values) == pytest.approx(kappa(*sides[0], 200).by_chance, rel=0.25)
    assert abs(np.mean(values)) < 0.02


@settings(max_examples=30)
@given(st.lists(st.integers(0, 17), min_size=3, max_size=30))
def test_every_reading_is_of_classes_that_exist(joint):
    names = [f"{i}.jpg" for i in range(len(joint))]
    other = SPACE.decode(np.array(joint)[::-1])
    for reading in readings(np.array(joint), other, names, SPACE):
        assert reading.codes.shape == other.shape
        SPACE.encode(reading.codes)  # raises for what is no class


def test_many_attributes_and_many_classes_are_tried_in_part():
    wide = LabelSpace(tuple(Attribute(f"a{i}", ("x", "y", "z")[: 2 + i % 2]) for i in range(6)))
    joint = np.arange(20)
    assert 0 < len(list(readings(joint, wide.decode(joint), [str(i) for i in joint], wide))) < 40
    long = LabelSpace((Attribute("letter", tuple("hgfedcba")), Attribute("hue", ("red", "blue"))))
    truth = np.random.default_rng(0).integers(0, 16, 300)
    codes = long.decode(truth)
    sorted_by_name = codes.copy()
    sorted_by_name[:, 0] = 7 - codes[:, 0]
    found = list(readings(long.encode(sorted_by_name), codes, [str(i) for i in range(300)], long))
    best = max(found, key=lambda r: (r.codes == codes).all(axis=1).mean())
    assert "`letter` in the order a, b" in best.words
    np.testing.assert_array_equal(best.codes, codes)
