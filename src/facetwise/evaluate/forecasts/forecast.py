"""The scores of several predictors on one test set, as one distribution that learns from the scores already known.

`simulate` draws the scores of all predictors together, by resampling people, the same for every predictor. The pivot is
the difference of two independent draws from the labelled people: a future test set minus a past sample of as many as
there are. Put around the score in hand it carries both uncertainties once, and the biases of both sample sizes cancel
as they do in reality; drawing a test set from a resample instead (nested) would count the past sample's bias twice
(Bai, Bickel & Olshen 1990, on the pivot). Intervals are its quantiles, tails widened as in `intervals.expanded_tails`.
Predictors that answer alike score alike in every draw, so a public score of one says much of another.

The people of a hold-out were dealt by class, and are corrected for that (`heldout.py`).

The test set is two draws of people, the public part and the private one. They share the past sample (what the labelled
people say too high or too low of a predictor) and nothing else, so a public score says less of a private one.

What people do not explain is the `Offset` (`JointScores.shifted`): a shift that leaderboard minus out of fold has for
every predictor (averaged fold models, other photos) and one of each predictor's own. Own shifts are alike where the
answers on the test images are alike: covariance own^2 exp(-d / reach), d the share of images answered otherwise. The
exponential of a Hamming distance is positive definite, so any set of files has a proper covariance.

`JointScores.given` conditions on known scores: means, variances and covariances are those of the Gaussian (Rasmussen &
Williams 2006, eq. A.6), and each draw is moved by the same linear rule (Matheron's rule; Wilson et al. 2020,
"Efficiently sampling functions from Gaussian process posteriors"), which keeps the shape that the draws have beyond a
Gaussian.

How often the intervals hold is measured by `benchmarks/forecast_coverage.py`, and without shifts and known scores by
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
from facetwise.evaluate.forecasts.heldout import HeldOut
from facetwise.evaluate.intervals import Interval, expanded_tails
from facetwise.evaluate.metrics import MISSING
from facetwise.evaluate.resampling import PersonTally, resampled_parts
from facetwise.evaluate.rows import Truth

Part = Literal["public", "private", "all"]
LEVEL = 0.9
RESAMPLES = 2000
ROUNDING = 0.0001 / 12**0.5
"""Standard deviation of what a leaderboard rounds away, with four decimals."""


@dataclass(frozen=True)
class TestPeople:
    """How many people the parts of a test set have: at least one in public, none in private when all is public."""

    __test__ = False  # not a test class for pytest

    public: int
    private: int

    def __post_init__(self) -> None:
        _check_people(self.public, self.private)

    @classmethod
    @takes(num_people=count(), public_share=number(0))
    def split(cls, num_people: int, public_share: float) -> TestPeople:
        """`num_people` people, a share of 0..1 of them in public, rounded so that neither part is lost by rounding."""
        if not 0 < public_share <= 1:
            raise ValueError(f"public_share is {public_share}: expected more than 0, at most 1")
        public = max(1, round(num_people * public_share))
        if public_share < 1 and num_people > 1:
            public = min(public, num_people - 1)
        return cls(public, num_people - public)

    @property
    def parts(self) -> tuple[Part, ...]:
        """The parts that hold people."""
        return ("public", "private", "all") if self.private else ("public", "all")

    def number(self, part: Part) -> int:
        """People of a part."""
        return {"public": self.public, "private": self.private, "all": self.public + self.private}[part]


@takes(public=count(), private=count(0))
def _check_people(public: int, private: int) -> None:
    """All that a test set needs is said by what this takes."""


@dataclass(frozen=True)
class Offset:
    """Leaderboard minus out of fold, as far as people do not explain it: Gaussian, mean 0, in macro F1."""

    common: float = 0.0
    """Standard deviation of the shift that every predictor shares."""
    own: float = 0.0
    """Standard deviation of the shift of each predictor."""
    reach: float = 0.1
    """Share of test images answered otherwise at which own shifts correlate by 1/e."""

    def own_covariance(self, apart: FloatArray) -> FloatArray:
        """Of k predictors' own shifts, shape (k, k), from the shares of images that pairs answer otherwise."""
        own: FloatArray = self.own**2 * np.exp(-apart / self.reach)
        return own


@dataclass(frozen=True)
class ScoreForecast:
    """What to expect of one predictor's score on one part of the test set."""

    part: Part
    num_people: int
    expected: float
    interval: Interval
    spread: float
    """Standard deviation."""


