"""Changes of recipes: applying settings to a base recipe, and the differences of two recipes."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import tomli_w

from facetwise.core.errors import FacetwiseError, ProblemsError, SettingError
from facetwise.core.files.settings import parse
from facetwise.core.text.counting import count
from facetwise.recipe import Recipe
from facetwise.recipe.load import apply_setting

_OPEN, _CLOSE = "[{", "]}"


@dataclass(frozen=True)
class Change:
    """A key in which two recipes differ; None where a recipe lacks it."""

    key: str
    """Dotted; items of a list of named sections are addressed by name: `augment.cutout.p`."""
    before: Any
    after: Any


def split_settings(change: str) -> tuple[str, ...]:
    """Split a change into its settings at `;`, except inside quotes or brackets.

    Raises SettingError when there are none.
    """
    parts, depth, quote = [""], 0, ""
    for letter in change:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        depth += 0 if quote else (letter in _OPEN) - (letter in _CLOSE)
        if letter == ";" and not quote and depth <= 0:
            parts.append("")
        else:
            parts[-1] += letter
    settings = tuple(stripped for part in parts if (stripped := part.strip()))
    if not settings:
        raise SettingError(f"`{change}` is not a change", hint='write `--try "loss=focal"`, several settings with `;`')
    return settings


def changed(base: Recipe, change: str) -> Recipe:
    """The recipe `base` with all settings of a change; raises SettingError when the result is invalid."""
    data = copy.deepcopy(base.as_dict())
    for setting in split_settings(change):
        apply_setting(data, setting)
    return parse(Recipe, data, f"`{change}`")


def apply_change(base: Recipe, change: str) -> Recipe:
    """The recipe `base` with one change; raises SettingError when the result is invalid or equal to the base."""
    recipe = changed(base, change)
    if recipe == base:
        raise SettingError(f"`{change}` changes nothing: the base has these settings already", hint="leave it out")
    return recipe


def apply_changes(base: Recipe, changes: Iterable[str]) -> dict[str, Recipe]:
    """The recipe of each change, in order; raises ProblemsError with all problems of all changes."""
    found: dict[str, Recipe] = {}
    problems: list[str] = []
    for change in changes:
        try:
            recipe = apply_change(base, change)
            same = [c for c, other in found.items() if other == recipe]
            if same:
                raise SettingError(f"`{change}` gives the same recipe as `{same[0]}`")
            if recipe.folds != base.folds:
                raise SettingError(f"`{change}` changes the folds: changes are compared on the same ones")
            found[change] = recipe
        except FacetwiseError as error:
            problems += problem_lines(error)
    if problems:
        raise ProblemsError(f"{count(len(problems), 'problem')}, nothing was trained", problems)
    return found


def problem_lines(error: FacetwiseError) -> list[str]:
    """An error as lines for a list of problems, one for each setting that it names."""
    first, *rest = str(error).split("\n")
    if not rest:
        return [first + (f"; {error.hint}" if error.hint else "")]
    what = first.split(": ")[0]
    return [f"{what}: {line.strip().removeprefix('- ')}" for line in rest]


def recipe_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Change, ...]:
    """Keys in which two recipes (from `Recipe.as_dict`) differ, in the order of the first, then of the second."""
    return tuple(_differences(_with_defaults(before), _with_defaults(after), ""))


def count_changes(changes: Iterable[Change]) -> int:
    """Number of changes, where a section whose `name` changed counts as one with all of its keys."""
    listed = list(changes)
    renamed = {_above(c.key) for c in listed if c.key.endswith(".name")}
    return len({next((r for r in sorted(renamed) if c.key.startswith(f"{r}.")), c.key) for c in listed})


def value_text(value: Any) -> str:
    """A value as in TOML; a dash for None."""
    if value is None:
        return "–"  # noqa: RUF001 - an en dash, as typography wants it for "no value"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k} = {value_text(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(value_text(v) for v in value) + "]"
    return tomli_w.dumps({"v": value}).removeprefix("v = ").strip()


def _with_defaults(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """A recipe with defaults that were added since it was written; unchanged when it is no longer readable."""
    try:
        return Recipe.model_validate(data).as_dict()
    except ValueError:
        return data


def _differences(old: Any, new: Any, path: str) -> Iterator[Change]:
    names, rest = _names(old), _names(new)
    if names and rest:
        yield from _differences(_by_name(old), _by_name(new), path)
        shared = [n for n in names if n in rest]
        if shared != [n for n in rest if n in names]:
            yield Change(path, list(names), list(rest))
    elif isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in [*old, *(k for k in new if k not in old)]:
            yield from _differences(old.get(key), new.get(key), f"{path}.{key}" if path else key)
    elif old != new:
        yield Change(path, old, new)


def _by_name(items: list[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    return {str(item["name"]): item for item in items}


def _names(value: Any) -> tuple[str, ...]:
    """Names of a list of sections with distinct names; empty for any other value."""
    if not isinstance(value, list) or not all(isinstance(v, Mapping) and "name" in v for v in value):
        return ()
    names = tuple(str(v["name"]) for v in value)
    return names if len(set(names)) == len(names) else ()


def _above(key: str) -> str:
    return key.rpartition(".")[0]
