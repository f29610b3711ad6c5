"""Intervals by resampling people: images of one person are not independent, people are.

`bootstrap_interval` is for the score on the population that these people were drawn from. It is the BCa bootstrap
(Efron 1987; Efron & Tibshirani 1993, ch. 14) over people: macro F1 is a mean of ratios, biased and skewed where a class
is rare, and BCa corrects percentiles for both. The score of *other* people, which is less certain, is predicted by
`forecast.py`.

Tails are widened for a spread that is itself estimated from few people (`expanded_tails`).
`benchmarks/interval_coverage.py` measures how often intervals hold. None knows of people unlike those seen, and a score
that no resample can change (all right, or all wrong) gets an interval of no width.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from facetwise.core.arrays import classes, count, flags, names, number, numbers, takes
from facetwise.core.labels import FloatArray
from facetwise.core.records.base import Bounds
from facetwise.evaluate.metrics import Metric, kappa_of_sums, kappa_terms
from facetwise.evaluate.resampling import Groups, PersonTally, group_array, group_numbers, resampled_people

LEVEL = 0.95
RESAMPLES = 2000
MIN_TAIL = 1e-9
"""Smallest quantile that is taken: no resample lies beyond it, and 1 less it does not round to 1."""
MIN_BEYOND = 10
"""Fewest resamples expected beyond the ends of an interval for its ends to differ from the extremes."""


@dataclass(frozen=True)
class Interval:
    """A range of scores, `low` <= `high`, that holds with probability `level`."""

    low: float
    high: float
    level: float

    @classmethod
    def of(cls, bounds: Bounds) -> Interval:
        """The interval in a record."""
        return cls(bounds.low, bounds.high, bounds.level)


@dataclass(frozen=True)
class PairedInterval(Interval):
    """A range of the difference of two scores."""

    resolved: bool = True
    """False when fewer than `MIN_BEYOND` resamples are expected beyond an end: with few people that matter the tails
    lie where hardly any resample does, the ends are little more than the most extreme ones, and too near."""


@takes(level=number(0, 1), resamples=count(), seed=count(0))
def bootstrap_interval(
    truth: npt.ArrayLike,
    predicted: npt.ArrayLike,
    groups: Groups,
    num_classes: int,
    *,
    metric: Metric = "macro_f1",
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Confidence interval of a score on the population, people resampled with replacement.

    `truth` and `predicted` are class numbers, shape (n,), none missing; `groups` is the person of each row. With a
    single person nothing is known: 0..1.
    """
    tally = PersonTally.count(truth, predicted, groups, num_classes, metric)
    found, _ = _bca(tally.scores, tally.leave_one_out, tally.num_people, (0.0, 1.0), level, resamples, seed)
    return found


