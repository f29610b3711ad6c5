"""Label issues: recorded labels that out-of-fold predictions contradict, ranked by how clearly they do.

A label belongs to a person (seven photos, one gender) or to one image (a mask); the data decide which. For a person the
log-probabilities of all images are averaged and normalised. A label's *margin* is

    log(sum over c of s(c) p(c)) - max over c other than the recorded class of log p(c)

where p is predicted and s is the distribution of classes that the recorded label is compatible with: 1 on the recorded
class, or, for a number that is cut into classes, spread over the classes of nearby values (`fit_spread`). A label with
a negative margin is a suspect. With s on the recorded class only, this is the normalized margin of Northcutt et al.
(2021, "Confident learning", section 3.3), in logs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facetwise.core.choices import SuspectMethod
from facetwise.core.labels import MISSING, Attribute, FloatArray, IntArray
from facetwise.data.labels.bins import soft_bins
from facetwise.evaluate.compose import log_normalised
from facetwise.evaluate.rows import ScoredRows
from facetwise.label_issues.cleanlab_issues import cleanlab_issues

FLOOR = np.log(1e-4)
"""Lower limit on log-probabilities, so that one confident image cannot outvote all others of its person."""
PERSON_SHARE = 0.95
"""An attribute belongs to people when this share of those with several images have one label on all of them; images of
the remaining people are judged separately."""
WRONG_SHARE = 0.02
"""Share of labels that `fit_spread` assumes to be plainly wrong, so that these do not widen the spread."""
NUM_SPREADS = 40


@dataclass(frozen=True)
class Suspect:
    """A label that the predictions contradict."""

    attribute: str
    group: str
    """The person."""
    image: str | None
    """The image that the label belongs to; None for a label of all images of the person."""
    given: str
    """The recorded class."""
    value: float | None
    """The recorded number, of an ordinal attribute; None where only the class is known."""
    proposed: str
    """The class that the predictions prefer."""
    given_probability: float
    """Predicted probability of the recorded class, 0..1, pooled over the images of the label."""
    probability: float
    """Predicted probability of the proposed class, 0..1."""
    margin: float
    """In nats; the list is sorted by it, lowest first."""
    cut: float | None
    """The first cut between the value and the proposed class; None without a value."""
    images: tuple[str, ...]
    """The images with this label that have a prediction."""
    num_agreeing: int
    """Number of these images for which the proposed class is the most probable one."""

    @property
    def distance(self) -> float | None:
        """Distance of the recorded number from the cut; None without one."""
        return None if self.value is None or self.cut is None else abs(self.value - self.cut)


@dataclass(frozen=True)
class AttributeRanking:
    """The suspects of one attribute, ranked."""

    attribute: str
    of_person: bool
    """Whether the label is the person's; else each image has its own."""
    num_labels: int
    """Number of labels (of people or of images) with a prediction."""
    num_uncovered: int
    """Number of labels without a prediction; they are not ranked."""
    spread: float | None
    """Standard deviation assumed of recorded numbers, in their unit; None for classes without numbers."""
    suspects: tuple[Suspect, ...]
    """All of them, lowest margin first."""


def find_suspects(
    scored: ScoredRows, values: Mapping[str, FloatArray], name: str, *, method: SuspectMethod = "margin"
) -> AttributeRanking:
    """Rank the recorded labels of the attribute called `name` by how much the predictions contradict them.

    `values`: recorded numbers, (n,), by ordinal attribute, NaN where missing. Ties are broken by person and image, so
    the order of rows does not matter. Raises FacetwiseError when `method` is `cleanlab` and it is not installed.
    """
    attribute, place = scored.space.attribute(name), scored.space.index(name)
    order = np.argsort(scored.predictions.images, kind="stable")
    order = order[scored.truth.codes[order, place] != MISSING]
    predictions, recorded = scored.predictions.where(order), scored.truth.codes[order, place]
    value = values.get(name, np.full(len(scored), np.nan))[order]
    rows = _LabelRows(predictions.images, predictions.groups, recorded, value)
    unit, of_person = label_units(rows.groups, rows.recorded, rows.values)
    logs = predictions.marginals[name]
    covered = np.flatnonzero(~np.isnan(logs).any(axis=1))
    labels = _Labels.read(
        rows.where(covered), np.unique(unit[covered], return_inverse=True)[1], logs[covered], attribute
    )
    ranked = labels.ranked() if method != "cleanlab" else cleanlab_issues(labels.first.recorded, np.exp(labels.logs))
    return AttributeRanking(
        attribute=name,
        of_person=bool(of_person.any()),
        num_labels=labels.num,
        num_uncovered=len(np.unique(unit)) - labels.num,
        spread=labels.spread,
        suspects=tuple(labels.suspects(ranked, of_person[covered])),
    )


