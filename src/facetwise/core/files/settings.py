"""Typed settings from TOML: how they are read, and how errors in them are reported."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from facetwise.core.errors import InputError, SettingError, did_you_mean
from facetwise.core.files.outside import exists, is_folder, read_bounded
from facetwise.core.files.parsing import parse_toml
from facetwise.core.text.counting import count


class Spec(BaseModel):
    """Base of every typed setting: frozen, no unknown keys, a docstring under each field.

    A value is of the kind that is asked for, and nothing else is read as one: `"3"` and `true` are no numbers, `1` is
    no `true` and `3.0` no whole number. A whole number does where any number is asked for.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False, strict=True
    )


LISTED: Any = Field(strict=False)
"""For the annotation of a tuple: TOML has lists only, so it is read from one. What it holds stays strict."""


MAX_TOML = 2**20
"""Most bytes of a TOML file."""
S = TypeVar("S", bound=BaseModel)


def read_toml(path: Path) -> dict[str, Any]:
    """The TOML file at `path` as plain data; raises InputError naming the file and line."""
    if not exists(path):
        raise InputError(f"{path}: no such file")
    if is_folder(path):
        raise InputError(f"{path} is a folder, expected a TOML file")
    data = read_bounded(path, MAX_TOML)
    try:
        return parse_toml(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text (byte {error.start})", hint="save the file as UTF-8") from None
    except ValueError as error:
        raise InputError(f"{path}: not valid TOML: {error}") from None


def parse(spec: type[S], data: dict[str, Any], source: str) -> S:
    """Validate `data` as `spec`; raises SettingError with every problem at once, each naming its key."""
    try:
        return spec.model_validate(data)
    except ValidationError as error:
        lines = _joined([_explain(spec, problem) for problem in error.errors()])
        raise SettingError("\n".join([f"{source}: {count(len(lines), 'setting')} not usable", *lines])) from None


_WORDS = {
    "model_type": "expected a section of keys",
    "model_attributes_type": "expected a section of keys",
    "dict_type": "expected a section of keys",
    "list_type": "expected a list",
    "tuple_type": "expected a list",
    "float_type": "expected a number",
    "float_parsing": "expected a number",
    "int_type": "expected a whole number",
    "int_parsing": "expected a whole number",
    "int_from_float": "expected a whole number",
    "bool_type": "expected true or false",
    "bool_parsing": "expected true or false",
    "string_type": "expected text",
}
"""Pydantic's error types in the words of a recipe."""
MAX_SHOWN = 200
"""Characters of a key or a value that a message repeats."""
_INNER = re.compile(r"(constrained-|literal\[|function-|list\[|nullable)|(int|float|str|bool)$")
"""Parts of a path that name an alternative of a union, and no key."""


def _joined(lines: list[str]) -> list[str]:
    """One line per key, alternatives joined by `or`."""
    found: dict[str, list[str]] = {}
    for line in lines:
        key, _, rest = line.partition(": ")
        found.setdefault(key, []).append(rest)
    return [f"{key}: {_alternatives(rests)}" for key, rests in found.items()]


def _alternatives(rests: list[str]) -> str:
    *others, last = dict.fromkeys(rests)
    got = last[last.rindex(" (got ") :] if " (got " in last else ""
    first, *rest = [*(other.removesuffix(got) for other in others), last]
    return " or ".join([first, *(part.removeprefix("expected ") for part in rest)])


def _explain(spec: type[BaseModel], problem: Any) -> str:
    where = _key(spec, problem["loc"]) or "(top level)"
    if problem["type"] == "extra_forbidden":
        known = _fields_at(spec, problem["loc"][:-1])
        return f"  - `{where}`: unknown key; {did_you_mean(str(problem['loc'][-1]), known)}"
    if problem["type"] == "union_tag_invalid":
        context = problem["ctx"]
        tags = [t.strip().strip("'") for t in str(context["expected_tags"]).split(",")]
        return f"  - `{where}.name`: unknown `{_cut(context['tag'])}`; {did_you_mean(str(context['tag']), tags)}"
    if problem["type"] == "union_tag_not_found":
        return f"  - `{where}.name`: missing"
    if problem["type"] == "missing":
        return f"  - `{where}`: missing"
    message = _WORDS.get(problem["type"], str(problem["msg"]).removeprefix("Value error, "))
    message = message.replace("Input should be ", "expected ")
    got = problem.get("input")
    return f"  - `{where}`: {message}" + ("" if isinstance(got, dict) else f" (got {_shown(got)})")


def _shown(got: Any) -> str:
    """A value as it is written in TOML; of an endless one only the beginning."""
    return _cut(str(got).lower() if isinstance(got, bool) else repr(got))


def _cut(text: str) -> str:
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."


def _key(spec: type[BaseModel], path: tuple[Any, ...]) -> str:
    """A key as it is written: pydantic puts the kind of a family (`optimizer.adamw.lr`) into the path."""
    tags = [{_tag(m) for m in _models_at(spec, path[:i])} for i in range(len(path))]
    parts = [str(p) for p, own in zip(path, tags, strict=True) if p not in own and not _INNER.match(str(p))]
    return _cut(".".join(parts))


def _fields_at(spec: type[BaseModel], path: tuple[Any, ...]) -> list[str]:
    """Field names of the models that `path` leads to."""
    return sorted({name for m in _models_at(spec, path) for name in m.model_fields})


def _models_at(spec: type[BaseModel], path: tuple[Any, ...]) -> list[type[BaseModel]]:
    """The models that `path` leads to, walking through lists and tagged unions."""
    models: list[type[BaseModel]] = [spec]
    for part in path:
        if isinstance(part, int):
            continue
        annotations = [m.model_fields[part].annotation for m in models if part in m.model_fields]
        found = [sub for a in annotations for sub in _models_in(a)]
        tagged = [m for m in models if _tag(m) == part]
        models = found or tagged or models
    return models


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [m for arg in getattr(annotation, "__args__", ()) for m in _models_in(arg)]


def _tag(model: type[BaseModel]) -> Any:
    field = model.model_fields.get("name")
    return None if field is None else field.default
