"""The best place of one number that decides rows, exactly: a score changes only where a row changes class.

Multipliers and thresholds are alike in this: with all others fixed, each row has a place at which it changes from one
class to another. With the rows sorted by that place, the score of every value is a running sum; no grid is needed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facetwise.core.arrays import classes, count, takes
from facetwise.core.labels import FloatArray, IntArray
from facetwise.evaluate.metrics import MAIN, Metric, divisor, parts_of_counts

DECIMALS = 10
"""Decimals of a score that count: sums over many rows differ in the last digits by the order of adding."""
A_STEP = 1e-11
"""Score that a unit away from the neutral value costs: of equal choices the smallest move wins."""
LEAST_GAIN = 1e-5
"""Score that a move has to bring, unless it is one back to neutral: ascent would go on and on for less."""


@dataclass(frozen=True)
class Switch:
    """What one number decides: row i is `above[i]` when the number exceeds `at[i]`, else `below[i]`; all of shape (n,).

    `below` and `above` are class numbers; `at` may be infinite.
    """

    at: FloatArray
    below: IntArray
    above: IntArray


@dataclass(frozen=True)
class Range:
    """The values that a number may take: `low` to `high`, and the one that changes nothing (`neutral`) between."""

    low: float
    neutral: float
    high: float
    margin: float
    """Between two rows a value stands halfway, but no further than this from the row on the side of `neutral`."""
    price: float = A_STEP
    """Score that each unit away from `neutral` has to bring."""


def best_value(
    switch: Switch, truth: IntArray, num_classes: int, now: float, allowed: Range, metric: Metric = MAIN
) -> float:
    """The value within `allowed` with the highest score, less the price of its move; `now` where none is better.

    `truth`: true classes, shape (n,). Where the neutral value is as good as the best, it is taken.
    """
    at = switch.at
    moving = np.flatnonzero((at > allowed.low) & (at < allowed.high) & (switch.above != switch.below))
    order = moving[np.argsort(at[moving], kind="stable")]
    start = np.where(at <= allowed.low, switch.above, switch.below)
    curve = score_as_rows_change(start, switch.above, order, truth, num_classes, metric).round(DECIMALS)
    edges = np.concatenate([[allowed.low], at[order], [allowed.high]])
    low, high = edges[:-1], edges[1:]
    least_move = np.maximum(0.0, np.maximum(low - allowed.neutral, allowed.neutral - high))
    gain = np.where(low < high, curve - allowed.price * least_move, -np.inf)
    best, here = int(gain.argmax()), max(int(np.searchsorted(edges, now)) - 1, 0)
    value = _place(float(low[best]), float(high[best]), allowed)
    gain = curve[best] - curve[here] - allowed.price * (abs(value - allowed.neutral) - abs(now - allowed.neutral))
    return value if gain > (0 if value == allowed.neutral else LEAST_GAIN) else now


@takes(
    num_classes=count(),
    start=classes("n", below="num_classes"),
    later=classes("n", below="num_classes"),
    order=classes("m", below="n"),
    truth=classes("n", below="num_classes"),
)
def score_as_rows_change(
    start: IntArray, later: IntArray, order: IntArray, truth: IntArray, num_classes: int, metric: Metric = MAIN
) -> FloatArray:
    """The score, shape (m + 1,), when the first 0, 1, .. m rows of `order`, (m,), are `later` and the others `start`.

    A change touches two classes. Their counts are running sums over the changes of the class, and the score is a
    running sum of what the parts of both changed by; so the cost goes with the rows, not with rows times classes.
    """
    predicted, true = (np.bincount(c, minlength=num_classes).astype(np.float64) for c in (start, truth))
    hits = np.bincount(start[start == truth], minlength=num_classes).astype(np.float64)
    classes = np.stack([start[order], later[order]], axis=1).ravel()
    step = np.tile([-1.0, 1.0], len(order))
    hit = step * (classes == np.repeat(truth[order], 2))
    grouped = np.argsort(classes.astype(np.min_scalar_type(num_classes)), kind="stable")  # small types sort in one pass
    own = classes[grouped]
    begins = np.searchsorted(own, own)
    parts = parts_of_counts(
        metric, hits[own] + _running(hit[grouped], begins), predicted[own] + _running(step[grouped], begins), true[own]
    )
    first = parts_of_counts(metric, hits, predicted, true)
    before = np.where(begins == np.arange(len(own)), first[own], np.concatenate([[0.0], parts])[:-1])
    change = np.empty(len(parts))
    change[grouped] = parts - before
    total: FloatArray = first.sum() + np.concatenate([[0.0], change.reshape(-1, 2).sum(axis=1).cumsum()])
    return total / divisor(metric, true, num_classes)


def _running(numbers: FloatArray, begins: IntArray) -> FloatArray:
    """Running sums that start anew with each class; `begins`: where the class of each entry starts."""
    total = np.concatenate([[0.0], numbers.cumsum()])
    sums: FloatArray = total[1:] - total[begins]
    return sums


def _place(low: float, high: float, allowed: Range) -> float:
    """A value between two rows: the neutral one if it is there, else halfway, within the margin."""
    if low < allowed.neutral < high:
        return allowed.neutral
    inwards = min((high - low) / 2, allowed.margin)
    return low + inwards if low >= allowed.neutral else high - inwards
