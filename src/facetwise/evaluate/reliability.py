"""How often a model is right when it is this sure: reliability curves, and calibration before and after, nested.

Temperatures are fitted, so they are priced as all that is fitted: on four fifths of the people, applied to the fifth.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from facetwise.core.arrays import count, flags, names, number, probabilities, takes
from facetwise.core.labels import JOINT, MAX_LISTED_JOINT, FloatArray, IntArray
from facetwise.core.plain import Plain
from facetwise.evaluate.calibration import BINS, Fit, bin_of, fit_temperatures, losses, tempered, true_classes
from facetwise.evaluate.intervals import LEVEL, RESAMPLES, Interval, mean_interval, student
from facetwise.evaluate.predictions import Predictions
from facetwise.evaluate.resampling import Groups, group_array, group_numbers
from facetwise.evaluate.rows import Part, ScoredRows, Truth, nested


@dataclass(frozen=True)
class Bin:
    """The images whose most probable class has a probability above `low` and up to `high`."""

    low: float
    high: float
    confidence: float
    """Mean probability of the most probable class."""
    right: float
    """Share of images for which it is the true one."""
    right_interval: Interval
    """By person; see `share_interval`."""
    num_images: int
    num_people: int


@dataclass(frozen=True)
class Side:
    """Probabilities as they are, or with temperatures."""

    fit: Fit
    confidence: float
    """Mean probability of the most probable class: as often it should be right."""
    curve: tuple[Bin, ...]
    """By confidence, ascending; bins that hold no image are left out."""


@dataclass(frozen=True)
class Calibration:
    """How far the probabilities of an attribute, or of the joint classes, can be believed."""

    name: str
    accuracy: float
    """Share of images whose most probable class is right."""
    before: Side
    after: Side
    """Nested: each person's probabilities with temperatures that were fitted without that person's fifth."""
    difference: float
    """Of the mean negative log-likelihood, after - before: below 0 is better."""
    difference_interval: Interval
    """Paired by person."""


@dataclass(frozen=True)
class CalibrationCheck(Plain):
    """Temperatures for a set of predictions, and what they do."""

    temperatures: dict[str, float]
    """By block: `joint` of predictions that have joint classes of their own, else each attribute. On all people."""
    by_part: tuple[dict[str, float], ...]
    """Fitted without each fifth of the people: how far they differ says how stable the choice is."""
    parts: tuple[Calibration, ...]
    """Each attribute, then, of several attributes that make up the label, the joint classes."""
    num_images: int
    num_people: int
    num_left_out: int
    """Images without a prediction."""


@takes(seed=count(0), resamples=count())
def check_calibration(rows: ScoredRows, *, seed: int = 0, resamples: int = RESAMPLES) -> CalibrationCheck:
    """Fit temperatures on out-of-fold predictions of every attribute, and say what they are worth by a nested estimate.

    `seed`: how people are dealt in five parts. Raises InputError when fewer than five people have a prediction.
    """
    known = rows.known()
    before = _distributions(known.predictions)

    def apply(temperatures: dict[str, float], part: Part) -> FloatArray:
        return np.hstack(list(_distributions(tempered(known.predictions.where(part.own), temperatures)).values()))

    by_part, after = nested(lambda part: fit_temperatures(known.where(part.others)), apply, known.truth.parts(seed))
    ends = np.cumsum([logs.shape[1] for logs in before.values()])
    return CalibrationCheck(
        temperatures=fit_temperatures(known),
        by_part=by_part,
        parts=tuple(
            _calibration(name, logs, np.asfortranarray(after[:, end - logs.shape[1] : end]), known.truth, resamples)
            for (name, logs), end in zip(before.items(), ends, strict=True)
        ),
        num_images=len(known),
        num_people=known.truth.num_people,
        num_left_out=len(rows) - len(known),
    )


@takes(confidence=probabilities("n"), right=flags("n"), groups=names("n"), num_bins=count())
def reliability_curve(
    confidence: FloatArray, right: npt.NDArray[np.bool_], groups: Groups, num_bins: int = BINS
) -> tuple[Bin, ...]:
    """Bins of equal width by how sure the model is, and how often it is right in each.

    `confidence`: probability of the class that was taken, (n,); `right`: whether it is the true one, (n,); `groups`:
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
    """Confidence interval of the share of rows that are right, when rows of one person go together.

    The score interval (Wilson 1927) for as many independent rows as the scatter between people says these are worth
    (Korn & Graubard 1998, "Confidence intervals for proportions with small expected number of positive counts estimated
    from survey data"), and for fewer rows than that as people are few: (z / t)^2 of them, Student's t with a degree of
    freedom less than people, since the scatter is itself estimated. Where people do not differ nothing scatters,
    and each counts as one row.
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


def _calibration(name: str, before: FloatArray, after: FloatArray, known: Truth, resamples: int) -> Calibration:
    truth, people = true_classes(name, known), known.people
    gained = losses(after, truth) - losses(before, truth)
    return Calibration(
        name=name,
        accuracy=float((before.argmax(axis=1) == truth).mean()),
        before=_side(before, truth, people),
        after=_side(after, truth, people),
        difference=float(gained.mean()),
        difference_interval=mean_interval(gained, people, resamples=resamples),
    )


def _side(logs: FloatArray, truth: IntArray, people: Groups) -> Side:
    confidence, right = np.exp(logs).max(axis=1), logs.argmax(axis=1) == truth
    curve = reliability_curve(confidence, right, people)
    return Side(Fit.of(logs, truth), float(confidence.mean()), curve)
