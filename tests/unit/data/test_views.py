"""The training view of the labels, and that the scored view never moves with it."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facetwise.core.errors import InputError, SettingError
from facetwise.core.files.settings import parse
from facetwise.core.labels import Attribute, LabelSpace
from facetwise.core.tables import MANIFEST
from facetwise.data.labels.bins import soft_bins
from facetwise.data.labels.overlay import Correction, Overlay
from facetwise.data.labels.views import TrainingView, one_hot, training_view
from facetwise.data.manifest import Manifest
from facetwise.recipe.labels import LabelsSpec

AGE = Attribute("age", ("<30", "30-59", ">=60"), cuts=(30, 60))
SPACE = LabelSpace((Attribute("gender", ("male", "female")), AGE))
AGES = np.array([18.0, 29, 30, 31, 58, 59, 60, 75])


def manifest() -> Manifest:
    """One image each of eight people of these ages, men and women in turn."""
    count = len(AGES)
    filled = {
        "image": [f"{i}.jpg" for i in range(count)],
        "split": ["train"] * count,
        "group": [f"p{i}" for i in range(count)],
        "sha256": [f"{i:064x}" for i in range(count)],
        "status": ["ok"] * count,
    }
    table = pl.DataFrame({k: pl.Series(filled.get(k, [None] * count), dtype=t) for k, t in MANIFEST.items()})
    return Manifest.of(
        table.with_columns(
            pl.Series("label:gender", [i % 2 for i in range(count)], dtype=pl.Int16),
            pl.Series("label:age", AGE.codes_of_values(AGES), dtype=pl.Int16),
            pl.Series("value:age", AGES),
        )
    )


def view_of(spec: LabelsSpec, *corrections: Correction, made: Manifest | None = None) -> TrainingView:
    return training_view(made or manifest(), SPACE, spec, Overlay(corrections))


def codes_of(view: TrainingView) -> np.ndarray:
    """Classes of hard labels."""
    assert all(set(np.unique(part)) <= {0.0, 1.0} and (part.sum(axis=1) == 1).all() for part in view.classes)
    return np.stack([part.argmax(axis=1) for part in view.classes], axis=1)


def test_a_plain_recipe_trains_on_the_scored_labels():
    made = manifest()
    np.testing.assert_array_equal(codes_of(view_of(LabelsSpec(), made=made)), made.codes(SPACE))


def test_moved_cuts_move_the_training_view_only():
    made = manifest()
    scored = made.codes(SPACE).copy()
    codes = codes_of(view_of(LabelsSpec(cuts={"age": [29, 59]}), made=made))
    np.testing.assert_array_equal(codes[:, 1], [0, 1, 1, 1, 1, 2, 2, 2])
    np.testing.assert_array_equal(codes[:, 0], scored[:, 0])
    np.testing.assert_array_equal(made.codes(SPACE), scored)
    assert SPACE.attribute("age").cuts == (30, 60)


def test_corrections_come_first_and_an_image_goes_before_its_person():
    made = manifest()
    overlay = Overlay(
        (
            Correction("0.jpg", "", "age", "29.5", "r", "a"),
            Correction("", "p0", "age", "61", "r", "a"),
            Correction("", "p1", "gender", "male", "r", "a"),
        )
    )
    scored = made.codes(SPACE).copy()
    plain = codes_of(view_of(LabelsSpec(), *overlay.corrections, made=made))
    moved = codes_of(view_of(LabelsSpec(cuts={"age": [29, 59]}), *overlay.corrections, made=made))
    without = codes_of(view_of(LabelsSpec(overlay=False), *overlay.corrections, made=made))
    assert (plain[0, 1], moved[0, 1], without[0, 1]) == (0, 1, 0)
    assert (plain[1, 0], without[1, 0]) == (0, 1)
    np.testing.assert_array_equal(made.codes(SPACE), scored)
    np.testing.assert_array_equal(without, scored)


@given(st.lists(st.floats(0, 120), min_size=1, max_size=10), st.floats(0.01, 50))
def test_softened_labels_are_probabilities_that_move_with_the_value(values, deviation):
    soft = soft_bins(np.sort(np.array(values)), AGE.cuts, deviation)
    assert soft.shape == (len(values), 3)
    assert (soft >= 0).all()
    np.testing.assert_allclose(soft.sum(axis=1), 1, atol=1e-6)
    assert (np.diff(soft[:, 0]) <= 1e-7).all()
    assert (np.diff(soft[:, 2]) >= -1e-7).all()


@given(st.lists(st.integers(0, 120).filter(lambda v: v not in (30, 60)), min_size=1, max_size=10))
def test_softening_ends_at_hard_labels(values):
    array = np.array(values, float)
    np.testing.assert_allclose(soft_bins(array, AGE.cuts, 1e-3), one_hot(AGE.codes_of_values(array), 3), atol=1e-6)


def test_softening_is_the_normal_distribution():
    soft = soft_bins(np.array([30.0, 25.0, 45.0]), AGE.cuts, 5.0)
    np.testing.assert_allclose(soft[0], [0.5, 0.5, 0.0], atol=1e-6)
    np.testing.assert_allclose(soft[1, 0], 0.8413447, atol=1e-6)  # one deviation below the cut
    np.testing.assert_allclose(soft[2], [0.0013499, 0.9973002, 0.0013499], atol=1e-6)


def test_softening_around_moved_cuts():
    targets = view_of(LabelsSpec(cuts={"age": [29, 59]}, soften={"age": 3.0})).classes
    np.testing.assert_allclose(targets[1][1], [0.5, 0.5, 0.0], atol=1e-6)
    assert set(np.unique(targets[0])) == {0.0, 1.0}


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (LabelsSpec(soften={"gender": 1.0}), r"`labels\.soften`: `gender` has no cuts to soften around"),
        (LabelsSpec(soften={"aeg": 1.0}), r"`labels\.soften`: no attribute is called `aeg`; did you mean `age`"),
        (LabelsSpec(cuts={"gender": [1.0]}), r"`labels\.cuts`: `gender` has no cuts to move"),
        (LabelsSpec(cuts={"age": [1.0]}), r"`labels\.cuts`: .*needs 2 cuts"),
        (LabelsSpec(cuts={"age": [60, 30]}), r"`labels\.cuts`: .*ascending"),
        (LabelsSpec(cuts={"nose": [1.0]}), r"`labels\.cuts`: no attribute is called `nose`"),
        (LabelsSpec(drop={"gender": [(0, 1)]}), r"`labels\.drop`: `gender` has no cuts to drop a band by"),
        (LabelsSpec(drop={"nose": []}), r"`labels\.drop`: no attribute is called `nose`"),
        (LabelsSpec(drop={"age": [(0, 40), (40, 100)]}), r"nothing to train on: of 8 images `labels\.drop` drops 8"),
    ],
)
def test_views_that_cannot_be(spec, words):
    with pytest.raises(SettingError, match=words):
        view_of(spec)


def test_a_class_without_a_number_stays_whatever_the_recipe_does():
    """A csv may say `old` instead of a number (`values` beside `cuts`): the value is NaN, the class is known."""
    full = manifest()
    nameless = pl.when(pl.col("image") == "2.jpg").then(None).otherwise(pl.col("value:age")).alias("value:age")
    made = Manifest.of(full.table.with_columns(nameless))
    for spec in (LabelsSpec(cuts={"age": [29, 59]}), LabelsSpec(soften={"age": 3.0})):
        with_number = view_of(spec, made=full).classes[1]
        without = view_of(spec, made=made).classes[1]
        np.testing.assert_array_equal(without[2], [0, 1, 0])
        np.testing.assert_array_equal(np.delete(without, 2, 0), np.delete(with_number, 2, 0))
    nobody = Manifest.of(full.table.with_columns(pl.lit(None, pl.Float64).alias("value:age")))
    soft = view_of(LabelsSpec(soften={"age": 3.0}), made=nobody)
    np.testing.assert_array_equal(codes_of(soft), nobody.codes(SPACE))


def test_no_number_has_no_class_by_cuts():
    with pytest.raises(InputError, match=r"`age`: 1 of 2 values are NaN"):
        AGE.codes_of_values([30, float("nan")])


# ---------------------------------------------------------------------------------------------------- dropped bands


def test_a_band_holds_its_lower_end_and_not_its_upper():
    view = view_of(LabelsSpec(drop={"age": [(29, 31), (59, 60)]}))
    np.testing.assert_array_equal(AGES[~view.included], [29, 30, 59])
    assert view_of(LabelsSpec()).included.all()


def test_nothing_but_what_is_kept_changes_with_a_band():
    plain, banded = view_of(LabelsSpec()), view_of(LabelsSpec(drop={"age": [(29, 31)]}))
    for before, after in zip(plain.classes, banded.classes, strict=True):
        np.testing.assert_array_equal(before, after)
    np.testing.assert_array_equal(plain.values["age"], banded.values["age"])
    np.testing.assert_array_equal(plain.weights, banded.weights)


def test_bands_go_by_corrected_values_and_not_by_cuts():
    spec = LabelsSpec(drop={"age": [(57, 60)]}, cuts={"age": [29, 59]})
    into, out = Correction("0.jpg", "", "age", "58", "r", "a"), Correction("", "p4", "age", "61", "r", "a")
    np.testing.assert_array_equal(np.flatnonzero(~view_of(spec).included), [4, 5])
    np.testing.assert_array_equal(np.flatnonzero(~view_of(spec, into, out).included), [0, 5])
    np.testing.assert_array_equal(view_of(spec, into, out).codes[[0, 4], 1], [1, 2])


def test_what_has_no_number_is_in_no_band():
    nobody = Manifest.of(manifest().table.with_columns(pl.lit(None, pl.Float64).alias("value:age")))
    assert view_of(LabelsSpec(drop={"age": [(0, 100)]}), made=nobody).included.all()


@pytest.mark.parametrize("band", [[60, 57], [57, 57]])
def test_a_band_upside_down_names_its_key(band):
    with pytest.raises(SettingError, match=r"`drop\.age\.1`: a band is \[low, high\] with low below high \(got"):
        parse(LabelsSpec, {"drop": {"age": [[18, 20], band]}}, "recipe.toml")


def test_every_problem_is_told_at_once():
    with pytest.raises(SettingError) as caught:
        view_of(LabelsSpec(drop={"gender": [(0, 1)]}, soften={"nose": 1.0}, cuts={"age": [1.0]}))
    assert [line.split(":")[0] for line in str(caught.value).splitlines()] == [
        "`labels.cuts`", "`labels.drop`", "`labels.soften`",
    ]  # fmt: skip


# ----------------------------------------------------------------------------------------------------------- weights


def test_corrected_rows_weigh_what_the_recipe_and_the_correction_say():
    half = Correction("", "p1", "age", "40", "r", "a", weight=0.5)
    whole = Correction("3.jpg", "", "gender", "male", "r", "a")
    view = view_of(LabelsSpec(overlay_weight=0.3), half, whole)
    np.testing.assert_allclose(view.weights, [1, 0.15, 1, 0.3, 1, 1, 1, 1])
    assert view.weights.dtype == np.float32
    assert view_of(LabelsSpec(overlay=False, overlay_weight=0.3), half).weights.tolist() == [1] * 8


def test_what_weighs_nothing_is_not_trained_on():
    unclear = Correction("2.jpg", "", "age", "40", "unclear", "a", weight=0)
    one = Correction("3.jpg", "", "gender", "male", "r", "a")
    np.testing.assert_array_equal(np.flatnonzero(~view_of(LabelsSpec(), unclear, one).included), [2])
    np.testing.assert_array_equal(np.flatnonzero(~view_of(LabelsSpec(overlay_weight=0), unclear, one).included), [2, 3])
    everybody = [Correction("", f"p{i}", "gender", "male", "r", "a") for i in range(len(AGES))]
    with pytest.raises(SettingError, match=r"of 8 images `labels\.drop` drops 0, and 8 weigh 0"):
        view_of(LabelsSpec(overlay_weight=0), *everybody)


# -------------------------------------------------------------------------------------------------------------- laws

CUTS = st.lists(st.integers(1, 100), min_size=2, max_size=2, unique=True).map(sorted)
# The oldest, of 75, is in no band and not corrected, so that something is always left.
BANDS = st.lists(st.tuples(st.integers(0, 50), st.integers(51, 74)), max_size=2)
SPECS = st.builds(
    LabelsSpec,
    overlay=st.booleans(),
    overlay_weight=st.sampled_from([0.5, 1.0, 2.0]),
    cuts=st.just({}) | CUTS.map(lambda c: {"age": c}),
    drop=st.just({}) | BANDS.map(lambda b: {"age": b}),
    soften=st.just({}) | st.floats(0.1, 20).map(lambda s: {"age": s}),
)
CORRECTIONS = st.lists(
    st.builds(
        Correction, st.just(""), st.integers(0, 6).map("p{}".format), st.just("age"),
        st.integers(18, 99).map(str), st.just("r"), st.just("a"), st.sampled_from([0.5, 1.0]),
    ),
    max_size=3, unique_by=lambda c: c.group,
)  # fmt: skip


@given(SPECS, CORRECTIONS)
def test_no_recipe_touches_the_scored_view(spec, corrections):
    made = manifest()
    before, table = made.codes(SPACE).copy(), made.table.clone()
    view_of(spec, *corrections, made=made)
    np.testing.assert_array_equal(made.codes(SPACE), before)
    np.testing.assert_array_equal(made.values("age"), AGES)
    assert made.table.equals(table)


@given(SPECS, CORRECTIONS)
def test_a_view_has_probabilities_weights_and_spread_for_every_row(spec, corrections):
    view = view_of(spec, *corrections)
    for part, attribute in zip(view.classes, SPACE.attributes, strict=True):
        assert part.shape == (len(AGES), attribute.size)
        assert (part >= 0).all()
        np.testing.assert_allclose(part.sum(axis=1), 1, atol=1e-6)
    expected = np.ones(len(AGES))
    for correction in corrections if spec.overlay else ():
        expected[int(correction.group[1:])] = correction.weight * spec.overlay_weight
    np.testing.assert_array_equal(view.weights, expected)
    assert dict(view.spread) == spec.soften


@given(SPECS, CORRECTIONS)
def test_bands_and_hard_classes_follow_from_the_corrected_values(spec, corrections):
    view = view_of(spec.model_copy(update={"soften": {}}), *corrections)
    values, moved = view.values["age"], SPACE.with_cuts(spec.cuts).attribute("age")
    assert moved.classes == AGE.classes
    np.testing.assert_array_equal(view.codes[:, 1], moved.codes_of_values(values))
    inside = [any(low <= v < high for low, high in spec.drop.get("age", [])) for v in values]
    np.testing.assert_array_equal(view.included, ~np.array(inside))


def test_the_codes_of_a_softened_value_on_a_cut_are_of_the_class_above():
    view = view_of(LabelsSpec(soften={"age": 3.0}))
    np.testing.assert_array_equal(view.codes[:, 1], AGE.codes_of_values(AGES))
