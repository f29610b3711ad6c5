"""What `facetwise calibration` says: how far probabilities can be believed, and what a temperature would do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from facetwise.core.labels import JOINT
from facetwise.core.plain import plain
from facetwise.core.project import Project
from facetwise.data.manifest import Manifest
from facetwise.evaluate.calibration import COLDEST, HOTTEST
from facetwise.evaluate.reliability import Calibration, CalibrationCheck, check_calibration
from facetwise.predictors.sources import Source
from facetwise.results.notices import Notice
from facetwise.results.source_notices import source_notices
from facetwise.results.wording import count, percent

LEAST = 0.001
"""Change of the mean negative log-likelihood, in nats, below which nobody needs a temperature."""


MEANING = (
    "NLL is the mean negative log-likelihood, ECE how far sureness and being right lie apart. A temperature does not "
    "change which class is the most probable; it matters where probabilities are averaged or weighed."
)


@dataclass(frozen=True)
class CalibrationView:
    """How far the probabilities of one predictor can be believed."""

    id: str
    project: str
    warnings: tuple[Notice, ...]
    check: CalibrationCheck

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON data; with each attribute what it comes to, in words."""
        found = self.check.as_dict()
        for kept, part in zip(found["parts"], self.check.parts, strict=True):
            kept["verdict"] = self.verdict(part)
        warnings = [{"kind": n.kind, "text": n.text} for n in self.warnings]
        data: dict[str, Any] = plain({"id": self.id, "project": self.project, "warnings": warnings, **found})
        return data

    def verdict(self, part: Calibration) -> str:
        """What the calibration of one attribute comes to, in a sentence or two."""
        return verdict(part, self.temperature(part), self.check.num_people)

    def temperature(self, part: Calibration) -> float | None:
        """The temperature of its own that an attribute has; None where it follows from others."""
        return self.check.temperatures.get(part.name)


def build_calibration_view(project: Project, manifest: Manifest, source: Source) -> CalibrationView:
    """Fit temperatures on the out-of-fold predictions of `source`, and price them.

    Raises InputError when it has none, or predicts fewer than five people.
    """
    check = check_calibration(source.scored(manifest).only(source.attributes))
    return CalibrationView(source.reference, project.file.name, source_notices(source, manifest), check)


def verdict(part: Calibration, temperature: float | None, num_people: int) -> str:
    """What the calibration of one attribute comes to, in a sentence or two."""
    by = f"{_nats(part.difference)} [{_nats(part.difference_interval.low)}, {_nats(part.difference_interval.high)}]"
    if part.difference >= 0:
        return f"Leave it: temperatures fitted on four fifths of the people are no better on the fifth (NLL {by})."
    if part.difference_interval.high >= 0 or -part.difference < LEAST:
        everybody = count(num_people, "person", "people")
        return f"Calibrated, as far as {everybody} can tell: a temperature changes little (NLL {by})."
    better = f"{_cure(part, temperature)} the probabilities better (NLL {by}, nested)."
    return f"{_sureness(part)} {better}{_at_the_end(temperature)}"


def people(check: CalibrationCheck) -> str:
    """`800 people, 5,600 images.`"""
    counted = f"{count(check.num_people, 'person', 'people')}, {count(check.num_images, 'image')}"
    return counted + (f" ({check.num_left_out:,} without a prediction left out)." if check.num_left_out else ".")


def _nats(difference: float) -> str:
    return f"{difference:+z.4f}"


def _sureness(part: Calibration) -> str:
    sure, right = part.before.confidence, part.accuracy
    how = "Too sure" if sure > right else "Not sure enough"
    return f"{how}: {percent(sure)} sure on average, {percent(right)} right."


def _cure(part: Calibration, temperature: float | None) -> str:
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
