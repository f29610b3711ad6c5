"""Image bytes from outside: read whole and right, or refused by name."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_data import encoded, picture
from PIL import Image, ImageOps

from facetwise.core.errors import InputError
from facetwise.core.outside import MAX_BYTES
from facetwise.data.images import decode, probe, read_image

PHOTO = picture(1, (60, 80))
REFERENCE = np.asarray(PHOTO).astype(int)


def mean_difference(pixels: np.ndarray, reference: np.ndarray = REFERENCE) -> float:
    assert pixels.dtype == np.uint8
    assert pixels.shape == reference.shape
    return float(np.abs(pixels.astype(int) - reference).mean())


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {"quality": 95}),
        ("JPEG", {"quality": 95, "progressive": True}),
        ("PNG", {}),
        ("WEBP", {"lossless": True}),
        ("BMP", {}),
        ("GIF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
    ],
)
def test_every_format_is_found_by_content(kind: str, options: dict[str, object]) -> None:
    data = encoded(PHOTO, kind, **options)
    assert mean_difference(decode(data, "photo.jpg").pixels) < (10 if kind == "GIF" else 4)
    seen = probe(data, "photo.jpg")
    assert (seen.width, seen.height) == PHOTO.size


def test_a_wrong_ending_is_noted() -> None:
    assert decode(encoded(PHOTO, "PNG"), "a.png").note is None
    assert "PNG" in str(decode(encoded(PHOTO, "PNG"), "a.jpg").note)
    assert "JPEG" in str(decode(encoded(PHOTO), "a.png").note)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_exif_orientation_agrees_with_pillow(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(PHOTO, kind, exif=exif)
    plain = Image.fromarray(decode(encoded(PHOTO, kind), "a").pixels)
    plain.getexif()[0x0112] = orientation
    expected = np.asarray(ImageOps.exif_transpose(plain)).astype(int)
    assert mean_difference(decode(data, "a").pixels, expected) < 0.5
    assert (probe(data, "a").height, probe(data, "a").width) == expected.shape[:2]


def test_a_broken_exif_segment_is_ignored() -> None:
    good = encoded(PHOTO, quality=95)
    segment = b"Exif\0\0II*\0\xff\xff\xff\xff" + b"\xee" * 30
    broken = good[:2] + b"\xff\xe1" + (len(segment) + 2).to_bytes(2) + segment + good[2:]
    assert np.array_equal(decode(broken, "a").pixels, decode(good, "a").pixels)


def test_grey_cmyk_and_trailing_bytes() -> None:
    grey = decode(encoded(PHOTO.convert("L"), quality=95), "a").pixels
    assert (grey == grey[..., :1]).all()
    assert mean_difference(decode(encoded(PHOTO.convert("CMYK"), quality=95), "a").pixels) < 4
    good = encoded(PHOTO)
    assert np.array_equal(decode(good + b"\x07" * 2000, "a").pixels, decode(good, "a").pixels)


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    levels = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
    pixels = decode(encoded(Image.fromarray(levels), "PNG"), "a").pixels
    assert np.array_equal(pixels[..., 0], levels >> 8)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_transparent_becomes_white(mode: str) -> None:
    see_through = Image.new("RGBA", (16, 16), (10, 20, 30, 0)).convert(mode)
    assert (decode(encoded(see_through, "PNG"), "a").pixels == 255).all()
    half = decode(encoded(Image.new("RGBA", (16, 16), (0, 0, 0, 128)), "PNG"), "a").pixels
    assert set(np.unique(half)) <= {126, 127, 128}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF"])
@pytest.mark.parametrize("share", [0.1, 0.55, 0.9])
@pytest.mark.parametrize("read", [decode, probe])
def test_a_file_that_is_cut_off_is_refused(kind: str, share: float, read: object) -> None:
    data = encoded(PHOTO, kind)
    with pytest.raises(InputError, match=r"^cut\.img: "):
        read(data[: int(len(data) * share)], "cut.img")  # type: ignore[operator]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty"),
        (b"<html><body>404</body></html>", "not an image"),
        (encoded(Image.new("RGB", (1, 1))), "too few"),
        (encoded(Image.new("RGB", (200, 7)), "PNG"), "too few"),
        (encoded(Image.new("1", (20000, 20000)), "PNG"), "too many"),
        (encoded(Image.new("1", (6001, 6000)), "PNG"), "too many"),
        (encoded(Image.new("F", (16, 16)), "TIFF"), "32 bits"),
        (encoded(PHOTO, "PPM"), "not an image"),
    ],
)
@pytest.mark.parametrize("read", [decode, probe])
def test_refused_by_name(data: bytes, message: str, read: object) -> None:
    with pytest.raises(InputError, match=rf"^bad\.jpg: .*{message}"):
        read(data, "bad.jpg")  # type: ignore[operator]


def test_sizes_are_taken_from_the_header_before_decoding() -> None:
    jpeg = bytearray(encoded(PHOTO))
    at = jpeg.index(b"\xff\xc0") + 5
    jpeg[at : at + 4] = struct.pack(">HH", 20000, 20000)
    with pytest.raises(InputError, match="20000x20000"):
        decode(bytes(jpeg), "bomb.jpg")
    canvas = (16383 - 1).to_bytes(3, "little") * 2
    webp = b"RIFF" + (22).to_bytes(4, "little") + b"WEBPVP8X" + (10).to_bytes(4, "little") + b"\x10\0\0\0" + canvas
    with pytest.raises(InputError, match="16383x16383"):
        decode(webp, "bomb.webp")


def test_a_wrong_check_sum_in_a_png_is_damage() -> None:
    data = encoded(Image.new("RGB", (16, 16), (1, 2, 3)), "PNG")
    at = data.index(b"IDAT")
    size = int.from_bytes(data[at - 4 : at])
    other = zlib.compress(zlib.decompress(data[at + 4 : at + 4 + size]).replace(b"\1\2\3", b"\3\2\1"))
    changed = data[: at - 4] + len(other).to_bytes(4) + b"IDAT" + other + data[at + 4 + size :]
    with pytest.raises(InputError, match="damaged"):
        decode(changed, "a.png")


@given(st.binary(max_size=300), st.sampled_from(["JPEG", "PNG", "WEBP", "BMP", "GIF"]), st.integers(0, 2000))
@settings(max_examples=150, deadline=None)
def test_any_bytes_give_pixels_or_one_error(noise: bytes, kind: str, at: int) -> None:
    data = encoded(PHOTO, kind)
    at %= len(data)
    changed = data[:at] + noise + data[at + len(noise) :]
    messages = [refusal(read, changed) for read in (decode, probe)]
    assert (messages[0] is None) == (messages[1] is None)
    assert all(message is None or message.startswith("x: ") for message in messages)


def refusal(read: Callable[[bytes, str], object], data: bytes) -> str | None:
    try:
        read(data, "x")
    except InputError as error:
        return str(error)
    return None


def test_only_regular_files_of_a_bounded_size_are_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "folder.jpg").mkdir()
    with (tmp_path / "huge.jpg").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    for name, message in [("pipe", "regular"), ("folder", "regular"), ("huge", "bytes"), ("none", "No such file")]:
        with pytest.raises(InputError, match=rf"{name}\.jpg: .*{message}"):
            read_image(tmp_path / f"{name}.jpg")
    (tmp_path / "good.jpg").write_bytes(encoded(PHOTO))
    assert read_image(tmp_path / "good.jpg").pixels.shape == (80, 60, 3)


def sixteen_bit_png(channels: int) -> bytes:
    """A PNG of 16x16 with 16 bits a channel, put together by hand: Pillow writes none of several channels."""
    kind = {1: 0, 3: 2, 4: 6}[channels]
    rows = b"".join(b"\0" + b"\x80\x01" * 16 * channels for _ in range(16))
    pieces = [
        (b"IHDR", struct.pack(">IIBBBBB", 16, 16, 16, kind, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ]
    chunks = (struct.pack(">I", len(d)) + t + d + struct.pack(">I", zlib.crc32(t + d)) for t, d in pieces)
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB"), (4, "RGBA")])
def test_the_note_on_sixteen_bits(channels: int, mode: str) -> None:
    data = sixteen_bit_png(channels)
    expected = f"read as PNG {mode} 16-bit, reduced to 8-bit"
    assert decode(data, "a.png").note == probe(data, "a.png").note == expected
    tiff = encoded(Image.fromarray(np.zeros((16, 16), np.uint16)), "TIFF")
    assert decode(tiff, "a.tif").note == "read as TIFF L 16-bit, reduced to 8-bit"


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_the_note_on_several_frames(kind: str) -> None:
    frames = [picture(seed) for seed in range(3)]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
    assert "first of 3 frames" in str(decode(data, "a").note)
    assert decode(data, "a").note == probe(data, "a").note
    assert "frames" not in str(decode(encoded(frames[0], kind), "a").note)
