"""From bytes of an untrusted image file to RGB pixels: limited in size, and refused unless the whole image can be
decoded.

A plain JPEG goes through simplejpeg (libjpeg-turbo, strict: a warning about missing data refuses the file); everything
else goes through Pillow, limited to a few formats. The content, not the name, decides the format. All functions may be
called from several threads; large images are decoded one at a time to limit memory.
"""

from __future__ import annotations

import ctypes
import io
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL import Image, ImageChops, UnidentifiedImageError, features

from facetwise.core.errors import InputError
from facetwise.core.files.filekinds import KIND_BYTES, other_kind
from facetwise.core.files.outside import check_size, read_bounded
from facetwise.data.images.depth import in_8_bits, used_depth
from facetwise.data.images.imagenotes import ENDINGS, channel_bits, frames_note, oddity
from facetwise.data.images.quiet import quiet_pillow

Pixels = npt.NDArray[np.uint8]

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", *(["AVIF"] if features.check("avif") else []))
"""Accepted formats, as Pillow calls them; AVIF where the installed Pillow reads it (11.3 and newer mostly do)."""
IMAGE_ENDINGS = frozenset(ending for endings in ENDINGS.values() for ending in endings) | {".heic", ".heif"}
"""Endings of file names that are taken for images; the content decides how they are read, and whether they are."""
MAX_PIXELS = 36_000_000
"""Most pixels of an image; read from the header before memory is reserved."""
MIN_SIDE = 8
"""Fewest pixels a side."""
GREY_SIDE = 32
"""`probe` gives a grey image of at least this many pixels a side (unless the image is smaller)."""

_AVERAGED = ("L", "LA", "RGB", "RGBA", "CMYK", "YCbCr")
"""Modes of Pillow whose neighbouring pixels may be averaged before the conversion to RGB, which saves memory."""
_HEAVY_PIXELS, _HEAVY_BYTES = 4_000_000, 8 * 2**20
_ORIENTATION = 0x0112
_EXIF, _XMP = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"
"""First bytes of the JPEG segments with the orientation (EXIF 2.32, 4.5.4; XMP specification, part 3, 1.1.3)."""
_XMP_ORIENTATION = re.compile(r"""tiff:Orientation\s*(?:=\s*["']|>)\s*([1-8])\s*["'<]""")
_TURNS: dict[int, Callable[[npt.NDArray[Any]], npt.NDArray[Any]]] = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: np.rot90,
}
"""What each orientation asks for (EXIF 2.32, tag 0x0112); 1 and unknown numbers ask for nothing."""


@dataclass(frozen=True)
class Decoded:
    """A decoded image: `pixels` uint8 (height, width, 3) RGB, upright; `note` on anything unusual about the file."""

    pixels: Pixels
    note: str | None


@dataclass(frozen=True)
class Probe:
    """The result of a cheap check of a whole file: size in pixels when upright, a small grey image, a note."""

    width: int
    height: int
    grey: Pixels
    note: str | None
    depth: int | None = None
    """Bit depth of a file with more than 8 bits per channel (see `depth`); else None."""


def decode(data: bytes, name: str, depth: int | None = None) -> Decoded:
    """Decode a whole image file to RGB; `name` is for messages.

    Orientation (EXIF, or else XMP) is applied, transparency is drawn on white, and the first of several frames is used.
    Channels of 16 bits are reduced to the upper 8 of `depth` bits, by default the file's own depth. Raises InputError
    with the file's name when it is empty, no image, damaged or cut off, smaller than `MIN_SIDE` or larger than
    `MAX_PIXELS` or `MAX_BYTES`.
    """
    _check_bytes(len(data), name)
    plain = _plain_jpeg(data, name)
    if plain is not None:
        turn, note = plain
        with heavy(_jpeg_pixels(data)):
            pixels = _simplejpeg(data, name, colorspace="RGB")
        if pixels is not None:
            return Decoded(_turned(pixels, turn), note)
    with _pillow(data, name, depth) as (image, turn, note, _):
        return Decoded(_turned(np.array(_to_rgb(image, name)), turn), note)


