"""All scores of one set of predictions, as one frozen object, so that every page has the same numbers.

All numbers come from the decided classes (`decide`) and the scored labels; nothing here looks at probabilities.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from facetwise.core.arrays import answers, takes
from facetwise.core.errors import InputError
from facetwise.core.labels import JOINT as JOINT
from facetwise.core.labels import MAX_LISTED_JOINT, Attribute, BoolArray, IntArray, LabelSpace
from facetwise.core.plain import Plain
from facetwise.evaluate.intervals import Interval
from facetwise.evaluate.metrics import MISSING, Metric, accuracy, confusion, f1_of_counts
from facetwise.evaluate.rows import ScoredRows, Truth, nothing_known

MAX_CONFUSION = 256
"""Above this many classes the confusion matrix is left out of a scorecard."""
MAX_READABLE = 24
"""Above this many classes screens show only some of them (`to_read`), and no confusion matrix."""
ENDS = 10
"""How many of the commonest and of the worst classes these are."""

_ALWAYS: tuple[Metric, ...] = ("macro_f1", "accuracy")
Matrix = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class ClassScore:
    """One class against all others. Precision is 0 where it was never predicted, recall 0 where it never occurs."""

    name: str
    support: int
    """Images whose true class it is."""
    precision: float
    recall: float
    f1: float


def to_read(classes: Sequence[ClassScore]) -> list[int]:
    """The numbers of the classes that a person can read, ascending: all of them, or the `ENDS` commonest ones and the
    `ENDS` worst ones that some image has."""
    if len(classes) <= MAX_READABLE:
        return list(range(len(classes)))
    common = sorted(range(len(classes)), key=lambda k: (-classes[k].support, k))[:ENDS]
    worst = sorted((k for k in range(len(classes)) if classes[k].support), key=lambda k: (classes[k].f1, k))[:ENDS]
    return sorted({*common, *worst})


@dataclass(frozen=True)
class AttributeScore:
    """One attribute on its own."""

    name: str
    score: float
    """By the project's metric."""
    score_interval: Interval
    macro_f1: float
    accuracy: float
    interval: Interval
    """Interval of the macro F1, by person."""
    accuracy_interval: Interval
    classes: tuple[ClassScore, ...]
    confusion: Matrix | None
    """Counts of images, rows the true class, columns the predicted one; None when there are more classes than
    `MAX_CONFUSION`."""

    @property
    def num_images(self) -> int:
        """Rows with a prediction and a known class of the attribute."""
        return sum(c.support for c in self.classes)


@dataclass(frozen=True)
class FoldScore:
    """The main score on the rows of one fold."""

    fold: int
    num_people: int
    num_images: int
    score: float
    """By the project's metric."""
    macro_f1: float
    accuracy: float


@dataclass(frozen=True)
class Scorecard(Plain):
    """A full set of scores. The main score is that of `what`."""

    what: str
    """`joint`: all attributes; else those the table has, such as `age` or `mask/gender` (their product)."""
    num_images: int
    """Rows of the table, covered or not."""
    num_people: int
    """People among the covered rows."""
    num_covered: int
    """Rows with a prediction and a label: only these are scored."""
    metric: Metric
    """What the project chooses by, and `score` is: one of those below, or another."""
    score: float
    score_interval: Interval
    macro_f1: float
    macro_f1_interval: Interval
    accuracy: float
    accuracy_interval: Interval
    attributes: tuple[AttributeScore, ...]
    """One for each attribute that was predicted, in the label space's order."""
    classes: tuple[ClassScore, ...] = ()
    """The classes of `what`; empty when they are too many to list."""
    confusion: Matrix | None = None
    """Confusion of the classes of `what`; None when there are more than `MAX_CONFUSION`."""
    folds: tuple[FoldScore, ...] = ()
    """In the order of the fold numbers; empty when the table has none."""
    num_unknown: int = 0
    """Rows with a prediction and without a known class of every attribute: only attributes are scored on these."""
    by: str = "person"
    """What the intervals resample: `person`, or `image` where people are not known (then they are too narrow)."""


def score_rows(rows: ScoredRows) -> Scorecard:
    """Score the covered rows: as a whole those whose attributes are all known, an attribute those of which it is known.

    With predictions of all attributes the main score is over all joint classes; a specialist is scored on
    the product of the attributes that it has. Raises InputError when no row is covered.
    """
    return score_decided(rows.predictions.codes, rows.truth, folds=rows.predictions.folds)


@takes(predicted=answers("n k"), folds=answers("n"))
def score_decided(predicted: IntArray, truth: Truth, *, folds: IntArray | None = None, by: str = "person") -> Scorecard:
    """Score decided class numbers, shape (n, num_attributes): -1 for an attribute not predicted, or a row not covered.

    `folds`: the fold of each row, for the scores a fold, -1 for rows without one.
    """
    if predicted.shape != truth.codes.shape:
        raise ValueError(f"predicted codes of shape {predicted.shape} beside labels of shape {truth.codes.shape}")
    covered, rows = (predicted != MISSING).any(axis=1), _PredictedRows.of(predicted, truth)
    whole = rows.where(rows.truth.known)
    if not len(whole.truth):
        raise nothing_known(rows.truth.space.names)
    return Scorecard(
        what=name_of(rows.truth.space.names, truth.space),
        num_images=len(predicted),
        num_people=whole.truth.num_people,
        num_covered=len(whole.truth),
        attributes=_attribute_scores(rows),
        folds=() if folds is None else _fold_scores(whole, folds[covered][rows.truth.known]),
        num_unknown=len(rows.truth) - len(whole.truth),
        by=by,
        **_main_score(whole),
    )


