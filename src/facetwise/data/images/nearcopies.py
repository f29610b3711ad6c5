"""Near copies among thumbnails: neighbours in any view, laid over each other and compared."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import polars as pl

from facetwise.core.labels import IntArray
from facetwise.data.features.nearest import Vectors, nearest_of_others
from facetwise.data.images.aligning import aligned
from facetwise.data.images.neighbours import NearPoints
from facetwise.data.images.thumbnails import Array, Thumbnails, descriptors, views

RADIUS = 0.3
"""Largest distance of descriptors (two of unlike pictures are about 1 apart) of pairs that are compared."""
MAX_COMPARED = 3000
"""Most pairs that are compared, the nearest first."""
MIN_CORRELATION, MIN_FINE, MIN_FINE_CLOSER = 0.97, 0.9, 0.825
"""Least correlation of copies laid over each other, and of their fine detail, as thumbnails and as larger ones."""
ENOUGH = 0.995
"""Correlation of larger thumbnails that is enough: soft pictures have no fine detail but noise."""
MIN_AT_ALL, MIN_FINE_AT_ALL, CLOSER = 0.93, 0.68, 96
"""Least of both for pairs of thumbnails that are looked at closer, and how many pixels a side these have then."""
_RECODED, _MIRRORED, _CROPPED, _TURNED = "recoded", "mirrored", "cropped", "turned"
LOOKED_FOR = {
    "exact": "the same file",
    _RECODED: "saved again in any format, size, quality or brightness, or grey",
    _MIRRORED: "mirrored",
    _CROPPED: "cropped or framed, up to a tenth a side",
    _TURNED: "turned, up to 4 degrees",
}
"""Every kind of copy that is looked for, in words."""
FURTHER = "among the eight most alike by features also cropped to 70 % a side or more, or turned up to 14 degrees"
"""What is looked for beside these where there are features, in words."""
NEAREST, FAR = 8, 0.5
"""How many of the most alike by features each picture is compared with, and their descriptors' largest distance."""

_BATCH, _BLOCK = 128, 8192


def near_pairs(thumbnails: Thumbnails, sides: IntArray) -> pl.DataFrame:
    """Pairs a < b of thumbnails on different sides (a number each, shape (n,)) whose descriptors are near in some view.

    Columns `a`, `b`, `seen` and `shown` (the two again: the first in the view `view` is like the second), `square`; one
    row a pair, the nearest first.
    """
    columns = {
        "a": pl.Int64,
        "b": pl.Int64,
        "seen": pl.Int64,
        "shown": pl.Int64,
        "view": pl.Int64,
        "square": pl.Float32,
    }
    if len(thumbnails) < 2:
        return pl.DataFrame(schema=columns)
    points = descriptors(thumbnails)
    near, found = NearPoints(points), []
    for number, view in enumerate(views()):
        seen, shown, square = near.within(descriptors(thumbnails, view) if number else points, RADIUS)
        apart = sides[seen] != sides[shown]
        seen, shown, square = seen[apart], shown[apart], square[apart]
        low, high = np.minimum(seen, shown), np.maximum(seen, shown)
        rows = dict(zip(columns, (low, high, seen, shown, np.full(len(seen), number), square), strict=True))
        found.append(pl.DataFrame(rows, schema=columns))
    return (
        pl.concat(found).sort("square", "a", "b", "view", "seen").unique(["a", "b"], keep="first", maintain_order=True)
    )


