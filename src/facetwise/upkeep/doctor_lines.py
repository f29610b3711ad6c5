"""One line of `facetwise doctor`, and how an error becomes one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from facetwise.core.errors import ArtefactError, FacetwiseError

Level = Literal["ok", "warning", "problem"]


@dataclass(frozen=True)
class DoctorLine:
    """One finding."""

    topic: str
    """What was looked at: `python`, `extras`, `device`, `weights`, or a part of the project."""
    level: Level
    """`problem`: something will fail; `warning`: something to know or to tidy up; `ok`: for the record."""
    message: str
    hint: str | None = None
    """What to do."""


Check = Callable[[], Iterable[DoctorLine]]
"""Looks at one topic. It may raise: that becomes a finding too."""


def refused(topic: str, error: FacetwiseError) -> DoctorLine:
    """An error as a finding."""
    return DoctorLine(topic, "problem", str(error), error.hint)


def unusable(topic: str, name: str, error: ArtefactError) -> DoctorLine:
    """The finding that an artefact is damaged, or of another version or label."""
    return DoctorLine(topic, "problem", f"`{name}`: {error}", error.hint)
