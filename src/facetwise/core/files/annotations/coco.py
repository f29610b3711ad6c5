"""COCO-like JSON: `images`, `annotations` with `attributes` (as CVAT and others add them), and `categories`.

Source: the data format of COCO (its site, and cocodataset/cocoapi, PythonAPI/pycocotools/coco.py). An annotation with a
`score` is a result, that is a prediction. Categories are a label called `category` where there are several.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import Field

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

CATEGORY = "category"
_ABOUT_THE_FILE = frozenset(
    {"id", "file_name", "width", "height", "license", "flickr_url", "coco_url", "date_captured"}
)
"""Keys of an image that say nothing of whose it is."""
_PHOTO = {"id": 1, "name": "photo", "supercategory": ""}
"""The category of whole images."""


class _Annotation(Part):
    id: int | str | None = None
    image_id: int | str
    category_id: int | str | None = None
    attributes: dict[str, Any] = Field(default_factory=dict)
    score: float | None = None
    author: str = ""
    reason: str = ""


class _Category(Part):
    id: int | str
    name: str


class _File(Part):
    images: list[dict[str, Any]]
    annotations: tuple[_Annotation, ...] = ()
    categories: tuple[_Category, ...] = ()


def _fits(data: Any) -> bool:
    return isinstance(data, dict) and isinstance(data.get("images"), list) and "annotations" in data


def _read(data: Any) -> Annotated:
    read = parsed(_File, data, "COCO")
    of_image: dict[int | str, list[_Annotation]] = {image.get("id"): [] for image in read.images}  # type: ignore[misc]
    for annotation in read.annotations:
        if annotation.image_id not in of_image:
            raise InputError(f"annotation {annotation.id} is of image {annotation.image_id}, which is not listed")
        of_image[annotation.image_id].append(annotation)
    names = {category.id: category.name for category in read.categories}
    guessed = sum(annotation.score is not None for annotation in read.annotations)
    images = list[AnnotatedImage]()
    for image in read.images:
        own = [a for a in of_image[image["id"]] if a.score is None]
        images += _of_image(image, own, names if len(names) > 1 else {})
    left_out = (f"{count(guessed, 'annotation')} with a score, which are predictions",) if guessed else ()
    return Annotated(merged(images), left_out)


def _of_image(
    image: Mapping[str, Any], annotations: Sequence[_Annotation], names: Mapping[int | str, str]
) -> Iterator[AnnotatedImage]:
    """The records of one image: its categories and one an annotation with attributes."""
    where, name = f"image {image['id']}", image.get("file_name")
    if not isinstance(name, str):
        raise InputError(f"{where}: no `file_name`")
    others = {
        key: cell_text(value)
        for key, value in image.items()
        if key not in _ABOUT_THE_FILE and not isinstance(value, dict | list)
    }
    ids = [annotation.category_id for annotation in annotations] if names else []
    if unknown := [one for one in ids if one not in names]:
        raise InputError(f"{where}: an annotation is of category {unknown[0]}, which is not listed")
    found = SEVERAL.join(called for one, called in names.items() if one in ids)
    yield AnnotatedImage(where, name, {CATEGORY: Said(found)} if found else {}, others)
    for a in annotations:
        labels = {
            key: Said(cell_text(value), a.author, a.reason)
            for key, value in a.attributes.items()
            if not isinstance(value, dict | list)
        }
        yield AnnotatedImage(where if a.id is None else f"{where}, annotation {a.id}", name, labels, others)


def _write(images: Sequence[AnnotatedImage], attributes: Mapping[str, Attribute]) -> dict[str, Any]:
    listed, annotations = list[dict[str, Any]](), list[dict[str, Any]]()
    for number, one in enumerate(images, 1):
        width, height = one.size or (0, 0)  # an annotation of the whole image is a box as large as it
        listed.append({"id": number, "file_name": one.image, "width": width, "height": height, **one.others})
        whole = {"bbox": [0, 0, width, height], "area": width * height, "segmentation": [], "iscrowd": 0}
        for extra, values in _annotations(one, attributes):
            about = {"id": len(annotations) + 1, "image_id": number, "category_id": _PHOTO["id"]}
            annotations.append({**about, **whole, "attributes": values, **extra})
    return {"images": listed, "annotations": annotations, "categories": [_PHOTO]}


def _annotations(
    one: AnnotatedImage, attributes: Mapping[str, Attribute]
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """One for all labels that the same person gave for the same reason, and one for predictions; with its keys."""
    by_whom: dict[tuple[str, str], dict[str, Any]] = {}
    for name, said in one.labels.items():
        value = number_or_text(said.value) if attributes[name].is_ordinal else said.value
        by_whom.setdefault((said.author, said.reason), {})[name] = value
    for (author, reason), values in by_whom.items():
        yield {"author": author, "reason": reason} if author else {}, values
    if one.guesses is not None:
        values = {name: guess.value for name, guess in one.guesses.labels.items()}
        yield {"score": one.guesses.score, "predictor": one.guesses.predictor}, values


COCO = AnnotationFormat("COCO", _fits, _read, _write)
