"""Labels that out-of-fold predictions contradict, the surest first: which recorded labels may be wrong.

A label is an attribute of a person (seven photos, one gender) or of one image (a mask); the data says which. The images
of a person are read together: the mean of their log-probabilities, normalised. A label's *margin* is

    log(sum over c of s(c) p(c)) - max over c other than the given class of log p(c)

where p is predicted and s says what the recorded label may stand for: all on the given class, or, for a number that was
cut into classes, the classes that a value near it would have had (`fit_spread`). A label with a margin below 0 is a
suspect. With s on the given class alone this is the normalized margin of Northcutt et al. (2021, "Confident learning",
section 3.3), in logs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facetwise.core.choices import SuspectMethod
from facetwise.core.labels import Attribute, FloatArray, IntArray
from facetwise.data.labels.bins import soft_bins
from facetwise.evaluate.compose import log_normalised
from facetwise.evaluate.rows import ScoredRows
from facetwise.label_issues.cleanlab_issues import cleanlab_issues

FLOOR = np.log(1e-4)
"""The least log-probability that counts: one image, however sure, does not outvote all others of its person."""
PERSON_SHARE = 0.95
"""An attribute is the person's when so many of the people with several images have one label of it; the images of the
others are judged one by one."""
WRONG_SHARE = 0.02
"""Share of labels that `fit_spread` takes for plain wrong, so that these do not widen the spread."""
NUM_SPREADS = 40


@dataclass(frozen=True)
class Suspect:
    """One label that the predictions contradict."""

    attribute: str
    group: str
    """The person."""
    image: str | None
    """The image whose label it is; None where it is the label of all images of the person."""
    given: str
    """The recorded class."""
    value: float | None
    """The recorded number, of an ordinal attribute; None where only the class is known."""
    proposed: str
    """The class that the predictions prefer."""
    given_probability: float
    """Of the recorded class, 0 to 1, all images of the label together."""
    probability: float
    """Of the proposed class, 0 to 1."""
    margin: float
    """Natural log; what the list is ordered by, lowest first."""
    cut: float | None
    """The first cut between the value and the proposed class; None without a value."""
    images: tuple[str, ...]
    """The images whose label it is, those without a prediction left out."""
    num_agreeing: int
    """How many of the images have the proposed class as their most probable one."""

    @property
    def distance(self) -> float | None:
        """How far the recorded number is from the cut; None without one."""
        return None if self.value is None or self.cut is None else abs(self.value - self.cut)


@dataclass(frozen=True)
class Found:
    """The suspects of one attribute, and how they were looked for."""

    attribute: str
    of_person: bool
    """Whether the label is the person's; else each image has its own."""
    num_labels: int
    """Labels with a prediction: people, or images."""
    num_uncovered: int
    """Labels without any prediction: nothing is said of them."""
    spread: float | None
    """Standard deviation within which recorded numbers were taken, in their unit; None where classes are no numbers."""
    suspects: tuple[Suspect, ...]
    """All of them, the surest first."""


def find_suspects(
    scored: ScoredRows, values: Mapping[str, FloatArray], name: str, *, method: SuspectMethod = "margin"
) -> Found:
    """Rank the recorded labels of the attribute called `name` by how much the predictions contradict them.

    `values`: recorded numbers, (n,), by ordinal attribute, NaN where there is none. Ties go by person and image, so the
    order of rows does not matter. Raises FacetwiseError when `method` is `cleanlab` and that is not installed.
    """
    attribute = scored.space.attribute(name)
    order = np.argsort(scored.predictions.images, kind="stable")
    predictions, given = scored.predictions.where(order), scored.truth.codes[order, scored.space.index(name)]
    value = values.get(name, np.full(len(scored), np.nan))[order]
    rows = _Rows(predictions.images, predictions.groups, given, value)
    unit, of_person = label_units(rows.groups, rows.given, rows.values)
    logs = predictions.marginals[name]
    seen = np.flatnonzero(~np.isnan(logs).any(axis=1))
    labels = _Labels.read(rows.where(seen), np.unique(unit[seen], return_inverse=True)[1], logs[seen], attribute)
    ranked = labels.ranked() if method == "margin" else cleanlab_issues(labels.own.given, np.exp(labels.logs))
    return Found(
        attribute=name,
        of_person=bool(of_person.any()),
        num_labels=labels.num,
        num_uncovered=len(np.unique(unit)) - labels.num,
        spread=labels.spread,
        suspects=tuple(labels.suspects(ranked, of_person[seen])),
    )


