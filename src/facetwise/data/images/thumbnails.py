"""Small grey thumbnails, and what stays of them under another encoding, size, brightness, crop or turn."""

from __future__ import annotations

from functools import lru_cache
from itertools import product

import numpy as np
import numpy.typing as npt

from facetwise.core.labels import IntArray

SIDE = 32
"""Pixels a side of a thumbnail, whatever the shape of the picture."""
ORDER = 11
"""Highest sum of the two frequencies in a descriptor, which has 77 numbers."""

Thumbnails = npt.NDArray[np.uint8]
"""Shape (n, SIDE, SIDE)."""
Array = npt.NDArray[np.float32]

_BATCH = 2048
_PARTS, _SMALLER, _ASIDE = (1, 0.95, 0.9, 0.85, 0.8), (0.7, 0.6), (0.9, 0.8, 0.7)
"""Parts of a side that views show of the middle, and towards the corners and the edges."""
_TURNS = (6, 10, 14)
"""Degrees of further turns."""


def thumbnail(grey: npt.NDArray[np.uint8], side: int = SIDE) -> Thumbnails:
    """A grey image (height, width) averaged to `side` x `side`."""
    small = averaging(grey.shape[0], side) @ grey.astype(np.float32) @ averaging(grey.shape[1], side).T
    rounded: Thumbnails = np.rint(small).astype(np.uint8)
    return rounded


@lru_cache(maxsize=256)
def averaging(size: int, side: int = SIDE) -> Array:
    """Averages `size` pixels to `side` cells, shape (side, size)."""
    edges = np.arange(side + 1) * size / side
    pixels = np.arange(size)
    covered = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    average: npt.NDArray[np.float64] = np.clip(covered, 0, None) * side / size
    return average.astype(np.float32)


def centres(side: int) -> Array:
    """Centres of the pixels of a row, where the picture goes from -1 to 1."""
    return ((np.arange(side) + 0.5) / side * 2 - 1).astype(np.float32)


def views(*, further: bool = False) -> Array:
    """The ways a copy may differ in place, as maps of points: shape (ways, 2, 3); the first is the picture as it is.

    A point of the view, from -1 to 1 to the right and down, shows the point of the picture that the 2x2 matrix and the
    shift make of it: as it is, smaller parts of the middle, turned by 3 degrees either way, and all of these mirrored.
    After these, with `further`: still smaller parts, also towards the corners and the edges, and turned more.
    """
    mirrors = (np.diag([1.0, 1.0]), np.diag([-1.0, 1.0]))
    usual = [(matrix, (0.0, 0.0)) for matrix in (*(np.eye(2) * part for part in _PARTS), _turn(3), _turn(-3))]
    places = [(x, y) for x in (-1, 0, 1) for y in (-1, 0, 1) if (x, y) != (0, 0)]
    more = [(np.eye(2) * part, (0.0, 0.0)) for part in _SMALLER]
    more += [(np.eye(2) * part, (x * (1 - part), y * (1 - part))) for part in _ASIDE for x, y in places]
    more += [(_turn(degrees), (0.0, 0.0)) for turn in _TURNS for degrees in (turn, -turn)]
    maps = [
        np.column_stack([matrix @ mirror, shift])
        for ways in (usual, *([more] if further else []))
        for mirror, (matrix, shift) in product(mirrors, ways)
    ]
    return np.stack(maps).astype(np.float32)


def _turn(degrees: float) -> npt.NDArray[np.float64]:
    """The matrix of a turn."""
    a = np.deg2rad(degrees)
    return np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])


def descriptors(thumbnails: Thumbnails, view: Array | None = None) -> Array:
    """77 numbers a thumbnail, length 1, of which the same picture has nearly the same; shape (n, 77); flat ones are 0.

    The mean is taken off, the border fades out (what a frame, a crop or a turn changes most), and the lowest
    frequencies but the mean (two-dimensional DCT-II) are weighted by the sum of theirs, since a picture has less of
    high ones. `view` shows the thumbnails in one of the `views`.
    """
    description = _description(None if view is None else view.tobytes())
    found = np.empty((len(thumbnails), description.shape[1]), np.float32)
    for first in range(0, len(found), _BATCH):
        pixels = thumbnails[first : first + _BATCH].reshape(-1, SIDE * SIDE)
        found[first : first + _BATCH] = pixels.astype(np.float32) @ description
    length = np.linalg.norm(found, axis=1, keepdims=True)
    found /= np.where(length > 1, length, np.inf)
    return found


@lru_cache(maxsize=64)
def _description(view: bytes | None) -> Array:
    """From the pixels of a thumbnail to its frequencies before they get length 1, shape (SIDE * SIDE, 77)."""
    outwards = np.abs(centres(SIDE))
    fading = np.where(outwards < 0.5, 1, np.cos(np.pi * (outwards - 0.5)) ** 2)
    window = np.outer(fading, fading).ravel()
    u, v = np.array([p for p in product(range(ORDER + 1), repeat=2) if 0 < sum(p) <= ORDER]).T
    cosines = np.cos(np.pi * np.arange(ORDER + 1)[:, None] * (np.arange(SIDE) + 0.5) / SIDE)
    cosines[0] *= np.sqrt(0.5)
    waves = (cosines[u, :, None] * cosines[v, None, :]).reshape(len(u), -1) * (u + v)[:, None]
    unseen = ((waves - (waves @ window / window.sum())[:, None]) * window).T
    whole: Array = unseen.astype(np.float32)
    if view is None:
        return whole
    where, weights, _ = _corners(np.frombuffer(view, np.float32).reshape(1, 2, 3), SIDE)
    showing = np.zeros((SIDE * SIDE, SIDE * SIDE), np.float32)
    for corner, weight in zip(where[:, 0], weights[:, 0], strict=True):
        showing[np.arange(SIDE * SIDE), corner] += weight
    seen: Array = showing.T @ whole
    return seen


def sample(pictures: Array, maps: Array) -> tuple[Array, npt.NDArray[np.bool_]]:
    """Pictures (n, channels, side, side) seen by one map each (n, 2, 3), bilinear; and which points lie in them.

    Points outside show the nearest point of the border. The second result has shape (n, side, side).
    """
    side = pictures.shape[-1]
    where, weights, inside = _corners(maps, side)
    flat = pictures.reshape(*pictures.shape[:2], -1)
    corners = zip(where, weights, strict=True)
    seen: Array = sum(np.take_along_axis(flat, at[:, None], axis=2) * weight[:, None] for at, weight in corners)
    return seen.reshape(pictures.shape), inside.reshape(-1, side, side)


def _corners(maps: Array, side: int) -> tuple[IntArray, Array, npt.NDArray[np.bool_]]:
    """For each point of a map the four pixels around what it shows, and their weights, shape (4, n, side²)."""
    x, y = np.meshgrid(centres(side), centres(side))
    points = np.stack([x.ravel(), y.ravel(), np.ones(x.size, np.float32)])
    where = ((maps @ points) + 1) / 2 * side - 0.5
    inside: npt.NDArray[np.bool_] = np.all((where > -0.5) & (where < side - 0.5), axis=1)
    where = where.clip(0, side - 1).astype(np.float32)
    low = np.minimum(where.astype(np.int64), side - 2)
    (wx, wy), first = (where - low).swapaxes(0, 1), low[:, 1] * side + low[:, 0]
    weights = np.stack([(1 - wy) * (1 - wx), (1 - wy) * wx, wy * (1 - wx), wy * wx])
    return np.stack([first, first + 1, first + side, first + side + 1]), weights, inside
