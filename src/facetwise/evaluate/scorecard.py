"""Everything that is said about one set of predictions, as one frozen object: the same numbers on every page.

All numbers come from the decided classes (`decide`) and the scored labels; nothing here looks at probabilities.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from facetwise.core.errors import InputError
from facetwise.core.labels import JOINT as JOINT
from facetwise.core.labels import MAX_LISTED_JOINT, Attribute, IntArray, LabelSpace
from facetwise.evaluate.compose import subspace
from facetwise.evaluate.decide import decide
from facetwise.evaluate.intervals import Interval, bootstrap_interval
from facetwise.evaluate.metrics import MISSING, accuracy, confusion, f1_of_counts, macro_f1
from facetwise.evaluate.resampling import Groups, group_array, group_numbers

MAX_CONFUSION = 256
"""Above this many joint classes the joint confusion matrix is left out of a scorecard."""

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


@dataclass(frozen=True)
class AttributeScore:
    """One attribute on its own."""

    name: str
    macro_f1: float
    accuracy: float
    interval: Interval
    """Of the macro F1, by person."""
    classes: tuple[ClassScore, ...]
    confusion: Matrix
    """Counts of images, rows the true class, columns the predicted one."""


@dataclass(frozen=True)
class FoldScore:
    """The main score on the rows of one fold."""

    fold: int
    num_people: int
    num_images: int
    macro_f1: float
    accuracy: float


@dataclass(frozen=True)
class Scorecard:
    """A full set of scores. The main score is that of `what`."""

    what: str
    """`joint`: all attributes; else those the table has, such as `age` or `mask/gender` (their product)."""
    num_images: int
    """Rows of the table, covered or not."""
    num_people: int
    """People among the covered rows."""
    num_covered: int
    """Rows with a prediction: only these are scored."""
    macro_f1: float
    macro_f1_interval: Interval
    accuracy: float
    accuracy_interval: Interval
    attributes: tuple[AttributeScore, ...]
    """One for each attribute that was predicted, in the label space's order."""
    classes: tuple[ClassScore, ...] = ()
    """The classes of `what`; empty when they are too many to list."""
    confusion: Matrix | None = None
    """Of the classes of `what`; None when there are more than `MAX_CONFUSION`."""
    folds: tuple[FoldScore, ...] = ()
    """In the order of the fold numbers; empty when the table has none."""
    by: str = "person"
    """What the intervals resample: `person`, or `image` where people are not known (then they are too narrow)."""

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        plain: dict[str, Any] = _plain(asdict(self))
        return plain


def score_table(table: pl.DataFrame, codes: IntArray, groups: Groups, space: LabelSpace) -> Scorecard:
    """Score a prediction table (a row an image) on its covered rows.

    `codes`: scored class numbers, shape (n, num_attributes), of all attributes of `space`, in the table's order;
    `groups`: the person of each row. With predictions of all attributes the main score is the macro F1 over all
    joint classes; a specialist is scored on the product of the attributes that it has. Raises InputError when no
    row is covered.
    """
    return score_decided(decide(table, space), codes, groups, space, folds=table["fold"].to_list())


def score_decided(
    predicted: IntArray,
    codes: IntArray,
    groups: Groups,
    space: LabelSpace,
    *,
    folds: Sequence[int | None] | None = None,
    by: str = "person",
) -> Scorecard:
    """Score decided class numbers, shape (n, num_attributes): -1 for an attribute not predicted, or a row not covered.

    `folds`: the fold of each row, for the scores a fold; None for rows (or all) without one.
    """
    kept = (predicted != MISSING).any(axis=1)
    if not kept.any():
        raise InputError(f"nothing to score: none of the {len(predicted)} rows has a prediction")
    present = [i for i in range(len(space.names)) if (predicted[kept, i] != MISSING).any()]
    part = subspace(space, [space.names[i] for i in present])
    people, num_people = group_numbers(group_array(groups)[kept])
    rows = _Rows(codes[kept][:, present], predicted[kept][:, present], people)
    attributes = tuple(_attribute_score(rows, i, part.attributes[i]) for i in range(len(present)))
    return Scorecard(
        what=name_of(part.names, space),
        num_images=len(predicted),
        num_people=num_people,
        num_covered=len(rows.codes),
        attributes=attributes,
        folds=_fold_scores(rows, part, None if folds is None else np.array(folds, dtype=object)[kept]),
        by=by,
        **_main_score(rows, part),
    )


