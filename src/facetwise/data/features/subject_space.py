"""Directions of features in which subjects differ, and the images of one subject do not.

Features of a network see first what all photos vary in (a mask, the light). Whose images are whose is known, so these
variations are: the main components are scaled until the images of one subject vary alike in all of them, and those
directions are kept in which subjects differ most (R. Fisher, 1936, linear discriminants; within-class covariance
normalisation, A. Hatch and others, Interspeech 2006).
"""

from __future__ import annotations

import numpy as np

from facetwise.core.labels import FloatArray, IntArray
from facetwise.data.features.nearest import Vectors, with_length_1

COMPONENTS, DIRECTIONS = 256, 48
"""Main components that are looked at, and directions that are kept, at most."""
SHRINKAGE = 0.05
"""Share of the variation of one subject's images that is taken to be the same in all directions."""


def main_components(vectors: Vectors) -> Vectors:
    """The main components of vectors (n, F), most varied first: (n, d), d at most `COMPONENTS` and below n."""
    centred = vectors - vectors.mean(axis=0)
    _, axes = np.linalg.eigh((centred.T @ centred).astype(np.float64))
    num = max(1, min(COMPONENTS, vectors.shape[1], len(vectors) - 1))
    found: Vectors = centred @ axes[:, : -num - 1 : -1].astype(np.float32)
    return found


def subject_directions(points: Vectors, owner: IntArray) -> Vectors:
    """The directions (d, k) in which owners differ most, measured by how their own points (n, d) vary.

    `owner` is a number a point, (n,). Without anybody who has several points, all directions, each scaled to the same
    variation.
    """
    numbers, place, sizes = np.unique(owner, return_inverse=True, return_counts=True)
    total = np.zeros((len(numbers), points.shape[1]))
    np.add.at(total, place, points)
    middle = total / sizes[:, None]
    free = len(points) - len(numbers)
    if free == 0:
        spread = points.std(axis=0)
        scaled: Vectors = np.diag(1 / np.where(spread > 0, spread, np.inf)).astype(np.float32)
        return scaled
    apart = points - middle[place]
    even = _inverse_root(apart.T @ apart / free)
    between = (middle - points.mean(axis=0)) @ even
    _, axes = np.linalg.eigh(between.T @ between)
    found: Vectors = (even @ axes[:, ::-1][:, :DIRECTIONS]).astype(np.float32)
    return found


def _inverse_root(within: FloatArray) -> FloatArray:
    """What makes the variation of one subject's points the same in all directions, (d, d)."""
    size = len(within)
    level = max(float(np.trace(within)) / size, float(np.finfo(np.float32).tiny))
    root: FloatArray = np.linalg.inv(np.linalg.cholesky((1 - SHRINKAGE) * within + SHRINKAGE * level * np.eye(size)))
    return root.T


def directions_of_means(points: Vectors, owner: IntArray) -> Vectors:
    """The direction of each owner's mean point, (owners, k), of length 1."""
    total = np.zeros((int(owner.max(initial=-1)) + 1, points.shape[1]), np.float32)
    np.add.at(total, owner, points)
    return with_length_1(total)
