"""One change at a time: settings applied to a frozen recipe, and what two recipes differ in."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import tomli_w

from facetwise.core.errors import FacetwiseError, ProblemsError, SettingError
from facetwise.core.files.settings import parse
from facetwise.recipe import Recipe
from facetwise.recipe.load import apply_setting

_OPEN, _CLOSE = "[{", "]}"


@dataclass(frozen=True)
class Change:
    """One key that two recipes differ in; None where a recipe does not have it."""

    key: str
    """Dotted; an item of a list of named things goes by its name: `augment.cutout.p`."""
    before: Any
    after: Any


def split_settings(change: str) -> tuple[str, ...]:
    """The settings of one change, separated by `;` (not one inside quotes or brackets).

    Raises SettingError when there is none.
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
        raise SettingError(f"`{change}` is no change", hint='write `--try "loss=focal"`, several settings with `;`')
    return settings


def changed(base: Recipe, change: str) -> Recipe:
    """The recipe `base` with one change; raises SettingError when it does not lead to a usable, other recipe."""
    data = copy.deepcopy(base.as_dict())
    for setting in split_settings(change):
        apply_setting(data, setting)
    recipe = parse(Recipe, data, f"`{change}`")
    if recipe == base:
        raise SettingError(f"`{change}` changes nothing: the base is like that already", hint="leave it out")
    return recipe


def all_changed(base: Recipe, changes: Iterable[str]) -> dict[str, Recipe]:
    """The recipe of each change, in order; raises ProblemsError with every problem of all of them."""
    found: dict[str, Recipe] = {}
    problems: list[str] = []
    for change in changes:
        try:
            recipe = changed(base, change)
            same = [c for c, other in found.items() if other == recipe]
            if same:
                raise SettingError(f"`{change}` comes to the same recipe as `{same[0]}`")
            if recipe.folds != base.folds:
                raise SettingError(f"`{change}` changes the folds: changes are compared on the same ones")
            found[change] = recipe
        except FacetwiseError as error:
            problems += explained(error)
    if problems:
        raise ProblemsError(f"{len(problems)} problem(s), nothing was trained", problems)
    return found


def explained(error: FacetwiseError) -> list[str]:
    """An error as lines of a list of problems: one each of the settings it names."""
    first, *others = str(error).split("\n")
    if not others:
        return [first + (f"; {error.hint}" if error.hint else "")]
    what = first.split(": ")[0]
    return [f"{what}: {line.strip().removeprefix('- ')}" for line in others]


def recipe_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Change, ...]:
    """Keys that two recipes (as `Recipe.as_dict` gives them) differ in, in the order of the first, then the second."""
    return tuple(_differences(_filled(before), _filled(after), ""))


def num_things(changes: Iterable[Change]) -> int:
    """How many things changed: a section whose `name` changed is one thing with all of its keys."""
    listed = list(changes)
    renamed = {_above(c.key) for c in listed if c.key.endswith(".name")}
    return len({next((r for r in sorted(renamed) if c.key.startswith(f"{r}.")), c.key) for c in listed})


def value_text(value: Any) -> str:
    """A value as TOML would have it; a dash for none."""
    if value is None:
        return "–"  # noqa: RUF001 - an en dash, as typography wants it for "no value"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k} = {value_text(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(value_text(v) for v in value) + "]"
    return tomli_w.dumps({"v": value}).removeprefix("v = ").strip()


def _filled(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """With the defaults that a recipe has got since it was written; as it is when it cannot be read any more."""
    try:
        return Recipe.model_validate(data).as_dict()
    except ValueError:
        return data


def _differences(old: Any, new: Any, path: str) -> Iterator[Change]:
    names, others = _names(old), _names(new)
    if names and others:
        yield from _differences(_by_name(old), _by_name(new), path)
        shared = [n for n in names if n in others]
        if shared != [n for n in others if n in names]:
            yield Change(path, list(names), list(others))
    elif isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in [*old, *(k for k in new if k not in old)]:
            yield from _differences(old.get(key), new.get(key), f"{path}.{key}" if path else key)
    elif old != new:
        yield Change(path, old, new)


def _by_name(items: list[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    return {str(item["name"]): item for item in items}


def _names(value: Any) -> tuple[str, ...]:
    """Names of a list of named things that all differ; nothing for any other value."""
    if not isinstance(value, list) or not all(isinstance(v, Mapping) and "name" in v for v in value):
        return ()
    names = tuple(str(v["name"]) for v in value)
    return names if len(set(names)) == len(names) else ()


def _above(key: str) -> str:
    return key.rpartition(".")[0]