@takes(level=number(0, 1), resamples=count(), seed=count(0))
def paired_interval(
    truth: npt.ArrayLike,
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    groups: Groups,
    num_classes: int,
    *,
    metric: Metric = "macro_f1",
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> PairedInterval:
    """Confidence interval of score(first) - score(second), both predicted for the same rows: -1..1.

    Each resample takes the same people for both, so what makes people hard for either cancels. Of models that are
    alike but for luck it left zero out in 4 to 6 % of 150 trials a size, 120, 300 and 800 people (5 % are asked for;
    two standard errors are 4 points): see `benchmarks/interval_coverage.py`.
    """
    one = PersonTally.count(truth, first, groups, num_classes, metric)
    two = PersonTally.count(truth, second, groups, num_classes, metric)
    found, tail = _bca(
        lambda weights: one.scores(weights) - two.scores(weights),
        lambda: one.leave_one_out() - two.leave_one_out(),
        one.num_people, (-1.0, 1.0), level, resamples, seed,
    )  # fmt: skip
    return PairedInterval(found.low, found.high, level, tail * resamples >= MIN_BEYOND)


@takes(values=numbers("n"), groups=names("n"), level=number(0, 1), resamples=count(), seed=count(0))
def mean_interval(
    values: npt.ArrayLike, groups: Groups, *, level: float = LEVEL, resamples: int = RESAMPLES, seed: int = 0
) -> Interval:
    """Confidence interval of the mean of `values` over images, shape (n,), people resampled with replacement.

    A resample's mean is over its images, so people with more images weigh more. With a single person nothing is known,
    and the interval has no ends.
    """
    person, num_people = group_numbers(groups)
    if not num_people:
        raise ValueError("no values to take the mean of")
    terms = np.stack([np.asarray(values, np.float64), np.ones(len(person))], axis=1)
    nothing = (-float("inf"), float("inf"))
    return _of_sums(lambda sums: sums[:, 0] / sums[:, 1], terms, groups, nothing, level, resamples, seed)


@takes(
    truth=classes("n"), predicted=classes("n"), groups=names("n"), level=number(0, 1), resamples=count(), seed=count(0)
)
def kappa_interval(
    truth: npt.ArrayLike,
    predicted: npt.ArrayLike,
    groups: Groups,
    *,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Confidence interval of `quadratic_kappa`, people resampled with replacement; with a single person -1..1.

    Resamples that show one class only, and are all answered with it, have no kappa and are left out.
    """
    terms = kappa_terms(np.asarray(truth), np.asarray(predicted))
    return _of_sums(kappa_of_sums, terms, groups, (-1.0, 1.0), level, resamples, seed)


def _of_sums(
    value: Callable[[FloatArray], FloatArray],
    terms: FloatArray,
    groups: Groups,
    fallback: tuple[float, float],
    level: float,
    resamples: int,
    seed: int,
) -> Interval:
    """The interval of `value`, (r,), of sums over rows, (r, k), of what each row adds to them, `terms`, (n, k)."""
    person, num_people = group_numbers(groups)
    sums = np.zeros((num_people, terms.shape[1]))
    np.add.at(sums, person, terms)
    found, _ = _bca(
        lambda weights: value(weights @ sums),
        lambda: value(sums.sum(axis=0) - sums),
        num_people, fallback, level, resamples, seed,
    )  # fmt: skip
    return found


@takes(
    scores=numbers("k", low=0, high=1), influences=numbers("p k"), level=number(0, 1), resamples=count(), seed=count(0)
)
def influence_intervals(
    scores: FloatArray, influences: FloatArray, *, level: float = LEVEL, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[Interval, ...]:
    """Intervals of k scores, 0..1, by how much each moves with each of p people, all from one set of resamples.

    `influences`, (p, k), is the derivative by the weight of a person (the infinitesimal jackknife, Efron 1982, ch. 6),
    so that a resample costs no ranking anew. The bootstrap is BCa on log-odds, which keeps the ends inside 0..1 (Pepe
    2003, sec. 5.2). A score of 0 or 1 gets an interval of no width; with a single person nothing is known: 0..1.
    """
    if len(influences) < 2:
        return tuple(Interval(0.0, 1.0, level) for _ in scores)
    inside = (scores > 0) & (scores < 1)
    odds = np.where(inside, scores, 0.5)
    odds, moves = np.log(odds / (1 - odds)), influences * inside / (odds * (1 - odds))
    draws = np.random.default_rng(seed)
    drawn = [weights @ moves for weights in resampled_people(len(moves), len(moves), resamples, draws)]
    found = resample_intervals(odds, odds + np.concatenate(drawn), odds - moves, level=level)
    return tuple(
        Interval(_probability(i.low), _probability(i.high), level) if within else Interval(float(s), float(s), level)
        for i, s, within in zip(found, scores, inside, strict=True)
    )


def _probability(log_odds: float) -> float:
    return (1 + math.tanh(log_odds / 2)) / 2


@takes(hits=flags("n k"), counted=flags("n k"), groups=names("n"), level=number(0, 1), resamples=count(), seed=count(0))
def share_intervals(
    hits: npt.NDArray[np.bool_],
    counted: npt.NDArray[np.bool_],
    groups: Groups,
    *,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> tuple[Interval, ...]:
    """Intervals of k shares, how many of the rows `counted` (n, k) are `hits` (n, k), all from one set of resamples.

    Each is that of `bootstrap_interval` for an accuracy, had it only the people with a counted row of any share. With
    fewer than two people with a counted row of its own nothing is known: 0..1.
    """
    used = counted.any(axis=1)
    person, num_people = group_numbers(group_array(groups)[used])
    if num_people < 2:
        return tuple(Interval(0.0, 1.0, level) for _ in range(counted.shape[1]))
    sums = np.zeros((2, num_people, counted.shape[1]))
    np.add.at(sums[0], person, hits[used] & counted[used])
    np.add.at(sums[1], person, counted[used])

    def shares(weights: FloatArray) -> FloatArray:
        return _ratio(weights @ sums[0], weights @ sums[1])

    draws = np.random.default_rng(seed)
    drawn = [shares(weights) for weights in resampled_people(num_people, num_people, resamples, draws)]
    estimates, replicates = shares(np.ones((1, num_people)))[0], np.concatenate(drawn)
    jackknife = _ratio(sums[0].sum(axis=0) - sums[0], sums[1].sum(axis=0) - sums[1])
    return tuple(
        _share_interval(estimates[k], replicates[:, k], jackknife[sums[1, :, k] > 0, k], level)
        for k in range(counted.shape[1])
    )


@takes(
    scores=numbers("k"), replicates=numbers("r k", missing=True), jackknife=numbers("p k", missing=True),
    level=number(0, 1),
)  # fmt: skip
def resample_intervals(
    scores: FloatArray, replicates: FloatArray, jackknife: FloatArray, *, level: float = LEVEL
) -> tuple[Interval, ...]:
    """BCa intervals of k scores by those of r resamples of people, and by those without each of p people.

    NaN in either stands for a score that there is not, and is left out.
    """
    return tuple(_bca_of(float(scores[k]), replicates[:, k], jackknife[:, k], level)[0] for k in range(len(scores)))


def _share_interval(estimate: float, replicates: FloatArray, jackknife: FloatArray, level: float) -> Interval:
    """The interval of one share; resamples without a counted row are left out."""
    if len(jackknife) < 2:
        return Interval(0.0, 1.0, level)
    return _bca_of(float(estimate), replicates, jackknife, level)[0]


def _ratio(hits: FloatArray, counted: FloatArray) -> FloatArray:
    return np.divide(hits, counted, out=np.full_like(hits, np.nan), where=counted > 0)


def _resampled(
    scores: Callable[[FloatArray], FloatArray], num_people: int, size: int, resamples: int, draws: np.random.Generator
) -> FloatArray:
    """Scores, shape (resamples,), of `size` people drawn with replacement from `num_people`."""
    return np.concatenate([scores(weights) for weights in resampled_people(num_people, size, resamples, draws)])


def _bca(
    scores: Callable[[FloatArray], FloatArray],
    leave_one_out: Callable[[], FloatArray],
    num_people: int,
    fallback: tuple[float, float],
    level: float,
    resamples: int,
    seed: int,
) -> tuple[Interval, float]:
    """The bias-corrected and accelerated percentile interval of a score over people; and the tail it was taken at."""
    if num_people < 2:
        return Interval(*fallback, level), 0.0
    estimate = float(scores(np.ones((1, num_people)))[0])
    replicates, jackknife = (
        _resampled(scores, num_people, num_people, resamples, np.random.default_rng(seed)),
        leave_one_out(),
    )
    if np.isfinite(jackknife).sum() < 2:
        return Interval(*fallback, level), 0.0
    return _bca_of(estimate, replicates, jackknife, level)


def _bca_of(estimate: float, replicates: FloatArray, jackknife: FloatArray, level: float) -> tuple[Interval, float]:
    """The interval of one score from its resamples, (r,), and its values without each person; NaN where there is
    none."""
    replicates, jackknife = (values[np.isfinite(values)] for values in (replicates, jackknife))
    below = float((replicates < estimate).mean() + (replicates == estimate).mean() / 2)
    bias = NormalDist().inv_cdf(min(max(below, 0.5 / len(replicates)), 1 - 0.5 / len(replicates)))
    tails = expanded_tails(level, jackknife)
    low, high = np.quantile(replicates, [_adjusted(tail, bias, _acceleration(jackknife)) for tail in tails])
    return Interval(float(low), float(high), level), float(tails[0])


def _acceleration(jackknife: FloatArray) -> float:
    """Skewness of the leave-one-out scores over 6 (Efron & Tibshirani 1993, eq. 14.15); 0 when they are all equal."""
    away = jackknife.mean() - jackknife
    spread = float((away**2).sum() ** 1.5)
    return float((away**3).sum()) / (6 * spread) if spread > 0 else 0.0


def _adjusted(tail: float, bias: float, acceleration: float) -> float:
    """The quantile to take in place of `tail` (eq. 14.10)."""
    normal = NormalDist()
    shifted = bias + normal.inv_cdf(tail)
    shrink = 1 - acceleration * shifted
    return normal.cdf(bias + shifted / shrink) if shrink > 0 else float(shifted > 0)


@takes(level=number(0, 1), jackknife=numbers("n"))
def expanded_tails(level: float, jackknife: FloatArray) -> tuple[float, float]:
    """Quantiles to take so that `level` is held although the spread itself is estimated, from few people that matter.

    The expanded percentile of Hesterberg (2015, "What teachers should know about the bootstrap"): normal
    tails at sqrt((v + 1) / v) times Student's t with v degrees of freedom. v is Satterthwaite's, from the kurtosis k
    of the people's influences: 2 n / (k - 1), at most n - 1. People of rare classes weigh most in macro F1 and so make
    v small.
    """
    num_people, squares = len(jackknife), (jackknife - jackknife.mean()) ** 2
    variance = float(squares.mean())
    excess = float((squares**2).mean()) / variance**2 - 1 if variance > 0 else 0.0
    freedom = 2 * num_people / max(excess, 2 * num_people / (num_people - 1))
    tail = max(MIN_TAIL, NormalDist().cdf(-np.sqrt((freedom + 1) / freedom) * student(level, freedom)))
    return tail, 1 - tail


@takes(level=number(0, 1), freedom=number(0))
def student(level: float, freedom: float) -> float:
    """How many standard errors to either side hold `level` when these are estimated: Student's t, two-sided.

    `freedom`: degrees of freedom, above 0, not only whole ones.
    """
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + level) / 2))
