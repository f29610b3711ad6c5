"""Annotations of the arguments of verbs, from which the command line makes its options."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, get_args, get_origin

from facetwise.core.choices import Tta

if TYPE_CHECKING:
    from facetwise.recipe import Recipe

Verb = TypeVar("Verb", bound=Callable[..., Any])
VERBS: dict[str, Callable[..., Any]] = {}
"""Name -> verb, in the order in which their modules are loaded and define them."""


@dataclass(frozen=True)
class Option:
    """One argument of a verb. On the command line keywords are options and positional arguments are arguments."""

    help: str
    flags: tuple[str, ...] = ()
    """Names of the option where they differ from the argument's name; they also make a positional argument an option.
    """
    min: float | None = None
    max: float | None = None
    """Only together with a `min`."""
    metavar: str | None = None
    kind: Any = None
    """The type on the command line, where it does not follow from the annotation."""


def options_of(verb: Callable[..., Any]) -> dict[str, tuple[inspect.Parameter, Any, Option]]:
    """Argument of a verb -> its parameter, its type and its `Option`; arguments without an `Option` are left out."""
    found = {}
    for name, parameter in inspect.signature(verb).parameters.items():
        for part in (parameter.annotation, *get_args(parameter.annotation)):  # itself, or `Annotated[...] | None`
            if get_origin(part) is Annotated:
                kind, option = get_args(part)
                found[name] = parameter, kind, option
    return found


def verb(function: Verb) -> Verb:
    """Make a function a verb: it is listed under its name, and its arguments are checked against their ranges and
    choices.

    A call raises SettingError for an argument outside its range or choices.
    """
    signature, options = inspect.signature(function), options_of(function)

    @wraps(function)
    def checked(*args: Any, **kwargs: Any) -> Any:
        for name, value in signature.bind(*args, **kwargs).arguments.items():
            if name in options and value is not None:
                _, kind, option = options[name]
                _check(name, value, kind, option)
        return function(*args, **kwargs)

    VERBS[function.__name__] = checked
    return checked  # type: ignore[return-value]


def _check(name: str, value: object, kind: Any, option: Option) -> None:
    from facetwise.core.errors import SettingError, did_you_mean

    words = [word for part in (kind, *get_args(kind)) if get_origin(part) is Literal for word in get_args(part)]
    if words and value not in words:
        raise SettingError(
            f"`{name}` is {value!r}, expected {' or '.join(words)}", hint=did_you_mean(str(value), words)
        )
    low, high = option.min, option.max
    if not isinstance(value, int | float):
        return
    if (low is not None and not low <= value) or (high is not None and not value <= high):
        wanted = f"{low:g} or more" if high is None else f"{low:g} to {high:g}"
        raise SettingError(f"`{name}` is {value}, expected {wanted}: {option.help[0].lower()}{option.help[1:]}")


# --- what several verbs take

RecipeFile = Annotated["str | Path | Recipe", Option("A recipe file, or the name of a shipped recipe.", kind=str)]
Settings = Annotated[
    Sequence[str], Option("Change one key of the recipe: `--set optimizer.lr=1e-3`. May be repeated.", ("--set",))
]
Jobs = Annotated[int, Option("Folds to train at a time, each in a process with its share of the cores.", min=1)]
Workers = Annotated[int | None, Option("Threads; the default is one a core.", min=1)]
Views = Annotated[Tta, Option("Test-time augmentation: average over views of an image.")]
FeaturesFile = Annotated[
    str | Path | None,
    Option("Features by `facetwise embed`: look at the most alike, too.", metavar="FEATURES", kind=str),
]
Page = Annotated[str | Path | None, Option("Write one self-contained page to this file.")]
Run = Annotated[str, Option("A run: its id, number or `last`.")]
RunOrBlend = Annotated[str, Option("A run (`3`, `last`, id) or a blend (`b3`, `blend:last`).")]
Submission = Annotated[str, Option("A submission: its id, number or `last`.")]
StudyName = Annotated[str | None, Option("Name of the study; made from the recipe when not given.")]
