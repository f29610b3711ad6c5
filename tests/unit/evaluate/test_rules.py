"""Decision rules: what they decide, what they are worth, which one is used, and records of them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, get_args

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_tables import (
    AGE,
    HUE,
    SPACE,
    block,
    calibrated,
    contest,
    drawn_codes,
    joint_table,
    noise,
    product_table,
    read,
    rows,
    without,
)

from facetwise.core.choices import Metric
from facetwise.core.errors import ArtefactError, InputError, SettingError
from facetwise.core.labels import Attribute, LabelSpace
from facetwise.core.tables import score_column, year_columns
from facetwise.evaluate.compose import log_normalised, log_sums
from facetwise.evaluate.metrics import macro_f1
from facetwise.evaluate.prediction_columns import DECIDED
from facetwise.evaluate.rules.choose import (
    Argmax,
    JointMultipliers,
    MovedCuts,
    Multipliers,
    Rule,
    choose_rule,
    fit_rule,
    kinds_for,
    rule_from_dict,
)
from facetwise.evaluate.rules.cuts import search_cuts
from facetwise.evaluate.rules.fit import MOST_UNASKED, kinds_unasked

KINDS = ("argmax", "multipliers", "joint-multipliers", "cuts:age")
SEEDS = st.integers(0, 2**32 - 1)
GRID = tuple(float(v) for v in range(20, 71, 5))


def too_young(seed: int, by: str, num_people: int = 80) -> tuple[pl.DataFrame, np.ndarray, np.ndarray]:
    """A contest whose model thinks old people five times too rare; or one with values or a score of age."""
    table, codes, people = contest(seed, num_people)
    rng = np.random.default_rng(seed)
    old = -1.6 * np.eye(3)[2]
    classes = log_normalised(table.select(SPACE.columns("age")).to_numpy().astype(np.float64) + old)
    if by == "years":
        middle = np.array([25.0, 45.0, 64.0])[codes[:, 1]]
        years = log_normalised(
            -((middle[:, None] - 6 + rng.normal(0, 8, len(codes))[:, None] - np.array(GRID)) ** 2) / 90
        )
        classes = log_sums(years, [0, *np.searchsorted(GRID, (30, 60)).tolist(), len(GRID)])
        table = table.hstack(block(year_columns("age", GRID), years))
    table = table.with_columns(block(SPACE.columns("age"), classes))
    if by == "score":
        table = table.hstack(block((score_column("age"),), (codes[:, 1] + rng.normal(0, 0.6, len(codes)))[:, None]))
    return table, codes, people


# --------------------------------------------------------------------------------------------------- what is decided


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("by", ["at-least", "years", "score"])
def test_a_rule_is_the_same_after_it_was_a_record(kind, by):
    table, codes, _ = too_young(1, by)
    rule = fit_rule(kind, rows(table, codes))
    again = rule_from_dict(json.loads(json.dumps(rule.as_dict())), SPACE)
    assert again == rule
    np.testing.assert_array_equal(again.decide(read(table)), rule.decide(read(table)))
    assert rule.kind == kind
    if isinstance(rule, MovedCuts):
        assert rule.by == by


@pytest.mark.parametrize("metric", get_args(Metric))
@pytest.mark.parametrize("kind", KINDS)
def test_a_rule_is_fitted_for_the_score_that_the_truth_names(kind, metric):
    table, codes, _ = too_young(2, "at-least")
    known = rows(table, codes)
    truth = replace(known.truth, metric=metric)
    fitted = truth.score(fit_rule(kind, replace(known, truth=truth)).decide(read(table)))
    others = (fit_rule(kind, replace(known, truth=replace(truth, metric=m))) for m in get_args(Metric))
    assert fitted >= truth.score(read(table).classes) - 1e-9
    assert fitted >= max(truth.score(rule.decide(read(table))) for rule in others) - 0.02


@pytest.mark.parametrize("kind", KINDS)
def test_a_rule_scores_no_less_than_argmax_on_the_rows_it_was_fitted_on(kind):
    table, codes, _ = too_young(2, "at-least")
    truth = SPACE.encode(codes)
    fitted = macro_f1(truth, fit_rule(kind, rows(table, codes)).decide(read(table)), 6)
    assert fitted >= macro_f1(truth, read(table).classes, 6)
    if kind != "argmax":
        assert fitted > macro_f1(truth, read(table).classes, 6) + 0.01


def test_joint_multipliers_are_no_worse_than_those_of_the_attributes():
    table, codes, _ = contest(7)
    flat = joint_table(np.arange(len(codes)), read(table).joint)
    truth = SPACE.encode(codes)
    by_attribute, joint = (
        macro_f1(truth, fit_rule(kind, rows(flat, codes)).decide(read(flat)), 6)
        for kind in ("multipliers", "joint-multipliers")
    )
    assert joint >= by_attribute - 1e-3  # the multipliers are rounded to four digits


def test_cuts_of_years_and_of_a_score_are_those_that_facetwise_cuts_finds():
    for by in ("years", "score"):
        table, codes, _ = too_young(3, by)
        found = search_cuts(rows(table, codes), "age", aim="joint")
        rule = fit_rule("cuts:age", rows(table, codes))
        assert rule == MovedCuts("age", by, found.chosen)
        assert macro_f1(SPACE.encode(codes), rule.decide(read(table)), 6) == pytest.approx(
            found.score(found.optimistic)
        )


@pytest.mark.parametrize("kind", KINDS)
def test_rows_without_a_prediction_have_no_class_and_do_not_count(kind):
    table, codes, _ = contest(4)
    holes = without(table, [2, 5, 11])
    kept = np.delete(np.arange(len(codes)), [2, 5, 11])
    rule = fit_rule(kind, rows(holes, codes))
    assert rule == fit_rule(kind, rows(table[kept.tolist()], codes[kept]))
    assert rule == fit_rule(kind, rows(table, codes).where(kept))
    decided = rule.decide(read(holes))
    assert np.flatnonzero(decided < 0).tolist() == [2, 5, 11]
    np.testing.assert_array_equal(decided[kept], rule.decide(read(table))[kept])
    assert rule.decide(read(holes[[2, 5]])).tolist() == [-1, -1]
    choice = choose_rule(rows(holes, codes), (kind,), intervals=False)
    assert (choice.num_left_out, choice.num_images) == (3, len(codes) - 3)


def test_what_was_decided_before_is_not_taken_for_the_argmax():
    table, codes, _ = contest(5)
    decided = table.with_columns(pl.lit(0, dtype=pl.Int32).alias(DECIDED))
    for kind in KINDS:
        rule = fit_rule(kind, rows(decided, codes))
        assert rule == fit_rule(kind, rows(table, codes))
        np.testing.assert_array_equal(rule.decide(read(decided)), rule.decide(read(table)))
    one, two = (choose_rule(rows(t, codes), intervals=False) for t in (table, decided))
    assert one == two


@settings(max_examples=20)
@given(SEEDS, st.floats(0.01, 100))
def test_multiplying_all_multipliers_of_an_attribute_changes_nothing(seed, factor):
    rng, people = np.random.default_rng(seed), np.arange(40)
    table = product_table(people, noise(rng, drawn_codes(rng, people)))
    of_hue, of_age = (tuple(np.exp(rng.normal(0, 0.7, n)).tolist()) for n in (2, 3))
    rule = Multipliers((of_hue, of_age))
    scaled = Multipliers((of_hue, tuple(m * factor for m in of_age)))
    np.testing.assert_array_equal(rule.decide(read(table)), scaled.decide(read(table)))


# ---------------------------------------------------------------------------------------------------- what it is worth


@pytest.mark.parametrize("kind", KINDS[1:])
def test_a_model_that_is_known_to_be_off_is_put_right(kind):
    table, codes, _ = too_young(6, "at-least", num_people=250)
    choice = choose_rule(rows(table, codes), (kind,), resamples=200)
    (candidate,) = choice.candidates
    assert choice.rule == candidate.rule
    assert candidate.difference_interval is not None
    assert candidate.difference_interval.low > 0
    assert choice.plain < candidate.nested <= candidate.optimistic + 0.02
    assert choice.nested == choice.picked.nested
    assert choice.picked.difference_interval is not None
    assert set(choice.picked.kinds) <= {kind, "argmax"}
    assert "is used" in choice.why


def test_each_part_is_decided_by_a_rule_of_the_others():
    table, codes, _ = contest(9)
    (candidate,) = choose_rule(rows(table, codes), ("multipliers",), seed=3, intervals=False).candidates
    part, said = rows(table, codes).truth.parts(3), np.full(len(codes), -1)
    for p in range(5):
        rule = fit_rule("multipliers", rows(table, codes).where(part != p))
        said[part == p] = rule.decide(read(table))[part == p]
    assert candidate.nested == macro_f1(SPACE.encode(codes), said, 6)


def test_on_noise_fitting_flatters_itself_and_the_nested_estimates_do_not():
    """Nothing is known of the truth: a rule cannot help, but on the people that it was fitted on it seems to."""
    optimistic, nested, picked = [], [], []
    for seed in range(30):
        rng, people = np.random.default_rng(seed), np.repeat(np.arange(40), 2)
        codes = drawn_codes(rng, people)
        table = product_table(people, noise(rng, codes))
        choice = choose_rule(rows(table, codes), resamples=10)
        optimistic.append([c.optimistic - choice.plain for c in choice.candidates])
        nested.append([c.difference for c in choice.candidates])
        picked.append(choice.picked.difference)
    errors = np.std(nested, axis=0, ddof=1) / np.sqrt(len(nested))
    assert (np.mean(optimistic, axis=0) > 4 * errors).all()
    assert (np.mean(nested, axis=0) < 4 * errors).all()
    assert np.mean(picked) < 4 * np.std(picked, ddof=1) / np.sqrt(len(picked))


def test_what_is_no_better_nested_is_not_used_and_it_says_so():
    """Three outcomes: no rule is better; one is, but for having been picked; one is, and so is the pick."""
    said = {}
    for seed in range(25):
        rng, people = np.random.default_rng(seed), np.repeat(np.arange(40), 2)
        codes = drawn_codes(rng, people)
        table = product_table(people, noise(rng, codes))
        choice = choose_rule(rows(table, codes), intervals=False)
        assert choice.best is not None
        better, still = choice.best.nested > choice.plain, choice.picked.nested > choice.plain
        assert choice.rule == (choice.best.rule if better and still else Argmax())
        assert choice.nested == (choice.picked.nested if better and still else choice.plain)
        said[better, better and still] = choice.why
        if len(said) == 3:
            break
    assert said[False, False].startswith("Plain argmax is used: fitted on four fifths of the people and applied to the")
    assert "flattering itself" in said[False, False]
    assert "nothing is gained" in said[True, False]
    assert said[True, False].startswith("Plain argmax is used")
    assert "is used: fitted on four fifths" in said[True, True]
    assert "picked anew" in said[True, True]


def test_the_choice_is_the_same_with_and_without_intervals_and_twice():
    table, codes, _ = too_young(10, "at-least")
    full = choose_rule(rows(table, codes), KINDS, resamples=50)
    cheap = choose_rule(rows(table, codes), KINDS, intervals=False)
    assert full == choose_rule(rows(table, codes), KINDS, resamples=50)
    assert (full.rule, full.nested, full.why) == (cheap.rule, cheap.nested, cheap.why)
    assert (cheap.picked.difference_interval, cheap.plain_interval) == (None, None)
    assert (cheap.picked.kinds, cheap.picked.nested) == (full.picked.kinds, full.picked.nested)
    assert json.loads(json.dumps(full.as_dict()))["candidates"][0]["kind"] == "multipliers"
    assert json.loads(json.dumps(cheap.as_dict()))["plain_interval"] is None


def test_without_another_kind_argmax_is_all_there_is():
    table, codes, _ = contest(11)
    choice = choose_rule(rows(table, codes), ("argmax",))
    assert (choice.rule, choice.candidates, choice.nested) == (Argmax(), (), choice.plain)
    assert (choice.picked.kinds, choice.picked.difference) == (("argmax",) * 5, 0)
    assert choice.why.startswith("Plain argmax is used: no other rule was asked for;")


@pytest.mark.parametrize(
    ("sizes", "unasked"),
    [
        ((3, 6), ("argmax", "multipliers", "joint-multipliers")),
        ((MOST_UNASKED,), ("argmax", "multipliers")),
        ((MOST_UNASKED + 1,), ("argmax",)),
        ((20, 20), ("argmax", "multipliers")),
    ],
)
def test_rules_of_very_many_multipliers_are_tried_only_when_asked_for(sizes, unasked):
    space = LabelSpace(tuple(Attribute(f"a{i}", tuple(f"c{k}" for k in range(s))) for i, s in enumerate(sizes)))
    assert kinds_unasked(space) == unasked
    assert "multipliers" in kinds_for(space)
    if sizes == (20, 20):
        assert kinds_unasked(space.with_combinations(space.decode(np.arange(300)))) == ("argmax",)


def test_a_specialist_has_rules_of_its_own():
    space = LabelSpace((AGE,))
    assert kinds_for(space) == ("argmax", "multipliers", "cuts:age")
    assert kinds_for(LabelSpace((HUE,))) == ("argmax", "multipliers")
    assert kinds_for(SPACE) == KINDS
    rng, people = np.random.default_rng(0), np.repeat(np.arange(30), 2)
    codes = drawn_codes(rng, people)[:, 1:]
    table = product_table(people, {"age": calibrated(rng, codes, space)["age"]}, space)
    choice = choose_rule(rows(table, codes, space=space), intervals=False)
    assert len(choice.candidates) == 2


# ------------------------------------------------------------------------------------------------------------ in words


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (Argmax(), "The most probable class is taken."),
        (Multipliers(((1.0, 1.0), (1.0, 0.8, 1.6))),
         "age: `>=60` is taken when it is 0.62 times as probable as `<30`, `30-59` when 1.25 times."),
        (Multipliers(((1.0, 2.0), (1.0, 1.0, 4.0))),
         "hue: `blue` is taken when it is 0.50 times as probable as `red`; "
         "age: `>=60` is taken when it is 0.25 times as probable as `<30`."),
        (Multipliers(((1.0, 1.0), (1.0, 1.0, 1.0))), 
         "The multipliers hardly differ: all but always the most probable class is taken."),
        (JointMultipliers((1.0, 1.1, 4.0, 1.2, 0.9, 2.0)),
         "`red/>=60` is taken when it is 0.25 times as probable as `red/<30`, `blue/>=60` when 0.50 times, "
         "`blue/<30` when 0.83 times, and 2 more classes have multipliers of their own."),
        (MovedCuts("age", "years", (29.0, 58.5)), "age is cut at (29, 58.5)."),
        (MovedCuts("age", "score", (0.25, 1.5)), "age is cut at (0.25, 1.5) on its score."),
        (MovedCuts("age", "at-least", (0.45, 0.3)),
         "age: `>=60` is taken when `>=60` has a probability of 0.30, else `30-59` when `30-59` or higher has a "
         "probability of 0.45."),
    ],
)  # fmt: skip
def test_a_rule_in_words(rule: Rule, words: str):
    assert rule.describe(SPACE) == words


# ----------------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "is an object with a `kind`, got None"),
        ([], "is an object with a `kind`"),
        ({"kind": 3}, "is an object with a `kind`"),
        ({"kind": "multiplier", "multipliers": []}, "no kind of decision rule is called `multiplier`"),
        ({"kind": "argmax", "multipliers": []}, "expected the keys `kind`, got `kind`, `multipliers`"),
        ({"kind": "multipliers"}, "expected the keys `kind`, `multipliers`, got `kind`"),
        ({"kind": "multipliers", "multipliers": [[1, 1]]}, "expected multipliers for hue, age"),
        ({"kind": "multipliers", "multipliers": "ab"}, "expected multipliers for hue, age"),
        ({"kind": "multipliers", "multipliers": [[1, 1], [1, 1]]}, "3 multipliers for the classes of `age`"),
        ({"kind": "multipliers", "multipliers": [[1, 0], [1, 1, 1]]}, "classes of `hue` must be above 0"),
        ({"kind": "multipliers", "multipliers": [[1, True], [1, 1, 1]]}, "finite numbers"),
        ({"kind": "joint-multipliers", "multipliers": [1, 1, 1, 1, 1, float("nan")]}, "finite numbers"),
        ({"kind": "joint-multipliers", "multipliers": [1] * 5}, "expected 6 multipliers for the joint classes"),
        ({"kind": "cuts:ages", "by": "years", "at": [30, 60]}, "has no ordinal attribute `ages`"),
        ({"kind": "cuts:hue", "by": "years", "at": [1]}, "has no ordinal attribute `hue`"),
        ({"kind": "cuts:age", "by": "decades", "at": [30, 60]}, "`by` is 'decades'"),
        ({"kind": "cuts:age", "by": ["years"], "at": [30, 60]}, "`by` is"),
        ({"kind": "cuts:age", "by": "years", "at": [60, 30]}, "must be ascending"),
        ({"kind": "cuts:age", "by": "score", "at": [30]}, "expected 2 cuts of `age`"),
    ],
)  # fmt: skip
def test_records_that_are_no_rule(data: Any, message: str):
    with pytest.raises(ArtefactError) as told:
        rule_from_dict(data, SPACE)
    assert message in str(told.value)
    assert told.value.hint


def test_thresholds_on_at_least_need_not_ascend():
    rule = MovedCuts("age", "at-least", (0.6, 0.3))
    assert rule_from_dict(rule.as_dict(), SPACE) == rule


def test_what_cannot_be_fitted():
    table, codes, people = contest(0)
    for kind in ("multiplier", "cuts:hue", "cuts:"):
        with pytest.raises(SettingError, match=f"no decision rule is called `{kind}`"):
            fit_rule(kind, rows(table, codes))
        with pytest.raises(SettingError, match=f"no decision rule is called `{kind}`"):
            choose_rule(rows(table, codes), (kind,))
    with pytest.raises(InputError, match="the predictions lack `hue`"):
        fit_rule("multipliers", rows(table.drop(SPACE.columns("hue")), codes))
    with pytest.raises(InputError, match="the predictions lack `hue`"):
        Argmax().decide(read(table.drop(SPACE.columns("hue"))))
    with pytest.raises(InputError, match="none of the 180 rows has a prediction"):
        fit_rule("multipliers", rows(without(table, list(range(180))), codes))
    with pytest.raises(InputError, match="predictions of 4 people: a nested estimate needs 5"):
        choose_rule(rows(table[:12], codes[:12], people=people[:12]))
    with pytest.raises(ArtefactError, match="no score of `age`"):
        MovedCuts("age", "score", (0.0, 1.0)).decide(read(table))
