"""Near copies: a 64-bit perceptual hash, and all pairs of hashes a few bits apart without comparing every pair."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import chain

import numpy as np
import numpy.typing as npt

from facetwise.core.labels import IntArray

Hashes = npt.NDArray[np.uint64]
Thumbnail = npt.NDArray[np.float32]

MAX_DISTANCE = 7
"""Largest number of differing bits that `close_pairs` finds."""
MIN_CORRELATION, MAX_DIFFERENCE = 0.985, 6.0
"""Of thumbnails of one picture: least correlation, and most mean absolute difference in grey levels of 255."""
_GRID, _BANDS, _BAND_BITS = 32, 4, 16


def perceptual_hash(grey: npt.NDArray[np.uint8]) -> int:
    """A 64-bit hash of a grey image (height, width) that hardly changes when it is re-encoded or slightly resized.

    The image is averaged to 32x32, and each of its 64 lowest frequencies but the mean (two-dimensional DCT-II) gives a
    bit: whether it is above their median. After pHash (C. Zauner, Implementation and Benchmarking of Perceptual Image
    Hash Functions, 2010).
    """
    rows, columns = _basis(grey.shape[0]), _basis(grey.shape[1])
    frequencies = (rows @ grey.astype(np.float32) @ columns.T)[_LOWEST]
    median = np.sort(frequencies)[31:33].mean()
    bits = frequencies > median + 1e-3  # a flat image has no bit set, whatever its rounding errors
    return int.from_bytes(np.packbits(bits).tobytes())


def thumbnail(grey: npt.NDArray[np.uint8]) -> Thumbnail:
    """A grey image averaged to 32x32, minus its mean."""
    small: Thumbnail = _averaging(grey.shape[0]) @ grey.astype(np.float32) @ _averaging(grey.shape[1]).T
    small -= small.mean()
    return small


def look_alike(a: Thumbnail, b: Thumbnail) -> bool:
    """Whether two thumbnails show the same picture: the final test of pairs that hashes propose.

    The limits allow for another encoding, size or brightness, but not for another picture with the same layout.
    """
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    alike = size > 0 and float((a * b).sum()) / size >= MIN_CORRELATION
    return alike and float(np.abs(a - b).mean()) <= MAX_DIFFERENCE


def distances(a: Hashes, b: Hashes) -> npt.NDArray[np.uint8]:
    """Number of differing bits of hashes, element by element."""
    differing: npt.NDArray[np.uint8] = np.bitwise_count(a ^ b)
    return differing


def close_pairs(hashes: Hashes, distance: int = MAX_DISTANCE) -> IntArray:
    """All pairs i < j of different hashes (unique, shape (n,)) at most `distance` bits apart, shape (pairs, 2), sorted.

    Multi-index hashing (Norouzi, Punjani and Fleet, CVPR 2012): of four bands of 16 bits, two hashes at most seven bits
    apart have one that differs in at most one bit. So each band is looked up as it is and with each bit flipped.
    """
    if not 0 <= distance <= MAX_DISTANCE:
        raise ValueError(f"distance must be 0 to {MAX_DISTANCE}, got {distance}")
    found = [pairs[distances(*hashes[pairs.T]) <= distance] for pairs in _candidates(hashes)]
    pairs = np.concatenate([np.empty((0, 2), dtype=np.int64), *found])
    return np.unique(np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1), axis=0)


def _candidates(hashes: Hashes) -> Iterator[IntArray]:
    for band in range(_BANDS):
        keys = (hashes >> np.uint64(band * _BAND_BITS)).astype(np.uint16)
        order = np.argsort(keys, kind="stable")
        sorted_keys = keys[order]
        for turned in chain((0,), (1 << bit for bit in range(_BAND_BITS))):
            wanted = keys ^ np.uint16(turned)
            first = np.searchsorted(sorted_keys, wanted, side="left")
            count = np.searchsorted(sorted_keys, wanted, side="right") - first
            left = np.repeat(np.arange(len(hashes)), count)
            within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
            right = order[np.repeat(first, count) + within]
            keep = left < right  # the other way round is met as well
            yield np.stack([left[keep], right[keep]], axis=1)


def _lowest_frequencies() -> tuple[IntArray, IntArray]:
    """Rows and columns of the 64 lowest frequencies but the mean, by their sum."""
    pairs = sorted(((u, v) for u in range(11) for v in range(11) if u + v), key=lambda p: (p[0] + p[1], p))[:64]
    rows, columns = np.array(pairs).T
    return rows, columns


_LOWEST = _lowest_frequencies()


@lru_cache(maxsize=256)
def _averaging(size: int) -> npt.NDArray[np.float32]:
    """Averages `size` pixels to `_GRID` cells, shape (_GRID, size)."""
    edges = np.arange(_GRID + 1) * size / _GRID
    pixels = np.arange(size)
    covered = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    average: npt.NDArray[np.float64] = np.clip(covered, 0, None) * _GRID / size
    return average.astype(np.float32)


@lru_cache(maxsize=256)
def _basis(size: int) -> npt.NDArray[np.float32]:
    """Averaging and the first cosines of the cells in one matrix, shape (11, size)."""
    cosines = np.cos(np.pi * np.arange(11)[:, None] * (np.arange(_GRID) + 0.5) / _GRID)
    return (cosines @ _averaging(size) / _GRID).astype(np.float32)