def label_units(
    groups: npt.NDArray[np.str_], recorded: IntArray, values: FloatArray
) -> tuple[IntArray, npt.NDArray[np.bool_]]:
    """The number of each row's label, shape (n,), and whether that label belongs to the whole person, (n,).

    It does when nearly all people with several images have one class and one number on all of them (`PERSON_SHARE`).
    Even then, a person with differing labels has one label for each image.
    """
    _, first, person, size = np.unique(groups, return_index=True, return_inverse=True, return_counts=True)
    same = (recorded == recorded[first][person]) & _equal(values, values[first][person])
    constant = np.bincount(person[same], minlength=len(size)) == size
    several = size > 1
    by_person = several.any() and constant[several].mean() >= PERSON_SHARE
    of_person: npt.NDArray[np.bool_] = constant[person] & by_person
    keys = np.where(of_person, person, len(size) + np.arange(len(groups)))
    return np.unique(keys, return_inverse=True)[1].astype(np.int64), of_person


def pooled_logs(logs: FloatArray, unit: IntArray) -> FloatArray:
    """Log-probabilities of each label, shape (labels, K): the normalised mean of those of its images, (n, K).

    A geometric mean, which does not become more certain just because there are more images. `unit` is each row's label,
    0..labels-1, each with at least one row.
    """
    count = np.bincount(unit)
    total = np.zeros((len(count), logs.shape[1]))
    np.add.at(total, unit, np.maximum(logs, FLOOR))
    return log_normalised(total / count[:, None])


def margins(logs: FloatArray, recorded: IntArray, standing: FloatArray) -> FloatArray:
    """Margins, shape (u,), of labels with log-probabilities (u, K); see the module docstring. `standing`: s, (u, K),
    the distribution of classes that each recorded label is compatible with."""
    rows = np.arange(len(logs))
    rest = logs.copy()
    rest[rows, recorded] = -np.inf
    stated = np.log(np.maximum((standing * np.exp(logs)).sum(axis=1), np.finfo(float).tiny))
    margin: FloatArray = stated - rest.max(axis=1, initial=-np.inf)
    return margin


def standing_for(recorded: IntArray, values: FloatArray, attribute: Attribute, spread: float | None) -> FloatArray:
    """The distribution of classes that each recorded label is compatible with, shape (u, K)."""
    standing = np.eye(attribute.size)[recorded]
    has_value = ~np.isnan(values)
    if spread is not None and attribute.cuts:
        standing[has_value] = soft_bins(values[has_value], attribute.cuts, spread)
    return standing


def fit_spread(values: FloatArray, probabilities: FloatArray, cuts: Sequence[float]) -> float | None:
    """Standard deviation between recorded and apparent values (a person of 31 may look 27); None without values.

    The spread at which recorded numbers with a normal error explain the predicted classes best: it minimises the
    cross-entropy of `probabilities`, (u, K), against the classes of `values`, (u,), assuming that a share of the labels
    (`WRONG_SHARE`) is wrong at random. Candidates are 0.5 to 50 % of the range of the values.
    """
    has_value = ~np.isnan(values)
    wide = float(np.ptp(values[has_value])) if has_value.any() else 0.0
    if wide == 0:
        return None
    even = WRONG_SHARE / probabilities.shape[1]

    def explained(spread: float) -> float:
        classes = (1 - WRONG_SHARE) * soft_bins(values[has_value], cuts, spread).astype(np.float64) + even
        return float((probabilities[has_value] * np.log(classes)).sum())

    return max((float(s) for s in wide * np.geomspace(0.005, 0.5, NUM_SPREADS)), key=explained)


