"""The view of `facetwise calibration`: calibration of probabilities, and the effect of temperature scaling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from facetwise.core.labels import JOINT
from facetwise.core.plain import plain
from facetwise.core.project import Project
from facetwise.core.text.subject import PEOPLE, count_people
from facetwise.data.manifest import Manifest
from facetwise.evaluate.calibration import COLDEST, HOTTEST
from facetwise.evaluate.reliability import Calibration, CalibrationCheck, check_calibration
from facetwise.predictors.sources import Source
from facetwise.results.notices import Notice
from facetwise.results.source_notices import source_notices
from facetwise.results.wording import percent

MIN_IMPROVEMENT = 0.001
"""Smallest improvement of the mean negative log-likelihood, in nats, for which a temperature is recommended."""


MEANING = (
    "NLL is the mean negative log-likelihood, ECE how far sureness and being right lie apart. A temperature does not "
    "change which class is the most probable; it matters where probabilities are averaged or weighed."
)


@dataclass(frozen=True)
class CalibrationView:
    """Calibration of one predictor."""

    id: str
    project: str
    warnings: tuple[Notice, ...]
    check: CalibrationCheck

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON data, with the verdict on each attribute."""
        found = self.check.as_dict()
        for kept, part in zip(found["parts"], self.check.parts, strict=True):
            kept["verdict"] = self.verdict(part)
        warnings = [{"kind": n.kind, "text": n.text} for n in self.warnings]
        data: dict[str, Any] = plain({"id": self.id, "project": self.project, "warnings": warnings, **found})
        return data

    def verdict(self, part: Calibration) -> str:
        """The verdict on one attribute, in a sentence or two."""
        return verdict(part, self.temperature(part), self.check.num_people)

    def temperature(self, part: Calibration) -> float | None:
        """The temperature of an attribute; None where it follows from other blocks."""
        return self.check.temperatures.get(part.name)


def build_calibration_view(project: Project, manifest: Manifest, source: Source) -> CalibrationView:
    """Fit temperatures on the out-of-fold predictions of `source`, with a nested estimate.

    Raises InputError when it has none, or fewer than five people have a prediction.
    """
    check = check_calibration(source.scored(project, manifest).only(source.attributes))
    return CalibrationView(source.reference, project.file.name, source_notices(project, source, manifest), check)


def verdict(part: Calibration, temperature: float | None, num_people: int) -> str:
    """The verdict on one attribute, in a sentence or two."""
    by = f"{_nats(part.difference)} [{_nats(part.difference_interval.low)}, {_nats(part.difference_interval.high)}]"
    if part.difference >= 0:
        return f"Leave it: temperatures fitted on four fifths of the {PEOPLE} are no better on the fifth (NLL {by})."
    if part.difference_interval.high >= 0 or -part.difference < MIN_IMPROVEMENT:
        everybody = count_people(num_people)
        return f"Calibrated, as far as {everybody} can tell: a temperature changes little (NLL {by})."
    better = f"{_advice(part, temperature)} the probabilities better (NLL {by}, nested)."
    return f"{_confidence(part)} {better}{_at_the_end(temperature)}"


def _nats(difference: float) -> str:
    return f"{difference:+z.4f}"


def _confidence(part: Calibration) -> str:
    sure, right = part.before.confidence, part.accuracy
    how = "Too sure" if sure > right else "Not sure enough"
    return f"{how}: {percent(sure)} sure on average, {percent(right)} right."


def _advice(part: Calibration, temperature: float | None) -> str:
    if temperature is not None:
        return f"A temperature of {temperature:.2f} makes"
    return (
        "The temperatures of the attributes make"
        if part.name == JOINT
        else "The temperature of the joint classes makes"
    )


def _at_the_end(temperature: float | None) -> str:
    if temperature is None or COLDEST * 1.01 < temperature < HOTTEST / 1.01:
        return ""
    return " It stands at the end of its range: look at the predictions before you use it."
