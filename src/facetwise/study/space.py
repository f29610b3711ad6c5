"""The search space: a TOML file with one table for each recipe key, checked against the recipe before training.

    ["optimizer.lr"]
    low = 1e-4
    high = 1e-2
    log = true

    [loss]
    choices = ["cross-entropy", "focal"]

A range whose ends are both integers holds integers.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, product
from math import prod
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, model_validator

from facetwise.core.errors import FacetwiseError, ProblemsError, SettingError
from facetwise.core.files.settings import Spec, parse, read_toml
from facetwise.core.text.counting import count
from facetwise.recipe import Recipe
from facetwise.recipe.head import MultiLabelHead, SingleHead
from facetwise.recipe.load import set_value
from facetwise.study.changes import problem_lines, value_text

MAX_COMBINATIONS = 256
"""Number of combinations of choices that are checked before training: all, or a random sample."""


class RangeSpec(Spec):
    """A number in a closed range."""

    low: int | float
    """Lowest value."""
    high: int | float
    """Highest value."""
    log: bool = False
    """Sample uniformly on a logarithmic scale."""

    @model_validator(mode="after")
    def _is_a_range(self) -> RangeSpec:
        if self.low >= self.high:
            raise ValueError(f"`low` ({self.low}) must be less than `high` ({self.high})")
        if self.log and self.low <= 0:
            raise ValueError(f"`log` needs `low` above 0, got {self.low}")
        return self

    @property
    def whole(self) -> bool:
        """Whether values are integers."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    def samples(self) -> tuple[Any, ...]:
        """Values to check the recipe with: both ends."""
        return self.low, self.high

    def label(self, value: Any) -> Any:
        """The value as passed to optuna."""
        return value

    def value(self, label: Any) -> Any:
        """The recipe's value for a value from optuna."""
        return label

    def contains(self, value: Any) -> bool:
        """Whether a recipe's value is in the range."""
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and self.low <= value <= self.high and (not self.whole or float(value).is_integer())


class ChoicesSpec(Spec):
    """One of several values."""

    choices: Annotated[list[Any], Field(min_length=2)]
    """Values as in a recipe; a bare name selects that kind with its defaults."""

    @model_validator(mode="after")
    def _differ(self) -> ChoicesSpec:
        labels = [self.label(c) for c in self.choices]
        if repeated := [text for i, text in enumerate(labels) if text in labels[:i]]:
            raise ValueError(f"{repeated[0]} is there twice")
        return self

    def samples(self) -> tuple[Any, ...]:
        """Values to check the recipe with: all of them."""
        return tuple(self.choices)

    def label(self, value: Any) -> str:
        """The choice as passed to optuna: as in TOML, but text without quotes."""
        return value if isinstance(value, str) else value_text(value)

    def value(self, label: Any) -> Any:
        """The recipe's value for a value from optuna."""
        return next(c for c in self.choices if self.label(c) == label)

    def contains(self, value: Any) -> bool:
        """Whether a recipe's value is one of the choices; a section is compared by its `name`."""
        return value in self.choices or (isinstance(value, Mapping) and value.get("name") in self.choices)


Part = RangeSpec | ChoicesSpec


@dataclass(frozen=True)
class Space:
    """Recipe keys and their ranges or choices, in the order of the file, in which they are also applied."""

    parts: Mapping[str, Part]

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {key: part.model_dump(exclude_none=True) for key, part in self.parts.items()}

    def recipe(self, base: Recipe, labels: Mapping[str, Any]) -> Recipe:
        """The recipe of one trial; raises SettingError when the values are not valid together."""
        data = copy.deepcopy(base.as_dict())
        for key, part in self.parts.items():
            if key in labels:
                set_value(data, key, part.value(labels[key]))
        return parse(Recipe, data, self.summary(labels))

    def summary(self, labels: Mapping[str, Any]) -> str:
        """The values of a trial on one line."""
        return ", ".join(f"{key} = {shown(labels[key])}" for key in self.parts if key in labels)

    def of_base(self, base: Recipe) -> dict[str, Any] | None:
        """The base recipe as a trial; None when it is not in the space."""
        found = {}
        for key, part in self.parts.items():
            value = _value_at(base.as_dict(), key)
            if not part.contains(value):
                return None
            name = value.get("name") if isinstance(value, Mapping) and value not in part.samples() else value
            found[key] = part.label(name)
        try:
            return found if self.recipe(base, found) == base else None
        except SettingError:
            return None


