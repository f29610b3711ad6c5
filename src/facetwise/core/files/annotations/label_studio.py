"""Label Studio: tasks with annotations, as its export `JSON` writes and its import reads them.

Source: HumanSignal/label-studio, docs/source/includes/task_format.md and docs/source/guide/predictions.md. A label is a
result of `Choices`, `Number` or `Rating` called like the attribute.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import quoteattr

from facetwise.core.errors import InputError
from facetwise.core.files.annotations.annotated import (
    SEVERAL,
    Annotated,
    AnnotatedImage,
    AnnotationFormat,
    Guess,
    Part,
    Said,
    merged,
    number_or_text,
    parsed,
)
from facetwise.core.files.parsing import cell_text
from facetwise.core.labels import Attribute
from facetwise.core.text.counting import count

_LOCAL = "/data/local-files/"
_UPLOADED = re.compile(r"/data/upload/(?:[0-9]+/)?(?:[0-9a-f]{8}-)?(.+)")
"""Where Label Studio keeps what was uploaded: the number of the project, and random digits before the name."""
_IMAGE = "image"
_ENOUGH = 100
"""Tasks by which it is told what they call the image."""


_LeftOut = Counter[tuple[str, str]]
"""What is no label, in two parts of a phrase -> how often."""


class _Result(Part):
    from_name: str = ""
    type: str = ""
    value: Any = None
    meta: dict[str, Any] | None = None


class _Annotation(Part):
    id: int | str | None = None
    result: tuple[_Result, ...] | None = ()
    was_cancelled: bool | None = False
    ground_truth: bool | None = False
    completed_by: int | str | dict[str, Any] | None = None


class _Task(Part):
    id: int | str | None = None
    data: dict[str, Any]
    annotations: tuple[_Annotation, ...] = ()
    predictions: tuple[Any, ...] = ()


def _fits(data: Any) -> bool:
    return isinstance(data, list) and bool(data) and isinstance(data[0], dict) and isinstance(data[0].get("data"), dict)


def _read(data: Any) -> Annotated:
    tasks = parsed(list[_Task], data, "Label Studio")
    key, left_out = _image_key(tasks), _LeftOut()
    numbered = ((number if task.id is None else task.id, task) for number, task in enumerate(tasks, 1))
    images = merged(one for number, task in numbered for one in _of_task(task, f"task {number}", key, left_out))
    return Annotated(images, tuple(count(many, what) + rest for (what, rest), many in left_out.items() if many))


def _of_task(task: _Task, where: str, key: str, left_out: _LeftOut) -> Iterator[AnnotatedImage]:
    """A record for each annotation that counts; one without labels where none does."""
    url = task.data.get(key)
    if not isinstance(url, str):
        raise InputError(f"{where}: no `{key}` in its `data`, which others have as their image")
    image = image_name(url)
    others = {k: cell_text(v) for k, v in task.data.items() if k != key and not isinstance(v, dict | list)}
    given = [annotation for annotation in task.annotations if not annotation.was_cancelled]
    counted = [annotation for annotation in given if annotation.ground_truth] or given
    left_out["cancelled annotation", ""] += len(task.annotations) - len(given)
    left_out["annotation", " beside a ground truth"] += len(given) - len(counted)
    left_out["prediction", ""] += len(task.predictions)
    if not counted:
        yield AnnotatedImage(where, image, {}, others)
    for annotation in counted:
        alone = len(counted) == 1 or annotation.id is None
        labels = dict(_labels(annotation, f"label-studio #{where.removeprefix('task ')}", left_out))
        yield AnnotatedImage(where if alone else f"{where}, annotation {annotation.id}", image, labels, others)


def image_name(url: str) -> str:
    """The name of the image that a task shows: without the host, and without what an upload puts before it."""
    parts = urlsplit(url)
    if parts.path == _LOCAL and (local := parse_qs(parts.query).get("d")):
        return local[0]
    if not parts.scheme and not url.startswith("/data/"):
        return url
    path = unquote(parts.path)
    uploaded = _UPLOADED.fullmatch(path)
    return uploaded[1] if uploaded else path.removeprefix("/")


def _image_key(tasks: Sequence[_Task]) -> str:
    """What the image is called in the tasks' data: `image`, else the key with the most names of files."""
    files = Counter(
        key
        for task in tasks[:_ENOUGH]
        for key, value in task.data.items()
        if isinstance(value, str) and PurePosixPath(image_name(value)).suffix
    )
    return _IMAGE if _IMAGE in files or not files else files.most_common(1)[0][0]


