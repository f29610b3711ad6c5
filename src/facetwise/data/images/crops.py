"""Cropping images, and resizing the crop to a fixed size.

A *region* is `left, top, right, bottom` in pixels of the image after EXIF orientation, as floats. Regions and sizes of
many images are arrays with one row an image; the rows of unreadable images are NaN (sizes: 0).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from facetwise.core.choices import Fit
from facetwise.core.text.counting import count

Box = tuple[float, float, float, float]
StoreFit = Fit | Literal["shrink"]
"""`shrink` is that of pages: the shape is kept and nothing is ever enlarged; zeros right and below."""
Pixels = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

WHOLE: Box = (0.0, 0.0, 1.0, 1.0)
PAD = 128
"""The grey beside a letterbox."""
MOST_STRETCH = 1.25
"""A crop whose shape differs from the canvas by more than this factor is said to."""


def fraction_regions(extents: FloatArray, box: Box) -> FloatArray:
    """Regions (N, 4) of `box`, in fractions of the image, for images of `extents` (N, 2) = width, height in pixels."""
    return np.concatenate([extents, extents], axis=1) * np.asarray(box, dtype=np.float64)


def cut_regions(regions: FloatArray, height: int, width: int) -> FloatArray:
    """The largest part of each region (N, 4), in its middle, that has the shape of a canvas of `height` x `width`."""
    middle = (regions[:, :2] + regions[:, 2:]) / 2
    sides = regions[:, 2:] - regions[:, :2]
    kept = (width, height) * np.min(sides / (width, height), axis=1, keepdims=True)
    cut = np.concatenate([middle - kept / 2, middle + kept / 2], axis=1)
    kept_inside: FloatArray = np.clip(cut, regions[:, [0, 1, 0, 1]], regions[:, [2, 3, 2, 3]])
    return kept_inside


def fitted_sizes(regions: FloatArray, height: int, width: int, fit: StoreFit) -> IntArray:
    """Height and width (N, 2) in pixels of each region on a canvas of `height` x `width`; 0, 0 for NaN regions.

    `stretch` and `crop` fill the canvas, `letterbox` one of its sides; `shrink` does that without enlarging a region.
    """
    readable = ~np.isnan(regions[:, :1])
    if fit in ("stretch", "crop"):
        return np.where(readable, (height, width), 0).astype(np.int64)
    sides = np.where(readable, np.stack([regions[:, 3] - regions[:, 1], regions[:, 2] - regions[:, 0]], axis=1), 1.0)
    scale = np.min((height, width) / sides, axis=1, keepdims=True)
    scale = np.minimum(scale, 1.0) if fit == "shrink" else scale
    return np.where(readable, np.clip(np.rint(sides * scale), 1, (height, width)), 0).astype(np.int64)


def place(canvas: Sequence[int], size: Sequence[int], fit: StoreFit) -> tuple[slice, slice]:
    """Rows and columns of a canvas (height, width) on which an image of `size` lies: top left, of a letterbox in the
    middle."""
    top, left = [(whole - side) // 2 if fit == "letterbox" else 0 for whole, side in zip(canvas, size, strict=True)]
    return slice(top, top + size[0]), slice(left, left + size[1])


def shape_note(regions: FloatArray, height: int, width: int, fit: StoreFit) -> str | None:
    """What `fit` does to regions (N, 4) whose shape differs much from the canvas; None if none does, or for pages."""
    sides = regions[~np.isnan(regions[:, 0])]
    ratio = (sides[:, 2] - sides[:, 0]) / (sides[:, 3] - sides[:, 1]) * height / width
    many = int((np.maximum(ratio, 1 / ratio) > MOST_STRETCH).sum())
    if not many or fit == "shrink":
        return None
    what = {
        "stretch": "they are stretched; `input.fit=letterbox` or `crop` keeps their shape",
        "letterbox": "more than a fifth of the input is grey beside them",
        "crop": "more than a fifth of them is cut off",
    }
    differ = f"have another shape than height {height}, width {width} by more than {MOST_STRETCH - 1:.0%}"
    return f"{many:,} of {count(len(sides), 'image')}, as cropped, {differ}: {what[fit]}"


def crop_resize(pixels: Pixels, region: Sequence[float], height: int, width: int) -> Pixels:
    """The `region` of `pixels` (H, W, 3), resized to (height, width, 3) in one antialiased bilinear step; borders may
    be fractional.

    Pillow's filter: a triangle as wide as the scale, sampled at pixel centres; it may read up to one filter width
    beyond the region, never beyond the image.
    """
    left, top, right, bottom = (float(side) for side in region)
    image = Image.fromarray(pixels).resize(
        (width, height), Image.Resampling.BILINEAR, box=(left, top, right, bottom), reducing_gap=None
    )
    return np.asarray(image)


def turned(pixels: Pixels, region: Sequence[float], angle: float) -> Pixels:
    """`pixels` (H, W, 3) turned by `angle` degrees against the clock, about the middle of the `region`; what comes from
    beyond the image is grey."""
    if angle == 0:
        return pixels
    left, top, right, bottom = (float(side) for side in region)
    middle = (left + right) / 2, (top + bottom) / 2
    image = Image.fromarray(pixels).rotate(angle, Image.Resampling.BICUBIC, center=middle, fillcolor=(PAD, PAD, PAD))
    return np.asarray(image)
