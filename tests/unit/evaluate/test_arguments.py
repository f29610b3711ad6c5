"""Every public function of arrays refuses what it does not take: other kinds, shapes and ranges; it never answers.

`CALLS` has one good call of each. What is changed in it follows from what the argument is, so a new function needs a
line here and no test of its own; a function that is missing here fails `test_every_public_function_is_called`.
"""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
import pytest

import facetwise.evaluate
from facetwise.core import tables
from facetwise.core.labels import Attribute, LabelSpace
from facetwise.data.labels.bins import soft_bins
from facetwise.evaluate import (
    agreement,
    calibration,
    compose,
    intervals,
    metrics,
    ranks,
    reliability,
    resampling,
    rows,
    scorecard,
)
from facetwise.evaluate.forecasts import forecast, heldout, picks
from facetwise.evaluate.further import one_against_rest
from facetwise.evaluate.rules import cut_classes, cut_search, multipliers, sweep, thresholds

SPACE = LabelSpace((Attribute("a", ("x", "y")), Attribute("b", ("p", "q", "r"), cuts=(1.0, 2.0))))
A, B = np.array([0, 1, 2, 1, 0, 2]), np.array([0, 1, 1, 2, 0, 2])
CODES = np.array([[0, 1], [1, 2], [0, 0], [1, 1], [0, 2], [1, 0]])
PEOPLE = ["u", "u", "v", "w", "x", "y"]
LOGS = np.log(np.full((6, 3), 1 / 3))
HALF, HITS = np.full(6, 0.5), np.array([True, False, True, True, False, True])
DRAWS = np.random.default_rng(0).random((8, 3))
TRUTH = rows.Truth(SPACE, [str(i) for i in range(6)], CODES, PEOPLE)
JOINT = forecast.simulate(TRUTH, [A, B], forecast.TestPeople(2, 2), resamples=4)

