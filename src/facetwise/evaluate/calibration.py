"""Whether probabilities mean what they say, and one temperature a block of them that makes them mean it.

Temperature scaling (Guo, Pleiss, Sun & Weinberger 2017, "On calibration of modern neural networks", section 4.2)
divides log-probabilities by T and normalises again. T above 1 makes a model less sure, below 1 surer; which class of a
block is the most probable never changes. T is fitted by likelihood on out-of-fold predictions: convex in 1 / T.

A *block* is what gets a temperature: the joint classes of a table that has them, else the classes of each attribute.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from facetwise.core.arrays import classes, count, flags, numbers, probabilities, takes
from facetwise.core.errors import SettingError, did_you_mean
from facetwise.core.labels import JOINT, FloatArray, IntArray
from facetwise.evaluate.compose import log_normalised, marginals_of
from facetwise.evaluate.predictions import Predictions
from facetwise.evaluate.rows import ScoredRows, Truth
from facetwise.evaluate.rules.cut_classes import bounds_used

COLDEST, HOTTEST = 0.05, 20.0
"""Range of temperatures."""
FLOOR = -50.0
"""Log-probabilities below this count as this much in a likelihood: a mistake made with certainty is not infinite."""
STEPS = 40
"""Halvings of the range of log(1 / T): to twelve digits."""
BINS = 15
"""Bins of equal width in confidence, as in Guo et al."""


@dataclass(frozen=True)
class Fit:
    """How well log-probabilities fit the truth, over the rows of one block; smaller is better for all three."""

    nll: float
    """Mean negative log-probability of the true class, in nats."""
    ece: float
    """Expected calibration error, 0..1: see `expected_calibration_error`."""
    brier: float
    """Mean squared distance from the truth, 0..2 (Brier 1950): summed over the classes."""

    @classmethod
    @takes(logs=numbers("n k"), truth=classes("n", below="k"))
    def of(cls, logs: FloatArray, truth: IntArray) -> Fit:
        """Of log-probabilities, (n, K), and true classes, (n,)."""
        probs = np.exp(logs)
        errors = probs.copy()
        errors[np.arange(len(truth)), truth] -= 1
        return cls(
            nll=float(losses(logs, truth).mean()),
            ece=expected_calibration_error(probs.max(axis=1), probs.argmax(axis=1) == truth),
            brier=float((errors**2).sum(axis=1).mean()),
        )


@takes(logs=numbers("n k"), truth=classes("n", below="k"))
def losses(logs: FloatArray, truth: IntArray) -> FloatArray:
    """Negative log-probability of the true class of each row, (n,), at most -FLOOR."""
    loss: FloatArray = -np.maximum(logs[np.arange(len(truth)), truth], FLOOR)
    return loss


@takes(confidence=probabilities("n"), right=flags("n"), num_bins=count())
def expected_calibration_error(confidence: FloatArray, right: npt.NDArray[np.bool_], num_bins: int = BINS) -> float:
    """Mean distance between how sure and how often right, over bins of confidence weighted by rows (Guo et al., eq. 5).

    `confidence`: probability of the class that was taken, (n,); bins are of equal width on 0..1, closed above. With few
    rows it is above 0 even for perfect probabilities, since a share of few rows scatters.
    """
    place = bin_of(confidence, num_bins)
    sure, hits = (np.bincount(place, weights=w, minlength=num_bins) for w in (confidence, right.astype(np.float64)))
    return float(np.abs(sure - hits).sum() / len(confidence))


@takes(confidence=probabilities("n"), num_bins=count())
def bin_of(confidence: FloatArray, num_bins: int = BINS) -> IntArray:
    """The bin of each row, (n,), 0..num_bins-1: bin b holds confidences above b / num_bins, to (b + 1) / num_bins."""
    return np.clip(np.ceil(confidence * num_bins).astype(np.int64) - 1, 0, num_bins - 1)


@takes(logs=numbers("n k"), truth=classes("n", below="k"))
def fit_temperature(logs: FloatArray, truth: IntArray) -> float:
    """The T with the highest likelihood of `truth`, (n,), under log-probabilities (n, K) divided by T.

    Between COLDEST and HOTTEST, at whose ends it stops: where every row is right, for one, nothing is too cold. The
    derivative of the loss in b = 1 / T is the mean over rows of E[log p] under the scaled distribution, less the true
    class's log p. It rises with b, so its root is found by halving.
    """
    kept = np.maximum(logs, FLOOR)
    of_truth = kept[np.arange(len(truth)), truth].mean()
    low, high = np.log(1 / HOTTEST), np.log(1 / COLDEST)
    for _ in range(STEPS):
        middle = (low + high) / 2
        probs = np.exp(log_normalised(kept * np.exp(middle)))
        if (probs * kept).sum(axis=1).mean() > of_truth:
            high = middle
        else:
            low = middle
    return float(np.exp(-(low + high) / 2))


def blocks_of(predictions: Predictions) -> Mapping[str, FloatArray]:
    """Log-probabilities, (n, K), of what gets a temperature of its own: the joint classes, else each attribute."""
    return {JOINT: predictions.joint} if predictions.has_joint else predictions.marginals


def fit_temperatures(rows: ScoredRows) -> dict[str, float]:
    """The temperature of each block of out-of-fold predictions, all of whose rows are covered."""
    blocks = blocks_of(rows.predictions)
    return {n: fit_temperature(logs, true_classes(n, rows.truth)) for n, logs in blocks.items()}


def true_classes(name: str, truth: Truth) -> IntArray:
    """True classes, (n,), of an attribute, or the joint ones."""
    return truth.classes if name == JOINT else truth.codes[:, truth.space.index(name)]


def tempered(predictions: Predictions, temperatures: Mapping[str, float]) -> Predictions:
    """The same with log-probabilities divided by their temperatures and normalised again, as float32.

    `temperatures`: of some of the blocks (`blocks_of`); the others stay. What follows from a block goes with it: of
    joint columns the attributes' columns, which are its sums, and of an attribute its distribution over values
    (`<attribute>:year=`), which keeps what it says within a class. Scores stay, and what was decided goes, since other
    probabilities may decide otherwise. Rows without a prediction stay NaN. Raises SettingError for a block that there
    is not, and for a temperature that is not a number above 0.
    """
    blocks = blocks_of(predictions)
    for name, temperature in temperatures.items():
        if name not in blocks:
            raise SettingError(f"the predictions have no block `{name}` to temper", hint=did_you_mean(name, blocks))
        if not (np.isfinite(temperature) and temperature > 0):
            raise SettingError(f"the temperature of `{name}` must be a number above 0, got {temperature}")
    changed = {name: log_normalised(blocks[name] / t) for name, t in temperatures.items()}
    if JOINT in changed:
        own = [n for n in predictions.space.names if n in predictions.blocks]
        changed |= marginals_of(changed[JOINT], predictions.space, own)
    for name in [n for n in changed if n in predictions.values]:
        changed[f"{name}:year"] = _values_moved(predictions, name, changed[name])
    new = {name: logs.astype(np.float32) for name, logs in changed.items()}
    return replace(predictions, blocks={**predictions.blocks, **new}, decided=None)


def _values_moved(predictions: Predictions, name: str, logs: FloatArray) -> FloatArray:
    """Log-probabilities of the values of an attribute whose classes have new ones, `logs`, (n, K)."""
    bounds = bounds_used(predictions.where(predictions.covered), name)[0]
    of_value = np.searchsorted(bounds, np.arange(len(predictions.values[name])), side="right")
    values, was = predictions.value_logs(name), predictions.marginals[name]
    with np.errstate(invalid="ignore"):  # a class without probability has only values without
        return np.where(np.isneginf(values), values, values + (logs - was)[:, of_value])
