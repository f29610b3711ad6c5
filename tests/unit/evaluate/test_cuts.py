"""Cuts moved after training: what they decide, the search against brute force, and what a choice is worth."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import get_args

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from made_tables import read, rows, without

from facetwise.core.choices import Metric
from facetwise.core.errors import ArtefactError, InputError, SettingError
from facetwise.core.labels import Attribute, LabelSpace
from facetwise.core.tables import PREDICTIONS, score_column, year_columns
from facetwise.evaluate.compose import log_normalised
from facetwise.evaluate.metrics import score_of
from facetwise.evaluate.rows import ScoredRows
from facetwise.evaluate.rules import cut_search as cutrules
from facetwise.evaluate.rules.cuts import (
    choose_cuts,
    classes_by_score,
    classes_by_years,
    cuts_used,
    movable,
    search_cuts,
)

HUE = Attribute("hue", ("red", "blue"))
AGE = Attribute("age", ("<30", "30-59", ">=60"), cuts=(30, 60))
SPACE, ALONE = LabelSpace((HUE, AGE)), LabelSpace((AGE,))
GRID = tuple(float(v) for v in range(20, 71, 5))
SEEDS = st.integers(0, 2**32 - 1)
METRICS = st.sampled_from(get_args(Metric))


def keys(people: np.ndarray) -> pl.DataFrame:
    n = len(people)
    columns = {"image": [f"{i}" for i in range(n)], "group": [f"p{p:03d}" for p in people]}
    return pl.DataFrame({**columns, "fold": (people % 3).tolist(), "repeat": [0] * n}, schema=dict(PREDICTIONS))


def block(columns: tuple[str, ...], logs: np.ndarray) -> pl.DataFrame:
    return pl.DataFrame(np.asarray(logs, dtype=np.float32), schema=list(columns), orient="row")


def with_years(
    table: pl.DataFrame, logits: np.ndarray, *, grid: tuple[float, ...] = GRID, age: Attribute = AGE
) -> pl.DataFrame:
    """Adds what a years head keeps: classes by the cuts of `age`, and the values."""
    logs = log_normalised(logits)
    of = age.codes_of_values(grid)
    with np.errstate(divide="ignore"):
        classes = np.log(np.stack([np.exp(logs[:, of == k]).sum(axis=1) for k in range(age.size)], axis=1))
    names = tuple(f"{age.name}={c}" for c in age.classes)
    return table.hstack(block(names, classes)).hstack(block(year_columns(age.name, grid), logs))


def with_score(table: pl.DataFrame, scores: np.ndarray, logits: np.ndarray, age: Attribute = AGE) -> pl.DataFrame:
    names = tuple(f"{age.name}={c}" for c in age.classes)
    return table.hstack(block(names, log_normalised(logits))).hstack(block((score_column(age.name),), scores[:, None]))


def drawn(seed: int, n: int = 40, people: int = 12) -> tuple[pl.DataFrame, np.ndarray, np.ndarray]:
    """A table with hue and the values of age, true classes, and people: little in it is right."""
    rng = np.random.default_rng(seed)
    who = rng.permutation(np.arange(n) % people)
    codes = np.stack([rng.integers(0, 2, n), rng.integers(0, 3, n)], axis=1)
    table = keys(who).hstack(
        block(SPACE.columns("hue"), log_normalised(rng.normal(0, 1, (n, 2)) + np.eye(2)[codes[:, 0]]))
    )
    return with_years(table, rng.normal(0, 1.5, (n, len(GRID)))), codes, np.array(table["group"])


def table_of(logits: np.ndarray, people: np.ndarray) -> pl.DataFrame:
    return with_years(keys(people), logits)


# ------------------------------------------------------------------------------------------- classes that cuts give


@settings(max_examples=40)
@given(SEEDS, st.sampled_from([(30.0, 60.0), (29.0, 59.0), (25.0, 41.5), (20.0, 70.0)]))
def test_moving_no_cut_gives_the_class_columns_again(seed, cuts):
    rng = np.random.default_rng(seed)
    moved = AGE.with_cuts(cuts)
    table = with_years(keys(np.arange(9)), rng.normal(0, 3, (9, len(GRID))), age=moved)
    own = read(table, ALONE).marginals["age"]
    np.testing.assert_allclose(np.exp(classes_by_years(read(table), "age", cuts)), np.exp(own), atol=1e-6)
    np.testing.assert_allclose(np.exp(classes_by_years(read(table), "age", cuts)).sum(axis=1), 1)
    used = cuts_used(read(table, ALONE), "age")
    assert AGE.with_cuts(used).codes_of_values(GRID).tolist() == moved.codes_of_values(GRID).tolist()
    found = search_cuts(rows(table, np.zeros((9, 1), np.int64), space=ALONE), "age", reach=0)
    np.testing.assert_array_equal(found.optimistic, read(table, ALONE).codes[:, 0])
    assert found.chosen == used


def test_cuts_used_are_named_after_the_true_ones_where_they_stand():
    draws = np.random.default_rng(0).normal(size=(5, len(GRID)))
    assert cuts_used(read(with_years(keys(np.arange(5)), draws, age=AGE.with_cuts((28, 56))), ALONE), "age") == (30, 60)
    assert cuts_used(read(with_years(keys(np.arange(5)), draws, age=AGE.with_cuts((28, 55))), ALONE), "age") == (30, 55)


@settings(max_examples=40)
@given(SEEDS)
def test_raising_a_cut_never_puts_more_rows_above_it(seed):
    rng = np.random.default_rng(seed)
    table = table_of(rng.normal(0, 2, (60, len(GRID))), np.arange(60))
    for other, which in ((25.0, 1), (65.0, 0)):
        candidates = [v for v in GRID if (v > other if which else v < other)]
        pairs = [(other, v) if which else (v, other) for v in candidates]
        above = [int((classes_by_years(read(table), "age", pair).argmax(axis=1) > which).sum()) for pair in pairs]
        assert above == sorted(above, reverse=True)
    scores = rng.normal(size=60)
    above = [int((classes_by_score(scores, (t,)) > 0).sum()) for t in np.linspace(-3, 3, 30)]
    assert above == sorted(above, reverse=True)


def test_classes_by_score_count_the_thresholds_that_are_not_above():
    assert classes_by_score([-1.0, 0.0, 0.5, 2.0, np.nan, np.inf], (0.0, 2.0)).tolist() == [0, 1, 1, 2, -1, 2]
    assert classes_by_score([0.3], ()).tolist() == [0]
    with pytest.raises(ValueError, match="ascending"):
        classes_by_score([0.0], (1.0, 1.0))


def test_a_class_without_values_and_rows_without_a_prediction():
    logits = np.zeros((3, len(GRID)))
    logits[1] = np.nan
    table = table_of(logits, np.arange(3))
    logs = classes_by_years(read(table), "age", (10.0, 71.0))
    assert logs[[0, 2]].tolist() == [[-np.inf, pytest.approx(0), -np.inf]] * 2
    assert np.isnan(logs[1]).all()
    assert read(table).covered.tolist() == [True, False, True]
    with pytest.raises(InputError, match=r"must be ascending, got \[60.0, 30.0\]"):
        classes_by_years(read(table), "age", (60, 30))
    with pytest.raises(ArtefactError, match="no distribution over the values of `hue`"):
        classes_by_years(read(table), "hue", (1,))


def test_classes_that_are_no_sums_of_the_values_are_refused():
    table = table_of(np.random.default_rng(0).normal(size=(6, len(GRID))), np.arange(6))
    damaged = table.with_columns(pl.col("age=<30").alias("age=>=60"), pl.col("age=>=60").alias("age=<30"))
    with pytest.raises(ArtefactError, match=r"classes of `age` are no sums of `age:year=\.\.\.`"):
        cuts_used(read(damaged, ALONE), "age")


# ------------------------------------------------------------------------------------------------------ the search


def joint_or_age(codes: np.ndarray, predicted: np.ndarray, aim: str, metric: Metric = "macro_f1") -> float:
    if aim == "joint":
        return score_of(metric, SPACE.encode(codes), SPACE.encode(predicted), SPACE.num_joint)
    return score_of(metric, codes[:, 1], predicted[:, 1], 3)


def by(metric: Metric, found: ScoredRows) -> ScoredRows:
    return replace(found, truth=replace(found.truth, metric=metric))


def moved_years(table: pl.DataFrame, cuts: tuple[float, ...]) -> np.ndarray:
    predicted = read(table).codes
    predicted[:, 1] = classes_by_years(read(table), "age", cuts).argmax(axis=1)
    return predicted


@settings(max_examples=20)
@given(SEEDS, st.sampled_from(["attribute", "joint"]), METRICS)
def test_years_search_is_the_best_of_all_pairs(seed, aim, metric):
    table, codes, _ = drawn(seed)
    found = search_cuts(by(metric, rows(table, codes)), "age", aim=aim, reach=99)
    tried = [moved_years(table, pair) for pair in combinations(GRID[1:], 2)]

    def best(keep: np.ndarray) -> float:
        return max(joint_or_age(codes[keep], predicted[keep], aim, metric) for predicted in tried)

    assert found.score(found.optimistic) == pytest.approx(best(np.ones(len(codes), bool)))
    assert found.score(found.plain) == pytest.approx(joint_or_age(codes, read(table).codes, aim, metric))
    keep = found.part != 2
    chosen = moved_years(table, found.by_part[2])
    assert joint_or_age(codes[keep], chosen[keep], aim, metric) == pytest.approx(best(keep))


@settings(max_examples=20)
@given(SEEDS, st.integers(2, 4), st.sampled_from(["attribute", "joint"]), st.booleans(), METRICS)
def test_score_search_is_the_best_of_all_thresholds(seed, size, aim, coarse, metric):
    rng = np.random.default_rng(seed)
    age = Attribute("age", tuple("abcd"[:size]), cuts=tuple(range(1, size)))
    space, n = LabelSpace((HUE, age)), 14
    codes = np.stack([rng.integers(0, 2, n), rng.integers(0, size, n)], axis=1)
    scores = codes[:, 1] + rng.normal(0, 1, n)
    scores = (np.round(scores * 2) / 2 if coarse else scores).astype(np.float32).astype(np.float64)
    table = keys(np.arange(n) % 7).hstack(block(space.columns("hue"), log_normalised(rng.normal(0, 1, (n, 2)))))
    table = with_score(table, scores, rng.normal(0, 1, (n, size)), age)
    assume(len(np.unique(scores)) >= size)
    found = search_cuts(by(metric, rows(table, codes, space=space)), "age", aim=aim)
    assert len(found.chosen) == size - 1
    decided, distinct = read(table, space).codes, np.unique(scores)
    middles = (distinct[1:] + distinct[:-1]) / 2

    def value(thresholds: tuple[float, ...], keep: np.ndarray) -> float:
        predicted = decided.copy()
        predicted[:, 1] = classes_by_score(scores, thresholds)
        if aim == "joint":
            return score_of(metric, space.encode(codes[keep]), space.encode(predicted[keep]), space.num_joint)
        return score_of(metric, codes[keep, 1], predicted[keep, 1], size)

    every, keep = np.ones(n, bool), found.part != 0
    tried = list(combinations(middles.tolist(), size - 1))
    assert found.score(found.optimistic) == pytest.approx(max(value(t, every) for t in tried))
    assert value(found.by_part[0], keep) == pytest.approx(max(value(t, keep) for t in tried))


def test_of_equal_choices_the_smallest_move_wins():
    """Every age is certain and right: all cuts between two ages that occur are as good."""
    values = np.repeat([20.0, 45.0, 70.0], 6)
    logits = np.where(values[:, None] == np.array(GRID), 30.0, 0.0)
    table, codes = table_of(logits, np.arange(18)), np.repeat([0, 1, 2], 6)[:, None]
    found = search_cuts(rows(table, codes, space=ALONE), "age")
    assert (found.chosen, set(found.by_part)) == ((30.0, 60.0), {(30.0, 60.0)})
    choice = choose_cuts(rows(table, codes, space=ALONE), "age", resamples=50)
    assert (choice.plain, choice.nested, choice.num_changed, choice.worth_it) == (1.0, 1.0, 0, False)


@pytest.mark.parametrize("aim", ["attribute", "joint"])
def test_one_cut_after_the_other_where_there_are_too_many_combinations(monkeypatch, aim):
    table, codes, _ = drawn(5, n=80)
    every = search_cuts(rows(table, codes), "age", aim=aim, reach=99)
    monkeypatch.setattr(cutrules, "MAX_TRIED", 1)
    found = search_cuts(rows(table, codes), "age", aim=aim, reach=99)
    best = found.score(found.optimistic)
    assert found.score(found.plain) <= best <= every.score(every.optimistic)
    low, high = found.chosen
    nearby = [(v, high) for v in GRID[1:] if v < high] + [(low, v) for v in GRID[1:] if v > low]
    assert max(joint_or_age(codes, moved_years(table, pair), aim) for pair in nearby) == pytest.approx(best)


def test_a_cut_stays_within_reach():
    table, codes, _ = drawn(2)
    for reach in (0, 1, 2):
        found = search_cuts(rows(table, codes), "age", reach=reach)
        for cuts in (found.chosen, *found.by_part):
            assert all(abs(cut - true) <= 5 * reach for cut, true in zip(cuts, (30, 60), strict=True))


def test_the_order_of_rows_does_not_matter():
    table, codes, people = drawn(7)
    order = np.random.default_rng(1).permutation(len(codes))
    one = choose_cuts(rows(table, codes), "age", aim="joint", resamples=50)
    other = choose_cuts(
        rows(table[order.tolist()], codes[order], people=people[order]), "age", aim="joint", resamples=50
    )
    assert one == other


# ----------------------------------------------------------------------------------------------- the nested estimate


@settings(max_examples=40)
@given(SEEDS, st.integers(5, 40))
def test_no_person_is_in_two_parts(seed, people):
    table, codes, who = drawn(seed, n=60, people=people)
    found = search_cuts(rows(table, codes), "age", seed=seed % 7)
    parts = {person: set(found.part[who == person].tolist()) for person in np.unique(who)}
    assert all(len(in_parts) == 1 for in_parts in parts.values())
    sizes = np.bincount([next(iter(p)) for p in parts.values()], minlength=5)
    assert sizes.max() - sizes.min() <= 1


def test_each_part_is_decided_by_the_cuts_of_the_others():
    table, codes, _ = drawn(3)
    found = search_cuts(rows(table, codes), "age")
    for part, cuts in enumerate(found.by_part):
        expected = classes_by_years(read(table), "age", cuts).argmax(axis=1)
        np.testing.assert_array_equal(found.nested[found.part == part], expected[found.part == part])


def test_rows_without_a_prediction_are_left_out_and_counted():
    table, codes, people = drawn(4)
    gone = np.zeros(len(codes), bool)
    gone[[3, 8, 9]] = True
    holes = choose_cuts(rows(without(table, [3, 8, 9]), codes), "age", resamples=50)
    rest = choose_cuts(rows(table.filter(pl.Series(~gone)), codes[~gone], people=people[~gone]), "age", resamples=50)
    assert (holes.num_images, holes.num_left_out, rest.num_left_out) == (37, 3, 0)
    assert {**holes.as_dict(), "num_left_out": 0} == rest.as_dict()


@pytest.mark.parametrize("kind", ["years", "score"])
def test_a_boundary_that_is_known_to_be_off_is_found(kind):
    """A model that takes everybody for five years younger: cutting five years earlier makes it right."""
    rng, grid = np.random.default_rng(0), tuple(float(v) for v in range(15, 76))
    who = np.repeat(np.arange(200), 3)
    ages = rng.integers(20, 71, 200)[who]
    codes = AGE.codes_of_values(ages)[:, None]
    taken_for = ages - 5 + rng.normal(0, 1, len(ages))
    table = keys(who)
    if kind == "years":
        table = with_years(table, -((taken_for[:, None] - np.array(grid)) ** 2) / 4, grid=grid)
    else:
        wrong = np.eye(3)[AGE.codes_of_values(taken_for)] * 9
        table = with_score(table, taken_for / 10, wrong)
    choice = choose_cuts(rows(table, codes, space=ALONE), "age", resamples=300)
    scale = 1 if kind == "years" else 10
    for cuts in (choice.chosen, *choice.by_part):
        np.testing.assert_allclose(np.array(cuts) * scale, (24.7, 54.7), atol=1.5)
    assert choice.worth_it
    assert choice.difference_interval.low > 0.05
    assert choice.plain < 0.9 < choice.nested <= choice.optimistic
    assert (choice.kind, choice.aim, choice.true_cuts) == (kind, "age", (30, 60))
    assert choice.used_cuts == ((30, 60) if kind == "years" else None)


def test_on_noise_the_choice_flatters_itself_and_the_nested_estimate_does_not():
    """Two classes as likely, nothing to learn, the cut in the middle: no cut is better in truth, far ones are worse."""
    old = Attribute("age", ("young", "old"), cuts=(50,))
    space, grid = LabelSpace((old,)), tuple(float(v) for v in range(40, 60))
    naive, nested = [], []
    for seed in range(200):
        rng, who = np.random.default_rng(seed), np.repeat(np.arange(50), 2)
        table = with_years(keys(who), rng.normal(0, 1, (100, 20)), grid=grid, age=old)
        codes = rng.permutation(np.arange(50) % 2)[who][:, None]
        found = search_cuts(rows(table, codes, space=space), "age")
        naive.append(found.score(found.optimistic) - found.score(found.plain))
        nested.append(found.score(found.nested) - found.score(found.plain))
    naive_error, nested_error = (np.std(gains, ddof=1) / np.sqrt(len(gains)) for gains in (naive, nested))
    assert min(naive) >= 0
    assert np.mean(naive) > 5 * naive_error
    assert np.mean(nested) < 2 * nested_error
    assert np.mean(nested) > -0.05


# ----------------------------------------------------------------------------------------------------------- errors


def test_what_cannot_be_chosen():
    table, codes, _ = drawn(0)
    assert movable(read(table)) == {"age": "years"}
    with pytest.raises(InputError, match="neither a distribution over `hue` nor a score"):
        search_cuts(rows(table, codes), "hue")
    with pytest.raises(SettingError, match="no attribute is called `agee`"):
        search_cuts(rows(table, codes), "agee")
    with pytest.raises(InputError, match="predictions of 4 people: a nested estimate needs 5"):
        search_cuts(rows(table, codes, people=np.array(["a", "b", "c", "d"] * 10)), "age")
    with pytest.raises(InputError, match="the predictions lack `hue`"):
        search_cuts(rows(table.drop(SPACE.columns("hue")), codes), "age", aim="joint")
    flat = with_score(keys(np.arange(6)), np.zeros(6), np.zeros((6, 3)))
    with pytest.raises(InputError, match="1 different scores cannot be cut into 3 classes"):
        search_cuts(rows(flat, np.zeros((6, 1), np.int64), space=ALONE), "age")
