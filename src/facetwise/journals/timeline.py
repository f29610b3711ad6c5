"""When each run was worked on, according to its record and events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from facetwise.core.errors import FacetwiseError
from facetwise.core.records.run import ImportRecord, RunRecord
from facetwise.core.runs import RunFolder
from facetwise.journals.day import Day, moment_of


@dataclass(frozen=True)
class RunTimeline:
    """The dated events of a run; of one with a damaged record, only those in its event file."""

    run: RunFolder
    record: RunRecord | None
    moments: tuple[datetime, ...]
    """Start and all events, in order; empty when unknown."""
    done: datetime | None
    """When it finished; None while it has not."""
    folds: tuple[tuple[datetime, Any], ...]
    """When each fold finished."""
    original: str | None = None
    """Id of an imported run in the project where it was trained; its only moment is the import."""

    @property
    def fields(self) -> Mapping[str, Any]:
        """The fields of its fingerprint."""
        return self.record.fingerprint_fields.as_dict() if self.record else {}

    @property
    def recipe(self) -> Mapping[str, Any]:
        """Its effective recipe; empty when the record is damaged."""
        return self.record.recipe if self.record else {}

    @property
    def fingerprint(self) -> str | None:
        """None when the record is damaged."""
        return self.record.fingerprint if self.record else None

    @property
    def by_image(self) -> bool:
        """Whether its folds were split by image."""
        return self.record is not None and self.record.by_image

    @property
    def attributes(self) -> tuple[str, ...]:
        """The attributes that it predicts."""
        return tuple(self.record.attributes) if self.record else ()

    @property
    def num_folds(self) -> int:
        """Number of folds to train."""
        return len(self.record.folds) if self.record else 0

    def worked_on(self, day: Day) -> bool:
        """Whether it was started or had an event on that day."""
        return any(day.holds(moment) for moment in self.moments)

    def begun_by(self, day: Day) -> bool:
        """Whether it was started before the end of the day; True for a run without dates."""
        return not self.moments or self.moments[0] < day.end

    def finished_by(self, day: Day) -> bool:
        """Whether it finished before the end of the day."""
        return self.done is not None and self.done < day.end

    def folds_by(self, day: Day) -> int:
        """Number of folds that finished before the end of the day."""
        return self.num_folds if self.finished_by(day) else len({fold for when, fold in self.folds if when < day.end})

    def last_by(self, day: Day) -> datetime | None:
        """The last event before the end of the day."""
        return max((moment for moment in self.moments if moment < day.end), default=None)


def run_timeline(run: RunFolder) -> RunTimeline:
    """The timeline of a run, as far as its files are readable."""
    came = _imported(run)
    if came is not None and (when := moment_of(came.imported)) is not None:
        return RunTimeline(run, _record(run), (when,), when if run.finished else None, (), came.original)
    record, events = _record(run), _events(run)
    dated = [(when, e) for e in events if (when := moment_of(e.get("time"))) is not None]
    begun = moment_of(record.provenance.made) if record else None
    moments = sorted([*([begun] if begun else []), *(when for when, _ in dated)])
    ends = [when for when, e in dated if e.get("event") == "done"]
    done = max(ends or moments, default=None) if run.finished else None
    folds = tuple((when, e.get("fold")) for when, e in dated if e.get("event") == "fold_done")
    return RunTimeline(run, record, tuple(moments), done, folds)


def _imported(run: RunFolder) -> ImportRecord | None:
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
