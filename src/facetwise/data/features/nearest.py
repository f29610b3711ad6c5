"""The nearest by features, compared block by block: time grows with the square of their number, memory with it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from facetwise.core.labels import IntArray

Vectors = npt.NDArray[np.float32]
"""Shape (n, F)."""

_CELLS = 2**23
"""Likenesses in a block."""


def nearest_of_others(
    vectors: Vectors, owners: IntArray, k: int, asked: tuple[Vectors, IntArray] | None = None
) -> tuple[IntArray, Vectors]:
    """The k rows most like each of those asked for, among rows of other owners: which, and how alike, (m, k) each.

    `vectors`, (n, F), have length 1, so that likeness is a cosine, -1 to 1; `owners`, (n,), are numbers. `asked` are
    vectors and owners, (m, F) and (m,); by default the rows themselves. The most alike comes first; where there are
    fewer than k, the rest is row -1 with likeness -inf.
    """
    queries, query_owners = (vectors, owners) if asked is None else asked
    shape = len(queries), k
    which, alike = np.full(shape, -1, np.int64), np.full(shape, -np.inf, np.float32)
    most, step = min(k, len(vectors)), max(1, _CELLS // max(len(vectors), 1))
    for start in range(0, len(queries) if most else 0, step):
        block = slice(start, start + step)
        likeness = queries[block] @ vectors.T
        likeness[query_owners[block, None] == owners[None]] = -np.inf
        near = np.argpartition(likeness, -most, axis=1)[:, -most:]
        own = np.take_along_axis(likeness, near, axis=1)
        order = np.argsort(-own, axis=1, kind="stable")
        which[block, :most] = np.take_along_axis(near, order, axis=1)
        alike[block, :most] = np.take_along_axis(own, order, axis=1)
    which[np.isneginf(alike)] = -1
    return which, alike


def with_length_1(vectors: Vectors) -> Vectors:
    """The same directions; a vector of zeros stays one."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: Vectors = (vectors / np.where(length > 0, length, 1)).astype(np.float32)
    return scaled
