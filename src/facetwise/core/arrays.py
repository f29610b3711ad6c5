"""Checks of array arguments: declared beside a function's signature, run once per call before anything is computed.

    @takes(truth=classes("n"), probs=numbers("n k", low=0, high=1))
    def score(truth: IntArray, probs: FloatArray) -> float: ...

Shapes are written as in jaxtyping: within a call a letter stands for one size, `*n` for the same axes, `...` for any
axes. Lists become arrays. Nothing is rounded or cast to another kind: floats are not class numbers, even if whole
(1.0), and True and False are not numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from inspect import signature
from typing import Any, ParamSpec, TypeVar

import numpy as np
import numpy.typing as npt

from facetwise.core.errors import SettingError, did_you_mean

P = ParamSpec("P")
R = TypeVar("R")
Sizes = dict[str, tuple[int, ...]]
"""The sizes that letters of shapes stand for in one call."""
Check = Callable[[Any, Sizes], Any]
"""Returns the value that the function receives; raises `_NotAsked`. `takes` adds whole numbers to the sizes."""


class _NotAsked(Exception):
    """What was expected instead."""


def takes(**checks: Check) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Check the arguments of a function, by name, except defaults; a wrong one is a ValueError that names it."""

    def door(function: Callable[P, R]) -> Callable[P, R]:
        parameters = signature(function).parameters
        places = [(name, list(parameters).index(name), check) for name, check in checks.items()]

        @wraps(function)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            values, sizes = list(args), Sizes()
            for name, place, check in places:
                where: Any = values if place < len(values) else kwargs
                key: Any = place if where is values else name
                value = where.get(name, parameters[name].default) if where is kwargs else values[place]
                if value is parameters[name].default:
                    continue
                try:
                    where[key] = found = check(value, sizes)
                except _NotAsked as expected:
                    raise ValueError(f"`{name}` must be {expected}, got {_shown(value)}") from None
                if isinstance(found, int):
                    sizes[name] = (found,)
            return function(*values, **kwargs)  # type: ignore[arg-type]  # as they came, but checked

        return checked

    return door


def classes(shape: str, *, below: str | None = None) -> Check:
    """Class numbers from 0, less than `below`: a letter of a shape, or the name of an argument checked before."""
    return _whole(shape, 0, below)


def answers(shape: str, *, below: str | None = None) -> Check:
    """As `classes`, or -1 for no answer."""
    return _whole(shape, -1, below)


def numbers(shape: str, *, low: float = -math.inf, high: float = math.inf, missing: bool = False) -> Check:
    """Real numbers from `low` to `high`, both included; with `missing` also NaN."""

    def check(value: Any, sizes: Sizes) -> npt.NDArray[Any]:
        array = _array(value, "iuf", f"real numbers of shape ({shape})", shape, sizes)
        array = array if array.dtype.kind == "f" else array.astype(np.float64)
        if array.size and not missing and np.isnan(array).any():
            raise _NotAsked("numbers, none of them NaN")
        if array.size and (low, high) != (-math.inf, math.inf) and not _within(array, low, high):
            raise _NotAsked(f"numbers {low:g} to {high:g}")
        return array

    return check


def probabilities(shape: str, *, missing: bool = False) -> Check:
    """Numbers from 0 to 1, with a tolerance for rounded sums; with `missing` also NaN."""
    return numbers(shape, low=0, high=1 + 1e-6, missing=missing)


def flags(shape: str) -> Check:
    """Booleans."""

    def check(value: Any, sizes: Sizes) -> npt.NDArray[np.bool_]:
        return _array(value, "b", f"True or False in shape ({shape})", shape, sizes).astype(np.bool_, copy=False)

    return check


def names(shape: str) -> Check:
    """One name a row, of any type; the function itself checks the names. A single text is refused."""

    def check(value: Any, sizes: Sizes) -> Any:
        what = f"a list or array of shape ({shape})"
        if isinstance(value, str | bytes) or not hasattr(value, "__len__"):
            raise _NotAsked(what)
        _bind(shape, value.shape if isinstance(value, np.ndarray) else (len(value),), sizes, what)
        return value

    return check


def each(check: Check) -> Check:
    """A sequence of items that each pass `check`."""

    def every(value: Any, sizes: Sizes) -> list[Any]:
        if isinstance(value, str | bytes) or not isinstance(value, Iterable):
            raise _NotAsked("several of them")
        return [check(item, sizes) for item in value]

    return every


