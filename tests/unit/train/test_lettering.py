"""A contact sheet has no empty boxes: what its font lacks is written otherwise."""

from __future__ import annotations

import pytest

from facetwise.core.labels import Attribute, LabelSpace
from facetwise.train.augment.lettering import drawable, drawable_name, escaped

PLAIN = LabelSpace((Attribute("mask", ("wear", "incorrect")), Attribute("age", ("<30", "30-59", ">=60"))))
KOREAN = LabelSpace((Attribute("마스크", ("착용", "미착용")), Attribute("age", ("<30", "30-59", ">=60"))))


def test_a_name_that_the_font_has_is_the_joint_name() -> None:
    assert [drawable_name(PLAIN, j) for j in range(6)] == [PLAIN.joint_name(j) for j in range(6)]


def test_a_name_that_it_lacks_is_the_number_of_its_class_and_classes_stay_apart() -> None:
    found = [drawable_name(KOREAN, j) for j in range(6)]
    assert found[:4] == ["#0/<30", "#0/30-59", "#0/>=60", "#1/<30"]
    assert len(set(found)) == 6


@pytest.mark.parametrize(("text", "known"), [("plain 1/2", True), ("여", False), ("a여", False)])
def test_letters_that_the_font_lacks_are_known(text: str, known: bool) -> None:
    assert drawable(text) is known
    assert drawable(escaped(text))
    assert (escaped(text) == text) is known
