"""Image files to chunks of pixels, in threads: read, check against the manifest, decode, crop, resize.

Decoding, hashing and resizing release the interpreter lock, so threads share the cores without copies.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from facetwise.core.errors import InputError, MismatchError, problem_lines
from facetwise.core.text.counting import count
from facetwise.data.images.crops import PAD, FloatArray, IntArray, Pixels, StoreFit, crop_resize, place, turned
from facetwise.data.images.images import decode, read_bytes


@dataclass(frozen=True)
class FileSource:
    """The sources of a store's rows."""

    root: Path
    """The folder that image paths are relative to."""
    table: pl.DataFrame
    """`image, sha256, bytes, width, height, ok`; rows that are not `ok` stay zeros."""
    angles: FloatArray
    """(N,) degrees by which each image is turned, about the middle of its crop and against the clock."""
    regions: FloatArray
    """(N, 4) crop of each image, in its pixels."""
    sizes: IntArray
    """(N, 2) height and width of the resized crop on the canvas."""
    shape: tuple[int, int, int]
    """Height, width and channels of the canvas."""
    fit: StoreFit
    depth: int | None
    """The manifest's bit depth."""


def filled_chunks(
    source: FileSource, chunks: Mapping[int, range], workers: int
) -> Generator[tuple[int, Pixels, list[str]], None, None]:
    """For each chunk (number -> rows), in order: its number, its pixels (rows, H, W, 3) and the problems of its images.

    Threads fill the next chunk while the caller uses this one, so at most two chunks are in memory. Closing the
    iterator drops work that has not begun.
    """
    pool = ThreadPoolExecutor(workers, thread_name_prefix="store")
    started: deque[tuple[int, Pixels, list[Future[str | None]]]] = deque()
    try:
        for chunk, rows in chunks.items():
            pixels = np.zeros((len(rows), *source.shape), dtype=np.uint8)
            jobs = [pool.submit(fill_row, source, row, out) for row, out in zip(rows, pixels, strict=True)]
            started.append((chunk, pixels, jobs))
            if len(started) > 1:
                yield _finished(*started.popleft())
        while started:
            yield _finished(*started.popleft())
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def fill_row(source: FileSource, row: int, out: Pixels) -> str | None:
    """Write the image of a row into `out` (H, W, 3, all zeros); returns its problem, or None."""
    image, sha256, num_bytes, width, height, ok = source.table.row(row)
    if not ok:
        return None
    try:
        pixels = checked_pixels(source.root, (image, sha256, num_bytes), source.depth)
    except InputError as error:
        return str(error)
    if pixels.shape[:2] != (height, width):
        return f"`{image}` decodes to {pixels.shape[1]}x{pixels.shape[0]} pixels, expected {width}x{height}"
    fitted_height, fitted_width = size = source.sizes[row].tolist()
    if source.fit == "letterbox":
        out[:] = PAD
    rows, columns = place(out.shape[:2], size, source.fit)
    pixels = turned(pixels, source.regions[row], source.angles[row])
    out[rows, columns] = crop_resize(pixels, source.regions[row], fitted_height, fitted_width)
    return None


def checked_pixels(root: Path, file: tuple[str, str, int], depth: int | None) -> Pixels:
    """The pixels of a `file` (image, sha256, bytes) of the manifest; raises InputError when it cannot be read or was
    changed."""
    image, sha256, num_bytes = file
    data = read_bytes(root / image)
    if len(data) != num_bytes or hashlib.sha256(data).hexdigest() != sha256:
        raise InputError(f"`{image}` was changed")
    return decode(data, image, depth).pixels


def raise_changed(root: Path, problems: Sequence[str]) -> None:
    """Raise MismatchError with these problems of images; return if there are none."""
    if problems:
        what = f"{root}: {count(len(problems), 'image')} not as the manifest says"
        hint = "look at the dataset again with `facetwise check`"
        raise MismatchError("\n".join([what, *problem_lines(problems)]), hint=hint)


def _finished(chunk: int, pixels: Pixels, jobs: list[Future[str | None]]) -> tuple[int, Pixels, list[str]]:
    problems = [job.result() for job in jobs]
    return chunk, pixels, [p for p in problems if p is not None]
