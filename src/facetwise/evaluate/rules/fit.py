"""Fitting a decision rule of a given kind for the score over joint classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from facetwise.core.errors import InputError, SettingError, did_you_mean
from facetwise.core.labels import MAX_LISTED_JOINT, FloatArray, LabelSpace
from facetwise.evaluate.rows import ScoredRows
from facetwise.evaluate.rules.cuts import fit_cuts, movable, together
from facetwise.evaluate.rules.kinds import (
    ARGMAX,
    CUTS,
    JOINT_MULTIPLIERS,
    MULTIPLIERS,
    Argmax,
    JointMultipliers,
    MovedCuts,
    Multipliers,
    Rule,
    undecided,
)
from facetwise.evaluate.rules.multipliers import JOINT_PRICE, attribute_task, fit_multipliers, joint_task, spread
from facetwise.evaluate.rules.thresholds import at_least, fit_thresholds

DIGITS = 4
"""Significant digits of what is fitted: a record stays readable, and a row is never decided by the digits after."""

MOST_UNASKED = 256
"""Most multipliers of a rule that is tried without being asked for: of more, each has few images to tell it by, and to
fit them for every part of the people takes hours."""


def kinds_for(space: LabelSpace) -> tuple[str, ...]:
    """Every kind of rule there is for `space`; none that needs a column a joint class where these are too many."""
    listable = space.num_joint <= MAX_LISTED_JOINT
    apart = (MULTIPLIERS,) if listable or space.combinations is None else ()
    joint = (JOINT_MULTIPLIERS,) if listable and len(space.attributes) > 1 else ()
    cuts = (CUTS + a.name for a in space.attributes if a.is_ordinal)
    return (ARGMAX, *apart, *joint, *cuts)


def kinds_unasked(space: LabelSpace) -> tuple[str, ...]:
    """The kinds of `kinds_for` that are tried where none is asked for."""
    multipliers = {JOINT_MULTIPLIERS: space.num_joint}
    multipliers[MULTIPLIERS] = sum(space.sizes) if space.combinations is None else space.num_joint  # joint columns then
    return tuple(kind for kind in kinds_for(space) if multipliers.get(kind, 0) <= MOST_UNASKED)


def fit_rule(kind: str, rows: ScoredRows) -> Rule:
    """The rule of this kind with the highest score over joint classes on the covered rows.

    Kinds: `argmax`; `multipliers`, one a class of each attribute; `joint-multipliers`, one a joint class;
    `cuts:<attribute>`, of an ordinal attribute, by the finest that there is: values, a score, or its class
    probabilities. Raises SettingError for another kind, InputError when attributes are lacking or no row is covered.
    """
    check_kinds([kind], rows.space)
    covered = ScoredRows(undecided(rows.predictions), rows.truth).scored_rows()
    if not len(covered):
        raise InputError(f"a decision rule cannot be fitted: none of the {len(rows)} rows has a prediction")
    if kind == ARGMAX:
        return Argmax()
    if kind == MULTIPLIERS:
        return _multipliers(covered)
    if kind == JOINT_MULTIPLIERS:
        return _joint_multipliers(covered)
    return _moved_cuts(covered, kind.removeprefix(CUTS))


def check_kinds(kinds: Sequence[str], space: LabelSpace) -> None:
    """Raise SettingError for a kind that `space` does not have."""
    allowed = kinds_for(space)
    for kind in kinds:
        if kind not in allowed:
            raise SettingError(f"no decision rule is called `{kind}`", hint=did_you_mean(kind, allowed))


def _multipliers(rows: ScoredRows) -> Multipliers:
    found = _rounded(
        np.exp(fit_multipliers(attribute_task(rows.predictions), rows.truth.classes, metric=rows.truth.metric))
    )
    ends, sizes = np.cumsum(rows.space.sizes).tolist(), rows.space.sizes
    return Multipliers(tuple(found[end - size : end] for end, size in zip(ends, sizes, strict=True)))


def _joint_multipliers(rows: ScoredRows) -> JointMultipliers:
    """Ascent goes on from the attributes' multipliers: from 1 it ends in worse places, one joint class at a time."""
    truth, metric = rows.truth.classes, rows.truth.metric
    start = spread(fit_multipliers(attribute_task(rows.predictions), truth, metric=metric), rows.space)
    logs = fit_multipliers(joint_task(rows.predictions), truth, start, price=JOINT_PRICE, metric=metric)
    return JointMultipliers(_rounded(np.exp(logs)))


def _moved_cuts(rows: ScoredRows, name: str) -> MovedCuts:
    by = movable(rows.predictions).get(name)
    if by is not None:
        return MovedCuts(name, by, fit_cuts(rows, name))
    index, size = rows.space.index(name), rows.space.attribute(name).size
    others = [i for i in range(len(rows.space.names)) if i != index]
    true, elsewhere, num_others = together(rows.truth.codes[:, others], rows.predictions.codes[:, others])
    found = fit_thresholds(
        at_least(rows.predictions.marginals[name]),
        true * size + rows.truth.codes[:, index],
        elsewhere * size,
        stride=1,
        num_classes=num_others * size,
        metric=rows.truth.metric,
    )
    return MovedCuts(name, "at-least", _rounded(np.asarray(found)))


def _rounded(numbers: FloatArray) -> tuple[float, ...]:
    return tuple(float(f"{n:.{DIGITS}g}") for n in numbers)
