"""Pairs of sides: agreement, changes of class, and which side is right out of fold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, islice, repeat

from facetwise.core.labels import IntArray
from facetwise.evaluate.agreement import (
    Agreement,
    CorrectCounts,
    Moved,
    PeopleMoved,
    agreement,
    agreement_intervals,
    count_correct,
    moved_by_attributes,
    people_moved,
    transitions,
)
from facetwise.evaluate.intervals import Interval
from facetwise.evaluate.metrics import confusion
from facetwise.evaluate.scorecard import Matrix
from facetwise.results.differences.sides import AlignedAnswers


@dataclass(frozen=True)
class ClassChange:
    """Number of images in class `before` of the first side and class `after` of the second."""

    what: str
    before: str
    after: str
    num_images: int


@dataclass(frozen=True)
class ChangeMatrix:
    """Counts of images for one attribute: rows the first side's class, columns the second's."""

    name: str
    classes: tuple[str, ...]
    counts: Matrix


@dataclass(frozen=True)
class PairDiff:
    """Two sides, by letter, on the images that both answered; lists have `what` first, then each attribute."""

    first: str
    second: str
    agreements: tuple[Agreement, ...]
    moved: tuple[Moved, ...]
    """Numbers of images by the set of differing attributes, most frequent first."""
    steps: tuple[ClassChange, ...]
    """Changes of class in `what`, then in each attribute, most frequent first."""
    matrices: tuple[ChangeMatrix, ...]
    """One for each attribute."""
    right: tuple[CorrectCounts, ...]
    """Which side is right where they differ; empty on the test side."""
    people: tuple[PeopleMoved, ...]
    """Empty on the test side."""

    @property
    def whole(self) -> Agreement:
        """Agreement over all compared attributes."""
        return self.agreements[0]

    def changes_of(self, what: str) -> tuple[ClassChange, ...]:
        """The class changes of `what`."""
        return tuple(s for s in self.steps if s.what == what)


def pair_diffs(rows: AlignedAnswers) -> tuple[PairDiff, ...]:
    """All pairs of sides in order: A and B, A and C, ..., B and C, ..."""
    pairs = list(combinations(range(len(rows.letters)), 2))
    parts = rows.parts()
    intervals: Iterator[Interval | None] = repeat(None)
    if rows.groups is not None:
        intervals = iter(agreement_intervals([(own[i], own[j]) for i, j in pairs for _, own, *_ in parts], rows.groups))
    return tuple(_pair_diff(rows, i, j, list(islice(intervals, len(parts)))) for i, j in pairs)


def _pair_diff(rows: AlignedAnswers, i: int, j: int, intervals: Sequence[Interval | None]) -> PairDiff:
    """Compare sides `i` and `j`; `intervals` of the agreement over all attributes, then of each attribute."""
    groups, parts = rows.groups, rows.parts()
    return PairDiff(
        first=rows.letters[i],
        second=rows.letters[j],
        agreements=tuple(
            agreement(name, own[i], own[j], known) for (name, own, *_), known in zip(parts, intervals, strict=True)
        ),
        moved=moved_by_attributes(rows.codes[i], rows.codes[j], rows.space.names),
        steps=tuple(step for name, own, *_ in parts for step in _steps(rows, name, own[i], own[j])),
        matrices=tuple(_matrices(rows, i, j)),
        right=tuple(count_correct(name, own[i], own[j], true) for name, own, true in parts if true is not None),
        people=() if groups is None else tuple(people_moved(name, own[i], own[j], groups) for name, own, _ in parts),
    )


def _steps(rows: AlignedAnswers, name: str, first: IntArray, second: IntArray) -> Iterator[ClassChange]:
    for t in transitions(first, second):
        if name == rows.what:
            before, after = rows.space.joint_name(t.before), rows.space.joint_name(t.after)
        else:
            classes = rows.space.attribute(name).classes
            before, after = classes[t.before], classes[t.after]
        yield ClassChange(name, before, after, t.num_images)


def _matrices(rows: AlignedAnswers, i: int, j: int) -> Iterator[ChangeMatrix]:
    if not ((rows.joint[i] >= 0) & (rows.joint[j] >= 0)).any():
        return
    for number, a in enumerate(rows.space.attributes):
        counts = confusion(rows.codes[i, :, number], rows.codes[j, :, number], a.size, skip_missing=True)
        yield ChangeMatrix(a.name, a.classes, tuple(map(tuple, counts.tolist())))
