"""Near pairs of many points without comparing every pair: locality-sensitive hashing."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from facetwise.core.labels import IntArray

Points = npt.NDArray[np.float32]

TABLES, PROBES = 6, 4
"""Hash tables, and how many of a query's bits are turned, one by one, those first that it is least sure of."""
MAX_IN_LIST = 64
"""Most points of a list that a query is compared with."""
_FEW = 256
"""As many points are all compared with each query."""
_MAIN, _FIRST, _BLOCK = 32, 12, 65_536
"""Main components that are hashed; those compared first; pairs compared at a time."""


class NearPoints:
    """Points (n, dimensions) to be searched for those within a distance of a query, in time linear in n and in queries.

    Each table hashes a point to as many bits as make lists of about one point: on which side of the median it lies, in
    random directions of the points' main components (M. Datar, N. Immorlica, P. Indyk and V. Mirrokni, SCG 2004). A
    query also looks where its least certain bits are turned (Q. Lv and others, VLDB 2007). A near point may be missed,
    the sooner the farther it is. The directions are the same every time.
    """

    def __init__(self, points: Points) -> None:
        _, components = np.linalg.eigh(np.cov(points.T.astype(np.float64)))
        self._components = np.ascontiguousarray(components[:, ::-1], dtype=np.float32)
        self._points = points @ self._components
        num_bits = min(24, max(8, int(np.ceil(np.log2(len(points)))) + 1))
        rng = np.random.default_rng(0)
        turns = (np.linalg.qr(rng.normal(size=(_MAIN, _MAIN)))[0] for _ in range(TABLES))
        self._tables = (
            []
            if len(points) <= _FEW
            else [_HashTable(self._points, turn[:, :num_bits].astype(np.float32)) for turn in turns]
        )

    def within(self, queries: Points, radius: float) -> tuple[IntArray, IntArray, Points]:
        """Pairs of a query and a point at most `radius` apart, each once, by query: rows, squared distances."""
        queries = queries @ self._components
        everything = np.divmod(np.arange(0 if self._tables else len(queries) * len(self._points)), len(self._points))
        found = [self._near(queries, *everything, radius)]
        blocks = (block for table in self._tables for block in table.candidates(queries))
        found += [self._near(queries, *block, radius) for block in blocks]
        pairs = np.unique(np.concatenate(found))
        query, point = pairs // len(self._points), pairs % len(self._points)
        return query, point, _squares(queries, self._points, query, point)

    def _near(self, queries: Points, query: IntArray, point: IntArray, radius: float) -> IntArray:
        for few in (slice(_FIRST), slice(None)):  # most are far by the first components alone
            near = _squares(queries[:, few], self._points[:, few], query, point) <= radius**2
            query, point = query[near], point[near]
        return query * len(self._points) + point


class _HashTable:
    """Lists of points by hash."""

    def __init__(self, points: Points, directions: Points) -> None:
        self._directions = directions
        along = points[:, :_MAIN] @ directions
        self._middle = np.median(along, axis=0)
        self._weights = 1 << np.arange(directions.shape[1])
        keys = (along > self._middle) @ self._weights
        self._order = np.argsort(keys, kind="stable")
        self._lengths = np.bincount(keys, minlength=1 << directions.shape[1])
        self._starts = np.cumsum(self._lengths) - self._lengths

    def candidates(self, queries: Points) -> Iterator[tuple[IntArray, IntArray]]:
        """Pairs of a query and a point of its list, then of the lists beside it."""
        side = queries[:, :_MAIN] @ self._directions - self._middle
        keys = (side > 0) @ self._weights
        unsure = np.argsort(np.abs(side), axis=1)[:, :PROBES]
        for wanted in (keys, *(keys ^ self._weights[bit] for bit in unsure.T)):
            count = np.minimum(self._lengths[wanted], MAX_IN_LIST)
            query = np.repeat(np.arange(len(queries)), count)
            place = np.repeat(self._starts[wanted] - np.cumsum(count) + count, count) + np.arange(len(query))
            for part in range(0, len(query), _BLOCK):
                rows = slice(part, part + _BLOCK)
                yield query[rows], self._order[place[rows]]


def _squares(a: Points, b: Points, rows: IntArray, others: IntArray) -> Points:
    """Squared distances of rows of `a` from rows of `b`."""
    apart = a[rows] - b[others]
    squares: Points = np.einsum("ij,ij->i", apart, apart)
    return squares
