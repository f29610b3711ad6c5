"""Two sides against each other: how often they agree, what moved and where to, and out of fold who is right."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, islice, repeat

from facetwise.core.labels import IntArray
from facetwise.evaluate.agreement import (
    Agreement,
    Moved,
    PeopleMoved,
    Right,
    agreement,
    agreement_intervals,
    moved,
    people_moved,
    transitions,
    who_is_right,
)
from facetwise.evaluate.intervals import Interval
from facetwise.evaluate.metrics import confusion
from facetwise.evaluate.scorecard import Matrix
from facetwise.results.differences.sides import Compared


@dataclass(frozen=True)
class Step:
    """Images that go from one class of `what` to another."""

    what: str
    before: str
    after: str
    num_images: int


@dataclass(frozen=True)
class Steps:
    """All images of one attribute: rows the first side's class, columns the second's."""

    name: str
    classes: tuple[str, ...]
    counts: Matrix


@dataclass(frozen=True)
class PairDiff:
    """Two sides, by letter, over the images that both answered. What is compared stands first, then each attribute."""

    first: str
    second: str
    agreements: tuple[Agreement, ...]
    moved: tuple[Moved, ...]
    """Images by the set of attributes that differ, most first; a single set when one attribute is compared."""
    steps: tuple[Step, ...]
    """From which class to which, of what is compared, then of each attribute, most images first."""
    matrices: tuple[Steps, ...]
    """An attribute each."""
    right: tuple[Right, ...]
    """Whose answer is the true one where they differ; empty on the test side."""
    people: tuple[PeopleMoved, ...]
    """Empty on the test side."""

    @property
    def whole(self) -> Agreement:
        """Over all attributes that are compared."""
        return self.agreements[0]

    def steps_of(self, what: str) -> tuple[Step, ...]:
        """The steps of an attribute, or of what is compared."""
        return tuple(s for s in self.steps if s.what == what)


def pair_diffs(rows: Compared) -> tuple[PairDiff, ...]:
    """Every two sides, in the order given: A and B, A and C, ..., B and C, ..."""
    pairs = list(combinations(range(len(rows.letters)), 2))
    parts = rows.parts()
    intervals: Iterator[Interval | None] = repeat(None)
    if rows.groups is not None:
        intervals = iter(agreement_intervals([(own[i], own[j]) for i, j in pairs for _, own, *_ in parts], rows.groups))
    return tuple(_pair_diff(rows, i, j, list(islice(intervals, len(parts)))) for i, j in pairs)


def _pair_diff(rows: Compared, i: int, j: int, intervals: Sequence[Interval | None]) -> PairDiff:
    """Side `i` against side `j`; an interval for what is compared, then of each attribute."""
    groups, parts = rows.groups, rows.parts()
    return PairDiff(
        first=rows.letters[i],
        second=rows.letters[j],
        agreements=tuple(
            agreement(name, own[i], own[j], known) for (name, own, *_), known in zip(parts, intervals, strict=True)
        ),
        moved=moved(rows.codes[i], rows.codes[j], rows.space.names),
        steps=tuple(step for name, own, *_ in parts for step in _steps(rows, name, own[i], own[j])),
        matrices=tuple(_matrices(rows, i, j)),
        right=tuple(who_is_right(name, own[i], own[j], true) for name, own, true in parts if true is not None),
        people=() if groups is None else tuple(people_moved(name, own[i], own[j], groups) for name, own, _ in parts),
    )


def _steps(rows: Compared, name: str, first: IntArray, second: IntArray) -> Iterator[Step]:
    for t in transitions(first, second):
        if name == rows.what:
            before, after = rows.space.joint_name(t.before), rows.space.joint_name(t.after)
        else:
            classes = rows.space.attribute(name).classes
            before, after = classes[t.before], classes[t.after]
        yield Step(name, before, after, t.num_images)


def _matrices(rows: Compared, i: int, j: int) -> Iterator[Steps]:
    if not ((rows.joint[i] >= 0) & (rows.joint[j] >= 0)).any():
        return
    for number, a in enumerate(rows.space.attributes):
        counts = confusion(rows.codes[i, :, number], rows.codes[j, :, number], a.size, skip_missing=True)
        yield Steps(a.name, a.classes, tuple(map(tuple, counts.tolist())))