@dataclass(frozen=True)
class _LabelRows:
    """Recorded labels of one attribute, one row for each image: arrays of shape (n,)."""

    images: npt.NDArray[np.str_]
    groups: npt.NDArray[np.str_]
    recorded: IntArray
    values: FloatArray

    def where(self, keep: npt.NDArray[np.bool_] | IntArray) -> _LabelRows:
        return _LabelRows(self.images[keep], self.groups[keep], self.recorded[keep], self.values[keep])


@dataclass(frozen=True)
class _Labels:
    """The labels of one attribute that have a prediction, with the rows of their images."""

    rows: _LabelRows
    unit: IntArray
    """Each row's label, (n,)."""
    row_logs: FloatArray
    """(n, K)."""
    first: _LabelRows
    """One row of each label (all rows of a label agree), (u,)."""
    logs: FloatArray
    """(u, K)."""
    margin: FloatArray
    """(u,)."""
    spread: float | None
    attribute: Attribute

    @classmethod
    def read(cls, rows: _LabelRows, unit: IntArray, row_logs: FloatArray, attribute: Attribute) -> _Labels:
        first = rows.where(np.unique(unit, return_index=True)[1].astype(np.int64))
        logs = pooled_logs(row_logs, unit)
        spread = fit_spread(first.values, np.exp(logs), attribute.cuts) if attribute.cuts else None
        margin = margins(logs, first.recorded, standing_for(first.recorded, first.values, attribute, spread))
        return cls(rows, unit, row_logs, first, logs, margin, spread, attribute)

    @property
    def num(self) -> int:
        return len(self.logs)

    def ranked(self) -> IntArray:
        """Numbers of the labels with a negative margin, lowest first."""
        keys = [(float(self.margin[i]), str(self.first.groups[i]), str(self.first.images[i])) for i in range(self.num)]
        below = sorted(np.flatnonzero(self.margin < 0).tolist(), key=keys.__getitem__)
        return np.array(below, dtype=np.int64)

    def suspects(self, ranked: IntArray, of_person: npt.NDArray[np.bool_]) -> Iterator[Suspect]:
        """The suspects with the numbers `ranked`; `of_person`, (n,), as from `label_units`."""
        in_order = np.argsort(self.unit, kind="stable")
        bounds = np.searchsorted(self.unit[in_order], np.arange(self.num + 1))
        for label in ranked.tolist():
            members = in_order[bounds[label] : bounds[label + 1]]
            yield self._suspect(label, members, whole=bool(of_person[members[0]]))

    def _suspect(self, label: int, members: IntArray, *, whole: bool) -> Suspect:
        recorded, value, classes = (
            int(self.first.recorded[label]),
            float(self.first.values[label]),
            self.attribute.classes,
        )
        rest = np.where(np.arange(len(classes)) == recorded, -np.inf, self.logs[label])
        proposed = int(rest.argmax())
        return Suspect(
            attribute=self.attribute.name,
            group=str(self.first.groups[label]),
            image=None if whole else str(self.first.images[label]),
            given=classes[recorded],
            value=None if np.isnan(value) else value,
            proposed=classes[proposed],
            given_probability=float(np.exp(self.logs[label, recorded])),
            probability=float(np.exp(self.logs[label, proposed])),
            margin=float(self.margin[label]),
            cut=_cut_between(value, recorded, proposed, self.attribute),
            images=tuple(str(image) for image in self.rows.images[members]),
            num_agreeing=int((self.row_logs[members].argmax(axis=1) == proposed).sum()),
        )


def _cut_between(value: float, recorded: int, proposed: int, attribute: Attribute) -> float | None:
    """The first cut between class `recorded` and class `proposed`."""
    if np.isnan(value) or attribute.cuts is None:
        return None
    return attribute.cuts[recorded] if proposed > recorded else attribute.cuts[recorded - 1]


def _equal(some: FloatArray, rest: FloatArray) -> npt.NDArray[np.bool_]:
    """Elementwise equality where NaN equals NaN."""
    equal: npt.NDArray[np.bool_] = (some == rest) | (np.isnan(some) & np.isnan(rest))
    return equal
