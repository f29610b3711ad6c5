"""What a search may change: a TOML file with a table a recipe key, checked against the recipe before anything trains.

    ["optimizer.lr"]
    low = 1e-4
    high = 1e-2
    log = true

    [loss]
    choices = ["cross-entropy", "focal"]

Whole numbers at both ends of a range make it one of whole numbers.
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
from facetwise.recipe import Recipe
from facetwise.recipe.head import MultiLabelHead, SingleHead
from facetwise.recipe.load import set_value
from facetwise.study.changes import explained, value_text

MAX_COMBINATIONS = 256
"""So many combinations of choices are parsed beforehand; of more, as many drawn ones."""


class RangeSpec(Spec):
    """A number between two ends, both included."""

    low: int | float
    """Lowest value."""
    high: int | float
    """Highest value."""
    log: bool = False
    """Draw evenly on a logarithmic scale."""

    @model_validator(mode="after")
    def _is_a_range(self) -> RangeSpec:
        if self.low >= self.high:
            raise ValueError(f"`low` ({self.low}) must be less than `high` ({self.high})")
        if self.log and self.low <= 0:
            raise ValueError(f"`log` needs `low` above 0, got {self.low}")
        return self

    @property
    def whole(self) -> bool:
        """Whether values are whole numbers."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    def samples(self) -> tuple[Any, ...]:
        """Values to check a recipe with: both ends."""
        return self.low, self.high

    def label(self, value: Any) -> Any:
        """The value as the search knows it."""
        return value

    def value(self, label: Any) -> Any:
        """The recipe's value that the search means."""
        return label

    def holds(self, value: Any) -> bool:
        """Whether a recipe's value lies in it."""
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and self.low <= value <= self.high and (not self.whole or float(value).is_integer())


class ChoicesSpec(Spec):
    """One of several values."""

    choices: Annotated[list[Any], Field(min_length=2)]
    """Values, as a recipe would have them; a bare name stands for a kind with its defaults."""

    @model_validator(mode="after")
    def _differ(self) -> ChoicesSpec:
        labels = [self.label(c) for c in self.choices]
        if repeated := [text for i, text in enumerate(labels) if text in labels[:i]]:
            raise ValueError(f"{repeated[0]} stands there twice")
        return self

    def samples(self) -> tuple[Any, ...]:
        """Values to check a recipe with: all of them."""
        return tuple(self.choices)

    def label(self, value: Any) -> str:
        """The choice as the search knows it: TOML, text without its quotes."""
        return value if isinstance(value, str) else value_text(value)

    def value(self, label: Any) -> Any:
        """The recipe's value that the search means."""
        return next(c for c in self.choices if self.label(c) == label)

    def holds(self, value: Any) -> bool:
        """Whether a recipe's value is one of them; a kind counts by its name."""
        return value in self.choices or (isinstance(value, Mapping) and value.get("name") in self.choices)


Part = RangeSpec | ChoicesSpec


@dataclass(frozen=True)
class Space:
    """Recipe keys and what each may be, in the order of the file, which is that in which they are set."""

    parts: Mapping[str, Part]

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {key: part.model_dump(exclude_none=True) for key, part in self.parts.items()}

    def recipe(self, base: Recipe, labels: Mapping[str, Any]) -> Recipe:
        """The recipe of one trial; raises SettingError when the values do not go together."""
        data = copy.deepcopy(base.as_dict())
        for key, part in self.parts.items():
            if key in labels:
                set_value(data, key, part.value(labels[key]))
        return parse(Recipe, data, self.words(labels))

    def words(self, labels: Mapping[str, Any]) -> str:
        """The values of a trial in one line."""
        return ", ".join(f"{key} = {shown(labels[key])}" for key in self.parts if key in labels)

    def of_base(self, base: Recipe) -> dict[str, Any] | None:
        """The base itself as a trial, or None when it does not lie in the space."""
        found = {}
        for key, part in self.parts.items():
            value = _value_at(base.as_dict(), key)
            if not part.holds(value):
                return None
            name = value.get("name") if isinstance(value, Mapping) and value not in part.samples() else value
            found[key] = part.label(name)
        try:
            return found if self.recipe(base, found) == base else None
        except SettingError:
            return None


def read_space(source: str | Path | Mapping[str, Any], base: Recipe, attributes: Sequence[str] = ()) -> Space:
    """The space in a TOML file (or the same as plain data), checked against the recipe.

    `attributes`: those of the label. Raises SettingError or ProblemsError naming every key that the recipe does not
    have and every value that it cannot take, alone or together with the others, or that makes a trial predict fewer of
    `attributes` than the recipe, so that their scores could not be compared.
    """
    named = "the search space" if isinstance(source, Mapping) else str(source)
    data = dict(source) if isinstance(source, Mapping) else read_toml(Path(source))
    tables = dict(_tables(data))
    if not tables:
        hint = '["optimizer.lr"] with `low` and `high`, or [loss] with `choices`'
        raise SettingError(f"{named}: nothing to search over", hint=f"give a table a recipe key: {hint}")
    problems, parts = [], {}
    for key, table in tables.items():
        try:
            parts[key] = _part(key, table, base)
        except FacetwiseError as error:
            problems += explained(error)
    if not problems:
        problems = _wrong_together(Space(parts), base, attributes)
    if problems:
        raise ProblemsError(f"{named}: {len(problems)} problem(s), nothing was trained", problems)
    return Space(parts)


def shown(value: Any) -> str:
    """A value of a trial for people: four digits are enough to tell two apart."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _tables(data: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys and their tables, written as `["optimizer.lr"]` or as `[optimizer.lr]`."""
    for key, value in data.items():
        here = f"{path}{key}"
        if isinstance(value, Mapping) and value and all(isinstance(v, Mapping) for v in value.values()):
            yield from _tables(value, f"{here}.")
        else:
            yield here, value


def _part(key: str, table: Any, base: Recipe) -> Part:
    """One key's values, each tried on the recipe by itself."""
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
    """What combinations of choices, ranges at their lowest, the recipe cannot take; the first of its kind only."""
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
                found.setdefault(problem.split(";")[0], f"{problem} (with {space.words(labels)})")
    return list(found.values())


def _check_attributes(base: Recipe, trial: Recipe, attributes: Sequence[str]) -> None:
    """Raise SettingError when a trial does not predict what the recipe itself does."""
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
