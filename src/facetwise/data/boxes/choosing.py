"""One box an image, out of all that a detector found, and the csv that `input.boxes` reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from facetwise.core.errors import ArtefactError, InputError
from facetwise.core.files.csvrecords import csv_row
from facetwise.core.files.writing import write_atomic
from facetwise.core.text.counting import count, listed
from facetwise.data.boxes.detecting import COLUMNS
from facetwise.data.boxes.layouts import Array
from facetwise.data.boxes.reading import EYES, SIDES
from facetwise.data.images.crops import Box
from facetwise.data.manifest import Manifest

RULE = "the largest, less so where it is unsure or far from the middle"
"""Which of several boxes is taken."""
_SCORE, _LABEL = COLUMNS.index("score"), COLUMNS.index("label")


@dataclass(frozen=True)
class ChosenBox:
    """The box that is taken of an image."""

    image: str
    size: tuple[int, int]
    """Width and height of the image, in pixels, upright."""
    box: Box
    """Left, top, right, bottom in pixels."""
    score: float
    found: int
    """How many boxes were sure enough."""
    eyes: tuple[float, float, float, float] | None
    """x and y of both eyes, the first at the left of an upright picture; None where the detector does not say."""

    @property
    def fractions(self) -> Box:
        """The box in fractions of the image."""
        left, top, right, bottom = self.box
        width, height = self.size
        return left / width, top / height, right / width, bottom / height


@dataclass(frozen=True)
class DetectedBoxes:
    """What `facetwise boxes` wrote."""

    project: str
    out: Path
    detector: str
    layout: str
    min_score: float
    label: int | None
    """The class that was kept; None: all of them."""
    chosen: tuple[ChosenBox, ...]
    """In manifest order."""
    without: tuple[str, ...]
    """Readable images in which nothing was sure enough."""
    num_new: int
    """Images that were looked at now, not by an earlier call."""

    @property
    def num_images(self) -> int:
        """Readable ones."""
        return len(self.chosen) + len(self.without)

    @property
    def several(self) -> tuple[ChosenBox, ...]:
        """Those of which one of several boxes was taken."""
        return tuple(c for c in self.chosen if c.found > 1)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {
            **{name: value for name, value in asdict(self).items() if name not in ("chosen", "out")},
            "out": str(self.out),
            "num_images": self.num_images,
            "num_several": len(self.several),
            "chosen": [asdict(c) for c in self.chosen],
        }


def choose(
    found: Mapping[str, Array], manifest: Manifest, min_score: float, label: int | None
) -> tuple[ChosenBox, ...]:
    """One box for each image that has one whose score is `min_score` or more, of the class `label` if it is given.

    `found`: sha256 -> boxes, columns as in `COLUMNS`. Of several the one with the largest area x score x nearness is
    taken; nearness is 1 in the middle of the image and 0 in its corners, and falls with the distance.
    """
    rows = manifest.table.filter(pl.col("status") == "ok").select("image", "sha256", "width", "height").rows()
    chosen = []
    for image, sha256, width, height in rows:
        boxes = found[sha256]
        kept = boxes[(boxes[:, _SCORE] >= min_score) & ((boxes[:, _LABEL] == label) | (label is None))]
        if len(kept):
            best = kept[np.argmax(_worth(kept, (width, height)))].tolist()
            eyes = None if np.isnan(best[6:]).any() else tuple(best[6:])
            chosen.append(ChosenBox(image, (width, height), tuple(best[:4]), best[_SCORE], len(kept), eyes))
    return tuple(chosen)


def refuse_none(found: Mapping[str, Array], min_score: float, label: int | None) -> None:
    """Raise InputError: of the boxes that were `found` none is sure enough and of the class `label`; says what is."""
    if not found:
        raise InputError("there is no image that can be read", hint="its photos are missing or damaged")
    boxes = np.concatenate(list(found.values()))
    of = boxes[(boxes[:, _LABEL] == label) | (label is None)]
    kind = "" if label is None else f" of class {label}"
    if len(of):
        told, hint = f"the surest has {of[:, _SCORE].max():.2f}", "a lower `--min-score` takes it"
    elif len(boxes):
        told, hint = f"classes found: {listed(map(str, np.unique(boxes[:, _LABEL]).astype(int)))}", "give one of them"
    else:
        told, hint = "it found nothing at all", "is it made for such photos? name another with `--detector`"
    message = f"none of {count(len(found), 'image')} has a box{kind} with a score of {min_score:g} or more: {told}"
    raise InputError(message, hint=hint)


def unboxed(manifest: Manifest, chosen: Sequence[ChosenBox]) -> tuple[str, ...]:
    """The readable images of which no box was taken."""
    boxed = {c.image for c in chosen}
    readable = manifest.table.filter(pl.col("status") == "ok")["image"]
    return tuple(image for image in readable if image not in boxed)


def write_boxes(chosen: Sequence[ChosenBox], out: Path, *, new: bool) -> None:
    """Write the csv, whole or not at all; raises ArtefactError when there is another one, unless `new`."""
    data = "".join(map(csv_row, _records(chosen))).encode()
    if not new and out.is_file() and out.read_bytes() != data:
        hint = "`--new` replaces it; `--out FILE` writes another one"
        raise ArtefactError(f"{out}: there are other boxes already", hint=hint)
    write_atomic(out, data)


def _records(chosen: Sequence[ChosenBox]) -> list[list[str]]:
    eyes = EYES if any(c.eyes for c in chosen) else ()
    records = [["image", *SIDES, "score", "found", *eyes]]
    for c in chosen:
        points = [f"{v:.2f}" for v in c.eyes] if c.eyes else [""] * len(eyes)
        records.append([c.image, *(f"{side:.2f}" for side in c.box), f"{c.score:.4f}", str(c.found), *points])
    return records


def _worth(boxes: Array, size: tuple[int, int]) -> Array:
    middle = (boxes[:, :2] + boxes[:, 2:4]) / 2
    away = np.hypot(*(2 * middle / size - 1).T) / np.sqrt(2)
    worth: Array = (boxes[:, 2:4] - boxes[:, :2]).prod(axis=1) * boxes[:, _SCORE] * (1 - away)
    return worth
