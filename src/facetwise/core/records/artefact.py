"""Folders of artefacts, and their checks.

A list holds every folder, intact or not: `record` raises DamagedError, with the file and the way out, where a file is
missing or not as it was written.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import ClassVar, Literal, TypeVar

from facetwise.core.errors import DamagedError
from facetwise.core.records.base import Record
from facetwise.core.records.done import verify_files
from facetwise.core.references import number_of
from facetwise.core.workspace import DONE, is_done

ArtefactKind = Literal["run", "blend", "submission", "foreign", "study"]


@dataclass(frozen=True)
class Artefact(ABC):
    """A folder of one kind of artefact."""

    path: Path
    kind: ClassVar[ArtefactKind]
    record_name: ClassVar[str]
    """File name of its record."""

    @property
    def id(self) -> str:
        """The name of its folder."""
        return self.path.name

    @property
    def number(self) -> int:
        """The number at the start of its name; 0 if it has none."""
        return number_of("blend" if self.kind == "blend" else "run", self.id)

    @property
    def record_file(self) -> Path:
        """The file of its record."""
        return self.path / self.record_name

    @property
    @abstractmethod
    def way_out(self) -> str:
        """What to do when it is damaged."""

    @abstractmethod
    def record(self) -> Record:
        """The record, after a check; raises DamagedError."""

    def check(self) -> None:
        """Raise DamagedError unless it is whole."""
        self.record()

    @property
    def damage(self) -> DamagedError | None:
        """What is wrong with it; None if it is intact."""
        try:
            self.check()
        except DamagedError as error:
            return error
        return None

    def check_whole(self) -> None:
        """Raise DamagedError unless it has its DONE mark, and its files are as they were written."""
        if not is_done(self.path):
            raise DamagedError(f"{self.path / DONE}: missing", hint=self.way_out)
        verify_files(self.path, way_out=self.way_out)

    def check_no_copy(self, own_id: str | None) -> None:
        """Raise DamagedError for a copy of another artefact's folder, whose id (`own_id`) the record holds."""
        if own_id not in (None, self.id) and (self.path.parent / str(own_id) / self.record_name).is_file():
            raise DamagedError(
                f"{self.path}: a copy of `{own_id}`",
                hint=f"it would count twice: move it out of the project, or rm -r {quote(str(self.path))}",
            )


A = TypeVar("A", bound=Artefact)


def list_artefacts(parent: Path, kind: type[A]) -> list[A]:
    """All artefacts with a folder in `parent`, by number and name, including damaged and unfinished ones."""
    folders = parent.iterdir() if parent.is_dir() else ()
    found = [kind(f) for f in folders if not f.name.startswith(".") and f.is_dir()]
    return sorted(found, key=lambda a: (a.number, a.id))


def next_number(parent: Path, kind: type[A]) -> int:
    """The number of a new artefact: one above all others, including damaged ones; the caller holds the lock of the
    list."""
    return max((artefact.number for artefact in list_artefacts(parent, kind)), default=0) + 1
