"""FiftyOne: `samples.json` of a `FiftyOneDataset`, and `labels.json` of a `FiftyOneImageClassificationDataset`.

Source: voxel51/fiftyone, fiftyone/utils/data/importers.py, and docs/source/user_guide/dataset_creation/datasets.rst. A
label is a field with a `Classification`, `Classifications` or `Regression`; one with a confidence is a prediction.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from facetwise.core.errors import InputError
from facetwise.core.files.annotations.annotated import (
    SEVERAL,
    Annotated,
    AnnotatedImage,
    AnnotationFormat,
    Part,
    Said,
    merged,
    number_or_text,
    parsed,
)
from facetwise.core.files.parsing import cell_text
from facetwise.core.labels import Attribute
from facetwise.core.text.counting import count

_FIELD = "ground_truth"
"""Where FiftyOne itself puts labels that have no name."""
_TAGS = "tags"
"""The field of tags, such as `train`; several stand in a cell as several classes do."""
_NOT_SAID = frozenset({"filepath", "id", _TAGS, "metadata", "created_at", "last_modified_at"})
"""Fields of every sample, which say nothing of its label or its subject."""


class _Samples(Part):
    samples: list[dict[str, Any]]


class _Labels(Part):
    classes: list[str] | None = None
    labels: dict[str, Any]


def _fits(data: Any) -> bool:
    if not isinstance(data, dict):
        return False
    of_samples = isinstance(data.get("samples"), list)
    return of_samples or (isinstance(data.get("labels"), dict) and data.keys() <= {"classes", "labels"})


def _read(data: Any) -> Annotated:
    return _of_samples(data) if isinstance(data, dict) and "samples" in data else _of_labels(data)


def _of_samples(data: Any) -> Annotated:
    images, left = [], Counter[str]()
    for number, sample in enumerate(parsed(_Samples, data, "FiftyOne").samples, 1):
        where, path = f"sample {number}", sample.get("filepath")
        if not isinstance(path, str):
            raise InputError(f"{where}: no `filepath`")
        labels, others = dict[str, Said](), dict[str, str]()
        for name, value in sample.items():
            if name in _NOT_SAID or name.startswith("_") or value is None:
                continue
            if not isinstance(value, dict | list):
                others[name] = cell_text(value)
            elif (found := _label(value)) is not None:
                labels[name] = found
            else:
                left[name] += 1
        if tags := [tag for tag in sample.get("tags") or () if isinstance(tag, str)]:
            others[_TAGS] = SEVERAL.join(tags)
        images.append(AnnotatedImage(where, path, labels, others))
    told = [f"`{name}` of {count(many, 'sample')}, no label or a prediction" for name, many in left.items()]
    return Annotated(merged(images), tuple(told))


def _label(value: Any) -> Said | None:
    """The label in a field; None where it holds none, or a prediction."""
    match value:
        case {"confidence": int() | float()}:
            return None
        case {"_cls": "Classification", "label": str(text)}:
            pass
        case {"_cls": "Regression", "value": int() | float() as number}:
            text = cell_text(number)
        case {"_cls": "Classifications", "classifications": [*several]}:
            kept = [one for one in several if isinstance(one, dict) and one.get("confidence") is None]
            text = SEVERAL.join(str(one.get("label")) for one in kept)
        case _:
            return None
    return Said(text, str(value.get("author") or ""), str(value.get("reason") or "")) if text else None


def _of_labels(data: Any) -> Annotated:
    read = parsed(_Labels, data, "FiftyOne")
    images = []
    for name, target in read.labels.items():
        label = _target(name, target, read.classes)
        images.append(AnnotatedImage(f"`{name}`", name, {} if label is None else {_FIELD: Said(label)}))
    return Annotated(tuple(images), ())


def _target(name: str, target: Any, classes: Sequence[str] | None) -> str | None:
    """The class in `labels.json`: a name, a place among the classes, both of which may stand in a section or list."""
    match target:
        case None:
            return None
        case {"label": inner}:
            return _target(name, inner, classes)
        case [*several]:
            return SEVERAL.join(filter(None, (_target(name, one, classes) for one in several))) or None
        case str():
            return target
        case int() if classes is not None and 0 <= target < len(classes):
            return classes[target]
    got = f"only {len(classes)} classes" if classes is not None else "no classes"
    raise InputError(f"`{name}` has the label {target!r:.40}, and the file {got}")


def _write(images: Sequence[AnnotatedImage], attributes: Mapping[str, Attribute]) -> dict[str, Any]:
    return {"samples": [_sample(one, attributes) for one in images]}


def _sample(one: AnnotatedImage, attributes: Mapping[str, Attribute]) -> dict[str, Any]:
    others = dict(one.others)
    tags = [tag for tag in others.pop(_TAGS, "").split(SEVERAL) if tag]
    sample: dict[str, Any] = {"filepath": one.image, _TAGS: tags, "metadata": None, **others}
    for name, said in one.labels.items():
        of_whom = {"author": said.author, "reason": said.reason} if said.author else {}
        value = number_or_text(said.value) if attributes[name].is_ordinal else said.value
        kind, key = ("Classification", "label") if isinstance(value, str) else ("Regression", "value")
        sample[name] = {"_cls": kind, key: value, **of_whom}
    for name, guess in () if one.guesses is None else one.guesses.labels.items():
        by = {"predictor": one.guesses.predictor} if one.guesses else {}
        label = {"_cls": "Classification", "label": guess.value, "confidence": guess.probability}
        sample[f"predicted_{name}"] = {**label, **by}
    return sample


FIFTYONE = AnnotationFormat("FiftyOne", _fits, _read, _write, absolute=True)