def _labels(annotation: _Annotation, reason: str, left_out: _LeftOut) -> Iterator[tuple[str, Said]]:
    """The labels of an annotation; other results are counted in `left_out`."""
    for result in annotation.result or ():
        value = _said(result.value) if isinstance(result.value, dict) and result.from_name else None
        if value is None:
            left_out["result", f" of type `{result.type or 'unknown'}`"] += 1
            continue
        meta = result.meta or {}
        author = meta.get("author") or _annotator(annotation.completed_by)
        yield result.from_name, Said(value, str(author), str(meta.get("reason") or reason))


def _said(value: Mapping[str, Any]) -> str | None:
    """The classes or the number of a result; None for what is no label, or one of a region of the image."""
    if "x" in value:
        return None
    choices, number = value.get("choices"), value.get("number", value.get("rating"))
    if isinstance(choices, list):
        return SEVERAL.join(map(cell_text, choices))
    return cell_text(number) if isinstance(number, int | float) else None


def _annotator(who: int | str | dict[str, Any] | None) -> str:
    match who:
        case {"email": str(email)} if email:
            return email
        case {"id": int() | str() as number}:
            return f"label-studio user {number}"
        case int():
            return f"label-studio user {who}"
        case str():
            return who
    return ""


def _write(images: Sequence[AnnotatedImage], attributes: Mapping[str, Attribute]) -> list[dict[str, Any]]:
    return [_task(number, one, attributes) for number, one in enumerate(images, 1)]


def _task(number: int, one: AnnotatedImage, attributes: Mapping[str, Attribute]) -> dict[str, Any]:
    task: dict[str, Any] = {
        "id": number,
        "data": {**one.others, _IMAGE: f"{_LOCAL}?d={quote(one.image)}"},
        "annotations": [],
        "predictions": [],
    }
    if one.labels:
        results = [_result(number, attributes[name], said.value) | _meta(said) for name, said in one.labels.items()]
        task["annotations"] = [{"id": number, "result": results, "was_cancelled": False, "ground_truth": False}]
    if one.guesses is not None:
        guessed = [
            _result(number, attributes[name], _shown(guess)) | {"score": guess.probability}
            for name, guess in one.guesses.labels.items()
        ]
        task["predictions"] = [
            {"model_version": one.guesses.predictor, "score": one.guesses.score, "result": guessed},
        ]
    return task


def _shown(guess: Guess) -> str:
    return guess.value if guess.number is None else str(guess.number)


def _result(number: int, attribute: Attribute, value: str) -> dict[str, Any]:
    plain = number_or_text(value) if attribute.is_ordinal else value
    kind, found = ("choices", [plain]) if isinstance(plain, str) else ("number", plain)
    where = {"id": f"{number}-{attribute.name}", "from_name": attribute.name, "to_name": _IMAGE}
    return {**where, "type": kind, "value": {kind: found}}


def _meta(said: Said) -> dict[str, Any]:
    return {"meta": {"author": said.author, "reason": said.reason}} if said.author else {}


def interface(attributes: Sequence[Attribute]) -> str:
    """The labelling interface (XML) in which tasks that were written can be shown and corrected."""
    lines = ["<View>", f'  <Image name="{_IMAGE}" value="${_IMAGE}"/>']
    for attribute in attributes:
        name = quoteattr(attribute.name)
        lines.append(f"  <Header value={name}/>")
        if attribute.is_ordinal:
            low, high = attribute.valid or (None, None)
            limits = "" if low is None else f' min="{low:g}" max="{high:g}"'
            lines.append(f'  <Number name={name} toName="{_IMAGE}"{limits}/>')
        else:
            lines.append(f'  <Choices name={name} toName="{_IMAGE}" choice="single">')
            lines += [f"    <Choice value={quoteattr(c)}/>" for c in attribute.classes]
            lines.append("  </Choices>")
    return "\n".join([*lines, "</View>"]) + "\n"


LABEL_STUDIO = AnnotationFormat("Label Studio", _fits, _read, _write)
