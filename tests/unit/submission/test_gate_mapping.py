"""Classes that a file numbers otherwise are named; honest predictions, however weak, are let through."""

from __future__ import annotations

import json
from itertools import permutations

import numpy as np
import pytest
from made_opinions import GOOD, GUESSES, SPACE, WEAK, World, in_classes

from facetwise.core.labels import Attribute, IntArray, LabelSpace
from facetwise.evaluate.agreement import cohen_kappa
from facetwise.submission.gate.faults import best_order
from facetwise.submission.gate.mapping import exchanged_classes, kappa_error
from facetwise.submission.gate.opinions import Opinion, TrainingSide

FAIR = (0.9, 0.85, 0.65)
"""How often a model that is neither good nor weak is right in mask, gender and age."""


@pytest.fixture(scope="module")
def world() -> World:
    return World(0, num_train=320, num_test=240)


def _orders() -> list[tuple[int, tuple[int, ...]]]:
    """Every other order of the classes of every attribute: here transpositions and cycles of three."""
    sizes = enumerate(SPACE.sizes)
    return [(i, order) for i, size in sizes for order in permutations(range(size)) if order != tuple(range(size))]


@pytest.mark.parametrize("known", [True, False], ids=["known out of fold", "a file from elsewhere"])
@pytest.mark.parametrize(("place", "order"), _orders())
def test_every_exchange_of_a_good_file_is_named(world, place, order, known):
    own, others = world.model(), [world.model(name="02-other"), world.model((0.95, 0.85, 0.75), "03-other")]
    report = world.gate(in_classes(own.codes, place, order), own if known else None, others)
    assert [f.code for f in report.errors] == ["class-mapping"]
    assert not [f for f in report.warnings if f.code.startswith("opinions")]  # said once, by name
    message, attribute = report.errors[0].message, SPACE.attributes[place]
    assert message.startswith(f"`{attribute.name}`: ")
    for meant, answered in enumerate(order):
        said = [
            f"`{attribute.classes[meant]}` {verb} `{attribute.classes[answered]}`" for verb in ("is answered as", "as")
        ]
        assert any(text in message for text in said) == (meant != answered)
    assert " of these images" not in message
    assert "(1 other likewise)" in message
    assert json.loads(json.dumps(report.as_dict(), allow_nan=False)) == report.as_dict()


def test_classes_numbered_by_name_are_named_attribute_by_attribute(world):
    """ImageFolder on folders named by class: each attribute's classes in the order of their names."""
    own, others = world.model(), [world.model(name="02-other"), world.model(name="03-other")]
    changed = own.codes.copy()
    for i, attribute in enumerate(SPACE.attributes):
        listed = sorted(attribute.classes)
        changed[:, i] = np.array([listed.index(name) for name in attribute.classes])[own.codes[:, i]]
    report = world.gate(SPACE.encode(changed), own, others)
    assert [(f.code, f.message.split(":")[0]) for f in report.errors] == [
        ("class-mapping", "`mask`"), ("class-mapping", "`gender`"), ("class-mapping", "`age`"),
    ]  # fmt: skip


def test_two_rare_masks_are_named_where_most_answers_stay_right(world):
    """What whole-file agreement does not show: kappa of the mask stays far above chance."""
    own, other = world.model(), world.model(name="02-other")
    changed = SPACE.decode(in_classes(own.codes, 0, (0, 2, 1)))
    assert cohen_kappa(changed[:, 0], other.codes[:, 0]) > 0.3
    (found,) = exchanged_classes(changed, [other], world.known(None), SPACE)
    assert found.mapping.answered == (("normal", "incorrect"), ("incorrect", "normal"))
    assert found.mapping.share < 0.1
    assert found.mapping.undone > 0.9


# -------------------------------------------------------------------------------------------------- no false alarms

HONEST = [GOOD, FAIR, WEAK, GUESSES, (0.4, 0.4, 0.4), (0.34, 0.5, 0.34)]


@pytest.mark.parametrize("size", [8, 40, 120], ids=lambda n: f"{n} people")
@pytest.mark.parametrize("right", HONEST)
@pytest.mark.parametrize("other", [GOOD, WEAK, (0.6, 0.6, 0.45)])
def test_honest_predictions_raise_no_alarm(right, other, size):
    told = []
    for seed in range(25):
        world = World(seed, num_train=2 * size, num_test=size)
        own, others = world.model(right), [world.model(other, f"{i:02d}-other") for i in range(2)]
        told += exchanged_classes(own.codes, others, world.known(own), SPACE)
        told += [t for o in others for t in exchanged_classes(own.codes, [o], world.known(None), SPACE)]
    assert told == []


