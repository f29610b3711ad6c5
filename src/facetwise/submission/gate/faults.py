"""Silent faults of a file with the right rows: how it would read without each fault, so that the fault can be named.

Seen in the field: classes numbered as folder names sort, an attribute's classes in another order, attributes
multiplied up in another order, rows in the order of a folder listing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations

import numpy as np

from facetwise.core.labels import MAX_LISTED_JOINT, IntArray, LabelSpace
from facetwise.evaluate.metrics import MISSING

MAX_PERMUTED = 6
"""Most classes of an attribute for which all orders are tried; with more: alphabetical, reversed, and swaps of two."""
MAX_ATTRIBUTES = 5
"""Most attributes for which all orders are tried; with more: swaps of two and the reverse."""


@dataclass(frozen=True)
class Reading:
    """A file read with one assumed fault undone."""

    words: str
    """Completes "but on 81 % ...", such as "when `mask` and `gender` are swapped"."""
    codes: IntArray
    """Class numbers after the fault is undone, shape (n, num_attributes)."""
    of_classes: bool = False
    """Whether the fault is that attributes' classes are in another order."""


def readings(joint: IntArray, other: IntArray, names: Sequence[str], space: LabelSpace) -> Iterator[Reading]:
    """Readings of the joint classes of a file, shape (n,), with known faults undone, the simplest fault first.

    `other`: another opinion, shape (n, num_attributes), -1 if missing, by which the best order of an attribute's
    classes is chosen. `names`: image names in the file's order.
    """
    yield from _other_classes(space.decode(joint), other, space)
    yield from _other_orders(joint, space)
    yield from _other_numbers(joint, space)
    yield from _other_rows(space.decode(joint), names)


def _other_orders(joint: IntArray, space: LabelSpace) -> Iterator[Reading]:
    """Joint classes computed with the attributes in another order."""
    usual = tuple(range(len(space.sizes)))
    for order in _orders(len(usual)):
        if order != usual:
            digits = np.unravel_index(joint, [space.sizes[i] for i in order])
            codes = np.empty((len(joint), len(usual)), np.int64)
            codes[:, order] = np.stack(digits, axis=1)
            if (codes < np.asarray(space.sizes)).all():
                yield Reading(_order_words([space.names[i] for i in order], space), codes)


def _orders(count: int) -> Iterator[tuple[int, ...]]:
    if count <= MAX_ATTRIBUTES:
        yield from permutations(range(count))
        return
    yield tuple(reversed(range(count)))
    for i in range(count):
        for j in range(i):
            order = list(range(count))
            order[i], order[j] = j, i
            yield tuple(order)


def _order_words(names: Sequence[str], space: LabelSpace) -> str:
    moved = [f"`{name}`" for name, usual in zip(names, space.names, strict=True) if name != usual]
    if len(moved) == 2:
        return f"when {moved[1]} and {moved[0]} are swapped"
    return f"when attributes are multiplied up in the order {', '.join(f'`{n}`' for n in names)}"


def _other_numbers(joint: IntArray, space: LabelSpace) -> Iterator[Reading]:
    """Joint classes numbered in alphabetical order, of their numbers as text or of their names; of few enough."""
    if space.num_joint > MAX_LISTED_JOINT:
        return
    as_text = np.array(sorted(range(space.num_joint), key=str))
    yield Reading("when classes are numbered as text sorts: 0, 1, 10, 11, ...", space.decode(as_text[joint]))
    names = ["_".join(space.joint_name(i).split("/")) for i in range(space.num_joint)]
    by_name = np.array(sorted(range(space.num_joint), key=lambda i: names[i]))
    yield Reading("when joint classes are numbered in the order of their names", space.decode(by_name[joint]))


def _other_classes(codes: IntArray, other: IntArray, space: LabelSpace) -> Iterator[Reading]:
    """Classes of one attribute, or of all attributes, in another order."""
    together, moved = codes.copy(), []
    for i, attribute in enumerate(space.attributes):
        order = best_order(codes[:, i], other[:, i], attribute.classes)
        if order == tuple(range(attribute.size)):
            continue
        together[:, i] = np.array(order)[codes[:, i]]
        words = f"`{attribute.name}` in the order {', '.join(attribute.classes[k] for k in order)}"
        moved.append(words)
        alone = codes.copy()
        alone[:, i] = together[:, i]
        yield Reading(f"when classes are numbered with {words}", alone, of_classes=True)
    if len(moved) > 1:
        yield Reading(f"when classes are numbered with {' and '.join(moved)}", together, of_classes=True)


def best_order(codes: IntArray, other: IntArray, classes: Sequence[str]) -> tuple[int, ...]:
    """order[k]: the class that the file's k should be read as for the best agreement; ties keep the usual order.

    Class numbers have shape (n,); -1 in `other` if missing.
    """
    size, known = len(classes), other != MISSING
    cells = np.bincount(codes[known] * size + other[known], minlength=size * size).reshape(size, size)
    usual = tuple(range(size))
    return max(_class_orders(classes), key=lambda order: int(cells[usual, order].sum()))


def _class_orders(classes: Sequence[str]) -> Iterator[tuple[int, ...]]:
    """The orders of an attribute's classes to try, the usual one first."""
    usual = tuple(range(len(classes)))
    if len(classes) <= MAX_PERMUTED:
        yield from permutations(usual)
        return
    yield from (usual, tuple(sorted(usual, key=lambda k: classes[k])), usual[::-1])
    for one, two in combinations(usual, 2):
        exchanged = {one: two, two: one}
        yield tuple(exchanged.get(k, k) for k in usual)


def _other_rows(codes: IntArray, names: Sequence[str]) -> Iterator[Reading]:
    """Predictions made for the images in another order than they were written in."""
    listed = sorted(range(len(names)), key=lambda i: names[i])
    by_name = np.empty_like(codes)
    by_name[listed] = codes
    yield Reading("when its answers belong to the images in the order of their names", by_name)
    yield Reading("when its answers are turned upside down", codes[::-1])
    for step, words in ((1, "down"), (-1, "up")):
        yield Reading(f"when its answers are moved {words} by one row", np.roll(codes, step, axis=0))
