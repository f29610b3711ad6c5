"""Decision rules that are fitted and fixed: each turns the probabilities of a table into joint classes.

They are kept in records as plain data (`as_dict`, `rule_from_dict`), and applied to tables that they were not fitted
on: the test side, or the people that a nested estimate left out. Class numbers are those of the label space, and so a
rule is of one label space only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import log
from typing import Any, ClassVar, Literal

import numpy as np

from facetwise.core.labels import Attribute, IntArray, LabelSpace
from facetwise.evaluate.metrics import MISSING
from facetwise.evaluate.predictions import Predictions
from facetwise.evaluate.rules.cut_classes import classes_by_score, classes_by_years
from facetwise.evaluate.rules.multipliers import attribute_task, joint_task
from facetwise.evaluate.rules.thresholds import at_least, classes_at_least

ARGMAX = "argmax"
"""Name of the rule that takes the most probable class, in records and options."""

MULTIPLIERS, JOINT_MULTIPLIERS, CUTS = "multipliers", "joint-multipliers", "cuts:"
By = Literal["years", "score", "at-least"]
MOST_NAMED = 3
"""Joint classes that a description names."""

ALIKE = "The multipliers hardly differ: all but always the most probable class is taken."


@dataclass(frozen=True)
class Argmax:
    """The most probable joint class (`decide`)."""

    kind: ClassVar[str] = ARGMAX

    def decide(self, predictions: Predictions) -> IntArray:
        """Joint classes, shape (n,), -1 where a row is not covered; raises InputError when attributes are missing."""
        return undecided(predictions).classes

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {"kind": self.kind}

    def describe(self, _space: LabelSpace) -> str:
        """What it does, in a sentence."""
        return "The most probable class is taken."


@dataclass(frozen=True)
class Multipliers:
    """The argmax of probability times the multipliers of the attributes' classes."""

    multipliers: tuple[tuple[float, ...], ...]
    """One a class of each attribute, in the order of the label space; all positive."""
    kind: ClassVar[str] = MULTIPLIERS

    def decide(self, predictions: Predictions) -> IntArray:
        """Joint classes, shape (n,), -1 where a row is not covered; raises InputError when attributes are missing."""
        logs = np.log(np.concatenate([np.asarray(m) for m in self.multipliers]))
        return _where_covered(predictions, lambda rows: attribute_task(rows).decide(logs))

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {"kind": self.kind, "multipliers": [list(m) for m in self.multipliers]}

    def describe(self, space: LabelSpace) -> str:
        """What it does, in a sentence: `age: \\`>=60\\` is taken when it is 0.62 times as probable as \\`<30\\``."""
        parts = [
            f"{attribute.name}: {describe}"
            for attribute, found in zip(space.attributes, self.multipliers, strict=True)
            if (describe := _taken(attribute.classes, found))
        ]
        return "; ".join(parts) + "." if parts else ALIKE


@dataclass(frozen=True)
class JointMultipliers:
    """The argmax of joint probability times a multiplier a joint class."""

    multipliers: tuple[float, ...]
    """In the order of the joint classes; all positive."""
    kind: ClassVar[str] = JOINT_MULTIPLIERS

    def decide(self, predictions: Predictions) -> IntArray:
        """Joint classes, shape (n,), -1 where a row is not covered; raises InputError when attributes are missing."""
        logs = np.log(np.asarray(self.multipliers))
        return _where_covered(predictions, lambda rows: joint_task(rows).decide(logs))

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {"kind": self.kind, "multipliers": list(self.multipliers)}

    def describe(self, space: LabelSpace) -> str:
        """What it does, in a sentence that names the classes with the largest multipliers."""
        describe = _taken(space.joint_names, self.multipliers, MOST_NAMED)
        return f"{describe}." if describe else ALIKE


