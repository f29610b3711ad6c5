"""The training view of the labels, and that the scored view never moves with it."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facetwise.core.errors import InputError, SettingError
from facetwise.core.labels import Attribute, LabelSpace
from facetwise.core.tables import MANIFEST
from facetwise.data.manifest import Manifest
from facetwise.data.overlay import Correction, Overlay
from facetwise.data.views import one_hot, soft_classes, training_targets
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


def codes_of(targets: tuple[np.ndarray, ...]) -> np.ndarray:
    assert all(set(np.unique(part)) <= {0.0, 1.0} and (part.sum(axis=1) == 1).all() for part in targets)
    return np.stack([part.argmax(axis=1) for part in targets], axis=1)


def test_a_plain_recipe_trains_on_the_scored_labels():
    made = manifest()
    np.testing.assert_array_equal(codes_of(training_targets(made, SPACE, LabelsSpec(), Overlay())), made.codes(SPACE))


def test_moved_cuts_move_the_training_view_only():
    made = manifest()
    scored = made.codes(SPACE).copy()
    codes = codes_of(training_targets(made, SPACE, LabelsSpec(cuts={"age": [29, 59]}), Overlay()))
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
    plain = codes_of(training_targets(made, SPACE, LabelsSpec(), overlay))
    moved = codes_of(training_targets(made, SPACE, LabelsSpec(cuts={"age": [29, 59]}), overlay))
    without = codes_of(training_targets(made, SPACE, LabelsSpec(overlay=False), overlay))
    assert (plain[0, 1], moved[0, 1], without[0, 1]) == (0, 1, 0)
    assert (plain[1, 0], without[1, 0]) == (0, 1)
    np.testing.assert_array_equal(made.codes(SPACE), scored)
    np.testing.assert_array_equal(without, scored)


@given(st.lists(st.floats(0, 120), min_size=1, max_size=10), st.floats(0.01, 50))
def test_softened_labels_are_probabilities_that_move_with_the_value(values, deviation):
    soft = soft_classes(np.sort(np.array(values)), AGE, deviation)
    assert soft.shape == (len(values), 3)
    assert (soft >= 0).all()
    np.testing.assert_allclose(soft.sum(axis=1), 1, atol=1e-6)
    assert (np.diff(soft[:, 0]) <= 1e-7).all()
    assert (np.diff(soft[:, 2]) >= -1e-7).all()


@given(st.lists(st.integers(0, 120).filter(lambda v: v not in (30, 60)), min_size=1, max_size=10))
def test_softening_ends_at_hard_labels(values):
    array = np.array(values, float)
    np.testing.assert_allclose(soft_classes(array, AGE, 1e-3), one_hot(AGE.codes_of_values(array), 3), atol=1e-6)


def test_softening_is_the_normal_distribution():
    soft = soft_classes(np.array([30.0, 25.0, 45.0]), AGE, 5.0)
    np.testing.assert_allclose(soft[0], [0.5, 0.5, 0.0], atol=1e-6)
    np.testing.assert_allclose(soft[1, 0], 0.8413447, atol=1e-6)  # one deviation below the cut
    np.testing.assert_allclose(soft[2], [0.0013499, 0.9973002, 0.0013499], atol=1e-6)


def test_softening_around_moved_cuts():
    targets = training_targets(manifest(), SPACE, LabelsSpec(cuts={"age": [29, 59]}, soften={"age": 3.0}), Overlay())
    np.testing.assert_allclose(targets[1][1], [0.5, 0.5, 0.0], atol=1e-6)
    assert set(np.unique(targets[0])) == {0.0, 1.0}


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (LabelsSpec(soften={"gender": 1.0}), "`gender` has no cuts to soften around"),
        (LabelsSpec(soften={"aeg": 1.0}), "no attribute is called `aeg`"),
        (LabelsSpec(cuts={"gender": [1.0]}), "it has none"),
        (LabelsSpec(cuts={"age": [1.0]}), "needs 2 cuts"),
        (LabelsSpec(cuts={"age": [60, 30]}), "ascending"),
        (LabelsSpec(cuts={"nose": [1.0]}), "no attribute is called `nose`"),
    ],
)
def test_views_that_cannot_be(spec, words):
    with pytest.raises(SettingError, match=words):
        training_targets(manifest(), SPACE, spec, Overlay())


def test_a_class_without_a_number_stays_whatever_the_recipe_does():
    """A csv may say `old` instead of a number (`values` beside `cuts`): the value is NaN, the class is known."""
    full = manifest()
    nameless = pl.when(pl.col("image") == "2.jpg").then(None).otherwise(pl.col("value:age")).alias("value:age")
    made = Manifest.of(full.table.with_columns(nameless))
    for spec in (LabelsSpec(cuts={"age": [29, 59]}), LabelsSpec(soften={"age": 3.0})):
        with_number = training_targets(full, SPACE, spec, Overlay())[1]
        without = training_targets(made, SPACE, spec, Overlay())[1]
        np.testing.assert_array_equal(without[2], [0, 1, 0])
        np.testing.assert_array_equal(np.delete(without, 2, 0), np.delete(with_number, 2, 0))
    nobody = Manifest.of(full.table.with_columns(pl.lit(None, pl.Float64).alias("value:age")))
    soft = training_targets(nobody, SPACE, LabelsSpec(soften={"age": 3.0}), Overlay())
    np.testing.assert_array_equal(codes_of(soft), nobody.codes(SPACE))


def test_no_number_has_no_class_by_cuts():
    with pytest.raises(InputError, match=r"`age`: 1 value\(s\) of 2 are NaN"):
        AGE.codes_of_values([30, float("nan")])
