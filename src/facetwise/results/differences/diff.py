"""The view of `facetwise diff`: how the answers of two or more sides differ, image by image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from facetwise.core.errors import InputError
from facetwise.core.plain import Plain
from facetwise.core.project import Project
from facetwise.core.text.counting import count
from facetwise.core.text.subject import PEOPLE, PERSON
from facetwise.data.manifest import Manifest
from facetwise.evaluate.agreement import Moved
from facetwise.evaluate.metrics import MISSING
from facetwise.predictors.answers import AnswerKind, Answers
from facetwise.predictors.sources import runs_below
from facetwise.results.differences.images import (
    Disagreement,
    ImageComparison,
    PersonDiff,
    Voting,
    count_by_attributes,
    disagreements,
    people_apart,
    voting,
)
from facetwise.results.differences.pairs import PairDiff, pair_diffs
from facetwise.results.differences.sides import AlignedAnswers, DiffSide, align_answers, describe_sides
from facetwise.results.notices import Notice, copies_notices, own_subjects

LIMIT = 24
"""Number of images shown for each kind of disagreement."""
KINDS: dict[AnswerKind, str] = {
    "run": "run",
    "blend": "blend",
    "foreign": "imported predictions",
    "submission": "submission",
    "file": "csv file",
}
"""Display names of the kinds of sides."""


@dataclass(frozen=True)
class DiffView(Plain):
    """Two or more sides, by letter, and how their answers to the same images differ."""

    project: str
    side: Literal["test", "oof"]
    """The images compared: `test`, or `oof` for training images predicted out of fold."""
    what: str
    """What is compared: `joint`, or the attributes that all sides answer, such as `age` or `mask/gender`."""
    attributes: tuple[str, ...]
    sides: tuple[DiffSide, ...]
    num_images: int
    """Number of images of this side of the dataset."""
    num_answered: int
    """Number of images that two or more sides answered."""
    num_different: int
    """Number of these images on which not all agree."""
    num_people: int | None
    """Number of people in these images; None on the test side, where it is unknown."""
    kinds: tuple[Moved, ...]
    """Numbers of images by the set of attributes that differ, most frequent first."""
    pairs: tuple[PairDiff, ...]
    """All pairs of sides: A and B, A and C, ..., then B and C, ..."""
    voting: Voting | None
    """None for two sides."""
    disagreements: tuple[Disagreement, ...]
    """Most confident contradictions first; a limited number for each set of differing attributes."""
    people: tuple[PersonDiff, ...]
    """People with the most differing images; empty on the test side."""
    notices: tuple[Notice, ...]
    method: tuple[str, ...]
    """How the sides were compared: sentences for the report."""

    def pair(self, first: str, second: str) -> PairDiff:
        """The pair of two sides by their letters, in either order."""
        wanted = {first, second}
        return next(p for p in self.pairs if {p.first, p.second} == wanted)


def build_diff_view(
    project: Project, manifest: Manifest, answers: Sequence[Answers], *, oof: bool = False, limit: int = LIMIT
) -> DiffView:
    """Compare answers to the test images, or with `oof` to the training images out of fold.

    `limit`: most images shown for each kind of disagreement. Raises InputError for fewer than two or more than 26
    sides, or when they have no attribute or no image in common.
    """
    rows = align_answers(answers, project, manifest, oof=oof)
    comparison = ImageComparison.of(rows)
    answered = (rows.joint != MISSING).sum(axis=0) >= 2
    if not answered.any():
        raise InputError("nothing to compare: there is no image that two of them answer")
    sides, pairs = describe_sides(rows, answers, project.space), pair_diffs(rows)
    return DiffView(
        project=project.file.name,
        side="oof" if oof else "test",
        what=rows.what,
        attributes=rows.space.names,
        sides=sides,
        num_images=len(rows.images),
        num_answered=int(answered.sum()),
        num_different=int(comparison.differs.sum()),
        num_people=None if rows.groups is None else len(np.unique(rows.groups[answered])),
        kinds=count_by_attributes(comparison),
        pairs=pairs,
        voting=voting(comparison, limit),
        disagreements=disagreements(comparison, limit),
        people=people_apart(comparison),
        notices=(
            *(_too_high(project, manifest, answers) if oof else ()),
            *_coverage(rows, sides, project),
            *_same_throughout(pairs),
            *(_unsure(sides) if comparison.differs.any() else ()),
        ),
        method=tuple(_method(rows, sides)),
    )


def listed(words: Sequence[str]) -> str:
    """`A`, `A and B`, `A, B and C`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def only(moved: Sequence[str], attributes: Sequence[str]) -> str:
    """Text for a set of differing attributes: `only age`, `gender and age`; or `age` if there is only one attribute."""
    return f"only {moved[0]}" if len(moved) == 1 < len(attributes) else listed(moved)


