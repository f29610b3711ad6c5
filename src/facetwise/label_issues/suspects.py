"""What `facetwise labels suspects` shows: labels that predictions contradict, and what to write instead."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from facetwise.core.choices import SuspectMethod
from facetwise.core.errors import InputError
from facetwise.core.labels import Attribute, FloatArray, IntArray, LabelSpace
from facetwise.core.plain import plain
from facetwise.core.project import Project
from facetwise.data.labels.overlay import Overlay
from facetwise.data.manifest import Manifest
from facetwise.evaluate.rows import ScoredRows
from facetwise.label_issues.ranking import Found, Suspect, find_suspects
from facetwise.label_issues.scores import LabelScores, label_scores
from facetwise.label_issues.source import label_source


@dataclass(frozen=True)
class Row:
    """A suspect in the list."""

    rank: int
    """From 1, over all attributes: what `facetwise labels accept` goes by."""
    suspect: Suspect
    value: str | None
    """What accepting would write: a class, or for an ordinal attribute a number; None where no number is known."""
    value_from: str | None
    """Where that number comes from; None for a class."""
    corrected: bool
    """Whether the overlay has a correction of this label."""


@dataclass(frozen=True)
class AttributeSuspects:
    """The suspects of one attribute."""

    name: str
    of_person: bool
    num_labels: int
    num_uncovered: int
    num_suspects: int
    """In all, listed or not, corrected ones included."""
    num_corrected: int
    """Suspects that the overlay corrects."""
    spread: float | None
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class SuspectsView:
    """The list of suspects."""

    project: str
    source: str
    """Whose predictions: an id of a run or blend."""
    why: str
    """Why these."""
    method: SuspectMethod
    num_images: int
    """Training images."""
    num_uncovered: int
    """Of them without a prediction: nothing is said of their labels."""
    attributes: tuple[AttributeSuspects, ...]
    scores: LabelScores

    @property
    def rows(self) -> tuple[Row, ...]:
        """All suspects that are listed, by rank."""
        return tuple(row for attribute in self.attributes for row in attribute.rows)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        data: dict[str, Any] = plain(asdict(self))
        for attribute, found in zip(data["attributes"], self.attributes, strict=True):
            for row, kept in zip(attribute["rows"], found.rows, strict=True):
                row["suspect"]["distance"] = kept.suspect.distance
        return data


@dataclass(frozen=True)
class SuspectsSpec:
    """Which labels to look for."""

    attribute: str | None
    """Only this one; None for all that are predicted."""
    method: SuspectMethod
    limit: int
    """Most of an attribute."""
    with_corrected: bool
    """Those too that the overlay corrects already."""


def build_suspects_view(
    project: Project, manifest: Manifest, overlay: Overlay, reference: str | None, spec: SuspectsSpec
) -> SuspectsView:
    """Look for labels that the out-of-fold predictions of `reference` contradict.

    Raises as `label_source`, SettingError for an attribute that is not there, InputError for one that is not predicted.
    """
    source, rows, why = label_source(project, manifest, reference)
    names = _wanted(source.reference, source.attributes, project.space, spec.attribute)
    values = {a.name: manifest.values(a.name) for a in project.space.attributes if a.is_ordinal}
    corrected = frozenset(c.target for c in overlay.corrections)
    rank, found = 1, list[AttributeSuspects]()
    for name in names:
        suspects = find_suspects(rows, values, name, method=spec.method)
        listed = _Listing(project.space.attribute(name), rows, values, corrected)
        found.append(listed.attribute_suspects(suspects, rank, spec))
        rank += len(found[-1].rows)
    scores = label_scores(source.reference, rows, manifest, overlay)
    return SuspectsView(
        project=project.file.name,
        source=source.reference,
        why=why,
        method=spec.method,
        num_images=len(rows),
        num_uncovered=len(rows) - scores.num_images,
        attributes=tuple(found),
        scores=scores,
    )


def _wanted(source: str, predicted: tuple[str, ...], space: LabelSpace, attribute: str | None) -> tuple[str, ...]:
    if attribute is None:
        return predicted
    if space.attribute(attribute).name not in predicted:
        raise InputError(f"`{source}` does not predict `{attribute}`, only {', '.join(predicted)}")
    return (attribute,)


@dataclass(frozen=True)
class _Listing:
    """What it takes to say of the suspects of one attribute what to write, and whether that is done already."""

    attribute: Attribute
    scored: ScoredRows
    values: Mapping[str, FloatArray]
    corrected: frozenset[tuple[str, str, str]]
    """Targets of the overlay."""

    def attribute_suspects(self, found: Found, rank: int, spec: SuspectsSpec) -> AttributeSuspects:
        done = [self._is_corrected(s) for s in found.suspects]
        shown = [(s, d) for s, d in zip(found.suspects, done, strict=True) if spec.with_corrected or not d][
            : spec.limit
        ]
        return AttributeSuspects(
            name=found.attribute,
            of_person=found.of_person,
            num_labels=found.num_labels,
            num_uncovered=found.num_uncovered,
            num_suspects=len(found.suspects),
            num_corrected=sum(done),
            spread=found.spread,
            rows=tuple(Row(rank + i, s, *self._to_write(s), corrected=d) for i, (s, d) in enumerate(shown)),
        )

    def _is_corrected(self, suspect: Suspect) -> bool:
        """By a correction of the person, or of every image."""
        name = self.attribute.name
        by_person = ("", suspect.group, name) in self.corrected
        return by_person or all((image, "", name) in self.corrected for image in suspect.images)

    def _to_write(self, suspect: Suspect) -> tuple[str | None, str | None]:
        """The value of the overlay's column for the proposed class, and where a number comes from."""
        if not self.attribute.is_ordinal:
            return suspect.proposed, None
        for number, words in (self._predicted_value(suspect), self._usual_value(suspect)):
            if number is not None:
                return f"{number:.15g}", words
        return None, None

    def _predicted_value(self, suspect: Suspect) -> tuple[float | None, str]:
        """The median of the predicted values that are of the proposed class, of a head that predicts values."""
        words = f"the median of the predicted values that are {suspect.proposed}"
        values = np.array(self.scored.predictions.values.get(self.attribute.name, ()))
        inside = self._codes_of(values) == self.attribute.code_of(suspect.proposed)
        if not inside.any():
            return None, words
        rows = self.scored.predictions.where(np.isin(self.scored.predictions.images, list(suspect.images)))
        weight = np.exp(rows.value_logs(self.attribute.name)).mean(axis=0)[inside]
        if not weight.sum() > 0:
            return None, words
        return float(values[inside][np.searchsorted(weight.cumsum(), weight.sum() / 2)]), words

    def _usual_value(self, suspect: Suspect) -> tuple[float | None, str]:
        """The median of the recorded values of the proposed class; the lower one of two."""
        words = f"the median recorded value of {suspect.proposed}"
        own = self.scored.truth.only([self.attribute.name]).classes == self.attribute.code_of(suspect.proposed)
        known = np.sort(self.values[self.attribute.name][own & ~np.isnan(self.values[self.attribute.name])])
        return (float(known[(len(known) - 1) // 2]) if len(known) else None), words

    def _codes_of(self, values: FloatArray) -> IntArray:
        return self.attribute.codes_of_values(values) if len(values) else np.zeros(0, np.int64)


def pictured(view: SuspectsView) -> Iterator[str]:
    """The images that a page of the view shows."""
    for row in view.rows:
        yield from row.suspect.images
