"""Record, recipe and events of a run in a pack: only the fields named here get into a pack or out of one.

So everything that is read of an imported run later has the expected shape.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, ValidationError

from facetwise.core.errors import FacetwiseError, InputError, ProblemsError, SettingError
from facetwise.core.files.parsing import parse_json, parse_toml
from facetwise.core.files.settings import Spec, parse
from facetwise.core.labels import MAX_ATTRIBUTES
from facetwise.core.records.base import checked, explained
from facetwise.core.records.run import RunRecord
from facetwise.core.workspace import content_hash
from facetwise.data.folds import MAX_FOLDS
from facetwise.recipe import Recipe
from facetwise.recipe.model import NO_FILE
from facetwise.sharing.format import LINE, MAX_TEXT, MIB, RUN_ID, PackedFolds, RunId, Text

MAX_LINE = MIB
"""Largest size of an event in bytes."""
MAX_NUMBER = 1e30
Fold = Annotated[int, Field(ge=0, lt=MAX_FOLDS)]
Count = Annotated[int, Field(ge=0, le=10**12)]
_PATHS = (("model", "weights"), ("input", "boxes"))


class _Event(Spec):
    model_config = ConfigDict(allow_inf_nan=True)  # a score may be NaN
    time: Text | None = None


class _RunEvent(_Event):
    event: Literal["run"]
    run: RunId
    folds: list[Fold]
    store: Text


class _ClassCount(Spec):
    name: Text
    images: Count
    people: Count
    available: Count | None = None


class _ContentEvent(_Event):
    event: Literal["content"]
    fold: Fold
    images: Count
    people: Count
    classes: Annotated[
        dict[Text, Annotated[list[_ClassCount], Field(max_length=5000)]], Field(max_length=MAX_ATTRIBUTES + 1)
    ]


class _FoldEvent(_Event):
    event: Literal["fold"]
    fold: Fold
    from_epoch: Count
    epochs: Count
    steps: Count


class _EpochEvent(_Event):
    event: Literal["epoch"]
    fold: Fold
    epoch: Annotated[int, Field(ge=1, le=10**6)]
    train_loss: float | None
    val_loss: float | None
    val_macro_f1: float | None
    val_score: float | None = None
    lr: float
    seconds: Annotated[float, Field(ge=0, le=1e9)]
    images_per_second: float


class _FoldDoneEvent(_Event):
    event: Literal["fold_done"]
    fold: Fold
    epoch: Annotated[int, Field(ge=0, le=10**6)]


class _DoneEvent(_Event):
    event: Literal["done"]
    run: RunId


_EVENT_TYPES: dict[Any, type[_Event]] = {
    "run": _RunEvent,
    "content": _ContentEvent,
    "fold": _FoldEvent,
    "epoch": _EpochEvent,
    "fold_done": _FoldDoneEvent,
    "done": _DoneEvent,
}


def parse_record(data: Any, source: str) -> RunRecord:
    """The record of a run; raises InputError or ProblemsError naming everything that is invalid."""
    if not isinstance(data, dict):
        raise InputError(f"{source}: not a JSON object")
    try:
        record = checked(RunRecord, data, strict_keys=True)
    except ValidationError as error:
        raise ProblemsError(f"{source}: not the record of a run", explained(error)) from None
    if problems := list(_beyond_limits(data)):
        raise ProblemsError(f"{source}: not the record of a run", problems)
    return record


def _beyond_limits(data: Mapping[str, Any]) -> Iterator[str]:
    """Values of a record that are not valid names, lines of text or plausible numbers; the recipe is checked
    separately."""
    if not RUN_ID.fullmatch(data["id"]):
        yield "`id`: not the name of a run"
    for where, value in _leaves({key: part for key, part in data.items() if not key.endswith(("recipe", "_fields"))}):
        if isinstance(value, str) and not LINE.fullmatch(value):
            yield f"`{where}`: not a line of at most {MAX_TEXT} characters, without control characters"
        if isinstance(value, float) and not abs(value) <= MAX_NUMBER:
            yield f"`{where}`: {value} is beyond {MAX_NUMBER}"


def _leaves(value: Any, where: str = "") -> Iterator[tuple[str, Any]]:
    """Every value in JSON data with its path, such as `provenance.made`; keys of objects count as values."""
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield where, key
            yield from _leaves(part, f"{where}.{key}" if where else str(key))
    elif isinstance(value, list):
        for part in value:
            yield from _leaves(part, where)
    else:
        yield where, value


def check_record(record: RunRecord, folds: PackedFolds | None, attributes: Iterable[str]) -> list[str]:
    """Contradictions within a record, or with its pack or the label space, one line each."""
    fields, own = record.fingerprint_fields, folds.hash if folds else None
    problems = [] if set(record.attributes) <= set(attributes) else ["it predicts attributes that are not of the label"]
    if len(set(record.attributes)) != len(record.attributes):
        problems.append("it names an attribute twice")
    if record.fingerprint != content_hash(fields.as_dict()):
        problems.append("its fingerprint is not that of its fields")
    if record.recipe != fields.recipe:
        problems.append("its recipe is not that of its fingerprint")
    if record.folds != list(range(len(record.folds))):
        problems.append("its folds are not 0, 1, ...")
    if fields.folds != own or record.split != (folds.split if folds else "none"):
        problems.append("its folds are not those that the pack tells of")
    if record.num_folds != (folds.num_folds if folds else 0) or (record.fold_name is None) != (folds is None):
        problems.append("its number of folds, or their name, is not as the pack says")
    return problems


def check_recipe(recipe: Recipe, record: RunRecord) -> list[str]:
    """Contradictions between recipe and record, one line each."""
    problems = []
    plan, size = recipe.folds.plan, len(record.folds)
    try:
        if parse(Recipe, record.recipe, "run.json") != recipe:
            problems.append("recipe.toml is not the recipe of run.json")
    except SettingError as error:
        problems.append(f"the recipe in run.json is not usable: {error}")
    wanted = plan if isinstance(plan, int) else 1
    if size != wanted or (plan == "none") != (record.split == "none"):
        problems.append(f"recipe.toml plans folds `{plan}`, run.json has {size}, split `{record.split}`")
    if isinstance(plan, int) and record.num_folds != plan:
        problems.append(f"recipe.toml plans {plan} folds, run.json has {record.num_folds}")
    if shorten(recipe.as_dict())[1]:
        problems.append("recipe.toml has paths that are absolute or lead upwards")
    if not _printable(recipe.as_dict()):
        problems.append("recipe.toml has control characters")
    return problems


def shorten(recipe: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """A recipe (as JSON data) with paths that lead out of the project shortened to the file name, and their keys."""
    changed, keys = dict(recipe), []
    for section, key in _PATHS:
        path = recipe.get(section, {}).get(key)
        if isinstance(path, str) and path not in NO_FILE and _leads_out(path):
            changed[section] = {**changed[section], key: re.split(r"[/\\]", path)[-1] or "file"}
            keys.append(f"{section}.{key}")
    return changed, keys


def _leads_out(path: str) -> bool:
    both = (PurePosixPath(path), PureWindowsPath(path))
    return any(p.is_absolute() or p.drive or ".." in p.parts for p in both) or path.startswith(("~", "\\"))


def event_lines(events: Iterable[Mapping[str, Any]]) -> bytes:
    """Known events with their known fields as JSON lines; all others are dropped."""
    lines = []
    for event in events:
        with suppress(ValidationError, KeyError, TypeError):
            kind = _EVENT_TYPES[event["event"]]
            known = kind.model_validate({k: v for k, v in event.items() if k in kind.model_fields})
            lines.append(json.dumps(known.model_dump(mode="json", exclude_unset=True), ensure_ascii=False) + "\n")
    return "".join(lines).encode()


def check_events(path: Path) -> None:
    """Raise InputError naming the line unless every line of the file is a known event."""
    with path.open("rb") as file:
        for number, line in enumerate(iter(lambda: file.readline(MAX_LINE + 1), b""), start=1):
            if len(line) > MAX_LINE or not line.endswith(b"\n"):
                raise InputError(f"{path.name}, line {number}: longer than {MAX_LINE:,} bytes, or without an end")
            try:
                event = parse_json(line)
                _EVENT_TYPES[event["event"]].model_validate(event)
            except (ValueError, TypeError, KeyError) as error:
                raise InputError(f"{path.name}, line {number}: not an event ({_short(error)})") from None


def plain_json(data: bytes, name: str) -> Any:
    """Parse untrusted JSON; raises InputError when it is invalid, repeats a key or is nested too deeply."""
    try:
        return parse_json(data, strict=True)
    except ValueError as error:
        raise InputError(f"{name}: not readable as JSON ({_short(error)})") from None


def read_recipe(text: bytes, name: str) -> Recipe:
    """Parse an untrusted recipe; raises InputError for anything that this version cannot read."""
    try:
        return parse(Recipe, parse_toml(text.decode()), name)
    except ValueError as error:
        hint = error.hint if isinstance(error, FacetwiseError) else None
        raise InputError(f"{name}: not a recipe that this version reads ({error})", hint=hint) from None


def _short(error: BaseException) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"[:200]
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def _printable(value: Any) -> bool:
    """Whether all text in JSON data is free of control characters."""
    texts = (text for _, text in _leaves(value) if isinstance(text, str))
    return not any(ord(c) < 32 or 127 <= ord(c) < 160 for text in texts for c in text)
