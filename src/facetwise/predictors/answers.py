"""The answers of any predictor or file: classes for a list of images, with probabilities where available."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from facetwise.core.errors import InputError
from facetwise.core.labels import IntArray, LabelSpace
from facetwise.core.records.external import ExternalRecord
from facetwise.core.runs import Side
from facetwise.evaluate.metrics import MISSING
from facetwise.evaluate.predictions import Predictions
from facetwise.predictors.sources import Source

AnswerKind = Literal["run", "blend", "foreign", "submission", "file"]


@dataclass(frozen=True)
class Answers:
    """Classes for the images of one side of the manifest, in its order: `train` out of fold, or `test`."""

    kind: AnswerKind
    name: str
    """An id, or the path of a file."""
    codes: IntArray
    """Class numbers, (n, num_attributes); -1 where an attribute is not answered."""
    joint: IntArray
    """Joint classes, (n,); -1 where an attribute is missing, or where they cannot occur together."""
    predictions: Predictions | None = None
    """The predictions that were decided on, one row for each image; None when only classes are known."""

    def attributes(self, space: LabelSpace) -> tuple[str, ...]:
        """The attributes answered for at least one image, in label order."""
        return tuple(n for i, n in enumerate(space.names) if (self.codes[:, i] != MISSING).any())


def answers_of(source: Source, side: Side = "test") -> Answers:
    """A predictor's classes for every image of a side; raises InputError when it has no predictions of that side."""
    predictions = source.require_oof() if side == "oof" else source.test
    if predictions is None:
        raise InputError(f"{source.kind} `{source.reference}` has no predictions of the test images to compare")
    external = source.record if isinstance(source.record, ExternalRecord) else None
    synthetic = external is not None and external.content == "submission"  # its probabilities are placeholders
    return Answers(source.kind, source.id, predictions.codes, predictions.classes, None if synthetic else predictions)


def answers_of_classes(kind: AnswerKind, name: str, written: IntArray, space: LabelSpace) -> Answers:
    """Answers from joint classes as they are written, (n,) (`LabelSpace.answer_of`), -1 where missing."""
    return Answers(kind, name, space.product.decode(written, missing=True), space.joint_of_answer(written))
