"""Reading, changing and writing whole recipes."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import Field

from facetwise.core.errors import InputError, SettingError
from facetwise.core.settings import Spec, parse, read_toml
from facetwise.recipe.augment import Augment
from facetwise.recipe.folds import FoldsSpec
from facetwise.recipe.inputs import InputSpec
from facetwise.recipe.labels import LabelsSpec
from facetwise.recipe.loss import CrossEntropy, Loss
from facetwise.recipe.model import ModelSpec
from facetwise.recipe.optim import AdamW, Cosine, Optimizer, Schedule
from facetwise.recipe.train import TrainSpec

SHIPPED = Path(__file__).resolve().parent.parent / "recipes"
_NAMED = frozenset({"loss", "optimizer", "schedule", "model.head"})


class Recipe(Spec):
    """One experiment: data in, model out. The same recipe on the same data gives the same numbers."""

    input: InputSpec
    """What the network sees."""
    model: ModelSpec
    """The network."""
    loss: Loss = CrossEntropy()
    """What is minimised."""
    optimizer: Optimizer = AdamW()
    """How the weights move."""
    schedule: Schedule = Field(default_factory=Cosine)
    """How the learning rate changes."""
    augment: list[Augment] = Field(default_factory=list)
    """Random changes to training images: geometry first (all of it in one warp), then light and cutout in the order
    given, then mixing."""
    labels: LabelsSpec = LabelsSpec()
    """The training view of the labels."""
    folds: FoldsSpec = FoldsSpec()
    """Which people each model trains on."""
    train: TrainSpec
    """The training loop."""

    def as_dict(self) -> dict[str, Any]:
        """Plain data with every default written out; what is not set is left out."""
        return self.model_dump(mode="json", exclude_none=True)


def load_recipe(recipe: str | Path, settings: Sequence[str] = ()) -> Recipe:
    """Read a recipe file (or a shipped recipe by its name, such as `cpu-tiny`) and apply `key=value` settings.

    Raises InputError when there is no such file, SettingError naming every unknown key or unusable value at once.
    """
    path = recipe_path(recipe)
    data = read_toml(path)
    for setting in settings:
        apply_setting(data, setting)
    return parse(Recipe, data, f"{path}" + (" with `--set`" if settings else ""))


def recipe_path(recipe: str | Path) -> Path:
    """The file that `recipe` means: an existing path, else the shipped recipe of that name."""
    path = Path(recipe)
    if path.is_file():
        return path
    if str(recipe) in shipped_recipes():
        return SHIPPED / f"{recipe}.toml"
    names = ", ".join(f"`{name}`" for name in shipped_recipes())
    raise InputError(f"{recipe}: no such recipe file", hint=f"shipped recipes, usable by name: {names}")


def shipped_recipes() -> list[str]:
    """Names of the recipes that come with facetwise."""
    return sorted(path.stem for path in SHIPPED.glob("*.toml"))


def apply_setting(data: dict[str, Any], setting: str) -> None:
    """Apply `section.key=value` to recipe data in place; the value is TOML (a bare word is text).

    A bare word for a family (`loss=focal`) replaces the whole family by that name and its defaults; a number walks
    into a list (`augment.0.p=0.3`).
    """
    key, equals, text = setting.partition("=")
    key = key.strip()
    if not equals or not key:
        raise SettingError(f"`{setting}` is not a setting", hint="write `--set section.key=value`")
    value = _toml_value(text.strip())
    if key in _NAMED and isinstance(value, str):
        value = {"name": value}
    *parents, last = key.split(".")
    target: Any = data
    for part in parents:
        target = _step_into(target, part, setting)
        if not isinstance(target, dict | list):
            raise SettingError(f"`{setting}`: `{part}` is a value, not a section")
    if isinstance(target, list):
        target[_list_index(target, last, setting)] = value
    else:
        target[last] = value


def recipe_toml(recipe: Recipe) -> str:
    """The effective recipe as TOML, every default written out; reading it gives an equal recipe."""
    return tomli_w.dumps(recipe.as_dict())


def _toml_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _step_into(target: Any, part: str, setting: str) -> Any:
    if isinstance(target, list):
        return target[_list_index(target, part, setting)]
    return target.setdefault(part, {})


def _list_index(target: list[Any], part: str, setting: str) -> int:
    if not part.isdecimal() or int(part) >= len(target):
        raise SettingError(f"`{setting}`: expected a number from 0 to {len(target) - 1} instead of `{part}`")
    return int(part)
