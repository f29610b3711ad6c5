"""What an epoch holds: sizes as promised, people before repeats, the same rows for the same seed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from facetwise.core.errors import SettingError
from facetwise.core.labels import Attribute, LabelSpace
from facetwise.data.labels.views import TrainingView
from facetwise.recipe.sampling import AllImages, Oversample, Sampling, Undersample, Weighted
from facetwise.train.sampling import (
    Pool,
    epoch_content,
    epoch_rows,
    epoch_size,
    partner_rows,
    rare_weights,
)
from facetwise.train.seeds import derive_seed

SPACE = LabelSpace(
    (
        Attribute("mask", ("wear", "incorrect", "normal")),
        Attribute("age", ("<30", "30-59", ">=60"), cuts=(30, 60)),
    )
)
SEED = (7, 0)
BY = st.sampled_from(["joint", "mask", "age"])
CAPS = st.none() | st.integers(1, 6)


def pool_of(rows: list[tuple[str, int, int]]) -> Pool:
    """Rows of (person, mask, age group)."""
    codes = np.array([row[1:] for row in rows], np.int64).reshape(-1, 2)
    return Pool(codes, np.array([row[0] for row in rows], object), SPACE)


def contest(*ages: int) -> Pool:
    """A person an age group, with the contest's seven photos: five masks, one worn wrongly, one without."""
    return pool_of([(f"p{i}", mask, age) for i, age in enumerate(ages) for mask in (0, 0, 0, 0, 0, 1, 2)])