def label_units(
    groups: npt.NDArray[np.str_], given: IntArray, values: FloatArray
) -> tuple[IntArray, npt.NDArray[np.bool_]]:
    """The number of each row's label, shape (n,), and whether that label is the whole person's, (n,).

    It is when nearly all people with several images have one class and one number on all of them (`PERSON_SHARE`). A
    person who has not, among people who have, has a label an image.
    """
    _, first, person, size = np.unique(groups, return_index=True, return_inverse=True, return_counts=True)
    same = (given == given[first][person]) & _equal(values, values[first][person])
    constant = np.bincount(person[same], minlength=len(size)) == size
    several = size > 1
    by_person = several.any() and constant[several].mean() >= PERSON_SHARE
    of_person: npt.NDArray[np.bool_] = constant[person] & by_person
    keys = np.where(of_person, person, len(size) + np.arange(len(groups)))
    return np.unique(keys, return_inverse=True)[1].astype(np.int64), of_person


def pooled_logs(logs: FloatArray, unit: IntArray) -> FloatArray:
    """Log-probabilities of each label, shape (labels, K), from those of its images, (n, K): the mean log, normalised.

    The geometric mean: it needs no more certainty than one image gives, however many there are. `unit` is each row's
    label, 0..labels-1, none without a row.
    """
    count = np.bincount(unit)
    total = np.zeros((len(count), logs.shape[1]))
    np.add.at(total, unit, np.maximum(logs, FLOOR))
    return log_normalised(total / count[:, None])


def margins(logs: FloatArray, given: IntArray, standing: FloatArray) -> FloatArray:
    """Margins, shape (u,), of labels with log-probabilities (u, K); see the top. `standing`: what each may stand for,
    (u, K), rows that sum to 1."""
    rows = np.arange(len(logs))
    others = logs.copy()
    others[rows, given] = -np.inf
    own = np.log(np.maximum((standing * np.exp(logs)).sum(axis=1), np.finfo(float).tiny))
    margin: FloatArray = own - others.max(axis=1, initial=-np.inf)
    return margin


def standing_for(given: IntArray, values: FloatArray, attribute: Attribute, spread: float | None) -> FloatArray:
    """Probabilities of the classes that each recorded label may stand for, shape (u, K)."""
    standing = np.eye(attribute.size)[given]
    known = ~np.isnan(values)
    if spread is not None and attribute.cuts:
        standing[known] = soft_bins(values[known], attribute.cuts, spread)
    return standing


def fit_spread(values: FloatArray, probabilities: FloatArray, cuts: Sequence[float]) -> float | None:
    """How far from its recorded number a label may look, as a standard deviation; None where nothing tells.

    A photo of somebody of 31 may look like 27. The spread at which recorded numbers, taken with a normal error, explain
    the predicted classes best: it minimises the cross-entropy of `probabilities`, (u, K), against the classes of
    `values`, (u,), a share of the labels (`WRONG_SHARE`) being wrong in any way. Candidates are 0.5 to 50 % of the
    range of the values.
    """
    known = ~np.isnan(values)
    wide = float(np.ptp(values[known])) if known.any() else 0.0
    if wide == 0:
        return None
    even = WRONG_SHARE / probabilities.shape[1]

    def explained(spread: float) -> float:
        classes = (1 - WRONG_SHARE) * soft_bins(values[known], cuts, spread).astype(np.float64) + even
        return float((probabilities[known] * np.log(classes)).sum())

    return max((float(s) for s in wide * np.geomspace(0.005, 0.5, NUM_SPREADS)), key=explained)


