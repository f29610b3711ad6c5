"""How well probabilities tell one class from all others: AUROC, and sensitivity at a stated specificity.

Both look at the order of the images by the probability of the class, not at decisions. Of two classes the order is that
of the difference of both log-probabilities, which tells very sure images apart where a probability rounds to 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from facetwise.core.arrays import classes, count, flags, names, number, numbers, takes
from facetwise.core.labels import BoolArray, FloatArray, IntArray
from facetwise.evaluate.intervals import LEVEL, RESAMPLES, Interval, influence_intervals, resample_intervals
from facetwise.evaluate.resampling import CELLS, Groups, group_numbers, resampled_people

AT_ONCE = 64
"""Classes whose columns are copied at a time."""
SLACK = 1e-9
"""How much a share of false alarms may be above what is allowed, as 1 - 0.9 is below 0.1."""


@dataclass(frozen=True)
class Measured:
    """A score and where it plausibly lies, by person."""

    value: float
    interval: Interval


@takes(scores=numbers("n"), positive=flags("n"))
def auroc(scores: FloatArray, positive: BoolArray) -> float:
    """Chance that an image of the class has the higher score of a pair with one that is not, ties half, in 0..1.

    The area under the ROC curve (Hanley & McNeil 1982), as scikit-learn's `roc_auc_score`. NaN without an image of
    either kind.
    """
    return float(_placements(scores, positive)[positive].mean()) if 0 < positive.sum() < len(positive) else np.nan


@takes(scores=numbers("n"), positive=flags("n"), specificity=number(0, 1))
def sensitivity(scores: FloatArray, positive: BoolArray, specificity: float) -> float:
    """Share of the images of the class that a threshold finds, in 0..1, the lowest at which at least `specificity` of
    the others are below it: the highest `tpr` of scikit-learn's `roc_curve` with `fpr` <= 1 - `specificity`.

    NaN without an image of either kind.
    """
    if not 0 < positive.sum() < len(positive):
        return np.nan
    ranked = _Ranked.of(scores, positive, np.arange(len(scores)))
    return float(ranked.found(np.ones((1, len(scores))), specificity)[0])


@dataclass(frozen=True)
class ByClass:
    """A score of each class against the rest, and their mean; None where there are no images of the class, or no
    others. The mean leaves these out."""

    classes: tuple[Measured | None, ...]
    """Empty where only the mean was wanted."""
    mean: Measured | None


@takes(logs=numbers("n k"), truth=classes("n"), groups=names("n"), resamples=count(), seed=count(0))
def aurocs(
    logs: FloatArray, truth: IntArray, groups: Groups, *, each: bool = True, resamples: int = RESAMPLES, seed: int = 0
) -> ByClass:
    """AUROC of each class against the rest, and their mean, with intervals by person (`influence_intervals`).

    `logs`: log-probabilities of the classes; `truth`: class numbers; `each`: whether each class is wanted, which takes
    memory of people x classes. How a person moves an AUROC is the sum of the placements of her images among those of
    the other kind (DeLong et al. 1988; by person, Obuchowski 1997).
    """
    person, num_people = group_numbers(groups)
    told = _told(truth, logs.shape[1])
    if not told:
        return ByClass((None,) * logs.shape[1] if each else (), None)
    values, moves, in_all = [], [], np.zeros(num_people)
    for k, scores in zip(told, _scores(logs, told), strict=True):
        own = truth == k
        placed = _placements(scores, own)
        values.append(placed[own].mean())
        moved = np.bincount(person, (placed - values[-1]) / np.where(own, own.sum(), (~own).sum()), num_people)
        in_all += moved
        moves += [moved] if each else []
    mean, in_mean = np.mean(values), in_all / len(told)
    of_each = values if each else []
    found = _measured([*of_each, mean], np.column_stack([*moves, in_mean]), resamples, seed)
    return ByClass(_by_class(told, found[:-1], logs.shape[1]) if each else (), found[-1])


def _measured(values: list[float], moves: FloatArray, resamples: int, seed: int) -> list[Measured]:
    intervals = influence_intervals(np.array(values), moves, resamples=resamples, seed=seed)
    return [Measured(float(v), i) for v, i in zip(values, intervals, strict=True)]


@takes(
    logs=numbers("n k"), truth=classes("n"), groups=names("n"), specificity=number(0, 1), resamples=count(),
    seed=count(0),
)  # fmt: skip
def sensitivities(
    logs: FloatArray,
    truth: IntArray,
    groups: Groups,
    specificity: float,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> ByClass:
    """Sensitivity of each class against the rest at a `specificity`, and their mean, with intervals by person.

    Every resample of people has thresholds of its own, so that what choosing them on these people brings is in the
    interval (BCa; the acceleration is that of the share found at the threshold of all). A class that a resample lacks
    is left out of its mean.
    """
    person, num_people = group_numbers(groups)
    told = _told(truth, logs.shape[1])
    if not told:
        return ByClass((None,) * logs.shape[1], None)
    ranked = [_Ranked.of(scores, truth == k, person) for k, scores in zip(told, _scores(logs, told), strict=True)]

    def found(weights: FloatArray) -> FloatArray:
        shares = np.column_stack([r.found(weights, specificity) for r in ranked])
        there = np.isfinite(shares)
        mean = np.where(there, shares, 0).sum(axis=1, keepdims=True) / np.maximum(there.sum(axis=1, keepdims=True), 1)
        return np.hstack([shares, mean])

    values = found(np.ones((1, num_people)))[0]
    if num_people < 2:
        intervals: tuple[Interval, ...] = (Interval(0.0, 1.0, LEVEL),) * len(values)
    else:
        drawn = resampled_people(num_people, num_people, resamples, np.random.default_rng(seed))
        moves = np.column_stack([r.moves(v, num_people) for r, v in zip(ranked, values[:-1], strict=True)])
        without = values - np.column_stack([moves, moves.mean(axis=1)])
        intervals = resample_intervals(values, np.concatenate([found(weights) for weights in drawn]), without)
    *each, mean = (Measured(float(v), i) for v, i in zip(values, intervals, strict=True))
    return ByClass(_by_class(told, each, logs.shape[1]), mean)


def _told(truth: IntArray, num_classes: int) -> list[int]:
    """Classes that some rows have and others have not."""
    support = np.bincount(truth, minlength=num_classes)
    return np.flatnonzero((support > 0) & (support < len(truth))).tolist()


def _by_class(told: list[int], found: list[Measured], num_classes: int) -> tuple[Measured | None, ...]:
    by_class = dict(zip(told, found, strict=True))
    return tuple(by_class.get(k) for k in range(num_classes))


def _scores(logs: FloatArray, told: list[int]) -> Iterator[FloatArray]:
    """What the images are ordered by for each of the classes `told`, (n,) each."""
    if logs.shape[1] == 2:
        yield from (logs[:, k] - logs[:, 1 - k] for k in told)
        return
    for start in range(0, len(told), AT_ONCE):  # of many classes a column is far apart in memory
        yield from np.ascontiguousarray(logs[:, told[start : start + AT_ONCE]].T)


def _placements(scores: FloatArray, positive: BoolArray) -> FloatArray:
    """Of an image of the class the share of others that score lower, else the share of the class that scores higher,
    (n,); ties count half."""
    rest = np.flatnonzero(~positive)
    rest = rest[np.argsort(scores[rest])]
    own, others = scores[positive], scores[rest]
    left, right = (np.searchsorted(others, own, side) for side in ("left", "right"))
    placed = np.empty(len(scores))
    placed[positive] = (left + right) / (2 * max(len(others), 1))
    ends = np.bincount(np.concatenate([left, right]), minlength=len(others) + 1)  # of the class, twice, by where it is
    placed[rest] = (2 * len(own) - np.cumsum(ends[: len(others)])) / (2 * max(len(own), 1))
    return placed


@dataclass(frozen=True)
class _Ranked:
    """Whose images rank how by a class's score, in descending order."""

    own: IntArray
    """The person of each image of the class."""
    others: IntArray
    """The person of each other image."""
    above: IntArray
    """How many images of the class score higher than each other image; and last, how many there are."""

    @classmethod
    def of(cls, scores: FloatArray, positive: BoolArray, person: IntArray) -> _Ranked:
        order = np.argsort(-scores, kind="stable")
        scores, positive, person = -scores[order], positive[order], person[order]
        above = np.searchsorted(scores[positive], scores[~positive], "left")
        return cls(person[positive], person[~positive], np.append(above, positive.sum()))

    def found(self, weights: FloatArray, specificity: float) -> FloatArray:
        """Sensitivity, (r,), with each person counted `weights` times, (r, people); NaN without images of the class."""
        num_found = self.above[self._first_too_many(weights, specificity)][:, None]
        low, high, people = num_found.min(), num_found.max(), weights.shape[1]
        found = weights @ np.bincount(self.own[:low], minlength=people)
        for block in _blocks(low, high, len(weights)):
            found += (weights[:, self.own[block]] * (np.arange(block.start, block.stop) < num_found)).sum(axis=1)
        total = weights @ np.bincount(self.own, minlength=people)
        return np.divide(found, total, out=np.full_like(found, np.nan), where=total > 0)

    def _first_too_many(self, weights: FloatArray, specificity: float) -> IntArray:
        """The first of the others, by rank, that a threshold must not let pass, (r,); their number where none is."""
        total = weights @ np.bincount(self.others, minlength=weights.shape[1])
        allowed, passed = ((1 - specificity + SLACK) * total)[:, None], np.zeros((len(weights), 1))
        first = np.full(len(weights), len(self.others))
        for block in _blocks(0, len(self.others), len(weights)):
            so_far = passed + np.cumsum(weights[:, self.others[block]], axis=1)
            new = (so_far[:, -1] > allowed[:, 0]) & (first == len(self.others))
            first[new] = block.start + (so_far[new] > allowed[new]).argmax(axis=1)
            passed = so_far[:, -1:]
            if (passed > allowed).all():
                break
        return first

    def moves(self, value: float, num_people: int) -> FloatArray:
        """How the share `value` that the threshold of all images finds moves with each person, (people,)."""
        found = np.arange(len(self.own)) < round(value * len(self.own))
        return np.bincount(self.own, (found - value) / len(self.own), num_people).astype(np.float64)


def _blocks(start: int, stop: int, num_rows: int) -> Iterator[slice]:
    """Stretches of columns of which `num_rows` rows are no more than `CELLS` numbers, and not many to go through."""
    step = max(1, min(256, CELLS // max(num_rows, 1)))
    return (slice(first, min(first + step, stop)) for first in range(start, stop, step))