@dataclass(frozen=True)
class MovedCuts:
    """An ordinal attribute cut elsewhere than in training; the other attributes as `Argmax` has them."""

    attribute: str
    by: By
    """`years`: cuts of a distribution over values, whose classes are sums; `score`: thresholds on a score; `at-least`:
    thresholds on the probability of each class or a higher one."""
    at: tuple[float, ...]
    """Cuts or thresholds, one fewer than classes."""

    @property
    def kind(self) -> str:
        """`cuts:age`."""
        return CUTS + self.attribute

    def decide(self, predictions: Predictions) -> IntArray:
        """Joint classes, shape (n,), -1 where a row is not covered.

        Raises InputError when attributes are missing, ArtefactError when there are no values, or no score.
        """

        def joint(rows: Predictions) -> IntArray:
            codes, index = rows.codes.copy(), rows.space.index(self.attribute)
            codes[:, index] = self._classes(rows)
            found = rows.space.encode(codes, missing=True)
            if (impossible := np.flatnonzero(found == MISSING)).size:
                found[impossible] = _with_class(rows.where(impossible), index, codes[impossible, index])
            return found

        return _where_covered(predictions, joint)

    def _classes(self, rows: Predictions) -> IntArray:
        match self.by:
            case "years":
                best: IntArray = classes_by_years(rows, self.attribute, self.at).argmax(axis=1).astype(np.int64)
                return best
            case "score":
                return classes_by_score(rows.scores(self.attribute), self.at)
            case "at-least":
                return classes_at_least(at_least(rows.marginals[self.attribute]), self.at)

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {"kind": self.kind, "by": self.by, "at": list(self.at)}

    def describe(self, space: LabelSpace) -> str:
        """What it does, in a sentence."""
        numbers = "(" + ", ".join(f"{a:.4g}" for a in self.at) + ")"
        match self.by:
            case "years":
                return f"{self.attribute} is cut at {numbers}."
            case "score":
                return f"{self.attribute} is cut at {numbers} on its score."
            case "at-least":
                return f"{self.attribute}: {_reached(space.attribute(self.attribute), self.at)}."


Rule = Argmax | Multipliers | JointMultipliers | MovedCuts


def undecided(predictions: Predictions) -> Predictions:
    """The same without what was decided on them before; raises InputError when they lack an attribute."""
    predictions.require_whole("a decision rule gives joint classes")
    return predictions.undecided()


def _where_covered(predictions: Predictions, joint: Callable[[Predictions], IntArray]) -> IntArray:
    """What `joint` says of the covered rows, shape (n,); -1 for the others."""
    predictions = undecided(predictions)
    found, rows = np.full(len(predictions), MISSING, np.int64), predictions.covered
    if rows.any():
        found[rows] = joint(predictions if rows.all() else predictions.where(rows))
    return found


def _with_class(rows: Predictions, index: int, codes: IntArray) -> IntArray:
    """The most probable joint class, (n,), with the class number in `codes`, (n,), of one attribute.

    Where that class can occur with nothing, the most probable of all. Raises as `Predictions.joint` does.
    """
    fits = codes[:, None] == rows.space.joint_codes[:, index]
    fits |= ~fits.any(axis=1, keepdims=True)
    found: IntArray = np.where(fits, rows.joint, -np.inf).argmax(axis=1)
    return np.where(np.isneginf(rows.joint).all(axis=1), fits.argmax(axis=1), found)


def _taken(classes: Sequence[str], multipliers: Sequence[float], most: int | None = None) -> str:
    """When classes are taken, as against one whose multiplier is 1 (else the first); nothing when all are alike."""
    against = next((k for k, m in enumerate(multipliers) if m == 1), 0)
    needed = {k: multipliers[against] / m for k, m in enumerate(multipliers)}
    needed = {k: share for k, share in needed.items() if f"{share:.2f}" != "1.00"}
    if not needed:
        return ""
    (first, share), *others = sorted(needed.items(), key=lambda item: (-abs(log(item[1])), item[0]))
    words = f"`{classes[first]}` is taken when it is {share:.2f} times as probable as `{classes[against]}`"
    named = others if most is None else others[: most - 1]
    words += "".join(f", `{classes[k]}` when {share:.2f} times" for k, share in named)
    more = len(others) - len(named)
    return words + (f", and {more} more classes have multipliers of their own" if more else "")


def _reached(attribute: Attribute, thresholds: Sequence[float]) -> str:
    """The thresholds on the probability of a class or a higher one, the highest class first."""
    *lower, top = [
        f"`{name}`{' or higher' if name != attribute.classes[-1] else ''} has a probability of {t:.2f}"
        for name, t in zip(attribute.classes[1:], thresholds, strict=True)
    ]
    names = attribute.classes
    words = f"`{names[-1]}` is taken when {top}"
    return words + "".join(f", else `{n}` when {w}" for n, w in reversed(list(zip(names[1:], lower, strict=False))))
