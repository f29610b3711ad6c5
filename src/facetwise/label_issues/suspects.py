"""The view of `facetwise labels suspects`: labels that predictions contradict, and the values proposed instead."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from facetwise.core.choices import SuspectMethod
from facetwise.core.errors import InputError, SettingError
from facetwise.core.labels import Attribute, FloatArray, IntArray, LabelSpace
from facetwise.core.plain import plain
from facetwise.core.project import Project
from facetwise.data.features.table import Features
from facetwise.data.labels.overlay import Overlay
from facetwise.data.manifest import Manifest
from facetwise.evaluate.predictions import Predictions
from facetwise.evaluate.rows import ScoredRows
from facetwise.label_issues.neighbours import NEIGHBOURS, neighbour_votes
from facetwise.label_issues.ranking import AttributeRanking, Suspect, find_suspects
from facetwise.label_issues.scores import LabelScores, label_scores
from facetwise.label_issues.source import label_source
from facetwise.label_issues.usual import usual_value
from facetwise.predictors.sources import manifest_truth


@dataclass(frozen=True)
class Row:
    """A suspect in the list."""

    rank: int
    """From 1, over all attributes: the rank used by `facetwise labels accept`."""
    suspect: Suspect
    value: str | None
    """The value that accepting writes: a class, or a number for an ordinal attribute; None where no number is known."""
    value_from: str | None
    """Where that number comes from; None for a class."""
    corrected: bool
    """Whether the overlay already corrects this label."""
    neighbours: tuple[float, float] | None = None
    """Shares of the votes of the most alike images of others for the recorded and for the proposed class, 0..1, the
    mean over the label's images; None without features."""


@dataclass(frozen=True)
class AttributeSuspects:
    """The suspects of one attribute."""

    name: str
    of_person: bool
    num_labels: int
    num_uncovered: int
    num_suspects: int
    """Number in total, listed or not, including corrected ones."""
    num_corrected: int
    """Suspects that the overlay corrects."""
    spread: float | None
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class SuspectsView:
    """The list of suspects."""

    project: str
    source: str
    """Reference of the predictor."""
    why: str
    """Why these."""
    method: SuspectMethod
    num_images: int
    """Training images."""
    num_uncovered: int
    """Training images without a prediction: their labels are not judged."""
    attributes: tuple[AttributeSuspects, ...]
    scores: LabelScores

    @property
    def rows(self) -> tuple[Row, ...]:
        """All listed suspects, by rank."""
        return tuple(row for attribute in self.attributes for row in attribute.rows)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        data: dict[str, Any] = plain(asdict(self))
        for fields, attribute in zip(data["attributes"], self.attributes, strict=True):
            for row_fields, row in zip(fields["rows"], attribute.rows, strict=True):
                row_fields["suspect"]["distance"] = row.suspect.distance
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
    features: Features | None = None
    """Features of the images: the most alike vote, as `neighbours` or beside the predictions."""


def build_suspects_view(
    project: Project, manifest: Manifest, overlay: Overlay, reference: str | None, spec: SuspectsSpec
) -> SuspectsView:
    """Look for labels that the out-of-fold predictions of `reference` contradict, or the votes of `neighbours`.

    Raises as `label_source`, SettingError for an attribute that is not there and for `neighbours` without features,
    InputError for an attribute that is not predicted.
    """
    votes = None if spec.features is None else neighbour_votes(spec.features, manifest, project.space)
    judge = _judge(project, manifest, reference, spec, votes)
    rows = judge.rows
    names = _attributes_to_rank(judge.name, judge.rows.predictions.attributes, project.space, spec.attribute)
    values = {a.name: manifest.values(a.name) for a in project.space.attributes if a.is_ordinal}
    corrected = frozenset(c.target for c in overlay.corrections)
    rank, found = 1, list[AttributeSuspects]()
    for name in names:
        suspects = find_suspects(rows, values, name, method=spec.method)
        listed = _Listing(project.space.attribute(name), rows, values, corrected, judge.beside)
        found.append(listed.attribute_suspects(suspects, rank, spec))
        rank += len(found[-1].rows)
    scores = label_scores(judge.name, rows, manifest, overlay)
    return SuspectsView(
        project=project.file.name,
        source=judge.name,
        why=judge.why,
        method=spec.method,
        num_images=len(rows),
        num_uncovered=len(rows) - scores.num_images,
        attributes=tuple(found),
        scores=scores,
    )


