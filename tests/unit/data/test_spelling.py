"""Names that mean one thing and are written differently."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facetwise.core.errors import SettingError
from facetwise.core.labels import Attribute, LabelSpace
from facetwise.core.people import called, person
from facetwise.core.text.spelling import Spellings, folded, normal

DECOMPOSED = unicodedata.normalize("NFD", "김민수")
BLANKS = " \t\n\u00a0\u1680\u2003\u2028\u202f\u205f\u3000"
UNSEEN = "\u00ad\u200b\u200e\u200f\u202e\u2060\ufeff"
NAMES = st.text(st.sampled_from("aé각1.0-" + DECOMPOSED + "\u0301\u0327\u212b" + BLANKS + UNSEEN), max_size=12)


@given(st.text(max_size=20) | NAMES)
def test_normal_forms_are_their_own_normal_forms(name: str) -> None:
    for form in (normal, person, folded):
        assert form(form(name)) == form(name)


@given(st.lists(st.text("aB é각0", min_size=1).filter(str.strip), min_size=1, max_size=3), st.sampled_from(BLANKS))
def test_every_spelling_has_the_same_normal_form(words: list[str], blank: str) -> None:
    plain = normal(" ".join(words))
    for form in ("NFC", "NFD"):
        written = unicodedata.normalize(form, plain)
        assert normal(blank + written.replace(" ", blank + " ") + blank) == plain
        assert normal("\ufeff".join(written) if form == "NFC" else written) == plain


@pytest.mark.parametrize(
    ("written", "name"),
    [
        (DECOMPOSED, "김민수"),
        (" Kim\u00a0 Min\t", "Kim Min"),
        ("Kim\u200b Min", "Kim Min"),
        ("1.0", "1"),
        ("600.", "600"),
        ("-3.00", "-3"),
        ("000600", "000600"),
        ("000600.0", "000600"),
        ("1.50", "1.50"),
        ("1.0.0", "1.0.0"),
        ("v1.0", "v1.0"),
        ("1e3", "1e3"),
        ("KIM", "KIM"),
        ("\u3000\u200b", ""),
        ("\u0661.0", "\u0661.0"),
    ],
)
def test_the_one_spelling_of_a_person(written: str, name: str) -> None:
    assert person(written) == name


def test_only_one_name_can_be_meant() -> None:
    names = Spellings(["a b", "a  b", DECOMPOSED, "c"])
    assert names.find("a  b") == "a  b"
    assert names.find("a\u00a0b") == "a\u00a0b", "two are spelt like it"
    assert names.find("김민수") == DECOMPOSED
    assert names.find("C") == "C"
    assert "김민수" not in names


def test_the_first_name_of_a_list_is_what_a_person_is_called() -> None:
    assert called([["600.0", "000600 "], ["b", "a"]]) == {"600": "600", "000600": "600", "b": "b", "a": "b"}


def test_classes_are_found_in_any_spelling() -> None:
    attribute = Attribute("sex", ("남 자", "여"))
    assert attribute.code_of(unicodedata.normalize("NFD", "남\u00a0자")) == 0
    with pytest.raises(SettingError, match="no class `남자`"):
        attribute.code_of("남자")


def test_settings_of_a_recipe_name_attributes_exactly() -> None:
    """They are keys as well: one that is found and then not looked up would have no effect."""
    space = LabelSpace((Attribute("나이", ("1", "2"), (30.0,)),))
    with pytest.raises(SettingError, match="no attribute is called"):
        space.with_cuts({unicodedata.normalize("NFD", "나이"): [40.0]})


def test_two_spellings_are_no_two_classes() -> None:
    with pytest.raises(SettingError, match="twice"):
        Attribute("sex", ("여", unicodedata.normalize("NFD", "여")))
    with pytest.raises(SettingError, match="must differ"):
        LabelSpace((Attribute("é", ("a", "b")), Attribute("e\u0301", ("a", "b"))))
