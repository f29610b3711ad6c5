"""The label codec: its laws on random label spaces, and what is refused."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from facetwise.core.errors import InputError, SettingError
from facetwise.core.labels import MAX_LISTED_JOINT, Attribute, LabelSpace
from facetwise.core.people import called, people_text, person_hash
from facetwise.core.references import parse_reference

MASK = Attribute("mask", ("wear", "incorrect", "normal"))
GENDER = Attribute("gender", ("male", "female"))
AGE = Attribute("age", ("<30", "30-59", ">=60"), cuts=(30.0, 60.0))
SPACE = LabelSpace((MASK, GENDER, AGE))


def space_of(sizes: list[int]) -> LabelSpace:
    return LabelSpace(tuple(Attribute(f"a{i}", tuple(f"c{j}" for j in range(n))) for i, n in enumerate(sizes)))


spaces = st.lists(st.integers(2, 7), min_size=1, max_size=6).map(space_of)


@given(spaces, st.data())
def test_decoding_an_encoded_label_gives_it_back(space, data):
    codes = np.array(
        data.draw(st.lists(st.tuples(*(st.integers(0, n - 1) for n in space.sizes)), min_size=0, max_size=5)),
        dtype=np.int64,
    ).reshape(-1, len(space.sizes))
    joint = space.encode(codes)
    assert joint.shape == (len(codes),)
    np.testing.assert_array_equal(space.decode(joint), codes)


@given(spaces)
def test_the_codec_is_a_bijection_on_all_joint_classes(space):
    assume(space.num_joint <= 5000)
    every = np.arange(space.num_joint)
    codes = space.decode(every)
    np.testing.assert_array_equal(space.encode(codes), every)
    assert len(np.unique(codes, axis=0)) == space.num_joint


@given(spaces, st.data())
def test_the_joint_class_is_mixed_radix_with_the_first_attribute_most_significant(space, data):
    codes = [data.draw(st.integers(0, n - 1)) for n in space.sizes]
    expected = 0
    for code, size in zip(codes, space.sizes, strict=True):
        expected = expected * size + code
    assert space.encode(codes) == expected


@pytest.mark.parametrize(
    ("first", "second", "name"),
    [
        (("x", "y"), ("z", "w"), "y/w"),
        (("x", "x/y"), ("y/z", "z"), "x/y | z"),
        (("x", "x | y/"), ("z", "w"), "x | y/ + w"),
    ],
)
def test_no_two_joint_classes_have_one_name(first, second, name):
    space = LabelSpace((Attribute("a", first), Attribute("b", second)))
    assert len(set(space.joint_names)) == space.num_joint
    assert space.joint_name(3) == space.joint_names[3] == name


def test_joint_names_stand_in_the_order_of_joint_classes():
    assert SPACE.num_joint == 18
    for joint, name in enumerate(SPACE.joint_names):
        codes = SPACE.decode(joint)
        assert name == "/".join(a.classes[c] for a, c in zip(SPACE.attributes, codes, strict=True))
    assert SPACE.joint_columns[17] == "joint=17"
    assert SPACE.columns("age") == ("age=<30", "age=30-59", "age=>=60")


@pytest.mark.parametrize("shape", [(3,), (4, 3), (2, 5, 3)])
def test_codes_of_any_leading_shape(shape):
    codes = np.zeros(shape, int)
    assert SPACE.encode(codes).shape == shape[:-1]
    assert SPACE.decode(SPACE.encode(codes)).shape == shape


@pytest.mark.parametrize("codes", [[0, 0, 3], [0, 2, 0], [-1, 0, 0]])
def test_codes_out_of_range_are_refused_not_wrapped(codes):
    with pytest.raises(ValueError, match="out of range"):
        SPACE.encode(codes)


def test_joint_classes_out_of_range_and_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match="out of range"):
        SPACE.decode([0, 18])
    with pytest.raises(ValueError, match=r"shape \(\.\.\., 3\)"):
        SPACE.encode([[0, 1]])


cuts_of = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=6, unique=True).map(sorted)


@given(cuts_of, st.lists(st.floats(-1e7, 1e7), min_size=1, max_size=20))
def test_an_ordinal_class_is_the_number_of_cuts_at_or_below_the_value(cuts, values):
    attribute = Attribute("v", tuple(f"c{i}" for i in range(len(cuts) + 1)), cuts=tuple(cuts))
    for at in [*values, *cuts]:
        assert attribute.codes_of_values(at) == sum(cut <= at for cut in cuts)
    for cut in cuts:
        assert attribute.codes_of_values(np.nextafter(cut, -np.inf)) == sum(c < cut for c in cuts)


def test_ages_at_the_boundaries():
    np.testing.assert_array_equal(AGE.codes_of_values([0, 29, 29.99, 30, 59, 60, 120]), [0, 0, 0, 1, 1, 2, 2])


@given(st.lists(st.integers(0, 100), min_size=2, max_size=2, unique=True).map(sorted))
def test_moved_cuts_keep_names_and_number_of_classes(cuts):
    moved = SPACE.with_cuts({"age": cuts})
    assert (moved.names, moved.sizes, moved.joint_names) == (SPACE.names, SPACE.sizes, SPACE.joint_names)
    assert moved.attribute("age").cuts == tuple(cuts)
    assert SPACE.attribute("age").cuts == (30.0, 60.0)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Attribute("a", ("only",)), "has 1 classes"),
        (lambda: Attribute("a", tuple(map(str, range(1001)))), "has 1001 classes, expected 2 to 1000"),
        (lambda: Attribute("a", ("x", "y", "x")), "lists class `x` twice"),
        (lambda: Attribute("", ("x", "y")), "cannot name an attribute"),
        (lambda: Attribute("joint", ("x", "y")), "cannot name an attribute"),
        (lambda: Attribute("a=b", ("x", "y")), "cannot name an attribute"),
        (lambda: Attribute("a", ("x", "y"), cuts=(1.0, 2.0)), "needs 1 cuts"),
        (lambda: Attribute("a", ("x", "y", "z"), cuts=(2.0, 1.0)), "finite and ascending"),
        (lambda: Attribute("a", ("x", "y", "z"), cuts=(1.0, 1.0)), "finite and ascending"),
        (lambda: Attribute("a", ("x", "y"), cuts=(float("nan"),)), "finite and ascending"),
        (lambda: LabelSpace(()), "1 to 16 attributes, got 0"),
        (lambda: space_of([2] * 17), "1 to 16 attributes, got 17"),
        (lambda: space_of([1000] * 4), "1,000,000,000,000 joint classes, at most 1,000,000,000"),
        (lambda: LabelSpace((MASK, MASK)), "must differ"),
        (lambda: SPACE.with_cuts({"mask": [1.0, 2.0]}), "it has none"),
        (lambda: SPACE.with_cuts({"age": [1.0]}), "needs 2 cuts"),
        (lambda: MASK.codes_of_values([1.0]), "has no cuts"),
    ],
)
def test_spaces_that_cannot_be(make, words):
    with pytest.raises(SettingError, match=words):
        make()


def test_unknown_names_get_close_matches():
    with pytest.raises(SettingError, match="gendre") as error:
        SPACE.attribute("gendre")
    assert "did you mean `gender`?" in error.value.hint
    with pytest.raises(SettingError, match="femal") as error:
        GENDER.code_of("femal")
    assert "did you mean `female`?" in error.value.hint
    assert SPACE.index("gender") == GENDER.code_of("female") == 1


def test_a_space_too_large_to_list_is_still_coded():
    space = space_of([30, 30, 30])
    assert space.num_joint == 27_000 > MAX_LISTED_JOINT
    assert space.decode(space.encode([29, 0, 29])).tolist() == [29, 0, 29]
    with pytest.raises(SettingError, match="too many to list"):
        _ = space.joint_names


@pytest.mark.parametrize("codes", [[[0.9, 1.9, 0.0]], [[0.0, 1.0, 2.0]], [[True, False, True]], [["0", "1", "1"]]])
def test_codes_are_integers_and_nothing_is_made_one(codes):
    with pytest.raises(ValueError, match="integers"):
        SPACE.encode(codes)
    with pytest.raises(ValueError, match="integers"):
        SPACE.decode(codes)


def test_names_that_there_are_not_are_refused():
    for names in (["mask", "hat"], "mask"):
        with pytest.raises(SettingError, match="no attribute is called"):
            SPACE.only(names)
    for name, classes in ((3, ("a", "b")), ("a", "bc"), ("a", (1, 2))):
        with pytest.raises(SettingError, match="an attribute has a name"):
            Attribute(name, classes)
    for cuts in (("30", "60"), (True, 2), (float("nan"), 1)):
        with pytest.raises(SettingError, match="cuts of `age`"):
            Attribute("age", ("a", "b", "c"), cuts)


def test_names_are_text_and_ranges_ascend():
    for ask in (SPACE.attribute, SPACE.index, SPACE.columns, MASK.code_of):
        with pytest.raises(ValueError, match="`name` must be text"):
            ask(3)
    for valid in ((60, 0), (float("nan"), 60)):
        with pytest.raises(SettingError, match="valid values of `age`"):
            Attribute("age", ("a", "b"), (30.0,), valid)
    with pytest.raises(SettingError, match="made of attributes"):
        LabelSpace(("mask", "age"))
    assert LabelSpace([Attribute("a", ["x", "y"])]) == LabelSpace((Attribute("a", ("x", "y")),))


def test_names_of_people_and_references_are_text():
    for ask in (person_hash, lambda name: people_text([name]), lambda name: called([["a", name]])):
        for name in (None, 3, float("nan")):
            with pytest.raises(ValueError, match="text"):
                ask(name)
    for text in ("abc", ["ab"]):
        with pytest.raises(ValueError, match=r"several|text"):
            called(text) if text != "abc" else people_text(text)
    for reference in (2.0, True, None, [3]):
        with pytest.raises(InputError, match="a reference is text or a number"):
            parse_reference(reference)


@st.composite
def some_combinations(draw: st.DrawFn) -> tuple[LabelSpace, np.ndarray]:
    """A space in which only some combinations can occur, and their class numbers."""
    space = draw(spaces.filter(lambda s: s.num_joint <= 5000 and len(s.names) > 1))
    numbers = draw(st.sets(st.integers(0, space.num_joint - 1), min_size=1, max_size=12))
    codes = space.decode(sorted(numbers))
    return space.with_combinations(codes[::-1]), codes


@given(some_combinations())
def test_joint_classes_are_the_combinations_that_can_occur_in_the_order_of_all(drawn):
    space, codes = drawn
    np.testing.assert_array_equal(space.joint_codes, codes)
    assert space.num_joint == len(codes)
    np.testing.assert_array_equal(space.encode(codes), np.arange(len(codes)))
    assert space.joint_names == tuple(space.product.joint_name(k) for k in space.product.encode(codes))
    assert len(space.joint_columns) == len(codes)


@given(some_combinations())
def test_what_cannot_occur_has_no_joint_class(drawn):
    space, codes = drawn
    every = space.product.joint_codes
    found = space.encode(every, missing=True)
    possible = np.isin(space.product.encode(every), space.product.encode(codes))
    np.testing.assert_array_equal(found != -1, possible)
    np.testing.assert_array_equal(space.decode(found, missing=True)[possible], every[possible])
    if not possible.all():
        with pytest.raises(ValueError, match="cannot occur"):
            space.encode(every)


@given(some_combinations(), st.data())
def test_a_part_of_the_label_has_the_parts_of_what_can_occur(drawn, data):
    space, codes = drawn
    kept = sorted(data.draw(st.sets(st.sampled_from(range(len(space.names))), min_size=1)))
    part = space.only([space.names[i] for i in kept])
    if len(kept) == len(space.names):
        assert part is space
    elif len(kept) == 1:
        assert part.combinations is None
        assert part.num_joint == space.sizes[kept[0]]
    else:
        np.testing.assert_array_equal(part.joint_codes, np.unique(codes[:, kept], axis=0))


def test_all_combinations_are_none_to_leave_out_and_records_stay_as_they_were():
    every = SPACE.with_combinations(SPACE.joint_codes)
    assert every == SPACE
    assert every.as_dict() == SPACE.as_dict()
    assert set(SPACE.as_dict()) == {"attributes"}
    few = SPACE.with_combinations(SPACE.joint_codes[[4, 1]])
    assert few.as_dict() == SPACE.as_dict() | {"combinations": [1, 4]}
    assert few.with_cuts({"age": [29.0, 59.0]}).combinations == (1, 4)


def test_one_attribute_has_no_combinations():
    with pytest.raises(SettingError, match="one attribute has its classes"):
        LabelSpace((MASK,), (0, 2))


@pytest.mark.parametrize("wrong", [(), (3, 3), (4, 1), (-1, 2), (17, 18)])
def test_combinations_are_ascending_numbers_of_products(wrong):
    with pytest.raises(SettingError, match="ascending numbers from 0 to 17"):
        LabelSpace(SPACE.attributes, wrong)
