"""Decision rules from records on disk: strict, because a record may have been edited, or be of another contest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import isfinite
from typing import Any, get_args

from facetwise.core.errors import ArtefactError, did_you_mean
from facetwise.core.labels import LabelSpace
from facetwise.evaluate.rules.kinds import (
    ARGMAX,
    CUTS,
    JOINT_MULTIPLIERS,
    MULTIPLIERS,
    Argmax,
    By,
    JointMultipliers,
    MovedCuts,
    Multipliers,
    Rule,
)

HINT = "the record is damaged, or of another label space: make it again"


def rule_from_dict(data: object, space: LabelSpace) -> Rule:
    """The rule that `as_dict` gave; raises ArtefactError with what is not as expected."""
    if not isinstance(data, Mapping) or not isinstance(data.get("kind"), str):
        raise ArtefactError(f"a decision rule is an object with a `kind`, got {data!r}", hint=HINT)
    kind = data["kind"]
    if kind == ARGMAX:
        _check_keys(data, "kind")
        return Argmax()
    if kind == MULTIPLIERS:
        _check_keys(data, "kind", "multipliers")
        return Multipliers(_by_attribute(data["multipliers"], space))
    if kind == JOINT_MULTIPLIERS:
        _check_keys(data, "kind", "multipliers")
        return JointMultipliers(_positive(data["multipliers"], space.num_joint, "joint classes"))
    if kind.startswith(CUTS):
        _check_keys(data, "kind", "by", "at")
        return _moved_cuts(kind.removeprefix(CUTS), data, space)
    known = did_you_mean(kind, (ARGMAX, MULTIPLIERS, JOINT_MULTIPLIERS, *(CUTS + n for n in space.names)))
    raise ArtefactError(f"no kind of decision rule is called `{kind}`", hint=known)


def _moved_cuts(name: str, data: Mapping[str, Any], space: LabelSpace) -> MovedCuts:
    if name not in space.names or not space.attribute(name).is_ordinal:
        raise ArtefactError(f"decision rule: the label space has no ordinal attribute `{name}`", hint=HINT)
    by = data["by"]
    if by not in get_args(By):
        raise ArtefactError(f"decision rule: `by` is {by!r}", hint=did_you_mean(str(by), get_args(By)))
    at = _numbers(data["at"], space.attribute(name).size - 1, f"cuts of `{name}`")
    if by != "at-least" and any(a >= b for a, b in pairwise(at)):
        raise ArtefactError(f"decision rule: cuts of `{name}` must be ascending, got {list(at)}", hint=HINT)
    return MovedCuts(name, by, at)


def _check_keys(data: Mapping[str, Any], *expected: str) -> None:
    if set(data) != set(expected):
        got, wanted = (", ".join(f"`{k}`" for k in sorted(keys)) for keys in (data, expected))
        raise ArtefactError(f"decision rule `{data['kind']}`: expected the keys {wanted}, got {got}", hint=HINT)


def _by_attribute(value: Any, space: LabelSpace) -> tuple[tuple[float, ...], ...]:
    if not _is_list(value) or len(value) != len(space.attributes):
        raise ArtefactError(
            f"decision rule: expected multipliers for {', '.join(space.names)}, got {value!r}", hint=HINT
        )
    return tuple(
        _positive(found, a.size, f"classes of `{a.name}`") for a, found in zip(space.attributes, value, strict=True)
    )


def _positive(value: Any, size: int, what: str) -> tuple[float, ...]:
    numbers = _numbers(value, size, f"multipliers for the {what}")
    if any(n <= 0 for n in numbers):
        raise ArtefactError(f"decision rule: multipliers for the {what} must be above 0, got {value!r}", hint=HINT)
    return numbers


def _numbers(value: Any, size: int, what: str) -> tuple[float, ...]:
    right = _is_list(value) and len(value) == size
    if not right or any(isinstance(v, bool) or not isinstance(v, int | float) or not isfinite(v) for v in value):
        raise ArtefactError(f"decision rule: expected {size} {what}, finite numbers, got {value!r}", hint=HINT)
    return tuple(float(v) for v in value)


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)