def name_of(names: Sequence[str], space: LabelSpace) -> str:
    """What a score of these attributes is called: `joint` for all of the label's, else such as `mask/age`."""
    return JOINT if set(names) == set(space.names) else "/".join(names)


@dataclass(frozen=True)
class _Rows:
    """Covered rows and the attributes that were predicted: class numbers, shape (n, attributes), and people, (n,)."""

    codes: IntArray
    predicted: IntArray
    groups: IntArray

    def where(self, keep: npt.NDArray[np.bool_]) -> _Rows:
        return _Rows(self.codes[keep], self.predicted[keep], self.groups[keep])


def _main_score(rows: _Rows, part: LabelSpace) -> dict[str, Any]:
    truth, predicted, size = part.encode(rows.codes), part.encode(rows.predicted), part.num_joint
    listed = size <= MAX_LISTED_JOINT
    return {
        "macro_f1": macro_f1(truth, predicted, size),
        "macro_f1_interval": bootstrap_interval(truth, predicted, rows.groups, size),
        "accuracy": accuracy(truth, predicted, size),
        "accuracy_interval": bootstrap_interval(truth, predicted, rows.groups, size, metric="accuracy"),
        "classes": _class_scores(truth, predicted, part.joint_names) if listed else (),
        "confusion": _matrix(confusion(truth, predicted, size)) if size <= MAX_CONFUSION else None,
    }


def _attribute_score(rows: _Rows, index: int, attribute: Attribute) -> AttributeScore:
    truth, predicted, size = rows.codes[:, index], rows.predicted[:, index], attribute.size
    return AttributeScore(
        name=attribute.name,
        macro_f1=macro_f1(truth, predicted, size),
        accuracy=accuracy(truth, predicted, size),
        interval=bootstrap_interval(truth, predicted, rows.groups, size),
        classes=_class_scores(truth, predicted, attribute.classes),
        confusion=_matrix(confusion(truth, predicted, size)),
    )


def _class_scores(truth: IntArray, predicted: IntArray, names: Sequence[str]) -> tuple[ClassScore, ...]:
    hits, said, true = (
        np.bincount(classes, minlength=len(names)) for classes in (truth[truth == predicted], predicted, truth)
    )
    precision, recall, f1 = hits / np.maximum(said, 1), hits / np.maximum(true, 1), f1_of_counts(hits, said, true)
    return tuple(
        ClassScore(name, int(true[i]), float(precision[i]), float(recall[i]), float(f1[i]))
        for i, name in enumerate(names)
    )


def _fold_scores(rows: _Rows, part: LabelSpace, folds: npt.NDArray[Any] | None) -> tuple[FoldScore, ...]:
    numbers = [] if folds is None else sorted({f for f in folds if f is not None})
    return tuple(_fold_score(int(f), rows.where(folds == f), part) for f in numbers)


def _fold_score(fold: int, rows: _Rows, part: LabelSpace) -> FoldScore:
    truth, predicted = part.encode(rows.codes), part.encode(rows.predicted)
    return FoldScore(
        fold=fold,
        num_people=len(np.unique(rows.groups)),
        num_images=len(truth),
        macro_f1=macro_f1(truth, predicted, part.num_joint),
        accuracy=accuracy(truth, predicted, part.num_joint),
    )


def _matrix(counts: IntArray) -> Matrix:
    return tuple(tuple(row) for row in counts.tolist())


def _plain(value: Any) -> Any:
    """Tuples as lists, all the way down."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value
