"""Sums over the combinations that can occur, of attributes that are independent but for these.

The combinations are kept as a tree: a node at depth d is the beginning, of d attributes, of combinations that can
occur. What a node adds is the sum over its children, so that no number for every image and combination is needed.
Attributes stand in the order of their sizes: the largest, in the leaves, is one product of matrices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from facetwise.core.labels import FloatArray, IntArray, LabelSpace

if TYPE_CHECKING:
    from scipy.sparse import csr_array


@dataclass(frozen=True)
class _Level:
    """The nodes at one depth above the leaves, in the order of their parents."""

    attribute: int
    parents: IntArray
    """The node above each, (m,)."""
    classes: IntArray
    """Its class of `attribute`, (m,)."""
    starts: IntArray
    """The first child of each node above, (nodes above,)."""


@dataclass(frozen=True)
class OccurringTree:
    """The combinations that can occur of a label space."""

    levels: tuple[_Level, ...]
    last: int
    """The attribute in the leaves."""
    leaves: csr_array
    """1 where a class of `last` goes with a node above the leaves, (nodes, K)."""

    @staticmethod
    @lru_cache(maxsize=4)
    def of(space: LabelSpace) -> OccurringTree:
        """The tree of a space of several attributes."""
        *inner, last = sorted(range(len(space.sizes)), key=lambda i: space.sizes[i])
        levels, nodes = [], np.zeros(space.num_joint, np.int64)
        for attribute in inner:
            size = space.sizes[attribute]
            numbers, nodes = np.unique(nodes * size + space.joint_codes[:, attribute], return_inverse=True)
            parents = numbers // size
            levels.append(_Level(attribute, parents, numbers % size, np.unique(parents, return_index=True)[1]))
        leaves = _ones(nodes, space.joint_codes[:, last], (len(levels[-1].parents), space.sizes[last]))
        return OccurringTree(tuple(levels), last, leaves)

    def totals(self, parts: Sequence[FloatArray]) -> FloatArray:
        """The sum over the combinations of the product of `parts`, (K, n) for each attribute: (n,)."""
        found: FloatArray = self._upwards(parts)[0][0]
        return found

    def by_class(self, parts: Sequence[FloatArray]) -> list[FloatArray]:
        """What of `totals` is of each class of each attribute, (K, n) each."""
        above: list[FloatArray] = [np.ones((1, parts[0].shape[1]))]
        found, below = list(parts), self._upwards(parts)
        for level, under in zip(self.levels, below[1:], strict=True):
            above.append(above[-1][level.parents] * parts[level.attribute][level.classes])
            nodes, size = np.arange(len(level.classes)), len(parts[level.attribute])
            found[level.attribute] = _ones(level.classes, nodes, (size, len(nodes))) @ (above[-1] * under)
        found[self.last] = parts[self.last] * (self.leaves.T @ above[-1])
        return found

    def _upwards(self, parts: Sequence[FloatArray]) -> list[FloatArray]:
        """Of the nodes at each depth the sum over what is below, (nodes, n), from the root on."""
        sums: list[Any] = [self.leaves @ parts[self.last]]
        for level in reversed(self.levels):
            own = sums[-1] * parts[level.attribute][level.classes]
            sums.append(np.add.reduceat(own, level.starts, axis=0))
        return sums[::-1]

    @property
    def num_nodes(self) -> int:
        """Nodes above the leaves, of which numbers are held an image."""
        return sum(len(level.parents) for level in self.levels) + int(self.leaves.shape[1])


def _ones(rows: IntArray, columns: IntArray, shape: tuple[int, int]) -> csr_array:
    from scipy.sparse import csr_array

    return csr_array((np.ones(len(rows)), (rows, columns)), shape=shape)
