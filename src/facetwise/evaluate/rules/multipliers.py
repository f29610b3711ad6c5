"""Class multipliers: the decided class is the argmax of probability times multiplier.

The most probable class is the right answer for accuracy. Macro F1 wants rare classes sooner: one class against the rest
is best taken above a probability of half the F1 that can be reached (Lipton, Elkan & Narayanaswamy 2014, "Optimal
thresholding of classifiers to maximize F1 measure", theorem 1). Between several classes that is a multiplier a class.

Shapes: n rows; a task has blocks of K_b columns, and c coordinates, each with a multiplier of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facetwise.core.arrays import classes, number, numbers, takes
from facetwise.core.labels import FloatArray, IntArray, LabelSpace
from facetwise.evaluate.metrics import MAIN, Metric
from facetwise.evaluate.predictions import Predictions
from facetwise.evaluate.rules.sweep import A_STEP, Range, Switch, best_value

MOST = 10.0
"""A multiplier stays within this factor of where it starts. Beyond, a class would be taken where the model all but
rules it out, and a handful of rows would decide."""
MARGIN = 0.05
"""How far beyond the last row that it moves a log-multiplier is put, at most."""
JOINT_PRICE = 0.002
"""Score that a joint multiplier has to bring for each unit of its logarithm away from the product of the
attributes': there are many of them, each with few people to tell it by. Chosen on drawn contests; see docs/log.md."""
MAX_ROUNDS = 20
"""Most passes over all coordinates; it rarely takes more than five until none moves."""


@dataclass(frozen=True)
class Coordinate:
    """The columns of a block that one multiplier applies to. A common factor of a family changes nothing."""

    block: int
    columns: IntArray
    family: int