CALLS: dict[Callable[..., Any], dict[str, Any]] = {
    SPACE.encode: {"codes": CODES},
    SPACE.decode: {"joint": A},
    SPACE.attributes[1].codes_of_values: {"values": HALF},
    SPACE.attributes[1].with_cuts: {"cuts": [1.5, 2.5]},
    tables.year_columns: {"attribute": "b", "values": [1.0, 2.0]},
    soft_bins: {"values": HALF, "cuts": (1.0, 2.0), "deviation": 1.0},
    metrics.confusion: {"truth": A, "predicted": B, "num_classes": 3},
    metrics.macro_f1: {"truth": A, "predicted": B, "num_classes": 3},
    metrics.accuracy: {"truth": A, "predicted": B, "num_classes": 3},
    metrics.balanced_accuracy: {"truth": A, "predicted": B, "num_classes": 3},
    metrics.quadratic_kappa: {"truth": A, "predicted": B, "num_classes": 3},
    metrics.kappa_terms: {"truth": A, "predicted": B},
    metrics.kappa_of_sums: {"sums": np.arange(12.0).reshape(2, 6)},
    metrics.score_of: {"metric": "accuracy", "truth": A, "predicted": B, "num_classes": 3},
    metrics.checked: {"truth": A, "predicted": B, "num_classes": 3},
    metrics.f1_of_counts: {"hits": HALF, "predicted": HALF, "true": HALF},
    metrics.occurring: {"truth": A, "predicted": B},
    agreement.agreement: {"name": "a", "first": A, "second": B},
    agreement.agreeing_rows: {"first": A, "second": B},
    agreement.both_answered: {"first": A, "second": B},
    agreement.disagreement: {"first": A, "second": B},
    agreement.disagreement_matrix: {"answers": [A, B]},
    agreement.agreement_intervals: {"pairs": [(A, B)], "groups": PEOPLE, "resamples": 4},
    agreement.cohen_kappa: {"first": A, "second": B},
    agreement.chance_agreement: {"first": A, "second": B},
    agreement.moved_by_attributes: {"first": CODES, "second": CODES[::-1], "names": ["a", "b"]},
    agreement.transitions: {"first": A, "second": B},
    agreement.count_correct: {"name": "a", "first": A, "second": B, "truth": A},
    agreement.people_moved: {"name": "a", "first": A, "second": B, "groups": PEOPLE},
    agreement.tally_votes: {"answers": CODES},
    agreement.contradiction: {"answers": CODES, "sureness": np.full((6, 2), 0.5)},
    ranks.rank_correlation: {"one": HALF, "other": HALF, "level": 0.9, "resamples": 4, "seed": 0},
    compose.log_normalised: {"logs": LOGS},
    compose.log_sums: {"logs": LOGS, "edges": [0, 3]},
    compose.marginals_of: {"joint": np.log(np.full((4, 6), 1 / 6)), "space": SPACE, "names": ["a"]},
    compose.mean_probability: {"logs": LOGS, "rows": A, "num_images": 3},
    compose.mean_of_rows: {"numbers": HALF, "rows": A, "num_images": 3},
    TRUTH.where: {"rows": [0, 2]},
    TRUTH.score: {"decided": A},
    TRUTH.interval: {"decided": A, "resamples": 4},
    TRUTH.paired: {"first": A, "second": B, "resamples": 4},
    rows.deal_parts: {"groups": PEOPLE, "seed": 0, "num_parts": 2},
    rows.nested: {"fit": lambda part: part.number, "apply": lambda _, part: A[part.held_out], "part": B},
    resampling.group_numbers: {"groups": PEOPLE},
    resampling.PersonTally.count: {
        "truth": A, "predicted": B, "groups": PEOPLE, "num_classes": 3, "metric": "accuracy",
    },
    resampling.resampled_people: {"num_people": 3, "size": 3, "resamples": 4, "draws": np.random.default_rng(0)},
    resampling.resampled_parts: {"num_people": 3, "sizes": [2, 1], "resamples": 4, "draws": np.random.default_rng(0)},
    resampling.resampled_within: {"strata": A, "resamples": 4, "draws": np.random.default_rng(0)},
    intervals.bootstrap_interval: {
        "truth": A, "predicted": B, "groups": PEOPLE, "num_classes": 3, "metric": "macro_f1", "level": 0.9,
        "resamples": 4, "seed": 0,
    },
    intervals.paired_interval: {
        "truth": A, "first": A, "second": B, "groups": PEOPLE, "num_classes": 3, "metric": "macro_f1", "level": 0.9,
        "resamples": 4, "seed": 0,
    },
    intervals.mean_interval: {"values": HALF, "groups": PEOPLE, "level": 0.9, "resamples": 4, "seed": 0},
    intervals.kappa_interval: {
        "truth": A, "predicted": B, "groups": PEOPLE, "level": 0.9, "resamples": 4, "seed": 0,
    },
    intervals.influence_intervals: {
        "scores": np.array([0.5, 0.7]), "influences": np.linspace(-0.1, 0.1, 10).reshape(5, 2), "level": 0.9,
        "resamples": 4, "seed": 0,
    },
    intervals.resample_intervals: {
        "scores": np.array([0.5, 0.7]), "replicates": DRAWS[:4, :2], "jackknife": DRAWS[:5, :2], "level": 0.9,
    },
    one_against_rest.auroc: {"scores": np.arange(6.0), "positive": HITS},
    one_against_rest.sensitivity: {"scores": np.arange(6.0), "positive": HITS, "specificity": 0.9},
    one_against_rest.aurocs: {"logs": LOGS, "truth": A, "groups": PEOPLE, "resamples": 4, "seed": 0},
    one_against_rest.sensitivities: {
        "logs": LOGS, "truth": A, "groups": PEOPLE, "specificity": 0.9, "resamples": 4, "seed": 0,
    },
    intervals.share_intervals: {
        "hits": HITS[:, None], "counted": HITS[:, None], "groups": PEOPLE, "level": 0.9, "resamples": 4, "seed": 0,
    },
    intervals.expanded_tails: {"level": 0.9, "jackknife": HALF},
    intervals.student: {"level": 0.9, "freedom": 3.5},
    calibration.ProbabilityScores.of: {"logs": LOGS, "truth": A},
    calibration.losses: {"logs": LOGS, "truth": A},
    calibration.expected_calibration_error: {"confidence": HALF, "right": HITS, "num_bins": 5},
    calibration.bin_of: {"confidence": HALF, "num_bins": 5},
    calibration.fit_temperature: {"logs": LOGS, "truth": A},
    reliability.reliability_curve: {"confidence": HALF, "right": HITS, "groups": PEOPLE, "num_bins": 5},
    reliability.share_interval: {"right": HITS, "groups": PEOPLE, "level": 0.9},
    scorecard.score_decided: {"predicted": CODES, "truth": TRUTH, "folds": A},
    cut_classes.classes_by_score: {"scores": HALF, "thresholds": [0.2, 0.7]},
    cut_search.score_rule: {"scores": np.arange(6.0), "plain": A, "num_classes": 3},
    multipliers.spread: {"logs": np.zeros(5), "space": SPACE},
    sweep.score_as_rows_change: {"start": A, "later": B, "order": [0, 4], "truth": A, "num_classes": 3},
    thresholds.at_least: {"logs": LOGS},
    thresholds.classes_at_least: {"probs": np.full((6, 2), 0.5), "thresholds": [0.5, 0.5]},
    thresholds.fit_thresholds: {
        "probs": np.full((6, 2), 0.5), "truth": A, "elsewhere": np.zeros(6, np.int64), "stride": 1, "num_classes": 3,
    },
    forecast.TestPeople: {"public": 3, "private": 2},
    forecast.TestPeople.split: {"num_people": 5, "public_share": 0.5},
    forecast.simulate: {
        "truth": TRUTH, "predicted": [A, B], "people": forecast.TestPeople(2, 2),
        "level": 0.9, "resamples": 4, "seed": 0,
    },
    JOINT.conditioned_on: {"scores": np.array([0.5, np.nan])},
    JOINT.shifted: {"offset": forecast.Offset(), "apart": np.zeros((2, 2)), "seed": 0},
    heldout.HoldOut.among: {"truth": TRUTH, "answered": HITS},
    heldout.completion: {"missing": HALF, "num_classes": 3, "num_people": 5},
    picks.expected_best: {"scores": DRAWS, "chosen": [0, 1]},
    picks.best_picks: {"scores": DRAWS, "count": 2},
    picks.gain_over: {"scores": HALF, "best": 0.5},
}  # fmt: skip
TRUSTED = {
    "resampling.group_array", "calibration.blocks_of", "calibration.fit_temperatures", "calibration.true_classes",
    "calibration.apply_temperatures", "reliability.check_calibration", "scorecard.score_rows", "scorecard.name_of",
    "scorecard.attribute_scores",
    "rules.choose.choose_rule", "rules.cut_classes.movable", "rules.cut_classes.cuts_used",
    "rules.cut_classes.below_probs", "rules.cut_classes.bounds_used", "rules.cut_classes.classes_by_years",
    "rules.cuts.choose_cuts", "rules.cuts.search_cuts", "rules.cuts.fit_cuts", "rules.fit.kinds_for",
    "rules.fit.kinds_unasked",
    "rules.fit.fit_rule", "rules.fit.check_kinds", "rules.kinds.undecided", "rules.multipliers.attribute_task",
    "rules.multipliers.joint_task", "rules.multipliers.fit_multipliers", "rules.records.rule_from_dict",
    "rules.sweep.best_value", "prediction_columns.double", "prediction_columns.read_blocks",
    "prediction_columns.decided_classes", "prediction_columns.values_block", "prediction_columns.whole_numbers",
    "forecasts.heldout.unlabelled_shares", "scorecard.to_read", "rows.nothing_known",
    "metrics.parts_of_counts", "metrics.divisor", "forecasts.picks.final_value", "forecasts.picks.variance_explained",
    "further.scores.further_scores",
    "compose.joint_logs", "compose.most_probable", "compose.log_prob_of_joint", "rules.cuts.together",
    "compose.marginals_of_occurring", "compose.log_total",
}  # fmt: skip
"""Functions of what was checked when it was made (`Predictions`, `ScoredRows`, `JointScores`, a task), or of names."""


