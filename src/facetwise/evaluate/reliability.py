"""Reliability curves, and calibration before and after temperature scaling by a nested estimate.

Temperatures are fitted on four fifths of the people and applied to the remaining fifth, like everything that is fitted.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from facetwise.core.arrays import count, flags, names, number, probabilities, takes
from facetwise.core.labels import JOINT, MAX_LISTED_JOINT, FloatArray, IntArray
from facetwise.core.plain import Plain
from facetwise.evaluate.calibration import (
    BINS,
    ProbabilityScores,
    apply_temperatures,
    bin_of,
    fit_temperatures,
    losses,
    true_classes,
)
from facetwise.evaluate.intervals import LEVEL, RESAMPLES, Interval, mean_interval, student
from facetwise.evaluate.predictions import Predictions
from facetwise.evaluate.resampling import Groups, group_array, group_numbers
from facetwise.evaluate.rows import Part, ScoredRows, Truth, nested


@dataclass(frozen=True)
class Bin:
    """The images whose most probable class has a probability in (`low`, `high`]."""

    low: float
    high: float
    confidence: float
    """Mean probability of the most probable class."""
    right: float
    """Share of images for which it is the true class."""
    right_interval: Interval
    """Interval of `right` by person; see `share_interval`."""
    num_images: int
    num_people: int


@dataclass(frozen=True)
class CalibrationSide:
    """Calibration of the original or of the scaled probabilities."""

    fit: ProbabilityScores
    confidence: float
    """Mean probability of the most probable class; equals the accuracy when calibrated."""
    curve: tuple[Bin, ...]
    """In order of confidence, without empty bins."""


@dataclass(frozen=True)
class Calibration:
    """Calibration of the probabilities of an attribute or of the joint classes."""

    name: str
    accuracy: float
    """Share of images whose most probable class is right."""
    before: CalibrationSide
    after: CalibrationSide
    """Nested: each person's probabilities scaled by temperatures fitted without that person's fifth."""
    difference: float
    """Mean negative log-likelihood after minus before: negative is better."""
    difference_interval: Interval
    """Paired by person."""


@dataclass(frozen=True)
class CalibrationCheck(Plain):
    """Fitted temperatures, and calibration with and without them."""

    temperatures: dict[str, float]
    """By block (`joint`, or each attribute), fitted on all people."""
    by_part: tuple[dict[str, float], ...]
    """Fitted without each fifth of the people: their spread shows how stable the fit is."""
    parts: tuple[Calibration, ...]
    """Each attribute; then the joint classes, if there are several attributes."""
    num_images: int
    num_people: int
    num_left_out: int
    """Images without a prediction, or without a known class."""


@takes(seed=count(0), resamples=count())
def check_calibration(rows: ScoredRows, *, seed: int = 0, resamples: int = RESAMPLES) -> CalibrationCheck:
    """Fit temperatures on out-of-fold predictions of every attribute, and evaluate them by a nested estimate.

    `seed` splits the people into five parts. Raises InputError when fewer than five people have a prediction.
    """
    covered = rows.scored_rows()
    before = _distributions(covered.predictions)

    def apply(temperatures: dict[str, float], part: Part) -> FloatArray:
        return np.hstack(
            list(_distributions(apply_temperatures(covered.predictions.where(part.held_out), temperatures)).values())
        )

    by_part, after = nested(lambda part: fit_temperatures(covered.where(part.rest)), apply, covered.truth.parts(seed))
    ends = np.cumsum([logs.shape[1] for logs in before.values()])
    return CalibrationCheck(
        temperatures=fit_temperatures(covered),
        by_part=by_part,
        parts=tuple(
            _calibration(name, logs, np.asfortranarray(after[:, end - logs.shape[1] : end]), covered.truth, resamples)
            for (name, logs), end in zip(before.items(), ends, strict=True)
        ),
        num_images=len(covered),
        num_people=covered.truth.num_people,
        num_left_out=len(rows) - len(covered),
    )


@takes(confidence=probabilities("n"), right=flags("n"), groups=names("n"), num_bins=count())
def reliability_curve(
    confidence: FloatArray, right: npt.NDArray[np.bool_], groups: Groups, num_bins: int = BINS
) -> tuple[Bin, ...]:
    """Accuracy in bins of equal width of confidence.

    `confidence`: probability of the predicted class, (n,); `right`: whether it is the true one, (n,); `groups`:
    the person of each row. Bins without images are left out.
    """
    place, people = bin_of(confidence, num_bins), group_array(groups)
    return tuple(
        Bin(
            low=int(b) / num_bins,
            high=(int(b) + 1) / num_bins,
            confidence=float(confidence[own].mean()),
            right=float(right[own].mean()),
            right_interval=share_interval(right[own], people[own]),
            num_images=int(own.sum()),
            num_people=len(np.unique(people[own])),
        )
        for b in np.unique(place)
        for own in [place == b]
    )


@takes(right=flags("n"), groups=names("n"), level=number(0, 1))
def share_interval(right: npt.NDArray[np.bool_], groups: Groups, level: float = LEVEL) -> Interval:
    """Confidence interval of the share of rows that are right, for rows clustered by person.

    The score interval (Wilson 1927) with the effective number of independent rows that follows from the variance
    between people (Korn & Graubard 1998, "Confidence intervals for proportions with small expected number of positive
    counts estimated from survey data"), reduced by (z / t)^2, Student's t with one degree of freedom less than people,
    since that variance is itself estimated. If people do not differ at all, each counts as one row.
    """
    person, num_people = group_numbers(groups)
    num_rows, num_right = len(right), int(right.sum())
    share, rows = num_right / num_rows, np.bincount(person, minlength=num_people)
    residual = np.bincount(person[right], minlength=num_people) * num_rows - rows * num_right
    variance = float((residual**2).sum()) / num_rows**4 * num_people / max(num_people - 1, 1)
    if variance == 0:
        return _wilson(share, float(num_people), level)
    worth = min(max(share * (1 - share) / variance, 1.0), float(num_rows))
    return _wilson(share, worth * (_normal(level) / student(level, num_people - 1)) ** 2, level)


def _wilson(share: float, rows: float, level: float) -> Interval:
    z = _normal(level)
    centre, spread = share + z**2 / (2 * rows), z * np.sqrt(share * (1 - share) / rows + z**2 / (4 * rows**2))
    low, high = ((centre + sign * spread) / (1 + z**2 / rows) for sign in (-1, 1))
    return Interval(max(0.0, float(low)), min(1.0, float(high)), level)


def _normal(level: float) -> float:
    return NormalDist().inv_cdf((1 + level) / 2)


def _distributions(predictions: Predictions) -> dict[str, FloatArray]:
    """Log-probabilities, (n, K), of each attribute, and of the joint classes where there are several attributes."""
    several = len(predictions.space.attributes) > 1 and predictions.space.num_joint <= MAX_LISTED_JOINT
    return {**predictions.marginals, **({JOINT: predictions.joint} if several else {})}


def _calibration(name: str, before: FloatArray, after: FloatArray, covered: Truth, resamples: int) -> Calibration:
    truth, people = true_classes(name, covered), covered.people
    gained = losses(after, truth) - losses(before, truth)
    return Calibration(
        name=name,
        accuracy=float((before.argmax(axis=1) == truth).mean()),
        before=_side(before, truth, people),
        after=_side(after, truth, people),
        difference=float(gained.mean()),
        difference_interval=mean_interval(gained, people, resamples=resamples),
    )


def _side(logs: FloatArray, truth: IntArray, people: Groups) -> CalibrationSide:
    confidence, right = np.exp(logs).max(axis=1), logs.argmax(axis=1) == truth
    curve = reliability_curve(confidence, right, people)
    return CalibrationSide(ProbabilityScores.of(logs, truth), float(confidence.mean()), curve)
