"""Typed records: how the JSON files of artefacts are checked and written."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from facetwise.core.errors import ArtefactError, DamagedError
from facetwise.core.workspace import read_json, write_json

MAX_TOLD = 3
"""Faults of one record that a message lists; the rest is counted."""
M = TypeVar("M", bound=BaseModel)


class Record(BaseModel):
    """Base of all records: frozen; unknown keys are preserved, so that rewriting loses nothing."""

    model_config = ConfigDict(
        frozen=True,
        extra="allow",
        allow_inf_nan=False,
        use_attribute_docstrings=True,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
    )

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON data, as in the file."""
        return self.model_dump(mode="json")

    def changed(self, **changes: object) -> Self:
        """A copy with other values; raises pydantic's ValidationError for invalid ones."""
        return checked(type(self), {**self.as_dict(), **changes})


class Provenance(Record):
    """When and with what an artefact was made."""

    made: str
    """UTC, ISO 8601."""
    versions: dict[str, str] = Field(default_factory=dict)
    """Versions of the packages that affect results."""
    commit: str | None = None
    """The commit of facetwise's own source."""
    machine: dict[str, str | int | float | bool | None] = Field(default_factory=dict)
    """Processor, cores, memory and system."""


class Bounds(Record):
    """An interval: where a score or a difference lies with a probability of `level`."""

    low: float
    high: float
    level: float


def checked(model: type[M], data: Mapping[str, Any], *, strict_keys: bool = False) -> M:
    """Plain JSON data as `model`, without coercion between types; raises ValidationError.

    `strict_keys`: unknown keys are errors too.
    """
    return model.model_validate_json(json.dumps(data), strict=True, extra="forbid" if strict_keys else None)


def read_record(path: Path, model: type[M], what: str, *, way_out: str, versions: Sequence[int] = (1,)) -> M:
    """The record in a JSON file; `what` names its kind in errors, such as `a run`.

    Raises DamagedError, with `way_out` as its hint, when the file is missing, no JSON, or not such a record, and
    ArtefactError when a later version of facetwise wrote it.
    """
    try:
        data = versioned(path, versions)
    except DamagedError as error:
        raise DamagedError(*error.args, hint=way_out) from None
    return parse_record(path, data, model, what, way_out=way_out)


def parse_record(path: Path, data: Mapping[str, Any], model: type[M], what: str, *, way_out: str) -> M:
    """The content (`data`) of the JSON file at `path` as a record; raises DamagedError with all its faults."""
    try:
        return checked(model, data)
    except ValidationError as error:
        raise DamagedError(f"{path}: not the record of {what}: {problems_line(error)}", hint=way_out) from None


def versioned(path: Path, versions: Sequence[int] = (1,)) -> dict[str, Any]:
    """The object in a JSON file; without a version key, version 1 is assumed.

    Raises DamagedError when it is missing or not an object, ArtefactError for a version not in `versions`.
    """
    data = read_json(path)
    if not isinstance(data, dict):
        raise DamagedError(f"{path}: not an object")
    if type(version := data.get("schema_version", 1)) is not int:
        raise DamagedError(f"{path}: `schema_version` is {version!r}, expected a whole number")
    if version not in versions:
        reads = f"{versions[0]} to {versions[-1]}" if len(versions) > 1 else f"{versions[0]}"
        raise ArtefactError(
            f"{path}: schema version {version!r}, this facetwise reads {reads}",
            hint="it was made by another version: install that, or make it again",
        )
    return data


def write_record(path: Path, record: Record) -> None:
    """Write a record atomically."""
    write_json(path, record.as_dict())


def problems_line(error: ValidationError) -> str:
    """The first few faults of a record in one line."""
    found = explained(error)
    return "; ".join(found[:MAX_TOLD]) + (f"; and {len(found) - MAX_TOLD} more" if len(found) > MAX_TOLD else "")


def explained(error: ValidationError, tags: Sequence[str] = ()) -> list[str]:
    """The fault of each key, in words; `tags`: the tags of a union."""
    return [_explained(problem, tags) for problem in error.errors()]


def _explained(problem: Any, tags: Sequence[str]) -> str:
    where = ".".join(str(part) for part in problem["loc"][bool(tags) :])
    given, kind = problem.get("input"), problem["type"]
    if kind in ("extra_forbidden", "missing"):
        return f"`{where}`: {'missing' if kind == 'missing' else 'unknown key'}"
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        return f"{problem['ctx']['discriminator'].replace(chr(39), '`')}: expected one of {', '.join(tags)}"
    message = str(problem["msg"]).removeprefix("Value error, ").replace("Input should be ", "expected ")
    if not where:
        return message
    return f"`{where}`: {message}" + ("" if isinstance(given, dict | list) else f" (got {given!r})")