def probe(data: bytes, name: str, side: int = GREY_SIDE) -> Probe:
    """Check a whole image file at the cost of a small grey decode, of at least `side` pixels a side unless the image is
    smaller; raises as `decode` does, and for the same files."""
    _check_bytes(len(data), name)
    plain = _plain_jpeg(data, name)
    if plain is not None:
        turn, note = plain
        height, width = simplejpeg.decode_jpeg_header(data)[:2]
        small = {"min_height": min(side, height), "min_width": min(side, width)}
        with heavy(height * width):
            grey = _simplejpeg(data, name, colorspace="GRAY", **small)
        if grey is not None:
            return _probe((width, height), grey[..., 0], turn, note)
    with _pillow(data, name) as (image, turn, note, depth):
        factor = max(1, min(image.size) // side)
        if image.mode in _AVERAGED:
            picture = _to_rgb(image.reduce(factor), name).convert("L")
        else:
            picture = _to_rgb(image, name).convert("L").reduce(factor)
        return _probe(image.size, np.array(picture), turn, note, depth)


def read_bytes(path: Path) -> bytes:
    """All bytes of a regular file, as `read_bounded`; an empty file is an InputError too."""
    data = read_bounded(path)
    _check_bytes(len(data), str(path))
    return data


def read_image(path: Path, depth: int | None = None) -> Decoded:
    """Read and decode the image file at `path`; raises InputError as `read_bytes` and `decode` do."""
    return decode(read_bytes(path), str(path), depth)


_heavy_lock = threading.RLock()


def heavy(pixels: int = 0, size: int = 0) -> AbstractContextManager[object]:
    """A context for work on an image of `pixels` pixels or `size` bytes, in which large images wait for each other."""
    return _one_at_a_time() if pixels > _HEAVY_PIXELS or size > _HEAVY_BYTES else nullcontext()


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    with _heavy_lock:
        try:
            yield
        finally:
            _give_back_memory()


def _give_back_memory() -> None:
    """Return freed memory to the system: after large images each thread's allocator would hold on to it."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


def _check_bytes(size: int, name: str) -> None:
    if size == 0:
        raise InputError(f"{name}: empty file")
    check_size(size, name)


def _check_size(width: int, height: int, name: str) -> None:
    if width * height > MAX_PIXELS:
        raise InputError(f"{name}: {width}x{height} pixels are too many (at most {MAX_PIXELS:,})")
    if min(width, height) < MIN_SIDE:
        raise InputError(f"{name}: {width}x{height} pixels are too few (at least {MIN_SIDE} a side)")


def _probe(size: tuple[int, int], grey: Pixels, turn: int, note: str | None, depth: int | None = None) -> Probe:
    width, height = size[::-1] if turn in (5, 6, 7, 8) else size
    return Probe(width, height, _turned(grey, turn), note, depth)


def _turned(pixels: Pixels, orientation: int) -> Pixels:
    turn = _TURNS.get(orientation)
    return pixels if turn is None else np.ascontiguousarray(turn(pixels))


def _plain_jpeg(data: bytes, name: str) -> tuple[int, str | None] | None:
    """Orientation and note of a JPEG that simplejpeg can read correctly, else None; raises InputError for a size beyond
    the limits."""
    if not data.startswith(b"\xff\xd8\xff"):
        return None
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
    except ValueError:
        return None
    _check_size(width, height, name)
    if colours not in ("YCbCr", "Gray", "RGB"):
        return None
    turn, broken = _orientation(_segment(data, _EXIF), _segment(data, _XMP))
    return turn, "; ".join(filter(None, (oddity("JPEG", "RGB", name), broken))) or None


def _jpeg_pixels(data: bytes) -> int:
    height, width = simplejpeg.decode_jpeg_header(data)[:2]
    return int(height * width)


def _simplejpeg(data: bytes, name: str, **how: Any) -> Pixels | None:
    """Pixels by simplejpeg; None if Pillow should try instead; InputError when data is missing or corrupt."""
    try:
        pixels: Pixels = simplejpeg.decode_jpeg(data, strict=True, **how)
    except ValueError as error:
        if "premature end" in str(error).lower():
            raise InputError(f"{name}: the JPEG is cut off ({error})") from None
        if "corrupt" in str(error).lower() and "extraneous" not in str(error).lower():
            raise InputError(f"{name}: the JPEG is damaged ({error})") from None
        return None
    return pixels


def _segment(data: bytes, begins: bytes) -> bytes | None:
    """The application segment of a JPEG that begins with `begins`, without its marker and length."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] not in (0xDA, 0xD9):
        if data[at + 1] == 0xFF:  # a fill byte
            at += 1
            continue
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4])
        if data[at + 1] == 0xE1 and data.startswith(begins, at + 4):
            return data[at + 4 : end]
        at = end
    return None


