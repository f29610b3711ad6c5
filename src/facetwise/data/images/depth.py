"""Bit depth of pictures with 16 bits per channel, and their conversion to 8 bits.

Files of 16 bits often hold 10, 12 or 14 (X-rays, microscopes, cameras): their upper byte alone is nearly black. So the
values decide: the *depth* is the smallest of `DEPTHS` that holds the largest value. A dataset has one depth, that of
its deepest file (see `Manifest.depth`), so that the relative brightness of its pictures is kept; a file read alone has
its own. PNG's `sBIT` is not used: with it the values fill all 16 bits.
"""

from __future__ import annotations

import io
import sys
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

DEPTHS = (8, 10, 12, 14, 16)
"""Bits of a channel, as sensors have them."""
_BRIGHTNESS = {"I;16": 1, "I;16B": 1, "I;16L": 1, "RGB": 3, "RGBA": 3}
"""The modes that are looked into, and their bands that are not alpha."""
_GREY_WITH_ALPHA, _COLOUR_WITH_ALPHA = 4, 6
"""PNG specification, 11.2.1: colour types."""


def used_depth(image: Image.Image) -> int:
    """Depth of a loaded picture with 16 bits per channel: the first of `DEPTHS` that holds its largest value."""
    if image.mode not in _BRIGHTNESS:
        return 16
    largest = int(_upper_bytes(image)[..., : _BRIGHTNESS[image.mode]].max())
    return next(bits for bits in DEPTHS if largest < 2 ** (bits - 8))


def in_8_bits(image: Image.Image, data: bytes, depth: int) -> Image.Image:
    """A loaded picture with 16 bits per channel, in 8 bits: values are divided by 2 ** (depth - 8) and limited to 255.

    `data` is its file: of several channels Pillow keeps the upper bytes only, so the lower ones are decoded from the
    file. Alpha always has 16 bits.
    """
    grey = image.mode.startswith("I")
    if image.mode not in _BRIGHTNESS or (depth == 16 and not grey):
        return image
    upper, bands = _upper_bytes(image), _BRIGHTNESS[image.mode]
    values = (upper[..., :bands].astype(np.uint16) << 8) | _lower_bytes(image, data)[..., :bands]
    colours = np.minimum(values >> (depth - 8), 255).astype(np.uint8)
    pixels = np.concatenate([colours, upper[..., bands:]], axis=-1)
    return Image.frombytes("L" if grey else image.mode, image.size, pixels.tobytes())


def _upper_bytes(image: Image.Image) -> npt.NDArray[np.uint8]:
    """(height, width, bands)"""
    pixels = np.asarray(image)
    return (pixels >> 8).astype(np.uint8)[..., None] if image.mode.startswith("I") else pixels


def _lower_bytes(image: Image.Image, data: bytes) -> npt.NDArray[np.uint8]:
    """(height, width, bands); zeros where Pillow has no way to read them."""
    if image.mode.startswith("I"):
        return (np.asarray(image) & 255).astype(np.uint8)[..., None]
    if image.format == "PNG" and data[25] == _GREY_WITH_ALPHA:  # no decoder for those lower bytes: read as 4 channels
        header = data[12:24] + bytes([8, _COLOUR_WITH_ALPHA]) + data[26:29]
        data = data[:12] + header + zlib.crc32(header).to_bytes(4) + data[33:]
        with Image.open(io.BytesIO(data), formats=["PNG"]) as again:
            return np.asarray(again)[..., [1, 1, 1, 3]]
    with Image.open(io.BytesIO(data), formats=[str(image.format)]) as again:
        parts = [part._replace(args=_other_byte(part.args)) for part in again.tile]
        if any(part.args is None for part in parts):
            return np.zeros_like(np.asarray(image))
        again.tile = parts
        return np.asarray(again)


def _other_byte(args: Any) -> Any:
    """Arguments of Pillow's decoders that take the other byte of two (of `RGB;16B`, `RGB;16L`); None if none do."""
    if not isinstance(args, str):
        raw = _other_byte(args[0])
        return raw and (raw, *args[1:])
    bands, _, order = args.partition(";16")
    if bands not in ("RGB", "RGBA", "RGBX", "R", "G", "B") or order not in ("L", "B", "N"):
        return None
    own = order if order != "N" else sys.byteorder[0].upper()
    return f"{bands};16{'B' if own == 'L' else 'L'}"
