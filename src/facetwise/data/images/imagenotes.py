"""What is odd about an image file that can be read: its name says something else, or something of it is not kept."""

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
    """What was read, when the name says something else or the pixels had to be converted.

    `bits` are those of a channel in the file, of which its values take `depth`; more than 8 are reduced.
    """
    ending = Path(name).suffix.lower()
    expected = not ending or ending in ENDINGS[kind]
    if bits > 8:
        held = f"{bits}-bit" if depth >= bits else f"{bits}-bit that holds {depth}-bit values"
        return f"read as {kind} {'L' if mode.startswith('I') else mode} {held}, reduced to 8-bit"
    return None if expected and mode in ("RGB", "L") else f"read as {kind} {mode}"


def channel_bits(image: Image.Image, data: bytes) -> int:
    """Bits a channel in the file of an opened PNG or TIFF; 8 for other formats, whose readers know no more."""
    if image.format == "PNG" and len(data) > 24:
        return data[24]  # IHDR is always first; PNG specification, 11.2.1
    if image.format == "TIFF":
        tags: Any = getattr(image, "tag_v2", {})
        found = tags.get(_BITS_PER_SAMPLE, 8)
        return max(found) if isinstance(found, tuple) else int(found)
    return 8


def frames_note(data: bytes, kind: str) -> str | None:
    """A note when a file holds several pictures, of which the first is taken; `data` is opened anew to count them."""
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
