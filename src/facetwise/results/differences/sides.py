"""The sides of a comparison, aligned on the attributes that all of them answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from facetwise.core.errors import InputError
from facetwise.core.labels import FloatArray, IntArray, LabelSpace
from facetwise.core.project import Project
from facetwise.data.manifest import Manifest
from facetwise.evaluate.metrics import MISSING
from facetwise.evaluate.rows import Truth
from facetwise.evaluate.scorecard import name_of
from facetwise.predictors.answers import AnswerKind, Answers
from facetwise.predictors.sources import manifest_truth

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True)
class DiffSide:
    """One of the compared sides."""

    letter: str
    """Its name in the view: `A` for the first side, and so on."""
    name: str
    kind: AnswerKind
    attributes: tuple[str, ...]
    """The attributes that it answers."""
    num_answered: int
    """Number of images with an answer for every compared attribute."""
    has_probabilities: bool
    """False for a csv of classes."""
    score: float | None
    """Out of fold, over the compared attributes, on the images that it answered; None on the test side."""


@dataclass(frozen=True)
class AlignedAnswers:
    """The answers of m sides for n images, on the attributes that all of them answer."""

    letters: str
    space: LabelSpace
    """The label space of the compared attributes only."""
    what: str
    """`joint`, or the attributes such as `mask/age`."""
    codes: IntArray
    """Class numbers, (m, n, attributes of `space`); -1 if missing."""
    joint: IntArray
    """Joint classes of `space`, (m, n); -1 if missing."""
    sureness: FloatArray
    """Probability of a side's own answer, (m, n), 0..1; NaN if unknown."""
    images: tuple[str, ...]
    groups: npt.NDArray[Any] | None
    """Whose images they are, (n,); None on the test side, where that is not known."""
    truth: Truth | None
    """The dataset's own labels, of these attributes; None on the test side."""

    def parts(self) -> tuple[tuple[str, IntArray, IntArray | None], ...]:
        """What can be told apart, the product of all first: name, answers (m, n), and truth (n,) where it is known."""
        truth = self.truth
        whole = (self.what, self.joint, None if truth is None else truth.classes)
        if len(self.space.names) == 1:
            return (whole,)
        single = (
            (name, self.codes[:, :, i], None if truth is None else truth.codes[:, i])
            for i, name in enumerate(self.space.names)
        )
        return (whole, *single)


def align_answers(answers: Sequence[Answers], project: Project, manifest: Manifest, *, oof: bool) -> AlignedAnswers:
    """Align the sides on common attributes; raises InputError without any, or for too few or too many sides."""
    if not 2 <= len(answers) <= len(LETTERS):
        raise InputError(
            f"{len(answers)} given to compare: expected 2 to {len(LETTERS)}",
            hint="give runs, blends, submissions or csv files: `facetwise diff RUN RUN`",
        )
    space, names = project.space, common_attributes(answers, project.space)
    part, columns = space.only(names), [space.index(n) for n in names]
    rows = manifest.train if oof else manifest.test
    codes = [a.codes[:, columns] for a in answers]
    return AlignedAnswers(
        letters=LETTERS[: len(answers)],
        space=part,
        what=name_of(names, space),
        codes=np.stack(codes),
        joint=np.stack([part.encode(c, missing=True) for c in codes]),
        sureness=np.stack([_sureness(a, names) for a in answers]),
        images=tuple(rows["image"]),
        groups=rows["group"].to_numpy() if oof else None,
        truth=manifest_truth(project, manifest).only(names) if oof else None,
    )


def common_attributes(answers: Sequence[Answers], space: LabelSpace) -> tuple[str, ...]:
    """The attributes that all sides answer, in label order; raises InputError when there are none."""
    own = [a.attributes(space) for a in answers]
    names = tuple(n for n in space.names if all(n in o for o in own))
    if not names:
        listed = " and ".join(
            f"{a.kind} `{a.name}` answers {', '.join(o) or 'nothing'}" for a, o in zip(answers, own, strict=True)
        )
        raise InputError(f"nothing to compare: {listed}")
    return names


def describe_sides(rows: AlignedAnswers, answers: Sequence[Answers], space: LabelSpace) -> tuple[DiffSide, ...]:
    """Who is compared."""
    true = rows.truth
    return tuple(
        DiffSide(
            letter=letter,
            name=a.name,
            kind=a.kind,
            attributes=a.attributes(space),
            num_answered=int((joint != MISSING).sum()),
            has_probabilities=a.predictions is not None,
            score=None if true is None or not true.known.any() else true.score(joint, skip_missing=True),
        )
        for letter, a, joint in zip(rows.letters, answers, rows.joint, strict=True)
    )


def _sureness(answers: Answers, names: Sequence[str]) -> FloatArray:
    if answers.predictions is None:
        return np.full(len(answers.codes), np.nan)
    sureness: FloatArray = np.exp(answers.predictions.log_prob_of(answers.codes, names))
    return sureness