@dataclass(frozen=True)
class _Rows:
    """Recorded labels of one attribute, a row an image: arrays of shape (n,)."""

    images: npt.NDArray[np.str_]
    groups: npt.NDArray[np.str_]
    given: IntArray
    values: FloatArray

    def where(self, keep: npt.NDArray[np.bool_] | IntArray) -> _Rows:
        return _Rows(self.images[keep], self.groups[keep], self.given[keep], self.values[keep])


@dataclass(frozen=True)
class _Labels:
    """The labels of one attribute that have a prediction, and the images that tell of them."""

    rows: _Rows
    unit: IntArray
    """Each row's label, (n,)."""
    row_logs: FloatArray
    """(n, K)."""
    own: _Rows
    """The first row of each label: all rows of a label say the same, (u,)."""
    logs: FloatArray
    """(u, K)."""
    margin: FloatArray
    """(u,)."""
    spread: float | None
    attribute: Attribute

    @classmethod
    def read(cls, rows: _Rows, unit: IntArray, row_logs: FloatArray, attribute: Attribute) -> _Labels:
        own = rows.where(np.unique(unit, return_index=True)[1].astype(np.int64))
        logs = pooled_logs(row_logs, unit)
        spread = fit_spread(own.values, np.exp(logs), attribute.cuts) if attribute.cuts else None
        margin = margins(logs, own.given, standing_for(own.given, own.values, attribute, spread))
        return cls(rows, unit, row_logs, own, logs, margin, spread, attribute)

    @property
    def num(self) -> int:
        return len(self.logs)

    def ranked(self) -> IntArray:
        """Numbers of the suspects, lowest margin first."""
        keys = [(float(self.margin[i]), str(self.own.groups[i]), str(self.own.images[i])) for i in range(self.num)]
        below = sorted(np.flatnonzero(self.margin < 0).tolist(), key=keys.__getitem__)
        return np.array(below, dtype=np.int64)

    def suspects(self, ranked: IntArray, of_person: npt.NDArray[np.bool_]) -> Iterator[Suspect]:
        """Everything that is said of the labels with the numbers `ranked`; `of_person` as from `label_units`, (n,)."""
        in_order = np.argsort(self.unit, kind="stable")
        bounds = np.searchsorted(self.unit[in_order], np.arange(self.num + 1))
        for label in ranked.tolist():
            members = in_order[bounds[label] : bounds[label + 1]]
            yield self._suspect(label, members, whole=bool(of_person[members[0]]))

    def _suspect(self, label: int, members: IntArray, *, whole: bool) -> Suspect:
        given, value, classes = int(self.own.given[label]), float(self.own.values[label]), self.attribute.classes
        others = np.where(np.arange(len(classes)) == given, -np.inf, self.logs[label])
        proposed = int(others.argmax())
        return Suspect(
            attribute=self.attribute.name,
            group=str(self.own.groups[label]),
            image=None if whole else str(self.own.images[label]),
            given=classes[given],
            value=None if np.isnan(value) else value,
            proposed=classes[proposed],
            given_probability=float(np.exp(self.logs[label, given])),
            probability=float(np.exp(self.logs[label, proposed])),
            margin=float(self.margin[label]),
            cut=_cut_between(value, given, proposed, self.attribute),
            images=tuple(str(image) for image in self.rows.images[members]),
            num_agreeing=int((self.row_logs[members].argmax(axis=1) == proposed).sum()),
        )


def _cut_between(value: float, given: int, proposed: int, attribute: Attribute) -> float | None:
    """The cut that a value of class `given` would have to pass first to be of class `proposed`."""
    if np.isnan(value) or attribute.cuts is None:
        return None
    return attribute.cuts[given] if proposed > given else attribute.cuts[given - 1]


def _equal(some: FloatArray, others: FloatArray) -> npt.NDArray[np.bool_]:
    """Elementwise equality where NaN equals NaN."""
    equal: npt.NDArray[np.bool_] = (some == others) | (np.isnan(some) & np.isnan(others))
    return equal
