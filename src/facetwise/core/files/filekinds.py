"""Recognises by its first bytes what an unexpected file from outside is, with what to do."""

from __future__ import annotations

LFS = b"version https://git-lfs.github.com/spec/"
"""How a pointer of Git LFS begins; Git LFS specification, `docs/spec.md`."""
_HEIF = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
"""Brands of HEIF files; ISO/IEC 23008-12."""
_ARCHIVE = "an archive: unpack it, and name the folder that comes out"
_JPEG_XL = "JPEG XL, which is not read: convert it to PNG or JPEG"
_BEGINNINGS = (
    (LFS, "a Git LFS pointer in place of the file: run `git lfs pull` where it was cloned"),
    (b"PK\x03\x04", _ARCHIVE),
    (b"PK\x05\x06", _ARCHIVE),
    (b"7z\xbc\xaf\x27\x1c", _ARCHIVE),
    (b"Rar!\x1a\x07", _ARCHIVE),
    (b"\x1f\x8b", _ARCHIVE),
    (b"BZh", _ARCHIVE),
    (b"\xfd7zXZ\x00", _ARCHIVE),
    (b"\x28\xb5\x2f\xfd", _ARCHIVE),
    (b"%PDF-", "a PDF: save its pictures as PNG or JPEG"),
    (b"\xff\x0a", _JPEG_XL),
    (b"\x00\x00\x00\x0cJXL ", _JPEG_XL),
    (b"\x00\x00\x00\x0cjP  ", "JPEG 2000, which is not read: convert it to PNG or JPEG"),
)
JSON_LINES, PARQUET, ANNOTATIONS = (".jsonl", ".ndjson"), (".parquet",), (".json",)
OTHER_TABLES = (*JSON_LINES, *PARQUET, *ANNOTATIONS)
"""Endings of tables that are no csv."""
KIND_BYTES = 512
"""Number of first bytes that identify a file."""


def other_kind(beginning: bytes) -> str | None:
    """What a file with these first bytes is, and what to do; None if unknown."""
    if beginning[4:8] == b"ftyp":
        return _of_brand(beginning[8:12])
    if beginning[128:132] == b"DICM":  # DICOM PS3.10, 7.1
        return "DICOM, which is not read: save it as a PNG of 16 bits"
    if beginning[257:262] == b"ustar":  # POSIX pax, ustar header
        return _ARCHIVE
    if beginning.lstrip()[:14].lower().startswith((b"<!doctype html", b"<html")):
        return "an HTML page, as a failed download leaves it: download it again"
    return next((what for start, what in _BEGINNINGS if beginning.startswith(start)), None)


def _of_brand(brand: bytes) -> str | None:
    if brand in (b"avif", b"avis"):
        return "AVIF, which the installed Pillow does not read: install Pillow 11.3 or newer, or convert it to JPEG"
    return "HEIC, as phones save photos, which is not read: convert it to JPEG" if brand in _HEIF else None
