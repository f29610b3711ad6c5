"""Ranking recorded labels by predictions: laws, closed forms and cleanlab's own order, on tables made here."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_tables import rows

from facetwise.core.labels import Attribute, LabelSpace
from facetwise.data.labels.bins import soft_bins
from facetwise.evaluate.compose import log_normalised
from facetwise.label_issues.ranking import (
    FLOOR,
    AttributeRanking,
    find_suspects,
    fit_spread,
    label_units,
    margins,
    pooled_logs,
    standing_for,
)

MASK = Attribute("mask", ("wear", "incorrect", "normal"))
GENDER = Attribute("gender", ("male", "female"))
AGE = Attribute("age", ("<30", "30-59", ">=60"), cuts=(30.0, 60.0))
SPACE = LabelSpace((MASK, GENDER, AGE))
MASKS = (0, 0, 0, 1, 2)
"""Of the five images of a person."""


class Made:
    """People with five images each, predictions that lean to the truth, and recorded labels that are the truth."""

    def __init__(self, num_people: int, *, skill: float = 4.0, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        person = np.repeat(np.arange(num_people), len(MASKS))
        ages = rng.integers(18, 71, num_people).astype(float)[person]
        gender = rng.integers(0, 2, num_people)[person]
        self.codes = np.stack([np.tile(MASKS, num_people), gender, AGE.codes_of_values(ages)], axis=1)
        self.values: dict[str, Any] = {"age": ages}
        self.table = pl.DataFrame(
            {"image": [f"{p:03d}/{k}.jpg" for p in range(num_people) for k in range(5)], "group": person.astype(str)},
        ).with_columns(fold=pl.lit(0), repeat=pl.lit(0))
        for i, attribute in enumerate(SPACE.attributes):
            logits = rng.normal(0, 1, (len(person), attribute.size)) + skill * np.eye(attribute.size)[self.codes[:, i]]
            columns = list(SPACE.columns(attribute.name))
            block = pl.DataFrame(log_normalised(logits).astype(np.float32), schema=columns, orient="row")
            self.table = self.table.hstack(block)

    def find(self, name: str, **changes: Any) -> AttributeRanking:
        return find_suspects(
            rows(self.table, self.codes, space=SPACE), changes.pop("values", self.values), name, **changes
        )


def without(made: Made, gone: pl.Expr) -> None:
    """Take the predictions of some rows away."""
    missing = pl.lit(float("nan"), dtype=pl.Float32())
    columns = [c for c in made.table.columns if "=" in c]
    made.table = made.table.with_columns(pl.when(gone).then(missing).otherwise(pl.col(c)).alias(c) for c in columns)


def named(found: AttributeRanking) -> list[tuple[str, str | None]]:
    return [(s.group, s.image) for s in found.suspects]


# ------------------------------------------------------------------------------------------------------------ ranking


@pytest.mark.parametrize("seed", range(5))
def test_a_flipped_label_ranks_above_all_others(seed: int) -> None:
    made = Made(30, seed=seed)
    rows = made.table["group"].to_numpy() == "7"
    made.codes[rows, 1] = 1 - made.codes[rows, 1]
    made.codes[3, 0] = 0  # the image worn incorrectly, of person 0
    gender, mask = made.find("gender"), made.find("mask")
    assert (gender.of_person, gender.num_labels) == (True, 30)
    assert (mask.of_person, mask.num_labels) == (False, 150)
    first = gender.suspects[0]
    assert (first.group, first.image, len(first.images)) == ("7", None, 5)
    assert first.num_agreeing >= 4
    assert first.probability > 0.9 > 0.1 > first.given_probability
    assert named(mask)[0] == ("0", "000/3.jpg")
    assert (mask.suspects[0].given, mask.suspects[0].proposed, mask.suspects[0].images) == (
        "wear",
        "incorrect",
        ("000/3.jpg",),
    )


def test_right_labels_of_a_sure_model_are_no_suspects() -> None:
    made = Made(20, skill=12)
    assert [made.find(name).suspects for name in SPACE.names] == [(), (), ()]


@given(st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(random: Any) -> None:
    made = Made(12, skill=0.5)
    order = list(range(made.table.height))
    random.shuffle(order)
    values = {"age": made.values["age"][order]}
    for name in SPACE.names:
        assert find_suspects(rows(made.table[order], made.codes[order], space=SPACE), values, name) == made.find(name)


def test_the_order_of_classes_does_not_matter() -> None:
    made = Made(20, skill=1)
    turned = LabelSpace((Attribute("mask", MASK.classes[::-1]), GENDER, AGE))
    codes = made.codes.copy()
    codes[:, 0] = 2 - codes[:, 0]
    found = find_suspects(rows(made.table, codes, space=turned), made.values, "mask")
    as_it_was = made.find("mask")
    assert named(found) == named(as_it_was)
    assert [s.proposed for s in found.suspects] == [s.proposed for s in as_it_was.suspects]
    np.testing.assert_allclose([s.margin for s in found.suspects], [s.margin for s in as_it_was.suspects])


def test_exact_ties_go_by_name() -> None:
    made = Made(4)
    sure = [
        pl.lit(float(np.log(p)), dtype=pl.Float32()).alias(f"gender={c}") for c, p in (("male", 0.9), ("female", 0.1))
    ]
    made.table = made.table.with_columns(sure)
    made.codes[:, 1] = 1
    assert [s.group for s in made.find("gender").suspects] == ["0", "1", "2", "3"]


def test_people_and_images_without_a_prediction_are_counted_and_left_out() -> None:
    made = Made(10, skill=0)
    without(made, pl.col("group").is_in(["2", "5"]) | (pl.col("image") == "001/0.jpg"))
    gender, mask = made.find("gender"), made.find("mask")
    assert (gender.num_labels, gender.num_uncovered) == (8, 2)
    assert (mask.num_labels, mask.num_uncovered) == (39, 11)
    assert not {"2", "5"} & {s.group for s in gender.suspects}
    assert all("001/0.jpg" not in s.images for s in (*gender.suspects, *mask.suspects))


def test_nobody_covered_is_an_empty_list() -> None:
    made = Made(3)
    without(made, pl.lit(True))
    assert made.find("age") == AttributeRanking("age", True, 0, 3, None, ())


# ------------------------------------------------------------------------------------------------- whose the label is


def units(groups: str, given: list[int], values: list[float] | None = None) -> tuple[list[int], list[bool]]:
    numbers = np.full(len(given), np.nan) if values is None else np.array(values, float)
    unit, of_person = label_units(np.array(list(groups)), np.array(given), numbers)
    return unit.tolist(), of_person.tolist()


def test_whose_a_label_is_is_read_from_the_data() -> None:
    assert units("aabb", [0, 0, 1, 1]) == ([0, 0, 1, 1], [True] * 4)
    assert units("aabb", [0, 1, 1, 1]) == ([0, 1, 2, 3], [False] * 4)
    assert units("abc", [0, 1, 0]) == ([0, 1, 2], [False] * 3)  # with one image each it is the same
    assert units("abab", [0, 1, 0, 1]) == ([0, 1, 0, 1], [True] * 4)


def test_numbers_count_where_classes_agree() -> None:
    nan = float("nan")
    assert units("aabb", [0, 0, 1, 1], [20, 20, 40, 40])[1] == [True] * 4
    assert units("aabb", [0, 0, 1, 1], [20, 21, 40, 40])[1] == [False] * 4
    assert units("aabb", [0, 0, 1, 1], [nan, nan, 40, 40])[1] == [True] * 4


def test_a_person_who_contradicts_herself_is_judged_image_by_image() -> None:
    made = Made(40)
    made.codes[0, 1] = 1 - made.codes[0, 1]  # one of the five images of person 0
    found = made.find("gender")
    assert found.of_person
    assert found.num_labels == 39 + 5
    assert named(found)[0] == ("0", "000/0.jpg")
    assert all(s.image is None for s in found.suspects[1:])


# ------------------------------------------------------------------------------------------------ margins and spreads


def test_one_image_has_the_margin_of_the_closed_form() -> None:
    logs = log_normalised(np.random.default_rng(0).normal(0, 1, (50, 3)))
    given = np.arange(50) % 3
    others = np.array([max(row[c] for c in range(3) if c != g) for row, g in zip(logs, given, strict=True)])
    found = margins(pooled_logs(logs, np.arange(50)), given, standing_for(given, np.full(50, np.nan), AGE, 5.0))
    np.testing.assert_allclose(found, logs[np.arange(50), given] - others, atol=1e-12)


def test_images_of_a_person_count_alike_and_none_outvotes_all_others() -> None:
    logs = np.log([[0.9, 0.1], [0.8, 0.2], [1e-30, 1 - 1e-30]])
    pooled = pooled_logs(logs, np.zeros(3, int))
    expected = np.exp([np.mean([np.log(0.9), np.log(0.8), FLOOR]), np.mean([np.log(0.1), np.log(0.2), 0])])
    np.testing.assert_allclose(np.exp(pooled[0]), expected / expected.sum())
    np.testing.assert_allclose(pooled_logs(np.tile(logs[:1], (7, 1)), np.zeros(7, int)), logs[:1])  # 7 alike are as 1
    assert np.isfinite(pooled_logs(np.array([[0.0, -np.inf]]), np.zeros(1, int))).all()


def test_a_value_near_a_cut_is_less_suspect_than_one_far_from_it() -> None:
    logs = np.log(np.tile([0.9, 0.08, 0.02], (4, 1)))
    values = np.array([30.0, 33.0, 40.0, 55.0])
    given = AGE.codes_of_values(values)
    soft = margins(logs, given, standing_for(given, values, AGE, 5.0))
    assert (np.diff(soft) < 0).all()
    hard = margins(logs, given, standing_for(given, values, AGE, None))
    assert len(set(hard)) == 1
    assert (soft[:3] > hard[:3]).all()


@pytest.mark.parametrize("spread", [2.0, 4.0, 8.0])
def test_the_spread_is_found_in_predictions_that_have_it(spread: float) -> None:
    rng = np.random.default_rng(1)
    values = rng.uniform(18, 70, 4000)
    looks = values + rng.normal(0, spread, len(values))
    looks[:40] = rng.uniform(18, 70, 40)  # wrong labels
    found = fit_spread(values, np.eye(3)[AGE.codes_of_values(looks)], (30, 60))
    assert found is not None
    assert found == pytest.approx(spread, rel=0.25)


def test_predictions_that_always_agree_have_no_spread() -> None:
    values = np.arange(18.0, 71.0)
    found = fit_spread(values, np.eye(3)[AGE.codes_of_values(values)], (30, 60))
    assert found is not None
    assert found < 0.5
    np.testing.assert_allclose(soft_bins(np.array([28.0]), (30, 60), found), [[1, 0, 0]], atol=1e-6)


def test_without_numbers_there_is_no_spread() -> None:
    sure = np.eye(3)[[0, 1]]
    assert fit_spread(np.array([np.nan, np.nan]), sure, (30, 60)) is None
    assert fit_spread(np.array([40.0, 40.0]), sure, (30, 60)) is None
    found = Made(20, skill=0).find("age", values={})
    assert found.spread is None
    assert {s.value for s in found.suspects} == {None}


def test_the_distance_is_to_the_cut_on_the_way() -> None:
    made = Made(40, skill=0)
    young, middle, old = AGE.classes
    way = {(young, middle): 30, (young, old): 30, (middle, young): 30}
    way |= {(middle, old): 60, (old, middle): 60, (old, young): 60}
    suspects = made.find("age").suspects
    assert {(s.given, s.proposed) for s in suspects} >= {("30-59", "<30"), ("30-59", ">=60")}
    for s in suspects:
        assert s.cut == way[s.given, s.proposed]
        assert s.value is not None
        assert s.distance == abs(s.value - s.cut)
    assert replace(suspects[0], value=None).distance is None


# ----------------------------------------------------------------------------------------------------------- cleanlab


def test_cleanlab_ranks_the_same_labels() -> None:
    made = Made(200, skill=2)
    wrong = [str(p) for p in range(0, 200, 20)]
    rows = np.isin(made.table["group"].to_numpy(), wrong)
    made.codes[rows, 1] = 1 - made.codes[rows, 1]
    found = made.find("gender", method="cleanlab")
    ours = {s.group for s in made.find("gender").suspects}
    assert len(set(wrong) & {s.group for s in found.suspects}) >= 8
    assert {s.group for s in found.suspects} <= ours
    by_margin = [s.given_probability - s.probability for s in found.suspects]
    assert by_margin == sorted(by_margin)


def test_cleanlab_of_nothing_is_nothing() -> None:
    made = Made(3)
    without(made, pl.lit(True))
    assert made.find("gender", method="cleanlab").suspects == ()
