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
from made_project import encoded, picture
from PIL import Image, ImageOps, features
from PIL.PngImagePlugin import PngInfo

from facetwise.core.errors import InputError
from facetwise.core.files.outside import MAX_BYTES
from facetwise.data.images.images import decode, probe, read_image

PHOTO = picture(1, (60, 80))
REFERENCE = np.asarray(PHOTO).astype(int)


needs_avif = pytest.mark.skipif(not features.check("avif"), reason="the installed Pillow has no AVIF")


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
        pytest.param("AVIF", {"quality": 95}, marks=needs_avif),
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


def xmp(orientation: int, pattern: str = 'tiff:Orientation="{}"') -> bytes:
    return f"<x:xmpmeta><rdf:Description {pattern.format(orientation)}/></x:xmpmeta>".encode()


def png_with_xmp(orientation: int) -> bytes:
    info = PngInfo()
    info.add_itxt("XML:com.adobe.xmp", xmp(orientation).decode())
    return encoded(PHOTO, "PNG", pnginfo=info)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_orientation_in_xmp_alone_counts(kind: str, orientation: int) -> None:
    options = {"tiffinfo": {700: xmp(orientation)}} if kind == "TIFF" else {"xmp": xmp(orientation)}
    data = png_with_xmp(orientation) if kind == "PNG" else encoded(PHOTO, kind, **options)
    plain = Image.fromarray(decode(encoded(PHOTO, kind), "a").pixels)
    plain.getexif()[0x0112] = orientation
    expected = np.asarray(ImageOps.exif_transpose(plain)).astype(int)
    assert mean_difference(decode(data, "a").pixels, expected) < 0.5
    assert (probe(data, "a").height, probe(data, "a").width) == expected.shape[:2]


@pytest.mark.parametrize("pattern", ["tiff:Orientation='{}'", "><tiff:Orientation>{}</tiff:Orientation"])
def test_the_ways_to_write_xmp(pattern: str) -> None:
    assert decode(encoded(PHOTO, xmp=xmp(6, pattern)), "a").pixels.shape == (60, 80, 3)


def test_exif_comes_before_xmp() -> None:
    exif = Image.Exif()
    exif[0x0112] = 3
    assert decode(encoded(PHOTO, exif=exif, xmp=xmp(6)), "a").pixels.shape == (80, 60, 3)


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
        (b"\n<!DOCTYPE html><body>404</body></html>", "an HTML page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 5\n", "Git LFS pointer.* `git lfs pull`"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC.* JPEG"),
        (b"\0" * 128 + b"DICM", "DICOM.* PNG"),
        (b"PK\x03\x04" + b"\0" * 30, "archive"),
        (b"nothing that is known", "not an image"),
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


def deep_png(values: np.ndarray) -> bytes:
    """A PNG of (height, width, channels) values of 16 bits, by hand: Pillow writes one channel only."""
    height, width, channels = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    pieces = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ]
    chunks = (struct.pack(">I", len(d)) + t + d + struct.pack(">I", zlib.crc32(t + d)) for t, d in pieces)
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def deep_tiff(values: np.ndarray, order: str, compressed: bool = False) -> bytes:
    """A TIFF of (height, width, 3) values of 16 bits in one strip; `order` is `<` or `>`."""
    height, width, _ = values.shape
    pixels = values.astype(f"{order}u2").tobytes()
    pixels = zlib.compress(pixels) if compressed else pixels
    end = 8 + 2 + 12 * 10 + 4
    tags = [(256, 3, width), (257, 3, height), (258, 3, end), (259, 3, 8 if compressed else 1), (262, 3, 2)]
    tags += [(273, 4, end + 6), (277, 3, 3), (278, 3, height), (279, 4, len(pixels)), (284, 3, 1)]
    data = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(f"{order}IH", 8, len(tags))
    for tag, kind, value in tags:
        if tag == 258:
            data += struct.pack(f"{order}HHII", tag, kind, 3, value)
        else:
            data += struct.pack(f"{order}HHI" + ("HH" if kind == 3 else "I"), tag, kind, 1, value, *[0] * (kind == 3))
    return data + struct.pack(f"{order}IHHH", 0, 16, 16, 16) + pixels


def deep_values(bits: int, channels: int) -> np.ndarray:
    """Values (20, 17, channels) that need `bits`; alpha, where there is one, is full."""
    values = np.random.default_rng(bits).integers(0, 2**bits, (20, 17, channels))
    values[3, 5, 0] = 2**bits - 1
    if channels in (2, 4):
        values[..., -1] = 65535
    return values


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_values_in_sixteen_bits_are_divided_by_their_own_range(channels: int, bits: int) -> None:
    values = deep_values(bits, channels)
    expected = np.broadcast_to((values >> (bits - 8))[..., : 1 if channels < 3 else 3], (20, 17, 3))
    read = decode(deep_png(values), "a.png")
    assert np.array_equal(read.pixels, expected)
    mode = {1: "L", 2: "RGBA", 3: "RGB", 4: "RGBA"}[channels]
    held = "" if bits == 16 else f" that holds {bits}-bit values"
    seen = probe(deep_png(values), "a.png")
    assert read.note == seen.note == f"read as PNG {mode} 16-bit{held}, reduced to 8-bit"
    assert seen.depth == bits


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compressed", [False, True])
def test_a_tiff_of_twelve_bits_in_sixteen(order: str, compressed: bool) -> None:
    values = deep_values(12, 3)
    assert np.array_equal(decode(deep_tiff(values, order, compressed), "a.tif").pixels, values >> 4)
    grey = encoded(Image.fromarray(values[..., 0].astype(np.uint16)), "TIFF", compression="tiff_lzw")
    assert np.array_equal(decode(grey, "a.tif").pixels[..., 0], values[..., 0] >> 4)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_depth_that_is_told_counts_and_cuts_off_what_is_more(channels: int) -> None:
    values = deep_values(12, channels)
    for depth in (10, 12, 14, 16):
        expected = np.broadcast_to(np.minimum(values >> (depth - 8), 255), (20, 17, 3))
        assert np.array_equal(decode(deep_png(values), "a.png", depth).pixels, expected)
    assert np.array_equal(decode(encoded(PHOTO, "PNG"), "a.png", 12).pixels, REFERENCE)
    assert probe(encoded(PHOTO, "PNG"), "a.png").depth is None


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_the_note_on_several_frames(kind: str) -> None:
    frames = [picture(seed) for seed in range(3)]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
    assert "first of 3 frames" in str(decode(data, "a").note)
    assert decode(data, "a").note == probe(data, "a").note
    assert "frames" not in str(decode(encoded(frames[0], kind), "a").note)