def _too_high(project: Project, manifest: Manifest, answers: Sequence[Answers]) -> Iterator[Notice]:
    """Why out-of-fold answers are better than those for new people."""
    yield from copies_notices(run for side in answers for run in runs_below(project.workspace, side.kind, side.name))
    yield from own_subjects(manifest.each_its_own)


def _coverage(rows: AlignedAnswers, sides: Sequence[DiffSide], project: Project) -> Iterator[Notice]:
    if rows.what != "joint" or len(rows.space.names) < len(project.space.names):
        own = "; ".join(f"{s.letter} answers {listed(s.attributes)}" for s in sides)
        yield Notice("caution", f"Compared by {listed(rows.space.names)} alone, which all of them answer ({own}).")
    total = len(rows.images)
    if few := [s for s in sides if s.num_answered < total]:
        own = ", ".join(f"{s.letter} {s.num_answered:,}" for s in few)
        yield Notice(
            "caution",
            f"Not all of the {count(total, 'image')} are answered by all ({own}): a pair is compared on both's.",
        )


def _same_throughout(pairs: Sequence[PairDiff]) -> Iterator[Notice]:
    for pair in pairs:
        if pair.whole.num_images and not pair.whole.num_different:
            yield Notice("note", f"{pair.first} and {pair.second} give the same answers throughout.")
        if not pair.whole.num_images:
            yield Notice("caution", f"{pair.first} and {pair.second} have no image in common.")


def _unsure(sides: Sequence[DiffSide]) -> Iterator[Notice]:
    bare = [s.letter for s in sides if not s.has_probabilities]
    known = [s.letter for s in sides if s.has_probabilities]
    if bare and known:
        have = "has" if len(bare) == 1 else "have"
        text = f"{listed(bare)} {have} classes only: how sure a disagreement is comes from {listed(known)} alone."
        yield Notice("note", text)
    elif bare:
        yield Notice(
            "note", "All have classes only: nobody knows how sure they are, so images stand in their own order."
        )


def _method(rows: AlignedAnswers, sides: Sequence[DiffSide]) -> Iterator[str]:
    if rows.groups is None:
        yield "Whose images the test images are is not known: counts are by image, and there is no interval."
    else:
        yield (
            f"Out of fold: each image is answered by the models of the fold that holds its {PERSON} out; a blend by "
            f"weights chosen without that {PERSON}'s part of the {PEOPLE}. Intervals draw {PEOPLE}, each with all of "
            "their images."
        )
        yield "Who is right is told by the dataset's own labels. Whether one is better: `facetwise compare RUN RUN`."
    if any(s.has_probabilities for s in sides):
        yield (
            "A disagreement is as sure as the less sure of the two sides: the probability each gives its own answer, "
            "fold models averaged."
        )
    yield (
        "Kappa is agreement beyond what two would reach who answer at random with the same shares of classes: 1 is "
        "always, 0 is no more than that (Cohen 1960)."
    )
    if len(sides) > 2:
        yield (
            "A side is outvoted where more than half of all agree on another class, and alone where all the others do."
        )