def count(least: int = 1) -> Check:
    """A whole number, at least `least`."""

    def check(value: Any, _: Sizes) -> int:
        if _is_flag(value) or not isinstance(value, int | np.integer) or value < least:
            raise _NotAsked(f"a whole number, {least} or more")
        return int(value)

    return check


def number(above: float = -math.inf, below: float = math.inf) -> Check:
    """A finite number between `above` and `below`, both excluded."""

    def check(value: Any, _: Sizes) -> float:
        is_number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
        if not is_number or not above < value < below:
            limits = [f"above {above:g}"] * (above > -math.inf) + [f"below {below:g}"] * (below < math.inf)
            raise _NotAsked(" ".join(["a number", " and ".join(limits)]).strip())
        return float(value)

    return check


def text() -> Check:
    """Text, such as a name."""

    def check(value: Any, _: Sizes) -> str:
        if not isinstance(value, str):
            raise _NotAsked("text")
        return value

    return check


def one_of(allowed: Sequence[str]) -> Check:
    """One of some words."""

    def check(value: Any, _: Sizes) -> str:
        if value not in allowed:
            raise SettingError(f"{value!r} is not allowed", hint=did_you_mean(str(value), allowed))
        return str(value)

    return check


def taken(rows: npt.ArrayLike, size: int) -> npt.NDArray[np.int64]:
    """The positions of selected rows among `size`: `rows` is a mask, (size,), or positions, which may repeat; else
    ValueError."""
    array = np.asarray(rows)
    if array.dtype.kind == "b" and array.shape == (size,):
        return np.flatnonzero(array)
    if array.ndim != 1 or (array.size and (array.dtype.kind not in "iu" or array.min() < 0 or array.max() >= size)):
        raise ValueError(f"rows must be a mask or positions of {size} rows, got {_shown(array)}")
    return array.astype(np.int64)


def _whole(shape: str, least: int, below: str | None) -> Check:
    def check(value: Any, sizes: Sizes) -> npt.NDArray[np.int64]:
        array = _array(value, "iu", f"class numbers (integers) of shape ({shape})", shape, sizes)
        most = sizes[below][0] - 1 if below else np.iinfo(np.int64).max
        if array.size and (array.min() < least or array.max() > most):
            upto = f"to {most}" if below else "or more"
            raise _NotAsked(f"class numbers 0 {upto}" + (", or -1 for none" if least < 0 else ""))
        return array.astype(np.int64, copy=False)

    return check


def _array(value: Any, kinds: str, what: str, shape: str, sizes: Sizes) -> npt.NDArray[Any]:
    """An array of one of numpy's `kinds` and of this shape."""
    array = np.asarray(value)
    hidden = isinstance(value, list | tuple) and array.dtype.kind in "iuf" and any(map(_is_flag, _items(value)))
    is_empty_list = not array.size and array.dtype.kind == "f"
    if hidden or (array.dtype.kind not in kinds and not is_empty_list):
        raise _NotAsked(what)
    _bind(shape, array.shape, sizes, what)
    return array


def _items(values: Any) -> Iterable[Any]:
    """The entries of nested lists, in which numpy would turn booleans into numbers."""
    for value in values:
        yield from _items(value) if isinstance(value, list | tuple) else (value,)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool | np.bool_)


def _bind(shape: str, found: tuple[int, ...], sizes: Sizes, what: str) -> None:
    """Bind the letters of `shape` to the sizes `found`; letters that are bound already must have the same sizes."""
    if shape == "...":
        return
    letters = [shape] if shape.startswith("*") else shape.split()
    parts = [found] if shape.startswith("*") else [(size,) for size in found]
    if len(letters) != len(parts):
        raise _NotAsked(what)
    for letter, part in zip(letters, parts, strict=True):
        if (known := sizes.setdefault(letter, part)) != part:
            raise _NotAsked(f"{what} with {letter} = {', '.join(map(str, known))}")


def _within(array: npt.NDArray[Any], low: float, high: float) -> bool:
    with np.errstate(invalid="ignore"):
        return not ((array < low) | (array > high)).any()


def _shown(value: Any) -> str:
    """A value for a message; arrays by dtype, shape and range."""
    if not isinstance(value, np.ndarray | list | tuple):
        return f"{value!r:.60}"
    array = np.asarray(value)
    ends = f", {array.min()} to {array.max()}" if array.size and array.dtype.kind in "iuf" else ""
    return f"{array.dtype} of shape {array.shape}{ends}"