def further_pairs(thumbnails: Thumbnails, sides: IntArray, vectors: Vectors) -> pl.DataFrame:
    """Pairs as those of `near_pairs` that are among the most alike by features, `vectors` (n, F) of length 1.

    Two rows a pair: either of the two in that view, further ones too, in which its descriptors are nearest to the
    other's, since what a turn or a frame added to one of them is out of sight in one direction alone.
    """
    which, _ = nearest_of_others(vectors, sides, NEAREST)
    one, other = np.repeat(np.arange(len(which)), NEAREST), which.ravel()
    pairs = np.stack([np.minimum(one, other), np.maximum(one, other)], axis=1)[other >= 0]
    low, high = np.unique(pairs, axis=0).reshape(-1, 2).T
    seen, shown = np.concatenate([low, high]), np.concatenate([high, low])
    view, square = np.zeros(len(seen), np.int64), np.full(len(seen), np.inf, np.float32)
    points = descriptors(thumbnails)
    for number, way in enumerate(views(further=True)):
        viewed = descriptors(thumbnails, way)
        for part in range(0, len(seen), _BLOCK):
            rows = slice(part, part + _BLOCK)
            apart = viewed[seen[rows]] - points[shown[rows]]
            squares = np.einsum("ij,ij->i", apart, apart)
            better = squares < square[rows]
            view[rows][better], square[rows][better] = number, squares[better]
    low, high = np.minimum(seen, shown), np.maximum(seen, shown)
    found = pl.DataFrame({"a": low, "b": high, "seen": seen, "shown": shown, "view": view, "square": square})
    return found.filter(pl.col("square") <= FAR**2).sort("square", "a", "b", "seen").head(MAX_COMPARED)


def confirmed(thumbnails: Thumbnails, pairs: pl.DataFrame, closer: Callable[[list[int]], Thumbnails]) -> pl.DataFrame:
    """Those of the `near_pairs` that show the same picture, with a column `kind`: a key of `LOOKED_FOR`, or several.

    `closer` gives larger thumbnails (n, CLOSER, CLOSER) by number, for pairs that the small ones do not decide.
    """
    found = [rows.with_columns(kind=_kinds(rows, thumbnails, closer)) for rows in pairs.iter_slices(_BATCH)]
    return pl.concat([pairs.clear().with_columns(kind=pl.lit(None, pl.String)), *found]).drop_nulls("kind")


def _kinds(rows: pl.DataFrame, thumbnails: Thumbnails, closer: Callable[[list[int]], Thumbnails]) -> pl.Series:
    """The kind of each pair of pictures; null for pairs that are no copies."""
    seen, shown = (rows[column].to_numpy() for column in ("seen", "shown"))
    starts = views(further=True)[rows["view"].to_numpy()]
    maps, alike, fine = aligned(thumbnails[seen], thumbnails[shown], starts)
    kinds = [_kind(found) for found in maps]
    moved = np.array([kind not in (_RECODED, _MIRRORED) for kind in kinds], dtype=bool)
    same = ~moved & (alike >= MIN_CORRELATION) & (fine >= MIN_FINE)
    unsure = np.flatnonzero(~same & (alike >= MIN_AT_ALL) & (fine >= MIN_FINE_AT_ALL))
    if len(unsure):
        one, two = (closer(numbers[unsure].tolist()) for numbers in (seen, shown))
        maps, alike, fine = aligned(one, two, maps[unsure], steps=3)
        same[unsure] = (alike >= ENOUGH) | (alike >= MIN_CORRELATION) & (fine >= MIN_FINE_CLOSER)
        for place, found in zip(unsure.tolist(), maps, strict=True):
            kinds[place] = _kind(found)
    return pl.Series([kind if yes else None for kind, yes in zip(kinds, same, strict=True)], dtype=pl.String())


def _kind(place: Array) -> str:
    """What was done to a copy, from the map that lays it over the other."""
    matrix, shift = place[:, :2].astype(np.float64), place[:, 2]
    size = float(np.linalg.det(matrix))
    parts = {
        _MIRRORED: size < 0,
        _CROPPED: not 0.97 < abs(size) < 1.03 or float(np.abs(shift).max()) > 0.03,
        _TURNED: _turn(matrix) > 1,
    }
    return " and ".join(kind for kind, is_so in parts.items() if is_so) or _RECODED


def _turn(matrix: npt.NDArray[np.float64]) -> float:
    """Degrees by which a map turns, whether it mirrors or not."""
    along, across = abs(matrix[0, 0]) + abs(matrix[1, 1]), abs(matrix[0, 1]) + abs(matrix[1, 0])
    return float(np.rad2deg(np.arctan2(across, along)))
