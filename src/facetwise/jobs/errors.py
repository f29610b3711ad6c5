"""Errors as plain data: an error keeps its class, message and hint when it crosses a process boundary."""

from __future__ import annotations

import builtins
import json
from collections.abc import Iterator
from traceback import format_exception
from typing import Any

from facetwise.core.errors import FacetwiseError


def error_as_data(error: Exception) -> dict[str, Any]:
    """An error as JSON data, with its traceback unless it is a FacetwiseError."""
    made_by = error.__reduce__()
    arguments = made_by[1] if isinstance(made_by, tuple) else error.args
    data = {
        "classes": [kind.__name__ for kind in type(error).__mro__],
        "message": str(error),
        "arguments": list(arguments),
        "attributes": vars(error),
        "traceback": None if isinstance(error, FacetwiseError) else "".join(format_exception(error)),
    }
    plain: dict[str, Any] = json.loads(json.dumps(data, default=str))
    return plain


def error_from_data(data: dict[str, Any]) -> Exception:
    """The error that `error_as_data` described: of the same class, or of the nearest base class known here."""
    ours = {kind.__name__: kind for kind in _with_subclasses(FacetwiseError)}
    for name in data["classes"]:
        if name in ours:
            error: Exception = ours[name].__new__(ours[name], *data["arguments"])
            vars(error).update({k: tuple(v) if isinstance(v, list) else v for k, v in data["attributes"].items()})
            return error
    found = _builtin(data["classes"], data["arguments"]) or RuntimeError(f"{data['classes'][0]}: {data['message']}")
    found.add_note(f"In another process:\n{data['traceback']}")
    return found


def _with_subclasses(kind: type[FacetwiseError]) -> Iterator[type[FacetwiseError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _with_subclasses(below)


def _builtin(classes: list[str], arguments: list[Any]) -> Exception | None:
    """The same error if its class is one of Python's own and can be constructed from plain data."""
    kind = getattr(builtins, classes[0], None)
    if not (isinstance(kind, type) and issubclass(kind, Exception)):
        return None
    try:
        return kind(*arguments)
    except TypeError:
        return None
