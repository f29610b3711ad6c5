"""A csv of boxes, `image,left,top,right,bottom` in pixels, from any detector: read, and checked against the images.

A box may stand over the border of its image a little, as detectors' do, and is clipped then. One that stands over it by
more is of another picture, most often of the same at another resolution, and an error.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from facetwise.core.choices import WithoutBox
from facetwise.core.errors import ProblemsError
from facetwise.core.text.counting import count, listed
from facetwise.core.text.spelling import Spellings
from facetwise.data.findings import Findings, errors
from facetwise.data.images.crops import WHOLE, Box, FloatArray, fraction_regions
from facetwise.data.reading.csvfile import read_table_csv
from facetwise.data.reading.on_disk.differences import Entries

SIDES = ("left", "top", "right", "bottom")
EYES = ("eye1_x", "eye1_y", "eye2_x", "eye2_y")
"""Columns of the eyes, the one at the left of an upright picture first; they may be empty."""
MIN_SIDE = 1.0
"""A region is at least this many pixels wide and high: less is no picture but a mistake of the detector."""
MOST_OVER = 0.25
"""Share of its width or height by which a box may stand over the border of its image."""
SMALL_REACH = 0.6
"""Boxes that all lie within this share of width and height, from the top left, may be of smaller images."""
_ENOUGH = 10
"""Boxes by which that is told."""
_ROUNDED = 1.0
"""Pixels over the border that are only rounding."""
_SCALES = (1.25, 4 / 3, 1.5, 2, 2.5, 3, 4, 5, 6, 8)
"""How many times larger the images may have been that boxes were made on."""
_HINT = (
    "expected `image,left,top,right,bottom` in pixels, images named as in the manifest; "
    "give every image a box in the csv"
)


@dataclass(frozen=True)
class CropBy:
    """How boxes become crops; see the recipe's `input`."""

    without: WithoutBox = "error"
    """Whether an image without a row is an error, kept whole, or cropped by the median of the other boxes, in fractions
    of their images."""
    margin: float = 0.0
    """How far a crop reaches over its box on each side, as a share of the box; never beyond the image."""
    align: bool = False
    """Whether images are turned so that the eyes are level."""


AS_THEY_ARE = CropBy()


@dataclass(frozen=True)
class Boxes:
    """The crop of each image."""

    regions: FloatArray
    """(N, 4): left, top, right, bottom in pixels; NaN for unreadable images."""
    notes: tuple[str, ...]
    """How many were clipped, and how many had none."""
    angles: FloatArray
    """(N,) degrees by which to turn each image about the middle of its crop, against the clock."""


def read_boxes(path: Path, images: Sequence[str], extents: FloatArray, how: CropBy = AS_THEY_ARE) -> Boxes:
    """The boxes of `images`, in their order, of `extents` (N, 2) = width, height in pixels; from a csv.

    Other columns are ignored, but for the eyes if images are aligned. Raises ProblemsError with every problem and its
    line: no such csv, an unknown or repeated image, a side that is not a finite number, a box that is empty, has less
    than a pixel inside its image or stands over its border by more than `MOST_OVER`, an image without a box.
    """
    findings = Findings()
    table = read_table_csv(path, path.name, ("image", *SIDES, *(EYES if how.align else ())), findings)
    read = _Reading(images, extents, how)
    for row in table.rows if table else ():
        place = f"{path.name}:{row.line}"
        try:
            read.add(row.cells, place)
        except ValueError as error:
            findings.error("bad-box", place, f"`{read.known.find(row.cells['image'])}`: {error}")
    lacking, hints = read.lacking(), [_HINT, *read.scale_hint()]
    if how.without == "error" and lacking and table:
        names = listed(images[row] for row in lacking)
        findings.error("no-box", path.name, f"{count(len(lacking), 'image')} without a box: {names}")
        hints.append("or say what becomes of images without one: `input.without_box=whole` or `median`")
    if wrong := [str(f) for f in errors(findings)]:
        raise ProblemsError(f"{path}: {count(len(wrong), 'problem')}", wrong, hint="; ".join(hints))
    return Boxes(read.filled(lacking), read.notes(len(lacking)), read.angles)


