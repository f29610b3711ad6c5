"""Numbers of an imported csv that are not probabilities: what they are instead, reported once for all rows."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from facetwise.core.labels import FloatArray

_PERCENT = re.compile(r"\s*[0-9]+(\.[0-9]*)?\s*%\s*")
_COMMA = re.compile(r"\s*[0-9]*,[0-9]+\s*")


def why_no_probabilities(cells: Sequence[str], numbers: FloatArray, tolerance: float) -> str | None:
    """Why no row of a block is a distribution, and what to do; None where rows differ in that, or there is one alone.

    `cells` are the block's as they are written, `numbers`, (n, classes), what they say, NaN where it is no number;
    `tolerance` is how far a row may sum from 1.
    """
    total = numbers.sum(axis=1)
    if len(numbers) < 2:
        return None
    if ((numbers >= 0).all() and _all_near(total / 100, tolerance)) or all(map(_PERCENT.fullmatch, cells)):
        return "are per cent: divide them by 100"
    if all(map(_COMMA.fullmatch, cells)):
        return "have decimal commas: write points"
    if not np.isfinite(numbers).all():
        return None
    with np.errstate(over="ignore"):
        if _all_near(np.exp(numbers).sum(axis=1), tolerance):
            return "are logarithms of probabilities: write the exponential of each"
    if ((numbers < 0) | (numbers > 1)).any(axis=1).all():
        return f"are scores from {numbers.min():.4g} to {numbers.max():.4g}: write the softmax of each row"
    if (np.abs(total - 1) > tolerance).all():
        return f"sum to {total.min():.4g} up to {total.max():.4g} a row, expected 1: divide each row by its sum"
    return None


def _all_near(totals: FloatArray, tolerance: float) -> bool:
    return bool((np.abs(totals - 1) <= tolerance).all())
