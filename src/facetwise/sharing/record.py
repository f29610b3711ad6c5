"""The record, recipe and events of a run as they travel: nothing that this file does not name gets into a pack, or out
of one. So what lists, pages and the doctor read of an imported run later has the shape that they expect."""

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
from facetwise.core.records.base import checked, explained
from facetwise.core.records.run import RunRecord
from facetwise.core.workspace import content_hash
from facetwise.data.folds import MAX_FOLDS
from facetwise.recipe import Recipe
from facetwise.recipe.model import NO_FILE
from facetwise.sharing.format import LINE, MAX_TEXT, MIB, RUN_ID, PackedFolds, RunId, Text

MAX_LINE = MIB
"""Most bytes of an event."""
MAX_NUMBER = 1e30
Fold = Annotated[int, Field(ge=0, lt=MAX_FOLDS)]
Count = Annotated[int, Field(ge=0, le=10**12)]
_PATHS = (("model", "weights"), ("input", "boxes"))


class _Event(Spec):
    model_config = ConfigDict(allow_inf_nan=True)  # a score may be NaN, which readers know
    time: Text | None = None


class _Began(_Event):
    event: Literal["run"]
    run: RunId
    folds: list[Fold]
    store: Text


class _ClassCount(Spec):
    name: Text
    images: Count
    people: Count
    available: Count | None = None


class _Held(_Event):
    event: Literal["content"]
    fold: Fold
    images: Count
    people: Count
    classes: Annotated[dict[Text, Annotated[list[_ClassCount], Field(max_length=5000)]], Field(max_length=8)]


class _FoldBegan(_Event):
    event: Literal["fold"]
    fold: Fold
    from_epoch: Count
    epochs: Count
    steps: Count


class _Epoch(_Event):
    event: Literal["epoch"]
    fold: Fold
    epoch: Annotated[int, Field(ge=1, le=10**6)]
    train_loss: float | None
    val_loss: float | None
    val_macro_f1: float | None
    lr: float
    seconds: Annotated[float, Field(ge=0, le=1e9)]
    images_per_second: float


class _FoldDone(_Event):
    event: Literal["fold_done"]
    fold: Fold
    epoch: Annotated[int, Field(ge=0, le=10**6)]


class _Done(_Event):
    event: Literal["done"]
    run: RunId


_KINDS: dict[Any, type[_Event]] = {
    "run": _Began,
    "content": _Held,
    "fold": _FoldBegan,
    "epoch": _Epoch,
    "fold_done": _FoldDone,
    "done": _Done,
}


def parse_record(data: Any, source: str) -> RunRecord:
    """The record of a run; raises InputError naming everything in it that is not as it should be."""
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
    """What of a record is no name, no line of text, or no number that anybody trains with; its recipe is read apart."""
    if not RUN_ID.fullmatch(data["id"]):
        yield "`id`: not the name of a run"
    for where, value in _leaves({key: part for key, part in data.items() if not key.endswith(("recipe", "_fields"))}):
        if isinstance(value, str) and not LINE.fullmatch(value):
            yield f"`{where}`: not a line of at most {MAX_TEXT} characters, without control characters"
        if isinstance(value, float) and not abs(value) <= MAX_NUMBER:
            yield f"`{where}`: {value} is beyond {MAX_NUMBER}"


def _leaves(value: Any, where: str = "") -> Iterator[tuple[str, Any]]:
    """Every value in plain data with its place, such as `provenance.made`; the keys of objects are values too."""
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
    """What in a record contradicts itself, its pack or the label space, a line each."""
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
    """What of the recipe does not fit the record, a line each."""
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
    """A recipe (plain data) whose paths out of the project are cut to the file's name, and the keys where that was."""
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
    """The known events as lines of JSON, with their known fields; others are left out."""
    lines = []
    for event in events:
        with suppress(ValidationError, KeyError, TypeError):
            kind = _KINDS[event["event"]]
            known = kind.model_validate({k: v for k, v in event.items() if k in kind.model_fields})
            lines.append(json.dumps(known.model_dump(mode="json"), ensure_ascii=False) + "\n")
    return "".join(lines).encode()


def check_events(path: Path) -> None:
    """Raise InputError, naming the line, unless every line of a file is a known event."""
    with path.open("rb") as file:
        for number, line in enumerate(iter(lambda: file.readline(MAX_LINE + 1), b""), start=1):
            if len(line) > MAX_LINE or not line.endswith(b"\n"):
                raise InputError(f"{path.name}, line {number}: longer than {MAX_LINE:,} bytes, or without an end")
            try:
                event = parse_json(line)
                _KINDS[event["event"]].model_validate(event)
            except (ValueError, TypeError, KeyError) as error:
                raise InputError(f"{path.name}, line {number}: not an event ({_short(error)})") from None


def plain_json(data: bytes, name: str) -> Any:
    """JSON from outside; raises InputError when it is none, repeats a key, or is nested too deeply."""
    try:
        return parse_json(data, strict=True)
    except ValueError as error:
        raise InputError(f"{name}: not readable as JSON ({_short(error)})") from None


def read_recipe(text: bytes, name: str) -> Recipe:
    """A recipe from outside; raises InputError for anything that this version cannot read."""
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
    """Whether no text in plain data holds control characters."""
    texts = (text for _, text in _leaves(value) if isinstance(text, str))
    return not any(ord(c) < 32 or 127 <= ord(c) < 160 for text in texts for c in text)