@pytest.mark.parametrize("joint", range(18))
def test_a_file_of_one_class_raises_no_alarm(world, joint):
    codes = SPACE.decode(np.full(len(world.test), joint))
    assert exchanged_classes(codes, [world.model(), world.model(name="x")], world.known(None), SPACE) == ()


@pytest.mark.parametrize("step", [-1, 1], ids=["younger", "older"])
def test_a_predictor_that_sees_everybody_a_class_older_raises_no_alarm(world, step):
    """Biased is not renumbered: who is in the last class already stays there."""
    codes = world.model().codes.copy()
    codes[:, 2] = np.clip(codes[:, 2] + step, 0, 2)
    assert exchanged_classes(codes, [world.model(), world.model(name="x")], world.known(None), SPACE) == ()


def test_where_as_many_speak_for_the_file_the_odd_one_is_the_other(world):
    own, broken = world.model(), world.model(name="09-broken")
    broken = Opinion("09-broken", SPACE.decode(in_classes(broken.codes, 0, (0, 2, 1))), broken.oof)
    known = world.known(own)
    assert exchanged_classes(own.codes, [broken, world.model()], known, SPACE) == ()
    assert len(exchanged_classes(own.codes, [broken], known, SPACE)) == 1
    changed = SPACE.decode(in_classes(own.codes, 0, (0, 2, 1)))
    assert len(exchanged_classes(changed, [broken, world.model(), world.model(name="03")], known, SPACE)) == 1


def test_who_knows_nothing_of_an_attribute_is_not_asked_about_it(world):
    own, known = world.model(), world.known(None)
    changed = SPACE.decode(in_classes(own.codes, 1, (1, 0)))
    unsure, good = world.model(name="x"), world.model(name="y")
    blind = Opinion("z", good.codes, good.oof.copy())
    blind.oof[:, 1] = 0
    specialist = Opinion("m", good.codes.copy(), good.oof.copy())
    for codes in (specialist.codes, specialist.oof):
        codes[:, [0, 1]] = -1
    for silent in (Opinion(unsure.name, unsure.codes), blind, specialist):
        assert exchanged_classes(changed, [silent], known, SPACE) == ()
    assert len(exchanged_classes(changed, [good, blind, specialist], known, SPACE)) == 1


# --------------------------------------------------------------------------------------------------------- the parts


def test_of_many_classes_any_two_that_are_exchanged_are_found():
    space = LabelSpace((Attribute("letter", tuple("abcdefgh")), Attribute("hue", ("red", "blue"))))
    draws = np.random.default_rng(0)
    truth = space.decode(draws.integers(0, 16, 2000))
    said = truth.copy()
    wrong = draws.random(2000) < 0.15
    said[wrong, 0] = draws.integers(0, 8, wrong.sum())
    known, other = TrainingSide(truth, np.arange(2000)), Opinion("o", truth, truth)
    assert exchanged_classes(said, [other], known, space) == ()
    for one, two in ((0, 1), (2, 7), (5, 6)):
        order = np.arange(8)
        order[[one, two]] = two, one
        changed = said.copy()
        changed[:, 0] = order[said[:, 0]]
        assert best_order(changed[:, 0], truth[:, 0], space.attributes[0].classes) == tuple(order)
        (found,) = exchanged_classes(changed, [other], known, space)
        assert {name for pair in found.mapping.answered for name in pair} == {"abcdefgh"[one], "abcdefgh"[two]}


def test_two_pairs_exchanged_at_once_are_two_findings():
    space = LabelSpace((Attribute("letter", tuple("abcd")),))
    truth: IntArray = np.random.default_rng(1).integers(0, 4, (800, 1))
    known, other = TrainingSide(truth, np.arange(800)), Opinion("o", truth, truth)
    changed = np.array([1, 0, 3, 2])[truth]
    found = exchanged_classes(changed, [other], known, space)
    assert [one.mapping.answered for one in found] == [(("b", "a"), ("a", "b")), (("d", "c"), ("c", "d"))]


def test_the_error_of_kappa_by_chance_is_as_wide_as_it_says():
    draws = np.random.default_rng(3)
    sides = [(draws.choice(3, 300, p=[0.7, 0.2, 0.1]), draws.choice(3, 300, p=[0.2, 0.5, 0.3])) for _ in range(1500)]
    values = [cohen_kappa(*side) for side in sides]
    assert np.std(values) == pytest.approx(kappa_error(*sides[0], 300), rel=0.1)
    assert kappa_error(np.zeros(5, int), np.zeros(5, int), 5) == 0
