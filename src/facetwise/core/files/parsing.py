"""JSON and TOML to plain data, within limits, so that no file makes a parser run out of stack, memory or time."""

from __future__ import annotations

import gc
import json
import re
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from itertools import chain
from math import isfinite
from typing import Any

MAX_DEPTH = 64
"""Most lists and sections within each other."""
MAX_DIGITS = 40
"""Most digits of a whole number in JSON that are read at all."""
MAX_BITS = 64
"""Most bits of a whole number."""
_MAX_KEY_PARTS = 1000
_TOO_DEEP = "not what anybody writes: too deep"


@contextmanager
def uncollected() -> Iterator[None]:
    """Without looking for cycles of objects, which takes half of the time where very many are made and none is one."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def parse_json(text: bytes | str, *, strict: bool = False) -> Any:
    """The data of JSON text (UTF-8); `strict`: no key of an object twice, no NaN and no infinity.

    Raises ValueError saying what is wrong with it: numbers beyond 64 bits, U+0000 and more depth than `MAX_DEPTH` too.
    """
    hooks: dict[str, Any] = {"object_pairs_hook": _unique, "parse_constant": _no_number} if strict else {}
    try:
        found = json.loads(text.decode() if isinstance(text, bytes) else text, parse_int=_whole, **hooks)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}" if error.lineno > 1 else f"column {error.colno}"
        raise ValueError(f"not JSON from {where} on ({error.msg})") from None
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    _within_limits(found)
    return found


def parse_toml(text: str) -> dict[str, Any]:
    """The data of TOML text; raises ValueError (`tomllib.TOMLDecodeError` for what is no TOML) as `parse_json`."""
    if max(chunk.count(".") for chunk in re.split(r"[\[\]{}=,\n]", text)) > _MAX_KEY_PARTS:
        raise ValueError(_TOO_DEEP)  # `tomllib` takes memory by the square of a key's parts
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise
    except ValueError:
        raise ValueError("a number of thousands of digits") from None
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    _within_limits(found)
    return found


def cell_text(value: Any) -> str:
    """A value of JSON as a cell of a table: text as it is, numbers without exponent, `true`, `false`; null is empty."""
    if isinstance(value, str):
        return value
    if type(value) in (int, float) and isfinite(value):
        text = repr(value)
        return format(Decimal(text), "f") if "e" in text else text
    return "" if value is None else json.dumps(value)


def _within_limits(data: Any) -> None:
    """Raise ValueError where `data` is too deep, a number too large, or a text no text (no path may hold U+0000)."""
    level = [data]
    for _ in range(MAX_DEPTH + 1):
        numbers = [value for value in level if type(value) is int]
        if max(map(abs, numbers), default=0).bit_length() > MAX_BITS:
            raise ValueError(f"a whole number of more than {MAX_BITS} bits")
        if any("\0" in text for text in [value for value in level if type(value) is str]):
            raise ValueError("the character U+0000 in a text")
        inner = [value.values() if type(value) is dict else value for value in level if type(value) in (dict, list)]
        level = list(chain.from_iterable(inner))
        if not level:
            return
    raise ValueError(_TOO_DEEP)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"`{next(key for key in keys if keys.count(key) > 1)}` stands there twice")
    return found


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is not a number")


def _whole(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise ValueError(f"a number of {len(text):,} digits")
    return int(text)
