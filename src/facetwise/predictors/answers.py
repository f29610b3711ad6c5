"""What somebody answers for a list of images, whoever it is: classes, and probabilities where there are any."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from facetwise.core.errors import InputError
from facetwise.core.labels import IntArray, LabelSpace
from facetwise.core.records.external import ExternalRecord
from facetwise.core.runs import Side
from facetwise.evaluate.decide import decode_joint
from facetwise.evaluate.metrics import MISSING
from facetwise.evaluate.predictions import Predictions
from facetwise.predictors.sources import Source

AnswerKind = Literal["run", "blend", "foreign", "submission", "file"]


@dataclass(frozen=True)
class Answers:
    """Classes for the images of one side of the manifest, in its order: `train` out of fold, or `test`."""

    kind: AnswerKind
    name: str
    """An id, or a file as it was given."""
    codes: IntArray
    """Class numbers, (n, num_attributes); -1 for an attribute not answered, and throughout where nothing is."""
    joint: IntArray
    """Joint classes, (n,); -1 where an attribute is missing."""
    predictions: Predictions | None = None
    """What was decided on, a row an image; None where only classes are known."""

    def attributes(self, space: LabelSpace) -> tuple[str, ...]:
        """The attributes answered for any image, in the label's order."""
        return tuple(n for i, n in enumerate(space.names) if (self.codes[:, i] != MISSING).any())


def answers_of(source: Source, side: Side = "test") -> Answers:
    """What a predictor decides for every image of a side; raises InputError when it says nothing of that side."""
    predictions = source.require_oof() if side == "oof" else source.test
    if predictions is None:
        raise InputError(
            f"{source.kind} `{source.reference}` has nothing to compare: no predictions of the test images"
        )
    external = source.record if isinstance(source.record, ExternalRecord) else None
    bare = external is not None and external.content == "submission"  # its probabilities were made up
    return Answers(source.kind, source.id, predictions.codes, predictions.classes, None if bare else predictions)


def answers_of_classes(kind: AnswerKind, name: str, joint: IntArray, space: LabelSpace) -> Answers:
    """Bare joint classes, (n,), -1 where there is none, as answers."""
    return Answers(kind, name, decode_joint(joint, space), joint)
