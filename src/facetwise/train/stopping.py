"""Which epoch each fold uses, and how long all folds train for it: by the scores of the *other* folds alone.

The rule reads recorded curves and nothing else, so a run that was stopped early, killed or trained side by side uses
the very epochs of one that was trained to its end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from facetwise.core.labels import FloatArray

Curves = Mapping[int, Sequence[float]]
"""Fold -> validation score after each epoch; NaN where none of its images has a known label."""


def choose_epochs(curves: Curves, patience: int | None = None) -> dict[int, int]:
    """For each fold the epoch (from 1) with the best mean score of the *other* folds; the earliest of ties.

    With `patience` a fold sees nothing of what comes after so many epochs without a better mean. `curves`: of at least
    two folds; what only some folds have at their end is left out.
    """
    return {fold: _best(mean, patience) for fold, mean in _others(curves)}


def epochs_needed(curves: Curves, patience: int, longest: int) -> int:
    """How many epochs every fold has to be trained, as far as `curves` tell: until the last fold has stopped.

    At most `longest`. More than the curves have as long as a fold may still find a better epoch.
    """
    stops = [_best(mean, patience) + patience for _, mean in _others(curves)]
    return min(longest, max(stops, default=1 + patience))


def _others(curves: Curves) -> Iterator[tuple[int, FloatArray]]:
    """Each fold, and the mean of the other folds after each epoch that all have."""
    length = min(map(len, curves.values()), default=0)
    for fold in curves if length else ():
        # Summed without the fold itself: taken off again, its own scores would decide ties by their rounding.
        parts = [np.nan_to_num(np.asarray(curves[k][:length], float)) for k in sorted(curves) if k != fold]
        yield fold, np.mean(parts, axis=0)


def _best(mean: FloatArray, patience: int | None) -> int:
    """The best epoch (from 1) of a curve, before so many epochs without a better one."""
    best = 0
    for epoch, score in enumerate(mean):
        if patience is not None and epoch - best > patience:
            break
        if score > mean[best]:
            best = epoch
    return best + 1
