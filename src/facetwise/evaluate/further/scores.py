"""All scores beside macro F1 and accuracy of one set of predictions, as one frozen object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from facetwise.core.labels import FloatArray, IntArray, LabelSpace
from facetwise.core.plain import Plain
from facetwise.evaluate.further.one_against_rest import ByClass, Measured, aurocs, sensitivities
from facetwise.evaluate.intervals import kappa_interval, mean_interval
from facetwise.evaluate.metrics import balanced_accuracy, quadratic_kappa
from facetwise.evaluate.rows import ScoredRows
from facetwise.evaluate.scorecard import MAX_CONFUSION, MAX_READABLE, name_of

MAX_NAMED = 4
"""How many of the classes that no image shows are named."""


@dataclass(frozen=True)
class OneAgainstRest:
    """One class against all others; None where no scored image shows it, or all do."""

    name: str
    auroc: Measured | None
    sensitivity: Measured | None


@dataclass(frozen=True)
class FurtherScore:
    """Of one attribute, or of the product of all that are predicted; means are over the classes that occur."""

    name: str
    """The attribute's; of the product `joint`, or such as `mask/age`."""
    balanced_accuracy: Measured
    """Mean share of the images of a class that are right."""
    auroc: Measured | None
    """Mean AUROC of a class against the rest; None where one class alone occurs, or joint classes are more than
    `MAX_CONFUSION`."""
    sensitivity: Measured | None = None
    """Mean sensitivity of a class against the rest at the stated specificity; only of an attribute of at most
    `MAX_READABLE` classes of which two occur."""
    kappa: Measured | None = None
    """Quadratic kappa of an ordinal attribute; None where truth and predictions are all of one class."""
    absolute_error: Measured | None = None
    """Mean distance of the recorded number from the predicted one, the mean of the predicted distribution over numbers,
    in the number's unit; None without such a distribution, or where no number is recorded."""
    num_numbers: int = 0
    """Images whose number is recorded, which the mean absolute error is of."""
    classes: tuple[OneAgainstRest, ...] = ()
    """The classes of an attribute of at most `MAX_READABLE`."""
    num_absent: int = 0
    """Classes that no scored image shows: means leave them out."""
    absent: tuple[str, ...] = ()
    """The first `MAX_NAMED` of them."""


@dataclass(frozen=True)
class FurtherScores(Plain):
    """Scores beside those of a `Scorecard`, on the same images."""

    specificity: float
    """At which sensitivities are: the share of the other images that stay below the threshold."""
    scores: tuple[FurtherScore, ...]
    """Of the product first, where there are several attributes, then of each attribute."""

    @property
    def ordinal(self) -> tuple[FurtherScore, ...]:
        """Those with a score for classes in order, or for numbers."""
        return tuple(s for s in self.scores if s.kappa or s.absolute_error)


def further_scores(rows: ScoredRows, numbers: Mapping[str, FloatArray], specificity: float) -> FurtherScores:
    """Score the covered rows, the product on those whose attributes are all known, an attribute on those of its own.

    `numbers`: by ordinal attribute the recorded number of each row, (n,), NaN where there is none; `specificity` is
    above 0 and below 1. Decisions count as they were made; AUROC and sensitivity look at probabilities. Raises
    InputError when no row is covered and known.
    """
    names = rows.predictions.attributes
    joint = [_joint(rows.scored_rows(names))] if len(names) > 1 else []
    single = (_attribute(rows, name, numbers.get(name), specificity) for name in names)
    return FurtherScores(specificity, (*joint, *single))


def _joint(rows: ScoredRows) -> FurtherScore:
    names = rows.predictions.attributes
    truth, _ = rows.decided(names)
    few = truth.space.num_joint <= MAX_CONFUSION
    ranked = aurocs(rows.only(names).predictions.joint, truth.classes, truth.people, each=False) if few else None
    return FurtherScore(
        name=name_of(names, rows.space),
        balanced_accuracy=_balanced(rows, names),
        auroc=ranked.mean if ranked else None,
        **_absent(truth.classes, truth.space),
    )


def _attribute(rows: ScoredRows, name: str, numbers: FloatArray | None, specificity: float) -> FurtherScore:
    scored = rows.scored([name])
    known, attribute = rows.where(scored), rows.space.attribute(name)
    truth, logs = known.truth.only([name]), rows.predictions.marginals[name][scored]
    readable = attribute.size <= MAX_READABLE
    ranked = aurocs(logs, truth.classes, truth.people, each=readable)
    found = sensitivities(logs, truth.classes, truth.people, specificity) if readable else ByClass((), None)
    error = None if numbers is None else _absolute_error(known, name, numbers[scored])
    return FurtherScore(
        name=name,
        balanced_accuracy=_balanced(known, (name,)),
        auroc=ranked.mean,
        sensitivity=found.mean,
        kappa=_kappa(known, name) if attribute.is_ordinal else None,
        absolute_error=error,
        num_numbers=0 if error is None or numbers is None else int(np.isfinite(numbers[scored]).sum()),
        classes=tuple(
            OneAgainstRest(c, auroc, sensitivity)
            for c, auroc, sensitivity in zip(attribute.classes, ranked.classes, found.classes, strict=False)
        ),
        **_absent(truth.classes, truth.space),
    )


def _balanced(rows: ScoredRows, names: tuple[str, ...]) -> Measured:
    truth, decided = rows.decided(names)
    value = balanced_accuracy(truth.classes, decided, truth.space.num_joint)
    return Measured(value, truth.interval(decided, metric="balanced_accuracy"))


def _kappa(rows: ScoredRows, name: str) -> Measured | None:
    truth, decided = rows.decided([name])
    value = quadratic_kappa(truth.classes, decided, truth.space.num_joint)
    return None if np.isnan(value) else Measured(value, kappa_interval(truth.classes, decided, truth.people))


def _absolute_error(rows: ScoredRows, name: str, numbers: FloatArray) -> Measured | None:
    known = np.isfinite(numbers)
    if name not in rows.predictions.values or not known.any():
        return None
    rows, numbers = rows.where(known), numbers[known]
    expected = np.exp(rows.predictions.value_logs(name)) @ np.asarray(rows.predictions.values[name])
    apart = np.abs(expected - numbers)
    return Measured(float(apart.mean()), mean_interval(apart, rows.truth.people))


def _absent(truth: IntArray, space: LabelSpace) -> dict[str, Any]:
    present = set(np.unique(truth).tolist())
    first = islice((k for k in range(space.num_joint) if k not in present), MAX_NAMED)
    return {"num_absent": space.num_joint - len(present), "absent": tuple(map(space.joint_name, first))}
