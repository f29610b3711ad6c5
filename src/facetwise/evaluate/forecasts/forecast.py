"""The joint distribution of the scores of several predictors on one test set, conditioned on the scores already known.

`simulate` draws the scores of all predictors together by resampling people, the same people for every predictor. The
pivot is the difference of two independent draws from the labelled people: a future test set minus a past sample of the
size at hand. Added to the observed score it contains both uncertainties once, and the biases of both sample sizes
cancel as they do in reality; drawing a test set from a resample instead (nested) would count the past sample's bias
twice (Bai, Bickel & Olshen 1990, on the pivot). Intervals are quantiles, with tails widened as in
`intervals.expanded_tails`. Predictors with similar answers have similar scores in every draw, so a public score of one
is informative of another.

The people of a hold-out are stratified by class, which is corrected for (`heldout.py`).

The test set is two draws of people, the public and the private part. They share the past sample (by which the labelled
people over- or underestimate a predictor) and nothing else, so a public score is less informative of a private one.

The `Offset` (`JointScores.shifted`) is what people do not explain: a common shift of leaderboard minus out of fold for
all predictors (averaged fold models, other photos), and an individual shift of each predictor. Individual shifts are
similar when the answers on the test images are: their covariance is individual^2 exp(-d / reach), where d is the share
of images with different answers. The exponential of a Hamming distance is positive definite, so this is a valid
covariance for any set of files.

`JointScores.conditioned_on` conditions on known scores: means, variances and covariances are those of the Gaussian
(Rasmussen & Williams 2006, eq. A.6), and each draw is updated by the same linear rule (Matheron's rule; Wilson et al.
2020, "Efficiently sampling functions from Gaussian process posteriors"), which preserves the draws' non-Gaussian shape.

Coverage of the intervals is measured by `benchmarks/forecast_coverage.py`, and without shifts and known scores by
`benchmarks/interval_coverage.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from facetwise.core.arrays import answers, count, each, number, numbers, takes
from facetwise.core.labels import FloatArray, IntArray
from facetwise.core.text.subject import PEOPLE
from facetwise.evaluate.forecasts.heldout import HoldOut, completion, unlabelled_shares
from facetwise.evaluate.intervals import Interval, expanded_tails
from facetwise.evaluate.metrics import MAIN, MISSING
from facetwise.evaluate.resampling import PersonTally, resampled_parts
from facetwise.evaluate.rows import Truth

Part = Literal["public", "private", "all"]
LEVEL = 0.9
RESAMPLES = 2000
ROUNDING = 0.0001 / 12**0.5
"""Standard deviation of the rounding error of a leaderboard with four decimals."""


@dataclass(frozen=True)
class TestPeople:
    """Number of people in the parts of a test set: at least one in public; none in private when everything is
    public."""

    __test__ = False  # not a test class for pytest

    public: int
    private: int

    def __post_init__(self) -> None:
        _check_people(self.public, self.private)

    @classmethod
    @takes(num_people=count(), public_share=number(0))
    def split(cls, num_people: int, public_share: float) -> TestPeople:
        """Split `num_people` people, a share of 0..1 of them public, so that rounding leaves no part empty."""
        if not 0 < public_share <= 1:
            raise ValueError(f"public_share is {public_share}: expected more than 0, at most 1")
        public = max(1, round(num_people * public_share))
        if public_share < 1 and num_people > 1:
            public = min(public, num_people - 1)
        return cls(public, num_people - public)

    @property
    def parts(self) -> tuple[Part, ...]:
        """The parts with people."""
        return ("public", "private", "all") if self.private else ("public", "all")

    def number(self, part: Part) -> int:
        """Number of people in a part."""
        return {"public": self.public, "private": self.private, "all": self.public + self.private}[part]


@takes(public=count(), private=count(0))
def _check_people(public: int, private: int) -> None:
    """All that a test set needs is said by what this takes."""


@dataclass(frozen=True)
class Offset:
    """Difference of leaderboard and out-of-fold score that people do not explain: Gaussian, mean 0."""

    common: float = 0.0
    """Standard deviation of the shift common to all predictors."""
    individual: float = 0.0
    """Standard deviation of each predictor's individual shift."""
    reach: float = 0.1
    """Share of differing test answers at which individual shifts have correlation 1/e."""

    def __post_init__(self) -> None:
        if not (self.common >= 0 and self.individual >= 0 and self.reach > 0):
            raise ValueError(f"expected deviations of 0 or more and a reach above 0, got {self}")

    def individual_covariance(self, apart: FloatArray) -> FloatArray:
        """Covariance of k individual shifts, shape (k, k), from the pairs' shares of differing answers, (k, k)."""
        covariance: FloatArray = self.individual**2 * np.exp(-apart / self.reach)
        return covariance


