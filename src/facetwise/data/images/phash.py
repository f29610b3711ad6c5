"""A 64-bit perceptual hash of a picture, a column of the manifest."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from facetwise.core.labels import IntArray
from facetwise.data.images.thumbnails import SIDE, averaging


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


def _lowest_frequencies() -> tuple[IntArray, IntArray]:
    """Rows and columns of the 64 lowest frequencies but the mean, by their sum."""
    pairs = sorted(((u, v) for u in range(11) for v in range(11) if u + v), key=lambda p: (p[0] + p[1], p))[:64]
    rows, columns = np.array(pairs).T
    return rows, columns


_LOWEST = _lowest_frequencies()


@lru_cache(maxsize=256)
def _basis(size: int) -> npt.NDArray[np.float32]:
    """Averaging and the first cosines of the cells in one matrix, shape (11, size)."""
    cosines = np.cos(np.pi * np.arange(11)[:, None] * (np.arange(SIDE) + 0.5) / SIDE)
    return (cosines @ averaging(size) / SIDE).astype(np.float32)