@st.composite
def pools(draw: st.DrawFn) -> Pool:
    """Any images of up to eight people; a person may have several ages."""
    rows = np.array(draw(st.lists(st.integers(0, 8 * 9 - 1), min_size=1, max_size=40)))
    return Pool(SPACE.decode(rows % 9), np.array([f"p{i}" for i in rows // 9], object), SPACE)


SPECS = st.one_of(
    st.builds(AllImages, per_person=CAPS),
    st.builds(Undersample, by=BY, to=st.none() | st.integers(1, 20), per_person=CAPS),
    st.builds(Oversample, by=BY, per_person=CAPS),
    st.builds(
        Weighted, by=BY, power=st.floats(0.1, 2), length=st.none() | st.integers(1, 60), per_person=CAPS
    ),
)  # fmt: skip


def counts(pool: Pool, rows: np.ndarray, by: str) -> np.ndarray:
    """Images of each class that the pool has."""
    return np.array([(pool.classes(by)[rows] == c).sum() for c in np.unique(pool.classes(by))])


def people_of(pool: Pool, rows: np.ndarray) -> np.ndarray:
    """Different images of each person."""
    return np.bincount(pool.people[np.unique(rows)], minlength=pool.people.max() + 1)


# ------------------------------------------------------------------------------------------------ laws of every kind


@given(pools(), SPECS, st.integers(0, 50))
def test_every_epoch_is_as_long_as_promised_and_drawn_from_the_pool(pool, spec, epoch):
    rows = epoch_rows(spec, pool, SEED, epoch)
    assert rows.dtype == np.int64
    assert rows.shape == (epoch_size(spec, pool),)
    assert ((rows >= 0) & (rows < len(pool))).all()


@given(pools(), SPECS, st.integers(0, 50))
def test_no_person_gives_more_images_than_the_cap(pool, spec, epoch):
    given_by = people_of(pool, epoch_rows(spec, pool, SEED, epoch))
    if spec.per_person is not None:
        assert given_by.max() <= spec.per_person
    if isinstance(spec, AllImages):
        assert given_by.tolist() == np.minimum(np.bincount(pool.people), spec.per_person or len(pool)).tolist()


@given(pools(), SPECS, st.integers(0, 5))
def test_an_epoch_follows_from_its_seed_and_number_alone(pool, spec, epoch):
    again = Pool(pool.codes.copy(), pool.groups.copy(), SPACE)
    np.testing.assert_array_equal(epoch_rows(spec, pool, SEED, epoch), epoch_rows(spec, again, SEED, epoch))


@pytest.mark.parametrize(
    "spec", [AllImages(), AllImages(per_person=3), Undersample(), Oversample(), Weighted(), Undersample(to=2)]
)
def test_other_epochs_and_seeds_draw_otherwise(spec):
    pool = contest(0, 0, 0, 1, 1, 2)
    drawn = [tuple(epoch_rows(spec, pool, seed, epoch)) for seed in (SEED, (7, 1), (8, 0)) for epoch in range(3)]
    assert len(set(drawn)) == len(drawn)


@given(pools(), SPECS, st.integers(0, 5))
def test_names_of_people_and_absent_classes_change_nothing(pool, spec, epoch):
    wider = LabelSpace((*SPACE.attributes[:1], Attribute("age", ("<30", "30-59", ">=60", ">=90"), cuts=(30, 60, 90))))
    numbers = Pool(pool.codes, pool.people * 10, wider)
    np.testing.assert_array_equal(epoch_rows(spec, pool, SEED, epoch), epoch_rows(spec, numbers, SEED, epoch))


@pytest.mark.parametrize("spec", [AllImages(per_person=1), Undersample(), Oversample(per_person=2), Weighted()])
def test_nothing_gives_nothing(spec):
    empty = pool_of([])
    assert epoch_size(spec, empty) == 0
    assert epoch_content(empty, epoch_rows(spec, empty, SEED, 0)).images == 0


def test_the_pool_of_a_view_has_its_classes_and_may_be_cut_to_a_fold():
    soft = (np.eye(3, dtype=np.float32)[[0, 2, 1]], np.array([[0.5, 0.5, 0], [0.2, 0.1, 0.7], [1, 0, 0]], np.float32))
    view = TrainingView(soft, {}, {}, np.ones(3, bool), np.ones(3, np.float32))
    pool = Pool.of(view, np.array(["b", "a", "b"]), SPACE)
    assert pool.codes.tolist() == [[0, 1], [2, 2], [1, 0]]
    part = pool.where(np.array([True, False, True]))
    assert (part.codes.tolist(), part.people.tolist(), len(part)) == ([[0, 1], [1, 0]], [0, 0], 2)


# ---------------------------------------------------------------------------------------------------- kind by kind


@given(st.integers(1, 60), st.integers(0, 9))
def test_all_is_every_image_in_the_order_that_runs_always_had(num, epoch):
    pool = pool_of([("p", i % 3, 0) for i in range(num)])
    order = np.random.default_rng(derive_seed(*SEED, "order", epoch)).permutation(num)
    np.testing.assert_array_equal(epoch_rows(AllImages(), pool, SEED, epoch), order)


@given(pools(), BY, st.integers(0, 9))
def test_undersampling_takes_the_smallest_class_from_each(pool, by, epoch):
    rows = epoch_rows(Undersample(by=by), pool, SEED, epoch)
    whole = counts(pool, np.arange(len(pool)), by)
    assert counts(pool, rows, by).tolist() == [whole.min()] * len(whole)
    assert len(np.unique(rows)) == len(rows)


@given(pools(), BY, st.integers(1, 20), st.integers(0, 9))
def test_undersampling_to_a_number_keeps_smaller_classes_whole(pool, by, to, epoch):
    rows = epoch_rows(Undersample(by=by, to=to), pool, SEED, epoch)
    assert counts(pool, rows, by).tolist() == np.minimum(counts(pool, np.arange(len(pool)), by), to).tolist()
    assert len(np.unique(rows)) == len(rows)


@given(pools(), BY, st.integers(0, 9))
def test_undersampling_takes_people_before_second_images(pool, by, epoch):
    rows = epoch_rows(Undersample(by=by), pool, SEED, epoch)
    classes = pool.classes(by)
    for c in np.unique(classes):
        taken, there = (np.unique(pool.people[r][classes[r] == c]) for r in (rows, np.arange(len(pool))))
        assert len(taken) == min((classes[rows] == c).sum(), len(there))


def test_by_mask_every_person_gives_one_of_each_way_to_wear_it():
    pool = contest(0, 0, 1, 1, 2)
    for epoch in range(5):
        rows = epoch_rows(Undersample(by="mask"), pool, SEED, epoch)
        assert len({*zip(pool.people[rows].tolist(), pool.codes[rows, 0].tolist(), strict=True)}) == len(rows) == 15


def test_images_that_stand_once_more_are_of_different_people():
    """Ten masks of two people fill up to the 12 bare faces of others with one more of each."""
    masks = [(person, 0, 0) for person in ("a", "b") for _ in range(5)]
    pool = pool_of(masks + [(f"p{i}", 2, 0) for i in range(12)])
    for epoch in range(5):
        repeated = np.bincount(epoch_rows(Oversample(by="mask"), pool, SEED, epoch)) == 2
        assert pool.groups[repeated].tolist() == ["a", "b"]


@given(pools(), BY, st.integers(0, 9))
def test_oversampling_keeps_every_image_and_repeats_evenly(pool, by, epoch):
    rows = epoch_rows(Oversample(by=by), pool, SEED, epoch)
    whole = counts(pool, np.arange(len(pool)), by)
    assert counts(pool, rows, by).tolist() == [whole.max()] * len(whole)
    repeats = np.bincount(rows, minlength=len(pool))
    assert repeats.min() >= 1
    for c in np.unique(pool.classes(by)):
        assert np.ptp(repeats[pool.classes(by) == c]) <= 1


@given(pools(), BY, st.floats(0.1, 2))
def test_weights_are_a_power_of_the_share(pool, by, power):
    """The closed form, seen through a draw of many: the law of large numbers, at six deviations."""
    num = 20_000
    rows = epoch_rows(Weighted(by=by, power=power, length=num), pool, SEED, 0)
    whole = counts(pool, np.arange(len(pool)), by)
    expected = whole ** (1 - power) / (whole ** (1 - power)).sum()
    deviation = np.sqrt(expected * (1 - expected) / num)
    assert (np.abs(counts(pool, rows, by) / num - expected) <= 6 * deviation + 1e-9).all()


def test_a_weighted_epoch_is_as_long_as_there_are_images():
    pool = contest(0, 1, 2)
    assert epoch_size(Weighted(), pool) == 21
    assert epoch_size(Weighted(per_person=2), pool) == 6
    assert epoch_size(Weighted(per_person=2, length=100), pool) == 100


# ------------------------------------------------------------------------------------------------------- per person


def test_three_of_a_person_are_one_of_each_way_to_wear_a_mask():
    pool = contest(0, 0, 1, 2, 2)
    for epoch in range(5):
        rows = epoch_rows(AllImages(per_person=3), pool, SEED, epoch)
        assert sorted(zip(pool.people[rows].tolist(), pool.codes[rows, 0].tolist(), strict=True)) == [
            (person, mask) for person in range(5) for mask in range(3)
        ]


@pytest.mark.parametrize("spec", [AllImages(per_person=1), Oversample(by="mask", per_person=1), Weighted(per_person=1)])
def test_a_cap_leaves_no_image_out_for_ever(spec):
    pool = contest(0, 0, 0)
    seen = np.concatenate([epoch_rows(spec, pool, SEED, epoch) for epoch in range(200)])
    assert len(np.unique(seen)) == len(pool)


@pytest.mark.parametrize("kind", [Undersample, Oversample])
def test_people_who_differ_do_not_change_the_size_of_an_epoch(kind):
    """Of `a`, who has two images of either mask, three are two and one, or one and two; of `b` always two and one."""
    pool = pool_of([("a", 0, 0)] * 2 + [("a", 2, 0)] * 2 + [("b", 0, 0)] * 3 + [("b", 2, 0)])
    spec = kind(by="mask", per_person=3)
    assert {len(epoch_rows(spec, pool, SEED, epoch)) for epoch in range(20)} == {epoch_size(spec, pool)}


@given(pools(), st.integers(1, 6), st.integers(0, 9))
def test_a_cap_goes_evenly_over_the_classes_of_a_person(pool, cap, epoch):
    """A class with images to spare gives at most one less than another class of the same person."""
    rows = epoch_rows(AllImages(per_person=cap), pool, SEED, epoch)
    for person in range(pool.people.max() + 1):
        own = pool.people == person
        classes, there = np.unique(pool.joint[own], return_counts=True)
        taken = np.array([(pool.joint[rows][pool.people[rows] == person] == c).sum() for c in classes])
        assert all(t >= taken.max() - 1 for t, n in zip(taken, there, strict=True) if t < n)


def test_classes_are_made_equal_after_the_cap():
    """Two images each of 4 young and 2 old people: by mask there is as many of each, so old ones decide."""
    pool = contest(0, 0, 0, 0, 2, 2)
    rows = epoch_rows(Undersample(by="age", per_person=2), pool, SEED, 0)
    assert counts(pool, rows, "age").tolist() == [4, 4]
    rows = epoch_rows(Oversample(by="age", per_person=2), pool, SEED, 0)
    assert counts(pool, rows, "age").tolist() == [8, 8]


# ------------------------------------------------------------------------------------------- what is told, partners


def test_the_content_of_an_epoch():
    pool = contest(0, 0, 2)
    whole = epoch_content(pool, np.arange(len(pool)))
    assert (whole.images, whole.people) == (21, 3)
    assert all(c.images == c.available for classes in whole.classes.values() for c in classes)
    content = epoch_content(pool, epoch_rows(Oversample(by="age"), pool, SEED, 0))
    assert (content.images, content.people) == (28, 3)
    found = [(c.name, c.images, c.people, c.available) for c in content.classes["age"]]
    assert found == [("<30", 14, 2, 14), ("30-59", 0, 0, 0), (">=60", 14, 1, 7)]
    assert [c.name for c in content.classes["joint"]] == [
        "wear/<30", "wear/>=60", "incorrect/<30", "incorrect/>=60", "normal/<30", "normal/>=60",
    ]  # fmt: skip
    assert sum(c["images"] for c in content.as_dict()["classes"]["joint"]) == 28


@given(pools(), SPECS)
def test_the_content_adds_up(pool, spec):
    rows = epoch_rows(spec, pool, SEED, 0)
    content = epoch_content(pool, rows)
    assert set(content.classes) == {"mask", "age", "joint"}
    for counted in content.classes.values():
        assert sum(c.images for c in counted) == content.images == len(rows)
        assert sum(c.available for c in counted) == len(pool)
        assert max(c.people for c in counted) <= content.people <= sum(c.people for c in counted)


@given(st.lists(st.sampled_from([0, 3, 4, 700_000_000]), min_size=1, max_size=40))
def test_rare_weights_make_every_class_as_likely(classes):
    joint = np.array(classes, np.int64)
    weights = rare_weights(joint)
    shares = [weights[joint == c].sum() for c in np.unique(joint)]
    np.testing.assert_allclose(shares, 1 / len(shares))
    assert all(np.ptp(weights[joint == c]) == 0 for c in np.unique(joint))


def test_partners_come_from_rare_classes_as_often():
    joint = np.array([0] * 95 + [1] * 5)
    partners = partner_rows(rare_weights(joint), 4_000, seed=3)
    np.testing.assert_array_equal(partners, partner_rows(rare_weights(joint), 4_000, seed=3))
    assert partners.dtype == np.int64
    assert abs((joint[partners] == 1).mean() - 0.5) < 0.05


# ------------------------------------------------------------------------------------------------------- bad inputs


@pytest.mark.parametrize("kind", [Undersample, Oversample, Weighted])
def test_an_attribute_that_is_not_there(kind):
    with pytest.raises(SettingError, match=r"`sampling\.by`: no attribute is called `aeg`") as caught:
        epoch_size(kind(by="aeg"), contest(0))
    assert "did you mean `age`? allowed: `age`, `joint`, `mask`" in str(caught.value.hint)


@pytest.mark.parametrize(
    "data",
    [
        {"name": "undersample", "to": 0},
        {"name": "oversample", "to": 3},
        {"name": "weighted", "power": 0},
        {"name": "weighted", "power": 2.5},
        {"name": "weighted", "length": 0},
        {"name": "all", "per_person": 0},
        {"name": "all", "by": "age"},
        {"name": "some"},
    ],
)
def test_settings_out_of_range(data):
    with pytest.raises(ValidationError):
        TypeAdapter(Sampling).validate_python(data)