@dataclass(frozen=True)
class Shift:
    """Leaderboard minus out-of-fold score that all predictors share."""

    expected: float
    spread: float
    """Standard deviation."""


@dataclass(frozen=True)
class ScoreForecast:
    """Forecast of one predictor's score on one part of the test set."""

    part: Part
    num_people: int
    expected: float
    interval: Interval
    spread: float
    """Standard deviation."""


@dataclass(frozen=True)
class JointScores:
    """Draws of the scores of k predictors on every part of a test set, with their covariance.

    Cells are the columns: parts in the order of `people.parts`, within a part the predictors; the last one is the
    common shift. Draws may leave 0..1; forecasts do not.
    """

    people: TestPeople
    num_predictors: int
    draws: FloatArray
    """Shape (resamples, cells)."""
    covariance: FloatArray
    """Shape (cells, cells)."""
    tails: tuple[tuple[float, float], ...]
    """The quantiles of each predictor's interval."""
    level: float

    def cell(self, part: Part, predictor: int) -> int:
        """The column of a predictor's score on a part; raises ValueError for a part or predictor that there is not."""
        if part not in self.people.parts or predictor not in range(self.num_predictors):
            raise ValueError(f"the test set has no {part} part, or no predictor {predictor} of {self.num_predictors}")
        return self.people.parts.index(part) * self.num_predictors + predictor

    def cells(self, part: Part, predictors: Sequence[int] | None = None) -> IntArray:
        """The columns of several predictors (default: all) on a part."""
        which = range(self.num_predictors) if predictors is None else predictors
        return np.array([self.cell(part, k) for k in which], np.int64)

    def scores(self, part: Part) -> FloatArray:
        """Draws of all predictors' scores on a part, shape (resamples, k), in 0..1."""
        return np.clip(self.draws[:, self.cells(part)], 0.0, 1.0)

    def spread(self, part: Part, predictor: int) -> float:
        """Standard deviation of a score."""
        return float(np.sqrt(max(0.0, self.covariance[(self.cell(part, predictor),) * 2])))

    def correlation(self, part: Part, one: int, other: int) -> float:
        """Correlation of two predictors' scores on a part, -1..1; 0 if either is constant."""
        spreads = self.spread(part, one) * self.spread(part, other)
        found = self.covariance[self.cell(part, one), self.cell(part, other)] / spreads if spreads > 0 else 0.0
        return float(np.clip(found, -1.0, 1.0))

    def forecast(self, part: Part, predictor: int) -> ScoreForecast:
        """Mean and prediction interval of a predictor's score on a part."""
        drawn = self.draws[:, self.cell(part, predictor)]
        low, high = np.clip(np.quantile(drawn, self.tails[predictor]), 0.0, 1.0)
        expected = float(np.clip(drawn.mean(), 0.0, 1.0))
        interval = Interval(float(low), float(high), self.level)
        return ScoreForecast(part, self.people.number(part), expected, interval, self.spread(part, predictor))

    @property
    def shift(self) -> Shift:
        """The common shift; 0 with a spread of 0 without one."""
        return Shift(float(self.draws[:, -1].mean()), float(np.sqrt(max(0.0, self.covariance[-1, -1]))))

    @takes(apart=numbers("k k", low=0, high=1), seed=count(0))
    def shifted(self, offset: Offset, apart: FloatArray, seed: int = 0) -> JointScores:
        """Add shifts; `apart` is the share of differing test answers of each pair, shape (k, k)."""
        num_parts, size = len(self.people.parts), len(self.draws)
        draws = np.random.default_rng((seed, 1))
        common = offset.common * draws.standard_normal((size, 1))
        values, vectors = np.linalg.eigh(offset.individual_covariance(apart))
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        shifts = common + draws.standard_normal((size, self.num_predictors)) @ root.T
        covariance = self.covariance + offset.common**2
        covariance[:-1, :-1] += np.tile(offset.individual_covariance(apart), (num_parts, num_parts))
        return replace(
            self,
            draws=self.draws + np.concatenate([np.tile(shifts, num_parts), common], axis=1),
            covariance=covariance,
        )

    @takes(scores=numbers("k", missing=True))
    def conditioned_on(self, scores: FloatArray, *, rounding: float = ROUNDING) -> JointScores:
        """Condition on known public scores, shape (k,), NaN where unknown."""
        if len(scores) != self.num_predictors:
            raise ValueError(f"{len(scores)} known scores of {self.num_predictors} predictors: expected as many")
        there = np.flatnonzero(~np.isnan(scores))
        if not len(there):
            return self
        seen = self.cells("public", there.tolist())
        gain = self.update_gain(seen, rounding)
        draws = self.draws + (scores[there] - self.draws[:, seen]) @ gain.T
        return replace(self, draws=draws, covariance=self.covariance - gain @ self.covariance[seen])

    def update_gain(self, seen: IntArray, rounding: float = ROUNDING) -> FloatArray:
        """Regression of all cells on the observed cells `seen`, shape (cells, seen)."""
        inner = self.covariance[np.ix_(seen, seen)] + rounding**2 * np.eye(len(seen))
        solved: FloatArray = np.linalg.solve(inner, self.covariance[seen]).T.astype(np.float64)
        return solved