def read_space(source: str | Path | Mapping[str, Any], base: Recipe, attributes: Sequence[str] = ()) -> Space:
    """Read a space from a TOML file (or from a mapping) and check it against the recipe.

    `attributes`: those of the label space. Raises SettingError or ProblemsError naming every unknown key and every
    value that is invalid, alone or in combination, or with which a trial would predict fewer of `attributes` than the
    recipe, so that scores could not be compared.
    """
    named = "the search space" if isinstance(source, Mapping) else str(source)
    data = dict(source) if isinstance(source, Mapping) else read_toml(Path(source))
    tables = dict(_tables(data))
    if not tables:
        hint = '["optimizer.lr"] with `low` and `high`, or [loss] with `choices`'
        raise SettingError(f"{named}: nothing to search over", hint=f"give one table for each recipe key: {hint}")
    problems, parts = [], {}
    for key, table in tables.items():
        try:
            parts[key] = _part(key, table, base)
        except FacetwiseError as error:
            problems += problem_lines(error)
    if not problems:
        problems = _wrong_together(Space(parts), base, attributes)
    if problems:
        raise ProblemsError(f"{named}: {count(len(problems), 'problem')}, nothing was trained", problems)
    return Space(parts)


def shown(value: Any) -> str:
    """A value of a trial for display, with four digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _tables(data: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys and their tables, from `["optimizer.lr"]` or `[optimizer.lr]`."""
    for key, value in data.items():
        here = f"{path}{key}"
        if isinstance(value, Mapping) and value and all(isinstance(v, Mapping) for v in value.values()):
            yield from _tables(value, f"{here}.")
        else:
            yield here, value


def _part(key: str, table: Any, base: Recipe) -> Part:
    """The range or choices of one key, with each value checked on the recipe alone."""
    if not isinstance(table, Mapping) or not table.keys() & {"low", "high", "choices"}:
        raise SettingError(f"`{key}`: expected a table with `low` and `high`, or with `choices`")
    if key.split(".")[0] == "folds":
        raise SettingError(f"`{key}`: trials are compared on the same folds, so these cannot be searched over")
    spec: type[RangeSpec] | type[ChoicesSpec] = ChoicesSpec if "choices" in table else RangeSpec
    part: Part = parse(spec, dict(table), f"`{key}`")
    space = Space({key: part})
    for sample in part.samples():
        space.recipe(base, {key: part.label(sample)})
    return part


def _wrong_together(space: Space, base: Recipe, attributes: Sequence[str]) -> list[str]:
    """Problems of combinations of choices (ranges at their lowest value); each kind of problem once."""
    options = [[part.label(s) for s in part.samples()] for part in space.parts.values()]
    if prod(len(o) for o in options) > MAX_COMBINATIONS:
        draws = random.Random(0)
        combinations = iter(lambda: tuple(draws.choice(o) for o in options), None)
    else:
        combinations = product(*options)
    found: dict[str, str] = {}
    for values in islice(combinations, MAX_COMBINATIONS):
        labels = dict(zip(space.parts, values, strict=True))
        try:
            _check_attributes(base, space.recipe(base, labels), attributes)
        except SettingError as error:
            for line in str(error).split("\n")[1:] or [str(error)]:
                problem = line.strip().removeprefix("- ")
                found.setdefault(problem.split(";")[0], f"{problem} (with {space.summary(labels)})")
    return list(found.values())


def _check_attributes(base: Recipe, trial: Recipe, attributes: Sequence[str]) -> None:
    """Raise SettingError when a trial does not predict all attributes that the recipe predicts."""
    own, there = (_predicted(recipe, attributes) for recipe in (base, trial))
    if lacking := [name for name in own if name not in there]:
        listed = ", ".join(f"`{name}`" for name in lacking)
        raise SettingError(f"`model.head`: does not predict {listed}, which the search compares by")


def _predicted(recipe: Recipe, attributes: Sequence[str]) -> Sequence[str]:
    match recipe.model.head:
        case SingleHead(attribute=name):
            return (name,)
        case MultiLabelHead(attributes=list() as names):
            return names
        case _:
            return attributes


def _value_at(data: Any, key: str) -> Any:
    for part in key.split("."):
        if isinstance(data, list):
            data = data[int(part)] if part.isdecimal() and int(part) < len(data) else None
        else:
            data = data.get(part) if isinstance(data, Mapping) else None
    return data
