"""Rows that are scored: what is true of them and whose they are, and what somebody predicts; and nested estimates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from facetwise.core.arrays import answers, count, names, taken, takes
from facetwise.core.errors import InputError
from facetwise.core.labels import IntArray, LabelSpace
from facetwise.core.text.subject import PEOPLE
from facetwise.evaluate.intervals import LEVEL, RESAMPLES, Interval, PairedInterval, bootstrap_interval, paired_interval
from facetwise.evaluate.metrics import MAIN, MISSING, Metric, score_of
from facetwise.evaluate.predictions import BoolArray, Predictions
from facetwise.evaluate.resampling import Groups, group_numbers

NUM_PARTS = 5

F = TypeVar("F")
A = TypeVar("A", bound=npt.NDArray[Any])


def nothing_known(names: Sequence[str]) -> InputError:
    """The error when no image that was predicted has a class of all of these attributes."""
    listed = " and ".join(f"`{name}`" for name in names)
    return InputError(
        f"nothing to score: no predicted image has a known class of {listed}",
        hint='a run with `model.head.name = "single"` is scored on one attribute',
    )


@dataclass(frozen=True, eq=False)
class Truth:
    """The scored labels of n images, and whose images these are: what everything is scored against.

    Where a class is not known its number is -1. A score is of the rows whose attributes are all known: of a part of the
    attributes (`only`) these may be more.

    Raises ValueError for codes that are not class numbers of `space` or cannot occur together, and images or people
    that are not as many.
    """

    space: LabelSpace
    images: Sequence[str] | npt.NDArray[Any]
    """The name of each image, (n,)."""
    codes: IntArray
    """True class numbers, (n, num_attributes); -1 where one is not known."""
    people: Groups
    """The person of each image, (n,); kept as numbers in the order of the names."""
    metric: Metric = MAIN
    """What scores are, and so what choices are made by."""

    def __post_init__(self) -> None:
        if not len(self.images) == len(self.codes) == len(self.people):
            counts = f"{len(self.images)} images, {len(self.codes)} labels, {len(self.people)} {PEOPLE}"
            raise ValueError(f"{counts}: expected as many of each")
        joint = self.space.encode(self.codes, missing=True)
        if joint.ndim != 1:
            raise ValueError(f"labels of shape {np.shape(self.codes)}: expected a row an image, a column an attribute")
        object.__setattr__(self, "codes", np.asarray(self.codes, np.int64))
        if impossible := int(((joint == MISSING) & (self.codes != MISSING).all(axis=1)).sum()):
            raise ValueError(f"{impossible} of {len(joint)} labels have a combination that cannot occur")
        if not (isinstance(self.people, np.ndarray) and self.people.dtype == np.int64 and self.people.ndim == 1):
            object.__setattr__(self, "people", group_numbers(self.people)[0])

    def __len__(self) -> int:
        return len(self.codes)

    @cached_property
    def classes(self) -> IntArray:
        """True joint classes, (n,); -1 where an attribute is not known."""
        return self.space.encode(self.codes, missing=True)

    @cached_property
    def known(self) -> BoolArray:
        """Whether every attribute is known, (n,)."""
        found: BoolArray = self.classes != MISSING
        return found

    @cached_property
    def num_people(self) -> int:
        """How many people the images are of."""
        return len(np.unique(self.people))

    def where(self, rows: npt.ArrayLike) -> Truth:
        """Some of the images: a mask or positions."""
        positions = taken(rows, len(self))
        return replace(
            self,
            images=np.asarray(self.images)[positions],
            codes=self.codes[positions],
            people=np.asarray(self.people)[positions],
        )

    def only(self, names: Sequence[str]) -> Truth:
        """The same of the attributes called `names` alone, as if the label had no others."""
        part = self.space.only(names)
        return replace(self, space=part, codes=self.codes[:, [self.space.index(n) for n in part.names]])

    def score(self, decided: IntArray, *, metric: Metric | None = None, skip_missing: bool = False) -> float:
        """The score, 0..1, of decided joint classes, (n,); rows that are missing (-1) are refused unless skipped.

        `metric`: another than that of the truth.
        """
        truth, decided, _ = self._known(decided)
        return score_of(metric or self.metric, truth, decided, self.space.num_joint, skip_missing=skip_missing)

    def interval(
        self, decided: IntArray, *, metric: Metric | None = None, level: float = LEVEL, resamples: int = RESAMPLES
    ) -> Interval:
        """Of the score of decided joint classes, (n,), by person (`bootstrap_interval`)."""
        truth, decided, people = self._known(decided)
        size, metric = self.space.num_joint, metric or self.metric
        return bootstrap_interval(truth, decided, people, size, metric=metric, level=level, resamples=resamples)

    def paired(
        self, first: IntArray, second: IntArray, *, level: float = LEVEL, resamples: int = RESAMPLES
    ) -> PairedInterval:
        """Of score(first) - score(second), decided joint classes, (n,) each, by person (`paired_interval`)."""
        truth, first, people = self._known(first)
        second, size = self._known(second)[1], self.space.num_joint
        return paired_interval(truth, first, second, people, size, metric=self.metric, level=level, resamples=resamples)

    def _known(self, decided: IntArray) -> tuple[IntArray, IntArray, Groups]:
        """True classes, decided classes and people of the known rows; raises InputError when there is none."""
        if self.known.all():
            return self.classes, decided, self.people
        if not self.known.any():
            raise nothing_known(self.space.names)
        return self.classes[self.known], np.asarray(decided)[self.known], np.asarray(self.people)[self.known]

    def parts(self, seed: int = 0, num_parts: int = NUM_PARTS) -> IntArray:
        """The part of each row, (n,), 0..num_parts-1 (`deal_parts`)."""
        return deal_parts(self.people, seed, num_parts)


@dataclass(frozen=True, eq=False)
class ScoredRows:
    """Predictions beside the truth, row by row: the input of every score, rule, cut and calibration."""

    predictions: Predictions
    truth: Truth

    def __post_init__(self) -> None:
        if len(self.predictions) != len(self.truth) or self.predictions.space != self.truth.space:
            raise ValueError(
                f"{len(self.predictions)} predictions of {', '.join(self.predictions.space.names)} beside "
                f"{len(self.truth)} labels of {', '.join(self.truth.space.names)}"
            )

    @classmethod
    def matched(cls, predictions: Predictions, truth: Truth, whose: str = "predictions") -> ScoredRows:
        """Rows matched by image, in the order of `truth`; images without a row are not covered.

        The only way that predictions and labels come together. Raises as `Predictions.in_order`.
        """
        return cls(predictions.in_order(np.asarray(truth.images).tolist(), whose), truth)

    def __len__(self) -> int:
        return len(self.truth)

    @property
    def space(self) -> LabelSpace:
        """The label space."""
        return self.truth.space

    @property
    def covered(self) -> BoolArray:
        """Whether each row is predicted, (n,)."""
        return self.predictions.covered

    def decided(self, names: Sequence[str]) -> tuple[Truth, IntArray]:
        """What is true of the attributes called `names`, and what was decided, as classes of their product, (n,).

        -1 where one of them is not predicted. They are decided beside all others (`Predictions.codes`).
        """
        truth = self.truth.only(names)
        codes = self.predictions.codes[:, [self.space.index(n) for n in truth.space.names]]
        return truth, truth.space.encode(codes, missing=True)

    def where(self, rows: npt.ArrayLike) -> ScoredRows:
        """Some of the rows: a mask or positions."""
        return ScoredRows(self.predictions.where(rows), self.truth.where(rows))

    def only(self, names: Sequence[str]) -> ScoredRows:
        """The same of the attributes called `names` alone, as if the label had no others (so decided by themselves)."""
        return ScoredRows(self.predictions.only(names), self.truth.only(names))

    def scored(self, names: Sequence[str] | None = None) -> BoolArray:
        """Whether each row is predicted and has a known class of all of `names` (of what is predicted), (n,)."""
        wanted = [self.space.index(name) for name in names or self.predictions.attributes]
        found: BoolArray = self.covered & (self.truth.codes[:, wanted] != MISSING).all(axis=1)
        return found

    def covered_rows(self) -> ScoredRows:
        """The covered rows."""
        return self.where(self.covered)

    def scored_rows(self, names: Sequence[str] | None = None) -> ScoredRows:
        """The rows that scores of `names` (of what is predicted) are of; raises InputError when there is none."""
        scored = self.scored(names)
        if self.covered.any() and not scored.any():
            raise nothing_known(names or self.predictions.attributes)
        return self.where(scored)


@takes(groups=names("n"), seed=count(0), num_parts=count(2))
def deal_parts(groups: Groups, seed: int = 0, num_parts: int = NUM_PARTS) -> IntArray:
    """The part of each row, (n,), 0..num_parts-1: people are dealt by lot, parts differ by at most one person.

    Raises InputError when there are fewer people than parts.
    """
    person, num_people = group_numbers(groups)
    if num_people < num_parts:
        raise InputError(f"predictions of {num_people} {PEOPLE}: a nested estimate needs {num_parts} or more")
    part = np.empty(num_people, np.int64)
    part[np.random.default_rng(seed).permutation(num_people)] = np.arange(num_people) % num_parts
    dealt: IntArray = part[person]
    return dealt


@dataclass(frozen=True)
class Part:
    """One part of the rows, which what is fitted on the `rest` is applied to."""

    number: int
    held_out: BoolArray
    """Rows of the part, (n,)."""
    rest: BoolArray
    """Rows of the other parts, (n,)."""


@takes(part=answers("n"))
def nested(fit: Callable[[Part], F], apply: Callable[[F, Part], A], part: IntArray) -> tuple[tuple[F, ...], A]:
    """Fit on the other parts and apply to each part: the fits, by part, and the pooled results.

    `part`: the part of each row, (n,), such as `Truth.parts`; rows of none (-1) are neither fitted on nor applied to,
    and -1 (NaN where numbers are real) in the result. `apply` gives an array whose first axis is the rows
    `Part.held_out`. The only place where "fitted on four parts, applied to the fifth" is written.
    """
    parts = [Part(int(p), part == p, (part != p) & (part != MISSING)) for p in np.unique(part[part != MISSING])]
    fitted = tuple(fit(p) for p in parts)
    applied = [apply(f, p) for f, p in zip(fitted, parts, strict=True)]
    nothing = np.nan if np.issubdtype(applied[0].dtype, np.floating) else MISSING
    pooled = np.full((len(part), *applied[0].shape[1:]), nothing, applied[0].dtype)
    for p, found in zip(parts, applied, strict=True):
        pooled[p.held_out] = found
    return fitted, pooled  # type: ignore[return-value]  # of the type that `apply` gives
