"""Calibration of probabilities, and temperature scaling of each block.

Temperature scaling (Guo, Pleiss, Sun & Weinberger 2017, "On calibration of modern neural networks", section 4.2)
divides log-probabilities by T and normalises again. T above 1 lowers a model's confidence, T below 1 raises it; the
most probable class of a block never changes. T is fitted by maximum likelihood on out-of-fold predictions, which is
convex in 1 / T.

A *block* has one temperature: the joint classes of a table that has them, else the classes of each attribute.
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
"""Lower limit on log-probabilities in a likelihood, so that no single mistake is infinite."""
STEPS = 40
"""Bisections of the range of log(1 / T): twelve digits."""
BINS = 15
"""Number of equal-width bins of confidence, as in Guo et al."""


@dataclass(frozen=True)
class ProbabilityScores:
    """Scores of the log-probabilities of one block; lower is better for all three."""

    nll: float
    """Mean negative log-probability of the true class, in nats."""
    ece: float
    """Expected calibration error, 0..1: see `expected_calibration_error`."""
    brier: float
    """Brier score, 0..2 (Brier 1950): mean over rows of the squared error summed over classes."""

    @classmethod
    @takes(logs=numbers("n k"), truth=classes("n", below="k"))
    def of(cls, logs: FloatArray, truth: IntArray) -> ProbabilityScores:
        """The scores of log-probabilities, (n, K), given true classes, (n,)."""
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
    """Mean absolute difference between confidence and accuracy over bins, weighted by rows (Guo et al., eq. 5).

    `confidence`: probability of the predicted class, (n,); `right`: whether it is the true one, (n,). Bins have equal
    width on 0..1. With few rows it is above 0 even for perfect probabilities, because shares of few rows scatter.
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
    """The T that maximises the likelihood of `truth`, (n,), under log-probabilities (n, K) divided by T.

    Limited to COLDEST..HOTTEST: if every row is right, for example, the likelihood grows without end as T falls. The
    derivative of the loss in b = 1 / T is the mean over rows of E[log p] under the scaled distribution minus log p of
    the true class. It increases with b, so its root is found by bisection.
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
    """Log-probabilities, (n, K), of each block: the joint classes, else each attribute."""
    return {JOINT: predictions.joint} if predictions.has_joint else predictions.marginals


def fit_temperatures(rows: ScoredRows) -> dict[str, float]:
    """Fit the temperature of each block on out-of-fold predictions; all rows must be covered."""
    blocks = blocks_of(rows.predictions)
    return {n: fit_temperature(logs, true_classes(n, rows.truth)) for n, logs in blocks.items()}


def true_classes(name: str, truth: Truth) -> IntArray:
    """True classes, (n,), of an attribute, or the joint ones."""
    return truth.classes if name == JOINT else truth.codes[:, truth.space.index(name)]


def apply_temperatures(predictions: Predictions, temperatures: Mapping[str, float]) -> Predictions:
    """Predictions with log-probabilities divided by their temperatures and normalised, as float32.

    `temperatures`: of all or some of the blocks (`blocks_of`); other blocks are unchanged. Dependent columns follow:
    with joint columns the attributes' columns, which are their sums, and with an attribute its distribution over values
    (`<attribute>:year=`), which keeps its shape within each class. Scores are unchanged, `decided` is dropped. Rows
    that are not covered stay NaN. Raises SettingError for an unknown block or a temperature that is not above 0.
    """
    blocks = blocks_of(predictions)
    for name, temperature in temperatures.items():
        if name not in blocks:
            raise SettingError(f"the predictions have no block `{name}`", hint=did_you_mean(name, blocks))
        if not (np.isfinite(temperature) and temperature > 0):
            raise SettingError(f"the temperature of `{name}` must be a number above 0, got {temperature}")
    changed = {name: log_normalised(blocks[name] / t) for name, t in temperatures.items()}
    if JOINT in changed:
        own = [n for n in predictions.space.names if n in predictions.blocks]
        changed |= marginals_of(changed[JOINT], predictions.space, own)
    for name in [n for n in changed if n in predictions.values]:
        changed[f"{name}:year"] = _rescaled_values(predictions, name, changed[name])
    new = {name: logs.astype(np.float32) for name, logs in changed.items()}
    return replace(predictions, blocks={**predictions.blocks, **new}, decided=None)


def _rescaled_values(predictions: Predictions, name: str, logs: FloatArray) -> FloatArray:
    """Log-probabilities of an attribute's values, rescaled to new log-probabilities of its classes, `logs`, (n, K)."""
    bounds = bounds_used(predictions.where(predictions.covered), name)[0]
    of_value = np.searchsorted(bounds, np.arange(len(predictions.values[name])), side="right")
    values, was = predictions.value_logs(name), predictions.marginals[name]
    with np.errstate(invalid="ignore"):  # a class of probability 0 has only values of probability 0
        return np.where(np.isneginf(values), values, values + (logs - was)[:, of_value])
