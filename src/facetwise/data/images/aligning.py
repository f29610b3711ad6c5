"""The final test of pairs of pictures that may be copies: one is laid over the other, and the two are compared."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from facetwise.data.images.thumbnails import Array, Thumbnails, centres, sample


def aligned(a: Thumbnails, b: Thumbnails, maps: Array, steps: int = 8) -> tuple[Array, Array, Array]:
    """Lay thumbnail a over b, pair by pair, from a first map (n, 2, 3) of b's points to a's; least squares.

    Gives the maps found, and how well the two agree, each shape (n,): the correlation of the pictures where both show
    something, and that of their fine detail (what a 3x3 average leaves). Gauss-Newton steps for the six numbers of the
    map and for contrast and brightness (B. Lucas and T. Kanade, IJCAI 1981).
    """
    one, two = a.astype(np.float32), b.astype(np.float32)
    down, right = np.gradient(one, 2 / one.shape[-1], axis=(1, 2))
    slopes = np.stack([one, right, down], axis=1)
    for _ in range(steps):
        maps = maps + _step(slopes, two, maps)
    (seen, _, _), inside = _seen(slopes, maps)
    return maps, _correlation(seen, two, inside), _correlation(_fine(seen), _fine(two), inside)


def _seen(slopes: Array, maps: Array) -> tuple[Array, npt.NDArray[np.bool_]]:
    """The picture and its slopes to the right and down by a map, each (n, side, side); and where they can be seen."""
    seen, inside = sample(slopes, maps)
    return seen.swapaxes(0, 1), _inner(inside)


def _step(slopes: Array, b: Array, maps: Array) -> Array:
    """What to add to the maps."""
    (seen, right, down), inside = _seen(slopes, maps)
    weight = inside.astype(np.float32).reshape(len(b), -1, 1)
    x, y = np.meshgrid(*[centres(b.shape[-1])] * 2)
    moves = [slope * place for slope in (right, down) for place in (x, y, np.ones_like(x))]
    columns = np.stack([*moves, seen, np.ones_like(seen)], axis=-1).reshape(len(b), -1, 8)
    weighted = (columns * weight).swapaxes(1, 2)
    square = weighted @ columns
    damped = square + 1e-3 * np.eye(8, dtype=np.float32) * np.maximum(square.diagonal(axis1=1, axis2=2)[:, None], 1)
    found = np.linalg.solve(damped.astype(np.float64), (weighted @ b.reshape(len(b), -1, 1)).astype(np.float64))
    contrast = np.where(np.abs(found[:, 6]) > 0.1, found[:, 6], np.inf)
    step = found[:, :6, 0] / contrast
    return step.clip(-0.1, 0.1).reshape(-1, 2, 3).astype(np.float32)


def _inner(inside: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Without the outermost sixteenth, where a frame or the border's filling may be."""
    edge = inside.shape[-1] // 16
    inner = np.zeros_like(inside)
    inner[:, edge:-edge, edge:-edge] = True
    return inside & inner


def _fine(pictures: Array) -> Array:
    side = pictures.shape[-1]
    padded = np.pad(pictures, ((0, 0), (1, 1), (1, 1)), mode="edge")
    around = sum(padded[:, i : i + side, j : j + side] for i in range(3) for j in range(3))
    fine: Array = pictures - around / 9
    return fine


def _correlation(a: Array, b: Array, where: npt.NDArray[np.bool_]) -> Array:
    weight = where / np.maximum(where.sum(axis=(1, 2), keepdims=True), 1)
    a, b = (p - (p * weight).sum(axis=(1, 2), keepdims=True) for p in (a, b))
    both, left, right = ((p * weight).sum(axis=(1, 2)) for p in (a * b, a * a, b * b))
    correlation: Array = both / np.sqrt(np.maximum(left * right, 1e-6))
    return correlation