def attribute_scores(rows: ScoredRows) -> tuple[AttributeScore, ...]:
    """The scores of each predicted attribute on the rows of which it is known, also where no row knows all of them;
    an attribute of which no row is known has none."""
    return _attribute_scores(_PredictedRows.of(rows.predictions.codes, rows.truth))


def name_of(names: Sequence[str], space: LabelSpace) -> str:
    """What a score of these attributes is called: `joint` for all of the label's, else such as `mask/age`."""
    return JOINT if set(names) == set(space.names) else "/".join(names)


@dataclass(frozen=True)
class _PredictedRows:
    """Covered rows of the attributes that were predicted."""

    truth: Truth
    predicted: IntArray
    """Class numbers, (n, attributes)."""

    @classmethod
    def of(cls, predicted: IntArray, truth: Truth) -> _PredictedRows:
        """Those of predicted codes, (n, num_attributes), of all attributes; raises InputError when there are none."""
        covered, names = (predicted != MISSING).any(axis=1), truth.space.names
        if not covered.any():
            raise InputError(f"nothing to score: none of the {len(predicted)} rows has a prediction")
        present = [i for i in range(len(names)) if (predicted[covered, i] != MISSING).any()]
        return cls(truth.where(covered).only([names[i] for i in present]), predicted[covered][:, present])

    @cached_property
    def classes(self) -> IntArray:
        """Predicted classes of the product of the attributes, (n,)."""
        return self.truth.space.encode(self.predicted)

    def where(self, rows: BoolArray) -> _PredictedRows:
        """Some of the rows."""
        return self if rows.all() else _PredictedRows(self.truth.where(rows), self.predicted[rows])


def _main_score(rows: _PredictedRows) -> dict[str, Any]:
    truth, predicted, size = rows.truth.classes, rows.classes, rows.truth.space.num_joint
    listed, found = size <= MAX_LISTED_JOINT, _measured(rows.truth, predicted)
    return {
        "metric": rows.truth.metric,
        "score": found[rows.truth.metric][0],
        "score_interval": found[rows.truth.metric][1],
        "macro_f1": found["macro_f1"][0],
        "macro_f1_interval": found["macro_f1"][1],
        "accuracy": found["accuracy"][0],
        "accuracy_interval": found["accuracy"][1],
        "classes": _class_scores(truth, predicted, rows.truth.space.joint_names) if listed else (),
        "confusion": _matrix(confusion(truth, predicted, size)) if size <= MAX_CONFUSION else None,
    }


def _measured(truth: Truth, predicted: IntArray) -> dict[Metric, tuple[float, Interval]]:
    """Macro F1, accuracy and the truth's own score with their intervals, each computed once."""
    wanted = dict.fromkeys((truth.metric, *_ALWAYS))
    return {m: (truth.score(predicted, metric=m), truth.interval(predicted, metric=m)) for m in wanted}


def _attribute_scores(rows: _PredictedRows) -> tuple[AttributeScore, ...]:
    known = (rows.truth.codes != MISSING).any(axis=0)
    return tuple(_attribute_score(rows, i, a) for i, a in enumerate(rows.truth.space.attributes) if known[i])


def _attribute_score(rows: _PredictedRows, index: int, attribute: Attribute) -> AttributeScore:
    known = rows.truth.codes[:, index] != MISSING
    own, predicted = rows.truth.where(known).only([attribute.name]), rows.predicted[known, index]
    truth, size, found = own.classes, attribute.size, _measured(own, predicted)
    return AttributeScore(
        name=attribute.name,
        score=found[own.metric][0],
        score_interval=found[own.metric][1],
        macro_f1=found["macro_f1"][0],
        accuracy=found["accuracy"][0],
        interval=found["macro_f1"][1],
        accuracy_interval=found["accuracy"][1],
        classes=_class_scores(truth, predicted, attribute.classes),
        confusion=_matrix(confusion(truth, predicted, size)) if size <= MAX_CONFUSION else None,
    )


def _class_scores(truth: IntArray, predicted: IntArray, names: Sequence[str]) -> tuple[ClassScore, ...]:
    hits, answered, true = (
        np.bincount(classes, minlength=len(names)) for classes in (truth[truth == predicted], predicted, truth)
    )
    precision, recall, f1 = (
        hits / np.maximum(answered, 1),
        hits / np.maximum(true, 1),
        f1_of_counts(hits, answered, true),
    )
    return tuple(
        ClassScore(name, int(true[i]), float(precision[i]), float(recall[i]), float(f1[i]))
        for i, name in enumerate(names)
    )


def _fold_scores(rows: _PredictedRows, folds: IntArray) -> tuple[FoldScore, ...]:
    numbers = np.unique(folds[folds != MISSING]).tolist()
    return tuple(_fold_score(f, rows.truth.where(folds == f), rows.classes[folds == f]) for f in numbers)


def _fold_score(fold: int, truth: Truth, predicted: IntArray) -> FoldScore:
    return FoldScore(
        fold=fold,
        num_people=truth.num_people,
        num_images=len(truth),
        score=truth.score(predicted),
        macro_f1=truth.score(predicted, metric="macro_f1"),
        accuracy=accuracy(truth.classes, predicted, truth.space.num_joint),
    )


def _matrix(counts: IntArray) -> Matrix:
    return tuple(tuple(row) for row in counts.tolist())