def dimensions(call: Callable[..., Any], name: str) -> set[int]:
    """Lengths of the other arrays of a good call, along any axis."""
    return {size for other, value in CALLS[call].items() if other != name for size in np.shape(value)}


def wrong_kinds(value: Any) -> list[Any]:
    """What an argument like this one must not be, whatever its shape."""
    if isinstance(value, bool | int | float):
        return [*([value + 0.7] if isinstance(value, int) else []), float("nan"), "3", True, [value], np.array([value])]
    if isinstance(value, list) and isinstance(value[0], np.ndarray | tuple):  # several arrays
        return ["abc", 3, *([*value[:-1], bad] for bad in wrong_kinds(np.asarray(value[-1])))]
    if isinstance(value[0], str):  # names
        return ["abc", 3, [*value[:-1], None]] if value == PEOPLE else ["abc", 3]
    array = np.asarray(value)
    others = {
        "i": [array.astype(float), array + 0.9, array.astype(bool), array - 9, np.full(array.shape, np.nan)],
        "f": [array.astype(bool)],
        "b": [np.zeros(array.shape, int), np.zeros(array.shape)],
    }[array.dtype.kind]
    return [*others, array.astype(str), np.full(array.shape, None), array.astype(complex), "abc"]


def wrong_shapes(call: Callable[..., Any], name: str, value: Any) -> list[Any]:
    """An axis more, and a row more or fewer than other arguments have."""
    if isinstance(value, int | float) or (isinstance(value, list) and isinstance(value[0], np.ndarray | tuple)):
        return []
    array = np.asarray(value)
    lengths = [value[:-1], [*value, value[0]]] if len(value) in dimensions(call, name) else []
    return [*lengths, array[None], 3]


