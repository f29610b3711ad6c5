"""Reading, changing and writing whole recipes."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import tomli_w
from pydantic import AfterValidator, Field

from facetwise.core.errors import InputError, SettingError, did_you_mean
from facetwise.core.files.outside import exists, is_folder
from facetwise.core.files.parsing import parse_toml
from facetwise.core.files.settings import Spec, parse, read_toml
from facetwise.recipe.augment import Augment, each_can_happen
from facetwise.recipe.folds import FoldsSpec
from facetwise.recipe.inputs import InputSpec
from facetwise.recipe.labels import LabelsSpec
from facetwise.recipe.loss import CrossEntropy, Loss
from facetwise.recipe.model import ModelSpec
from facetwise.recipe.optim import AdamW, Cosine, Optimizer, Schedule
from facetwise.recipe.predict import PredictSpec
from facetwise.recipe.sampling import AllImages, Sampling
from facetwise.recipe.train import TrainSpec

SHIPPED = Path(__file__).resolve().parent.parent / "recipes"
_NAMED = frozenset({"loss", "optimizer", "schedule", "sampling", "model.head"})
_LISTS_OF_NAMED = frozenset({"augment"})
_LOOSE_NUMBER = re.compile(r"[+-]?(\d+\.|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)


class Recipe(Spec):
    """One experiment: data in, model out. The same recipe on the same data gives the same numbers."""

    input: InputSpec
    """Input size and crop."""
    model: ModelSpec
    """The network."""
    loss: Loss = CrossEntropy()
    """The training loss."""
    optimizer: Optimizer = AdamW()
    """The optimizer."""
    schedule: Schedule = Field(default_factory=Cosine)
    """The learning-rate schedule."""
    sampling: Sampling = AllImages()
    """Which training images an epoch holds."""
    augment: Annotated[list[Augment], AfterValidator(each_can_happen)] = Field(default_factory=list)
    """Random changes to training images: geometry first (all of it in one warp), then pixels in the order given, then
    mixing. An image is mixed at most once, by the first kind of mixing that selects it."""
    labels: LabelsSpec = LabelsSpec()
    """The training view of the labels."""
    folds: FoldsSpec = FoldsSpec()
    """Which people each model trains on."""
    train: TrainSpec
    """The training loop."""
    predict: PredictSpec = PredictSpec()
    """How held-out and test images are predicted."""

    def as_dict(self) -> dict[str, Any]:
        """Plain data with every default written out; unset optional keys are left out."""
        return self.model_dump(mode="json", exclude_none=True)


def load_recipe(recipe: str | Path, settings: Sequence[str] | str = ()) -> Recipe:
    """Read a recipe file (or a shipped recipe by its name, such as `cpu-tiny`) and apply `key=value` settings.

    `settings` is a list of them, or a single one. Raises InputError when there is no such file, SettingError naming
    every unknown key or unusable value at once.
    """
    path = recipe_path(recipe)
    data = read_toml(path)
    for setting in [settings] if isinstance(settings, str) else settings:
        if not isinstance(setting, str):
            raise SettingError(f"`{setting!r}` is not a setting", hint='write it as text: "section.key=value"')
        apply_setting(data, setting)
    return parse(Recipe, data, f"{path}" + (" with `--set`" if settings else ""))


def recipe_path(recipe: str | Path) -> Path:
    """The file of `recipe`: an existing path, else the shipped recipe of that name."""
    path = Path(recipe)
    if exists(path) and not is_folder(path):
        return path
    if str(recipe) in shipped_recipes():
        return SHIPPED / f"{recipe}.toml"
    names = ", ".join(f"`{name}`" for name in shipped_recipes())
    raise InputError(f"{recipe}: no such recipe file", hint=f"shipped recipes, usable by name: {names}")


def shipped_recipes() -> list[str]:
    """Names of the recipes that come with facetwise."""
    return sorted(path.stem for path in SHIPPED.glob("*.toml"))


def apply_setting(data: dict[str, Any], setting: str) -> None:
    """Apply one setting to recipe data in place; its value is TOML (a bare word is text).

    - `section.key=value` sets a key. A bare word for a family (`loss=focal`) replaces the whole family by that name and
      its defaults; a number walks into a list (`augment.0.p=0.3`).
    - `augment+={name="cutout", p=0.5}` adds to the end of a list; there a bare word is a name (`augment+=cutout`).
    - `augment-=mixup` takes out of a list what has that name (or is equal to the value).

    Raises SettingError when it leads nowhere.
    """
    key, equals, text = setting.partition("=")
    sign = key[-1:] if key[-1:] in ("+", "-") else ""
    key = key.removesuffix(sign).strip()
    if not equals or not key:
        raise SettingError(f"`{setting}` is not a setting", hint="write `--set section.key=value`")
    value = _toml_value(text.strip())
    if sign:
        _change_list(data, key, sign, value, setting)
    else:
        set_value(data, key, value, setting)


def set_value(data: dict[str, Any], key: str, value: Any, setting: str | None = None) -> None:
    """Set a dotted key of recipe data in place, as `apply_setting` does; `setting` is its text for errors."""
    setting = setting or f"{key}={value}"
    target, last = _walk(data, key, setting)
    if key in _NAMED and isinstance(value, str):
        value = {"name": value}
    if isinstance(target, list):
        target[_list_index(target, last, setting)] = value
    else:
        target[last] = value


def recipe_toml(recipe: Recipe) -> str:
    """The effective recipe as TOML, every default written out; reading it gives an equal recipe."""
    return tomli_w.dumps(recipe.as_dict())


def _toml_value(text: str) -> Any:
    """Parse as TOML; also `.5`, `5.` and `True`, which people write on a command line; anything else is text."""
    try:
        found = parse_toml(f"value = {text}")
        return found["value"] if found.keys() == {"value"} else text
    except tomllib.TOMLDecodeError:
        pass
    except ValueError as error:
        raise SettingError(f"`{text[:40]}...` is not a value: {error}") from None
    word = text.strip()
    return float(word) if _LOOSE_NUMBER.fullmatch(word) else {"True": True, "False": False}.get(word, text)


def _change_list(data: dict[str, Any], key: str, sign: str, value: Any, setting: str) -> None:
    """Add `value` to the list at `key`, or (`-`) remove the items with that name or value."""
    target, last = _walk(data, key, setting)
    items = _step_into(target, last, setting, [])
    if not isinstance(items, list):
        raise SettingError(f"`{setting}`: `{key}` is no list, `{sign}=` is for lists", hint=f"write `{key}=...`")
    if sign == "+":
        items.append({"name": value} if key in _LISTS_OF_NAMED and isinstance(value, str) else value)
        return
    kept = [item for item in items if value not in (item, _name_of(item))]
    if len(kept) == len(items):
        names = [str(_name_of(item)) for item in items]
        known = did_you_mean(str(value), names) if names else "it is empty"
        raise SettingError(f"`{setting}`: `{key}` has no `{value}`", hint=known)
    items[:] = kept


def _name_of(item: Any) -> Any:
    return item.get("name", item) if isinstance(item, dict) else item


def _walk(data: dict[str, Any], key: str, setting: str) -> tuple[Any, str]:
    """The section or list that contains `key`, created if missing, and the last part of the key."""
    *parents, last = key.split(".")
    target: Any = data
    for part in parents:
        target = _step_into(target, part, setting, {})
        if not isinstance(target, dict | list):
            raise SettingError(f"`{setting}`: `{part}` is a value, not a section")
    return target, last


def _step_into(target: Any, part: str, setting: str, default: Any) -> Any:
    if isinstance(target, list):
        return target[_list_index(target, part, setting)]
    return target.setdefault(part, default)


def _list_index(target: list[Any], part: str, setting: str) -> int:
    if not target:
        raise SettingError(f"`{setting}`: the list is empty, there is no `{part}` in it")
    if not part.isdecimal() or int(part) >= len(target):
        raise SettingError(f"`{setting}`: expected a number from 0 to {len(target) - 1} instead of `{part}`")
    return int(part)
