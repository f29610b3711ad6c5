"""When each run was worked on: what its record and its events say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from facetwise.core.errors import FacetwiseError
from facetwise.core.records.run import Imported, RunRecord
from facetwise.core.runs import RunFolder
from facetwise.journals.day import Day, moment_of


@dataclass(frozen=True)
class RunLife:
    """A run in time. A run whose record is damaged has none, and the times that its events tell."""

    run: RunFolder
    record: RunRecord | None
    moments: tuple[datetime, ...]
    """When it was begun and when something happened in it, in order; empty when nothing says it."""
    done: datetime | None
    """When it was finished; None while it is not."""
    folds: tuple[tuple[datetime, Any], ...]
    """When each fold was finished."""
    original: str | None = None
    """What an imported run is called where it was trained; its only moment is that of the import."""

    @property
    def fields(self) -> Mapping[str, Any]:
        """What its fingerprint is made of."""
        return self.record.fingerprint_fields.as_dict() if self.record else {}

    @property
    def recipe(self) -> Mapping[str, Any]:
        """Its effective recipe; empty where the record is damaged."""
        return self.record.recipe if self.record else {}

    @property
    def fingerprint(self) -> str | None:
        """None where the record is damaged."""
        return self.record.fingerprint if self.record else None

    @property
    def by_image(self) -> bool:
        """Whether its folds were split by image."""
        return self.record is not None and self.record.by_image

    @property
    def attributes(self) -> tuple[str, ...]:
        """What it predicts."""
        return tuple(self.record.attributes) if self.record else ()

    @property
    def num_folds(self) -> int:
        """Folds to train."""
        return len(self.record.folds) if self.record else 0

    def worked_on(self, day: Day) -> bool:
        """Whether it was begun, or something happened in it, on that day."""
        return any(day.holds(moment) for moment in self.moments)

    def begun_by(self, day: Day) -> bool:
        """Whether it was begun before the day ended; also a run of which nothing says when."""
        return not self.moments or self.moments[0] < day.end

    def finished_by(self, day: Day) -> bool:
        """Whether it was finished before the day ended."""
        return self.done is not None and self.done < day.end

    def folds_by(self, day: Day) -> int:
        """How many folds were finished before the day ended."""
        return self.num_folds if self.finished_by(day) else len({fold for when, fold in self.folds if when < day.end})

    def last_by(self, day: Day) -> datetime | None:
        """When something happened in it last, before the day ended."""
        return max((moment for moment in self.moments if moment < day.end), default=None)


def life_of(run: RunFolder) -> RunLife:
    """The times of a run, whatever is damaged in it."""
    came = _imported(run)
    if came is not None and (when := moment_of(came.imported)) is not None:
        return RunLife(run, _record(run), (when,), when if run.finished else None, (), came.original)
    record, events = _record(run), _events(run)
    told = [(when, e) for e in events if (when := moment_of(e.get("time"))) is not None]
    begun = moment_of(record.provenance.made) if record else None
    moments = sorted([*([begun] if begun else []), *(when for when, _ in told)])
    ends = [when for when, e in told if e.get("event") == "done"]
    done = max(ends or moments, default=None) if run.finished else None
    folds = tuple((when, e.get("fold")) for when, e in told if e.get("event") == "fold_done")
    return RunLife(run, record, tuple(moments), done, folds)


def _imported(run: RunFolder) -> Imported | None:
    try:
        return run.imported()
    except (FacetwiseError, OSError):
        return None


def _record(run: RunFolder) -> RunRecord | None:
    try:
        return run.record()
    except (FacetwiseError, OSError):
        return None


def _events(run: RunFolder) -> list[dict[str, Any]]:
    try:
        return run.events()
    except OSError:
        return []