@dataclass(frozen=True)
class MultiplierTask:
    """Rows to decide. `blocks`: log-probabilities, (n, K_b) each; a joint class is the sum of stride x column."""

    blocks: tuple[FloatArray, ...]
    strides: tuple[int, ...]
    coordinates: tuple[Coordinate, ...]
    num_joint: int

    def decide(self, logs: FloatArray) -> IntArray:
        """Joint classes, (n,), with log-multipliers `logs`, (c,); of equals the lowest column of a block."""
        codes = [block.argmax(axis=1) for block in self.shifted(logs)]
        return self.joint(codes)

    def shifted(self, logs: FloatArray) -> list[FloatArray]:
        """The blocks with log-multipliers added."""
        blocks = [block.copy() for block in self.blocks]
        for coordinate, log in zip(self.coordinates, logs, strict=True):
            blocks[coordinate.block][:, coordinate.columns] += log
        return blocks

    def joint(self, codes: list[IntArray]) -> IntArray:
        """Joint classes, (n,), of a column for each block."""
        joint: IntArray = np.stack([s * c for s, c in zip(self.strides, codes, strict=True)]).sum(axis=0)
        return joint

    def images(self, truth: IntArray) -> IntArray:
        """How many of the true joint classes `truth`, (n,), each coordinate stands for, (c,)."""
        true, joint = np.bincount(truth, minlength=self.num_joint), np.arange(self.num_joint)
        column = [joint // s % b.shape[1] for s, b in zip(self.strides, self.blocks, strict=True)]
        return np.array([true[np.isin(column[c.block], c.columns)].sum() for c in self.coordinates])


def attribute_task(predictions: Predictions) -> MultiplierTask:
    """A coordinate a class of each attribute, in the order of the label; all of them are predicted.

    Joint columns are one block, in which a class of an attribute stands for several columns; without them each
    attribute is a block of its own and is decided by itself, unless some combinations cannot occur. Raises as
    `Predictions.joint` then.
    """
    space = predictions.space
    sizes, strides = space.sizes, tuple(int(np.prod(space.sizes[a + 1 :])) for a in range(len(space.sizes)))
    if not predictions.has_joint and space.combinations is None:
        logs = predictions.marginals
        own = (Coordinate(a, np.array([k]), a) for a, size in enumerate(sizes) for k in range(size))
        return MultiplierTask(tuple(logs[n] for n in space.names), strides, tuple(own), space.num_joint)
    codes = space.joint_codes
    across = (Coordinate(0, np.flatnonzero(codes[:, a] == k), a) for a, size in enumerate(sizes) for k in range(size))
    return MultiplierTask((predictions.joint,), (1,), tuple(across), space.num_joint)


def joint_task(predictions: Predictions) -> MultiplierTask:
    """A coordinate a joint class. Raises as `Predictions.joint` does."""
    space = predictions.space
    coordinates = tuple(Coordinate(0, np.array([j]), 0) for j in range(space.num_joint))
    return MultiplierTask((predictions.joint,), (1,), coordinates, space.num_joint)


@takes(logs=numbers("c"))
def spread(logs: FloatArray, space: LabelSpace) -> FloatArray:
    """Log-multipliers of the joint classes, (num_joint,), that come to those of the attributes' classes, in order."""
    starts = np.concatenate([[0], np.cumsum(space.sizes)[:-1]])
    total: FloatArray = logs[space.joint_codes + starts].sum(axis=1)
    return total


@takes(truth=classes("n"), start=numbers("c"), price=number(-1))
def fit_multipliers(
    task: MultiplierTask,
    truth: IntArray,
    start: FloatArray | None = None,
    *,
    price: float = A_STEP,
    metric: Metric = MAIN,
) -> FloatArray:
    """Log-multipliers, (c,), with the highest score on these rows, by coordinate ascent from `start` (else 0).

    `truth`: true joint classes, (n,). In each family the class with the most images keeps 0, and so does one that no
    column stands for. A step takes the exact best for its coordinate (`best_value`, with `price`); coordinates go by
    their number of images, the rarest first, until none moves. So no single multiplier can be moved for the better, but
    several at once might. Deterministic.
    """
    begin = np.zeros(len(task.coordinates)) if start is None else start
    logs, blocks = begin.copy(), task.shifted(begin)
    codes, fixed = [block.argmax(axis=1) for block in blocks], _fixed(task, truth)
    occurring = [c for c, own in enumerate(task.coordinates) if own.columns.size and c not in fixed]
    free = [int(c) for c in np.argsort(task.images(truth), kind="stable") if c in occurring]
    still = 0
    for c in free * MAX_ROUNDS:
        allowed = Range(begin[c] - np.log(MOST), begin[c], begin[c] + np.log(MOST), MARGIN, price)
        switch = _switch(task, blocks, codes, c, logs[c])
        value = best_value(switch, truth, task.num_joint, float(logs[c]), allowed, metric)
        still = still + 1 if value == logs[c] else 0
        if still == len(free):
            break
        if value != logs[c]:
            b, columns = task.coordinates[c].block, task.coordinates[c].columns
            blocks[b][:, columns] += value - logs[c]
            codes[b], logs[c] = blocks[b].argmax(axis=1), value
    family = np.array([c.family for c in task.coordinates])
    relative: FloatArray = logs - logs[fixed][family]
    return relative


def _fixed(task: MultiplierTask, truth: IntArray) -> list[int]:
    """The coordinate of each family that has the most images; of equals the first."""
    images, family = task.images(truth), np.array([c.family for c in task.coordinates])
    return [int(np.where(family == f, images, -1).argmax()) for f in range(family.max() + 1)]


def _switch(task: MultiplierTask, blocks: list[FloatArray], codes: list[IntArray], c: int, now: float) -> Switch:
    """What the multiplier of coordinate `c` decides, with all others as they are."""
    b, columns = task.coordinates[c].block, task.coordinates[c].columns
    rest, rows = np.setdiff1d(np.arange(blocks[b].shape[1]), columns), np.arange(len(blocks[b]))
    own, other = columns[blocks[b][:, columns].argmax(axis=1)], codes[b].copy()
    now_own = np.flatnonzero(np.isin(other, columns))  # elsewhere what is decided now is the best of the rest
    other[now_own] = rest[blocks[b][np.ix_(now_own, rest)].argmax(axis=1)]
    elsewhere = task.joint([np.zeros_like(k) if i == b else k for i, k in enumerate(codes)])
    at = blocks[b][rows, other] - (blocks[b][rows, own] - now)
    return Switch(at, elsewhere + task.strides[b] * other, elsewhere + task.strides[b] * own)