@takes(predicted=each(answers("n")), level=number(0, 1), resamples=count(), seed=count(0))
def simulate(
    truth: Truth,
    predicted: Sequence[npt.ArrayLike],
    people: TestPeople,
    *,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> JointScores:
    """Draw the score of several predictors on a test set jointly, from their predictions of the same labelled
    images.

    `truth` is of all labelled images, and each of `predicted` joint classes of theirs, shape (n,). Rows that some
    predictor has no answer for (`MISSING`) are left out; where that leaves people out, the others are a hold-out
    (`HoldOut`). Nothing but people is drawn (`JointScores.shifted` adds shifts). Raises ValueError for answers of
    another number of images, and for fewer than two people with answers, which have no spread.
    """
    arrays = [np.asarray(a) for a in predicted]
    if any(len(a) != len(truth) for a in arrays):
        raise ValueError(f"{len(arrays[0])} answers beside {len(truth)} labels: expected as many")
    rows = np.all([a != MISSING for a in arrays], axis=0)
    if not arrays or (known := truth.where(rows)).num_people < 2:
        raise ValueError(f"a forecast needs a predictor, and labels of two {PEOPLE} or more")
    tallies = [
        PersonTally.count(known.classes, a[rows], known.people, truth.space.num_joint, truth.metric) for a in arrays
    ]
    past, future = _drawn_scores(tallies, people, resamples, np.random.default_rng(seed))
    centre, missing = np.array([tally.score for tally in tallies]), unlabelled_shares(truth, arrays)
    if hold_out := HoldOut.among(truth, rows):
        centre += past.mean(axis=0) - hold_out.past_means(tallies, resamples, np.random.default_rng((seed, 2)))
        missing = np.concatenate([missing, hold_out.missing])
    num_classes = len(np.unique(known.classes))
    if truth.metric != MAIN:  # then a class that nobody has does not count
        missing = np.zeros(0)
    factors = np.array([completion(missing, num_classes, people.number(part)) for part in people.parts])
    scale = np.append(np.repeat(factors, len(tallies)), 1.0)
    cells = [*(centre + (drawn - past) for drawn in future), np.zeros((resamples, 1))]
    return JointScores(
        people=people,
        num_predictors=len(tallies),
        draws=np.concatenate(cells, axis=1) * scale,
        covariance=_covariance(past, future, people.parts) * np.outer(scale, scale),
        tails=tuple(expanded_tails(level, tally.leave_one_out()) for tally in tallies),
        level=level,
    )


def _drawn_scores(
    tallies: Sequence[PersonTally], people: TestPeople, resamples: int, draws: np.random.Generator
) -> tuple[FloatArray, list[FloatArray]]:
    """Scores, shape (resamples, k), of a past sample, and of every part of a test set."""
    known = tallies[0].num_people
    past = [_scores(tallies, weights) for (weights,) in resampled_parts(known, (known,), resamples, draws)]
    pieces = []
    for public, private in resampled_parts(known, (people.public, people.private), resamples, draws):
        weights = {"public": public, "private": private, "all": public + private}
        pieces.append([_scores(tallies, weights[part]) for part in people.parts])
    return np.concatenate(past), [np.concatenate(part) for part in zip(*pieces, strict=True)]


def _scores(tallies: Sequence[PersonTally], weights: FloatArray) -> FloatArray:
    return np.stack([tally.scores(weights) for tally in tallies], axis=1)


def _covariance(past: FloatArray, future: Sequence[FloatArray], parts: Sequence[Part]) -> FloatArray:
    """Covariance of all cells. Past sample, public and private people are drawn independently, so their sample
    covariances are set to 0."""
    k, shared = past.shape[1], _cov(past, past)
    found = np.zeros((len(parts) * k + 1,) * 2)
    for i, one in enumerate(parts):
        for j, other in enumerate(parts):
            drawn_apart = {one, other} == {"public", "private"}
            between = 0.0 if drawn_apart else _cov(future[i], future[j])
            found[i * k : (i + 1) * k, j * k : (j + 1) * k] = shared + between
    return found


def _cov(one: FloatArray, other: FloatArray) -> FloatArray:
    """Covariances between the columns of two sets of draws."""
    covariance: FloatArray = (one - one.mean(axis=0)).T @ (other - other.mean(axis=0)) / max(1, len(one) - 1)
    return covariance