@dataclass(frozen=True)
class _Judge:
    """Whose predictions judge the labels."""

    name: str
    why: str
    rows: ScoredRows
    beside: Predictions | None
    """Votes of neighbours that are shown beside them."""


def _judge(
    project: Project, manifest: Manifest, reference: str | None, spec: SuspectsSpec, votes: Predictions | None
) -> _Judge:
    if spec.method != "neighbours":
        source, rows, why = label_source(project, manifest, reference)
        return _Judge(source.reference, why, rows, votes)
    if spec.features is None or votes is None:
        raise SettingError("`neighbours` are those by features", hint="give them: `--features FEATURES`")
    if reference is not None:
        raise SettingError(
            f"`neighbours` need no predictions, and `{reference}` has some", hint="leave one of them out"
        )
    rows = ScoredRows(votes, manifest_truth(project, manifest))
    return _Judge(spec.features.name, f"the votes of the {NEIGHBOURS} most alike photos of others", rows, None)


def _attributes_to_rank(
    source: str, predicted: tuple[str, ...], space: LabelSpace, attribute: str | None
) -> tuple[str, ...]:
    if attribute is None:
        return predicted
    if space.attribute(attribute).name not in predicted:
        raise InputError(f"`{source}` does not predict `{attribute}`, only {', '.join(predicted)}")
    return (attribute,)


@dataclass(frozen=True)
class _Listing:
    """Adds the value to write, and whether it is corrected already, to the suspects of one attribute."""

    attribute: Attribute
    scored: ScoredRows
    values: Mapping[str, FloatArray]
    corrected: frozenset[tuple[str, str, str]]
    """Targets of the overlay."""
    votes: Predictions | None
    """Of neighbours, in the order of `scored`."""

    def attribute_suspects(self, found: AttributeRanking, rank: int, spec: SuspectsSpec) -> AttributeSuspects:
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
            rows=tuple(
                Row(rank + i, s, *self._to_write(s), corrected=d, neighbours=self._neighbours(s))
                for i, (s, d) in enumerate(shown)
            ),
        )

    def _neighbours(self, suspect: Suspect) -> tuple[float, float] | None:
        """Mean shares of votes for the recorded and the proposed class."""
        if self.votes is None:
            return None
        logs = self.votes.marginals[self.attribute.name][np.isin(self.votes.images, list(suspect.images))]
        given, proposed = (
            float(np.exp(logs[:, self.attribute.code_of(c)]).mean()) for c in (suspect.given, suspect.proposed)
        )
        return given, proposed

    def _is_corrected(self, suspect: Suspect) -> bool:
        """Whether the overlay corrects the person or every image of the label."""
        name = self.attribute.name
        by_person = ("", suspect.group, name) in self.corrected
        return by_person or all((image, "", name) in self.corrected for image in suspect.images)

    def _to_write(self, suspect: Suspect) -> tuple[str | None, str | None]:
        """The overlay's value for the proposed class, and where a number comes from."""
        if not self.attribute.is_ordinal:
            return suspect.proposed, None
        for number, words in (self._predicted_value(suspect), self._usual_value(suspect)):
            if number is not None:
                return f"{number:.15g}", words
        return None, None

    def _predicted_value(self, suspect: Suspect) -> tuple[float | None, str]:
        """Median of the predicted values within the proposed class, for a head that predicts values."""
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
        """Lower median of the recorded values of the proposed class."""
        return usual_value(self.attribute, suspect.proposed, self.values[self.attribute.name])

    def _codes_of(self, values: FloatArray) -> IntArray:
        return self.attribute.codes_of_values(values) if len(values) else np.zeros(0, np.int64)


def pictured(view: SuspectsView) -> Iterator[str]:
    """The images shown on a page of the view."""
    for row in view.rows:
        yield from row.suspect.images
