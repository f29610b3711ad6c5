"""Fitting a decision rule of a given kind for the macro F1 over joint classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from facetwise.core.errors import InputError, SettingError, did_you_mean
from facetwise.core.labels import FloatArray, IntArray, LabelSpace
from facetwise.evaluate.compose import covered, marginals
from facetwise.evaluate.decide import ARGMAX, decide
from facetwise.evaluate.rules.cuts import fit_cuts, movable
from facetwise.evaluate.rules.kinds import (
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


def kinds_for(space: LabelSpace) -> tuple[str, ...]:
    """Every kind of rule there is for `space`."""
    cuts = (CUTS + a.name for a in space.attributes if a.is_ordinal)
    joint = (JOINT_MULTIPLIERS,) if len(space.attributes) > 1 else ()
    return (ARGMAX, MULTIPLIERS, *joint, *cuts)


def fit_rule(
    kind: str, table: pl.DataFrame, codes: IntArray, space: LabelSpace, rows: npt.NDArray[Any] | None = None
) -> Rule:
    """The rule of this kind with the highest macro F1 over joint classes on `rows` of an out-of-fold table.

    `codes`: scored class numbers, shape (n, num_attributes), of all rows of the table; `rows`: positions or a mask, the
    default is all; rows that are not covered are left out. Kinds: `argmax`; `multipliers`, one a class of each
    attribute; `joint-multipliers`, one a joint class; `cuts:<attribute>`, of an ordinal attribute, by the finest that
    the table has: values, a score, or its class probabilities. Raises SettingError for another kind, InputError
    when the table lacks attributes or no row is covered.
    """
    check_kinds([kind], space)
    table = undecided(table, space)
    kept = np.arange(table.height) if rows is None else np.arange(table.height)[rows]
    kept = kept[covered(table)[kept]]
    if not kept.size:
        raise InputError(f"a decision rule cannot be fitted: none of the {table.height} rows has a prediction")
    table, codes = table[kept], codes[kept]
    if kind == ARGMAX:
        return Argmax()
    if kind == MULTIPLIERS:
        return _multipliers(table, codes, space)
    if kind == JOINT_MULTIPLIERS:
        return _joint_multipliers(table, codes, space)
    return _moved_cuts(table, codes, space, kind.removeprefix(CUTS))


def check_kinds(kinds: Sequence[str], space: LabelSpace) -> None:
    """Raise SettingError for a kind that `space` does not have."""
    allowed = kinds_for(space)
    for kind in kinds:
        if kind not in allowed:
            raise SettingError(f"no decision rule is called `{kind}`", hint=did_you_mean(kind, allowed))


def _multipliers(table: pl.DataFrame, codes: IntArray, space: LabelSpace) -> Multipliers:
    found = _rounded(np.exp(fit_multipliers(attribute_task(table, space), space.encode(codes))))
    ends = np.cumsum(space.sizes).tolist()
    return Multipliers(tuple(found[end - size : end] for end, size in zip(ends, space.sizes, strict=True)))


def _joint_multipliers(table: pl.DataFrame, codes: IntArray, space: LabelSpace) -> JointMultipliers:
    """Ascent goes on from the attributes' multipliers: from 1 it ends in worse places, one joint class at a time."""
    truth = space.encode(codes)
    start = spread(fit_multipliers(attribute_task(table, space), truth), space)
    logs = fit_multipliers(joint_task(table, space), truth, start, price=JOINT_PRICE)
    return JointMultipliers(_rounded(np.exp(logs)))


def _moved_cuts(table: pl.DataFrame, codes: IntArray, space: LabelSpace, name: str) -> MovedCuts:
    by = movable(table, space).get(name)
    if by is not None:
        return MovedCuts(name, by, fit_cuts(table, codes, space, name))
    index, decided = space.index(name), decide(table, space)
    decided[:, index] = 0
    found = fit_thresholds(
        at_least(marginals(table, space)[name]),
        space.encode(codes),
        space.encode(decided),
        stride=int(np.prod(space.sizes[index + 1 :])),
        num_classes=space.num_joint,
    )
    return MovedCuts(name, "at-least", _rounded(np.asarray(found)))


def _rounded(numbers: FloatArray) -> tuple[float, ...]:
    return tuple(float(f"{n:.{DIGITS}g}") for n in numbers)
