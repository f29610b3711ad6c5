"""Notes on readable image files: a misleading name, or content that is not kept."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from PIL import Image

ENDINGS = {
    "JPEG": (".jpg", ".jpeg", ".jfif"),
    "MPO": (".jpg", ".jpeg", ".mpo"),
    "PNG": (".png",),
    "WEBP": (".webp",),
    "BMP": (".bmp",),
    "GIF": (".gif",),
    "TIFF": (".tif", ".tiff"),
    "AVIF": (".avif",),
}
"""Usual endings of file names by format, as Pillow calls it."""
_SEVERAL = ("GIF", "PNG", "WEBP", "TIFF", "AVIF")
_COUNTED_BYTES = 8 * 2**20
"""Frames of larger files are not counted: the count goes through the whole file."""
_BITS_PER_SAMPLE = 258


def oddity(kind: str, mode: str, name: str, bits: int = 8, depth: int = 8) -> str | None:
    """A note on the format or the pixels, if the name is misleading or the pixels had to be converted.

    `bits`: per channel in the file, of which its values use `depth`; more than 8 are reduced to 8.
    """
    ending = Path(name).suffix.lower()
    expected = not ending or ending in ENDINGS[kind]
    if bits > 8:
        held = f"{bits}-bit" if depth >= bits else f"{bits}-bit that holds {depth}-bit values"
        return f"read as {kind} {'L' if mode.startswith('I') else mode} {held}, reduced to 8-bit"
    return None if expected and mode in ("RGB", "L") else f"read as {kind} {mode}"


def channel_bits(image: Image.Image, data: bytes) -> int:
    """Bits per channel in the file of an opened PNG or TIFF; 8 for other formats."""
    if image.format == "PNG" and len(data) > 24:
        return data[24]  # IHDR is always first; PNG specification, 11.2.1
    if image.format == "TIFF":
        tags: Any = getattr(image, "tag_v2", {})
        found = tags.get(_BITS_PER_SAMPLE, 8)
        return max(found) if isinstance(found, tuple) else int(found)
    return 8


def frames_note(data: bytes, kind: str) -> str | None:
    """A note if a file holds several pictures, of which the first is used; `data` is opened again to count them."""
    if kind not in _SEVERAL:
        return None
    try:
        with Image.open(io.BytesIO(data), formats=(kind,)) as image:
            if not getattr(image, "is_animated", False):
                return None
            count = getattr(image, "n_frames", 1) if len(data) <= _COUNTED_BYTES else "several"
    except Exception:  # a later frame may be broken in any way; the first one is what counts
        return "first of several frames"
    return f"first of {count} frames"