@dataclass
class _Reading:
    """Rows of the csv, one after the other."""

    images: Sequence[str]
    extents: FloatArray
    how: CropBy
    known: Spellings = field(init=False)
    regions: FloatArray = field(init=False)
    angles: FloatArray = field(init=False)
    place_of: dict[str, str] = field(default_factory=dict)
    """Image -> the line of its box."""
    rows: int = 0
    outside: int = 0
    clipped: int = 0
    eyeless: int = 0
    reach: float = 0.0
    """How many times the width or height of its image a box reaches to, at most."""
    fractions: bool = True
    """Whether no box reaches beyond the first pixel."""

    def __post_init__(self) -> None:
        self.known = Spellings(self.images)
        self.regions = np.full((len(self.images), 4), np.nan)
        self.angles = np.zeros(len(self.images))
        self._entries = Entries(lambda: (tuple(image.split("/")) for image in self.images))
        self._row_of = {image: row for row, image in enumerate(self.images)}

    def add(self, cells: Mapping[str, str], place: str) -> None:
        """The box of a row; raises ValueError with what is wrong with it."""
        image = self.known.find(cells["image"])
        first = self.place_of.setdefault(image, place)
        box = _parsed(cells)
        if image not in self._row_of:
            raise ValueError(f"the manifest has no such image{self._entries.told(cells['image'])}")
        if first != place:
            raise ValueError(f"stands on {first} already")
        self.rows += 1
        self.fractions &= max(box) <= 1
        extent = self.extents[self._row_of[image]]
        if np.isnan(extent[0]):
            return
        row = self._row_of[image]
        self.regions[row] = _grown(self._inside(box, extent), self.how.margin, extent)
        if self.how.align:
            self.angles[row] = self._tilt(cells)

    def _tilt(self, cells: Mapping[str, str]) -> float:
        """By how many degrees the line through the eyes falls to the right; 0 where they are not told."""
        if not any(cells[column].strip() for column in EYES):
            self.eyeless += 1
            return 0.0
        x1, y1, x2, y2 = _numbers(cells, EYES, "line of the eyes")
        return math.degrees(math.atan2(y2 - y1, x2 - x1))

    def _inside(self, box: Box, extent: FloatArray) -> FloatArray:
        """`box` within an image of `extent` = width, height."""
        ends = np.array([*extent, *extent])
        clipped: FloatArray = np.clip(box, 0.0, ends)
        sides = np.array([box[2] - box[0], box[3] - box[1]] * 2)
        over = np.abs(np.asarray(box) - clipped)
        reach = max(box[2] / extent[0], box[3] / extent[1])
        self.reach = max(self.reach, reach)
        size = f"the image of {extent[0]:.0f}x{extent[1]:.0f}"
        if (over > np.maximum(MOST_OVER * sides, _ROUNDED)).any():
            self.outside += 1
            to = f", to {reach:.3g} times its width or height" if reach > 1 else ""
            raise ValueError(f"box {list(box)} reaches out of {size}{to}")
        if clipped[2] - clipped[0] < MIN_SIDE or clipped[3] - clipped[1] < MIN_SIDE:
            raise ValueError(f"box {list(box)} has less than a pixel inside {size}")
        self.clipped += bool((over > _ROUNDED).any())
        return clipped

    def lacking(self) -> list[int]:
        """The rows of readable images that the csv does not name."""
        named = enumerate(self.images)
        return [row for row, image in named if image not in self.place_of and not np.isnan(self.extents[row, 0])]

    def scale_hint(self) -> list[str]:
        """What the boxes seem to have been made on, where many do not fit."""
        if self.rows and self.fractions:
            return ["these seem to be fractions of the image: multiply them by its width and height"]
        if not self.outside:
            return []
        if 4 * self.outside < self.rows or self.reach <= 1:
            return ["boxes that reach out of their images are of other ones: mend or delete them"]
        scale = next((s for s in _SCALES if 1.02 * s >= self.reach), math.ceil(self.reach))
        share = f"{self.outside:,} of {count(self.rows, 'box', 'boxes')} reach out"
        return [f"{share}: they seem to be of images {scale:.3g} times as large, divide them by {scale:.3g}"]

    def filled(self, lacking: Sequence[int]) -> FloatArray:
        """The regions, with what stands in for those of the rows `lacking` a box."""
        if lacking:
            given = self.regions / np.concatenate([self.extents, self.extents], axis=1)
            box = np.nanmedian(given, axis=0) if self.how.without == "median" else WHOLE
            self.regions[lacking] = fraction_regions(self.extents[lacking], tuple(box))
        return self.regions

    def notes(self, lacking: int) -> tuple[str, ...]:
        """What a person should know of the boxes."""
        found = []
        if self.clipped:
            over = f"over the border of their image by up to {MOST_OVER:.0%}, clipped to it"
            found.append(f"{count(self.clipped, 'box', 'boxes')} {over}")
        if self.rows >= _ENOUGH and self.reach <= SMALL_REACH:
            found.append(f"no box reaches beyond {self.reach:.0%} of its image: they may be of smaller images")
        if self.eyeless:
            found.append(f"{count(self.eyeless, 'box', 'boxes')} without eyes: not turned (`input.align`)")
        if lacking:
            how = "kept whole" if self.how.without == "whole" else "cropped by the median of the other boxes"
            many = f"{lacking:,} of {count(len(self.images), 'image')} without a box"
            found.append(f"{many}: {how} (`input.without_box`)")
        return tuple(found)


def _grown(region: FloatArray, margin: float, extent: FloatArray) -> FloatArray:
    """A region with `margin` of its width and height more on each side, inside of its image."""
    more = margin * (region[2:] - region[:2])
    grown: FloatArray = np.clip(region + np.concatenate([-more, more]), 0.0, [*extent, *extent])
    return grown


def _parsed(cells: Mapping[str, str]) -> Box:
    left, top, right, bottom = values = _numbers(cells, SIDES, "box")
    if left >= right or top >= bottom:
        raise ValueError(f"box {values} is empty: expected left < right and top < bottom")
    return left, top, right, bottom


def _numbers(cells: Mapping[str, str], columns: Sequence[str], what: str) -> list[float]:
    values: list[float] = []
    for column in columns:
        try:
            values.append(float(cells[column]))
        except ValueError:
            raise ValueError(f"`{column}` is {cells[column]!r}, expected a number of pixels") from None
    if not all(math.isfinite(v) for v in values):
        raise ValueError(f"{what} {values} is not finite")
    return values