@dataclass(frozen=True)
class JointScores:
    """Draws of the scores of k predictors on every part of a test set, and the covariance of all of them.

    Cells are the columns: part by part in the order of `people.parts`, in a part predictor by predictor; the last one
    is the common shift. Draws may leave 0..1; forecasts do not.
    """

    people: TestPeople
    num_predictors: int
    draws: FloatArray
    """Shape (resamples, cells)."""
    covariance: FloatArray
    """Shape (cells, cells)."""
    tails: tuple[tuple[float, float], ...]
    """Of each predictor, the quantiles at which its interval is taken."""
    level: float

    def cell(self, part: Part, predictor: int) -> int:
        """The column of a predictor's score on a part; raises ValueError for a part or predictor that there is not."""
        if part not in self.people.parts or predictor not in range(self.num_predictors):
            raise ValueError(f"the test set has no {part} part, or no predictor {predictor} of {self.num_predictors}")
        return self.people.parts.index(part) * self.num_predictors + predictor

    def cells(self, part: Part, predictors: Sequence[int] | None = None) -> IntArray:
        """The columns of several predictors (all of them unless told) on a part."""
        which = range(self.num_predictors) if predictors is None else predictors
        return np.array([self.cell(part, k) for k in which], np.int64)

    def scores(self, part: Part) -> FloatArray:
        """Draws of all predictors' scores on a part, shape (resamples, k), in 0..1."""
        return np.clip(self.draws[:, self.cells(part)], 0.0, 1.0)

    def spread(self, part: Part, predictor: int) -> float:
        """Standard deviation of a score."""
        return float(np.sqrt(max(0.0, self.covariance[(self.cell(part, predictor),) * 2])))

    def correlation(self, part: Part, one: int, other: int) -> float:
        """Of two predictors' scores on a part, -1..1; 0 where one of them cannot vary."""
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
    def shift(self) -> tuple[float, float]:
        """Mean and standard deviation of the common shift, leaderboard minus out of fold; (0, 0) without one."""
        return float(self.draws[:, -1].mean()), float(np.sqrt(max(0.0, self.covariance[-1, -1])))

    @takes(apart=numbers("k k", low=0, high=1), seed=count(0))
    def shifted(self, offset: Offset, apart: FloatArray, seed: int = 0) -> JointScores:
        """The same with shifts; `apart` is the share of test images that each pair answers otherwise, shape (k, k)."""
        num_parts, size = len(self.people.parts), len(self.draws)
        draws = np.random.default_rng((seed, 1))
        common = offset.common * draws.standard_normal((size, 1))
        values, vectors = np.linalg.eigh(offset.own_covariance(apart))
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        shifts = common + draws.standard_normal((size, self.num_predictors)) @ root.T
        covariance = self.covariance + offset.common**2
        covariance[:-1, :-1] += np.tile(offset.own_covariance(apart), (num_parts, num_parts))
        return replace(
            self,
            draws=self.draws + np.concatenate([np.tile(shifts, num_parts), common], axis=1),
            covariance=covariance,
        )

    @takes(known=numbers("k", missing=True))
    def given(self, known: FloatArray, part: Part = "public", rounding: float = ROUNDING) -> JointScores:
        """The same once scores on a part are known: shape (k,), NaN where they are not."""
        if len(known) != self.num_predictors:
            raise ValueError(f"{len(known)} known scores of {self.num_predictors} predictors: expected as many")
        there = np.flatnonzero(~np.isnan(known))
        if not len(there):
            return self
        seen = self.cells(part, there.tolist())
        gain = self.gain(seen, rounding)
        moved = self.draws + (known[there] - self.draws[:, seen]) @ gain.T
        return replace(self, draws=moved, covariance=self.covariance - gain @ self.covariance[seen])

    def gain(self, seen: IntArray, rounding: float = ROUNDING) -> FloatArray:
        """How much each cell moves with each cell of `seen`, once that is known; shape (cells, seen)."""
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
    """Draw the macro F1 of predictors on a test set together, from what they say of the same labelled images.

    `truth` is of all labelled images, and each of `predicted` joint classes of theirs, shape (n,). Rows that some
    predictor has no answer for (`MISSING`) are left out; where that leaves people out, the others are a hold-out
    (`HeldOut`). Nothing but people is drawn (`JointScores.shifted` adds shifts). Raises ValueError for answers of
    another number of images, and for fewer than two people with answers, which no spread can be told from.
    """
    said = [np.asarray(a) for a in predicted]
    if any(len(a) != len(truth) for a in said):
        raise ValueError(f"{len(said[0])} answers beside {len(truth)} labels: expected as many")
    rows = np.all([a != MISSING for a in said], axis=0)
    if not said or (known := truth.where(rows)).num_people < 2:
        raise ValueError("a forecast needs a predictor, and labels of two people or more")
    tallies = [PersonTally.count(known.classes, a[rows], known.people, truth.space.num_joint, "macro_f1") for a in said]
    past, future = _drawn_scores(tallies, people, resamples, np.random.default_rng(seed))
    centre, factors = np.array([tally.score for tally in tallies]), np.ones(len(people.parts))
    if held_out := HeldOut.among(truth, rows):
        centre += past.mean(axis=0) - held_out.past_means(tallies, resamples, np.random.default_rng((seed, 2)))
        factors = np.array([held_out.completed(people.number(part)) for part in people.parts])
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
    """Of all cells. The past sample is drawn apart from the test set, and public people apart from private ones, so
    what the draws happen to show between them is left out."""
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