CHECKED = [
    (call, name, value)
    for call, good in CALLS.items()
    for name, value in good.items()
    if isinstance(value, np.ndarray | list | tuple | int | float)
]
ANY_SHAPE = (SPACE.encode, SPACE.decode, SPACE.attributes[1].codes_of_values, metrics.f1_of_counts)
CASES = [
    *((call, name, bad) for call, name, value in CHECKED for bad in wrong_kinds(value)),
    *(
        (call, name, bad)
        for call, name, value in CHECKED
        if call not in ANY_SHAPE
        for bad in wrong_shapes(call, name, value)
    ),
]


@pytest.mark.parametrize("call", CALLS, ids=lambda c: c.__qualname__)
def test_a_good_call_answers(call):
    call(**CALLS[call])


@pytest.mark.parametrize(("call", "name"), [c[:2] for c in CHECKED], ids=lambda c: getattr(c, "__qualname__", c))
def test_another_kind_or_shape_is_refused_and_never_answered(call, name):
    for bad in (bad for c, n, bad in CASES if (c, n) == (call, name)):
        with pytest.raises(ValueError, match=r"\S"):
            call(**{**CALLS[call], name: bad})


def test_every_public_function_is_called():
    found = set()
    for module in pkgutil.walk_packages(facetwise.evaluate.__path__, "facetwise.evaluate."):
        members = vars(import_module(module.name)).items()
        found |= {
            f"{module.name.removeprefix('facetwise.evaluate.')}.{name}"
            for name, value in members
            if inspect.isfunction(value) and value.__module__ == module.name and not name.startswith("_")
        }
    called = {f"{c.__module__.removeprefix('facetwise.evaluate.')}.{c.__qualname__}" for c in CALLS}
    assert found - called == TRUSTED


def test_rows_that_are_not_as_many_or_not_numbers_are_refused():
    images = [str(i) for i in range(6)]
    for codes in (CODES[:-1], CODES.astype(float), CODES[:, :1], CODES[None], CODES - 2):
        with pytest.raises(ValueError, match=r"\S"):
            rows.Truth(SPACE, images, codes, PEOPLE)
        with pytest.raises(ValueError, match=r"\S"):
            scorecard.score_decided(codes - 1, TRUTH)
    for people in (PEOPLE[:-1], [*PEOPLE[:-1], float("nan")], [*PEOPLE[:-1], 3], [True] * 6, "abcdef"):
        with pytest.raises(ValueError, match=r"\S"):
            rows.Truth(SPACE, images, CODES, people)
    for wanted in (HITS[:-1], [0, 6], [-1], [0.0], np.zeros((1, 6), bool)):
        with pytest.raises(ValueError, match="a mask or positions of 6 rows"):
            TRUTH.where(wanted)
    for predictor in (-1, 2, 0.5):
        with pytest.raises(ValueError, match="no predictor"):
            JOINT.forecast("public", predictor)