def _orientation(exif: bytes | None, xmp: str | bytes | None) -> tuple[int, str | None]:
    """Orientation from EXIF, or else from XMP (1 if neither has one), and a note if EXIF is broken."""
    text = xmp.decode(errors="replace") if isinstance(xmp, bytes) else xmp or ""
    match = _XMP_ORIENTATION.search(text)
    by_xmp = int(match[1]) if match else 1
    if not exif:
        return by_xmp, None
    parsed = Image.Exif()
    try:
        with quiet_pillow():
            parsed.load(exif)
            found = parsed.get(_ORIENTATION, by_xmp)
    except Exception:  # whatever a broken segment does to the parser, the picture is still good
        return by_xmp, "broken EXIF ignored"
    return (found, None) if isinstance(found, int) else (by_xmp, "broken EXIF ignored")


@contextmanager
def _pillow(
    data: bytes, name: str, depth: int | None = None
) -> Iterator[tuple[Image.Image, int, str | None, int | None]]:
    """The first frame in 8 bits per channel, the orientation still to be applied, a note, and the file's depth."""
    if size := _webp_size(data):  # Pillow reserves the canvas of a WebP when it opens it
        _check_size(*size, name)
    try:
        with quiet_pillow(), Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _check_size(*image.size, name)
            with heavy(image.width * image.height):
                if image.format == "PNG":
                    Image.open(io.BytesIO(data), formats=("PNG",)).verify()  # check sums, which `load` skips
                image.load()
                # Pillow turns a TIFF itself.
                metadata = image.info.get("exif"), image.info.get("xmp") or image.info.get("XML:com.adobe.xmp")
                turn, broken = (1, None) if image.format == "TIFF" else _orientation(*metadata)
                kind, bits = image.format or "", channel_bits(image, data)
                own = used_depth(image) if bits > 8 else None
                odd = oddity(kind, image.mode, name, bits, own or bits)
                note = "; ".join(filter(None, (odd, frames_note(data, kind), broken))) or None
                yield (in_8_bits(image, data, depth or own) if own else image), turn, note, own
    except InputError:
        raise
    except Image.DecompressionBombError:
        raise InputError(f"{name}: too many pixels (at most {MAX_PIXELS:,})") from None
    except UnidentifiedImageError:
        what = other_kind(data[:KIND_BYTES]) or f"not an image of a known format ({', '.join(FORMATS)})"
        raise InputError(f"{name}: {what}") from None
    except Exception as error:  # bytes from outside can make a parser raise anything
        raise InputError(f"{name}: damaged or cut off ({str(error) or type(error).__name__})") from None


def _to_rgb(image: Image.Image, name: str) -> Image.Image:
    """The image as RGB on white; may change `image`, so that a large one is not held twice."""
    if image.mode in ("I", "F"):
        raise InputError(f"{name}: {image.mode} pixels (32 bits a channel, or with a sign) are not read")
    if image.has_transparency_data:
        seen = image if image.mode == "RGBA" else image.convert("RGBA")
        seen.paste((255, 255, 255, 255), mask=ImageChops.invert(seen.getchannel("A")))
        return seen.convert("RGB")
    return image.convert("RGB")


def _webp_size(data: bytes) -> tuple[int, int] | None:
    """Width and height from a WebP header (RFC 9649), None for anything else."""
    if len(data) < 30 or data[:4] != b"RIFF" or data[8:12] != b"WEBP":
        return None
    kind = data[12:16]
    if kind == b"VP8X":
        return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    if kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return int.from_bytes(data[26:28], "little") & 0x3FFF, int.from_bytes(data[28:30], "little") & 0x3FFF
