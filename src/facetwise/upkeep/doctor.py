"""What this machine and project have and lack, and what to do about it. Looks only; repairs nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from facetwise.core.errors import FacetwiseError, InputError
from facetwise.core.project import Project
from facetwise.core.workspace import Workspace
from facetwise.upkeep import doctor_machine, doctor_project
from facetwise.upkeep.doctor_lines import Check, DoctorLine, refused


@dataclass(frozen=True)
class Doctor:
    """All findings, the machine's first, then the project's from left to right along its artefacts."""

    findings: tuple[DoctorLine, ...]

    @property
    def num_problems(self) -> int:
        """How many findings are problems."""
        return sum(f.level == "problem" for f in self.findings)

    @property
    def num_warnings(self) -> int:
        """How many findings are warnings."""
        return sum(f.level == "warning" for f in self.findings)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {**asdict(self), "num_problems": self.num_problems, "num_warnings": self.num_warnings}


Checks = Callable[[Project], Mapping[str, Check]]
"""More topics of a project: what this layer cannot read itself."""


def examine(project: Project | None, more: Checks | None = None) -> Doctor:
    """Examine the machine, and the project if there is one. Loads torch when it is installed (some seconds).

    `more`: topics to look at after those of the project. Never raises for what it looks at: whatever is damaged becomes
    a finding.
    """
    checks = doctor_machine.checks()
    if project is not None:
        checks |= doctor_project.checks(project)
        checks |= more(project) if more is not None else {}
    return Doctor(tuple(line for topic, check in checks.items() for line in _guarded(topic, check)))


def examine_folder(folder: Path, more: Checks | None = None) -> Doctor:
    """`examine` for the project that `folder` is in, if any; one that cannot be opened becomes a finding."""
    try:
        Workspace.find(folder)
    except InputError as error:
        return Doctor((*examine(None).findings, DoctorLine("project", "ok", str(error), error.hint)))
    try:
        return examine(Project.open(folder), more)
    except FacetwiseError as error:
        return Doctor((*examine(None).findings, refused("project", error)))


def _guarded(topic: str, check: Check) -> Iterator[DoctorLine]:
    try:
        yield from check()
    except FacetwiseError as error:
        yield refused(topic, error)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        hint = "check who owns it, and that the disk is there and writable"
        yield DoctorLine(topic, "problem", f"{place}{error.strerror or error}", hint)
    except (KeyError, TypeError, ValueError) as error:
        yield DoctorLine(topic, "problem", f"a record is not as expected ({error!r})", "it is damaged: make it again")
