"""Ablations and searches of a day: their results, and what failed or was stopped."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Literal

from facetwise.core.errors import FacetwiseError
from facetwise.core.project import Project
from facetwise.core.records.study import ChangeRecord, StudyRecord
from facetwise.core.workspace import file_hash
from facetwise.evaluate.intervals import Interval
from facetwise.journals.day import Day, moment_of
from facetwise.journals.timeline import RunTimeline
from facetwise.results.cache import ResultCache, predictions_hash
from facetwise.study.ablation import Ablation, build_ablation
from facetwise.study.record import StudyFolder, list_studies
from facetwise.study.search import Search, build_search
from facetwise.study.show import open_trials


@dataclass(frozen=True)
class ChangeEntry:
    """A row of an ablation; fields of the result are None until it is finished."""

    change: str
    run: str | None
    state: Literal["finished", "failed", "begun", "waiting"]
    """`begun`: its run exists and is not finished."""
    reason: str | None
    """Why it failed."""
    what: str | None
    score: float | None
    interval: Interval | None
    difference: float | None
    """Change minus base, paired by person."""
    difference_interval: Interval | None
    standing: str | None
    """The verdict, as in `facetwise studies`; None for folds split by image."""


@dataclass(frozen=True)
class TrialEntry:
    """A trial of a search."""

    number: int
    state: Literal["finished", "pruned", "failed", "training", "stopped"]
    run: str | None
    settings: Mapping[str, Any]
    score: float | None
    """For a pruned trial the mean of its finished folds."""
    reason: str | None


@dataclass(frozen=True)
class StudyEntry:
    """A study that was worked on that day, in its current state."""

    name: str
    kind: Literal["ablation", "search"]
    base: str | None
    """The run of the base; None for a search."""
    changes: tuple[ChangeEntry, ...]
    """Rows of an ablation."""
    num_people: int
    trials: tuple[TrialEntry, ...]
    """Trials of a search that were worked on that day."""
    states: Mapping[str, int]
    """Number of trials of a search in each state, over all days."""
    best: Mapping[str, Any] | None
    """Best trial of a search: `trial`, `run`, `what`, `score`, `interval`, `nested` (a score with interval, or
    None)."""
    trouble: str | None = None
    """Why the study cannot be shown."""

    @property
    def runs(self) -> tuple[str, ...]:
        """The runs listed in this entry, except the base."""
        found = [*(c.run for c in self.changes), *(t.run for t in self.trials)]
        return tuple(run for run in found if run is not None)


@dataclass(frozen=True)
class StudiesOfDay:
    """Builds the entries of a day's studies."""

    project: Project
    day: Day
    timelines: Mapping[str, RunTimeline]
    cache: ResultCache

    def entries(self) -> tuple[StudyEntry, ...]:
        """Every study that was worked on that day, in the order in which they were started."""
        folders = list_studies(self.project.workspace)
        found = [(self._made(folder), folder.name, self._entry(folder)) for folder in folders]
        return tuple(entry for _, _, entry in sorted(found, key=lambda f: f[:2]) if entry is not None)

    def failed(self) -> frozenset[str]:
        """Fingerprints of all failed changes of ablations: resuming their runs would fail again."""
        found = set()
        for folder in list_studies(self.project.workspace):
            with suppress(FacetwiseError):
                found |= {c.fingerprint for c in folder.record().changes if c.reason}
        return frozenset(found)

    def _made(self, folder: StudyFolder) -> datetime:
        try:
            return moment_of(folder.record().made) or self.day.start
        except FacetwiseError:
            return self.day.start

    def _entry(self, folder: StudyFolder) -> StudyEntry | None:
        """None for a study that was not worked on that day."""
        try:
            record = folder.record()
        except FacetwiseError as error:
            return _unreadable(folder, "ablation", error)
        if self._made(folder) >= self.day.end:
            return None
        try:
            return self._ablation(folder, record) if record.kind == "ablation" else self._search(folder)
        except FacetwiseError as error:
            relevant = self.day.holds(self._made(folder))
            return _unreadable(folder, record.kind, error) if relevant else None

    def _ablation(self, folder: StudyFolder, record: StudyRecord) -> StudyEntry | None:
        changes = [self._with_run(entry) for entry in record.changes]
        runs = [timeline for c in changes if (timeline := self.timelines.get(c.run or "")) is not None]
        if not (self.day.holds(self._made(folder)) or any(timeline.worked_on(self.day) for timeline in runs)):
            return None
        later = {timeline.run.id for timeline in runs if not timeline.begun_by(self.day)}
        entry = self._compared(folder, record) if record.base else _bare(folder, changes)
        run_of = {c.change: c.run for c in changes}
        rows = [_begun(replace(c, run=run_of.get(c.change))) for c in entry.changes]
        rows = [c for c in rows if c.run not in later]
        return replace(entry, changes=tuple(rows))

    def _with_run(self, entry: ChangeRecord) -> ChangeRecord:
        """The recorded change with its run, finished or not."""
        same = [timeline.run.id for timeline in self.timelines.values() if timeline.fingerprint == entry.fingerprint]
        return entry.changed(run=entry.run or (same[-1] if same else None))

    def _compared(self, folder: StudyFolder, record: StudyRecord) -> StudyEntry:
        runs = [record.base or "", *(c.run or "" for c in record.changes)]
        hashes = [predictions_hash(self.timelines[run].run) if run in self.timelines else None for run in runs]
        key = ["ablation", folder.name, record.as_dict(), hashes]
        data = self.cache.get(key, lambda: asdict(_ablation_entry(build_ablation(self.project, folder))))
        return _study_of(data)

    def _search(self, folder: StudyFolder) -> StudyEntry | None:
        file = folder.trials_file
        if not file.is_file() or file.stat().st_mtime < self.day.start.timestamp():
            return None  # unchanged since before that day
        recorded = open_trials(folder)
        busy = [t.number for t in recorded.all() if not t.state.is_finished() and recorded.is_running(t.number)]
        key = ["search", folder.name, file_hash(file), file_hash(folder.record_file), self._hashes(), busy]
        data = self.cache.get(key, lambda: asdict(_search_entry(build_search(self.project, folder, recorded))))
        times = {t.number: (t.datetime_start, t.datetime_complete) for t in recorded.all()}
        entry = _study_of(data)
        shown = tuple(t for t in entry.trials if self._on_day(times.get(t.number, ())))
        return replace(entry, trials=shown) if shown else None

    def _hashes(self) -> list[str | None]:
        """Hashes of all runs, because only the search knows which of them it reads."""
        return [predictions_hash(timeline.run) for timeline in self.timelines.values()]

    def _on_day(self, times: tuple[datetime | None, ...]) -> bool:
        """Whether a trial started or ended that day; optuna's times are in the machine's time zone."""
        return any(when is not None and self.day.holds(when.astimezone()) for when in times)


def _begun(row: ChangeEntry) -> ChangeEntry:
    return replace(row, state="begun") if row.state == "waiting" and row.run is not None else row


def _unreadable(folder: StudyFolder, kind: Literal["ablation", "search"], error: FacetwiseError) -> StudyEntry:
    message = str(error) + (f" ({error.hint})" if error.hint else "")
    return StudyEntry(folder.name, kind, None, (), 0, (), {}, None, message)


def _bare(folder: StudyFolder, changes: list[ChangeRecord]) -> StudyEntry:
    """An ablation whose base is not trained yet."""
    no_result = (None,) * 6
    rows = [ChangeEntry(c.change, None, "failed" if c.reason else "waiting", c.reason, *no_result) for c in changes]
    return StudyEntry(folder.name, "ablation", None, tuple(rows), 0, (), {}, None)


def _ablation_entry(view: Ablation) -> StudyEntry:
    rows = [
        ChangeEntry(
            change=row.change,
            run=row.score.run if row.score else None,
            state=row.state,
            reason=row.reason,
            what=row.score.what if row.score else None,
            score=row.score.value if row.score else None,
            interval=row.score.interval if row.score else None,
            difference=row.difference,
            difference_interval=row.interval and Interval(row.interval.low, row.interval.high, row.interval.level),
            standing=row.standing,
        )
        for row in view.rows
    ]
    return StudyEntry(view.name, "ablation", view.base.run, tuple(rows), view.num_people, (), {}, None)


def _search_entry(view: Search) -> StudyEntry:
    states = [t.state for t in view.trials]
    trials = tuple(TrialEntry(t.number, t.state, t.run, dict(t.settings), t.score, t.reason) for t in view.trials)
    best = None
    if view.best is not None:
        nested = view.nested and {"score": view.nested.score, "interval": asdict(view.nested.interval)}
        found = {"trial": view.best.trial, "run": view.best.run, "what": view.what, "nested": nested}
        best = {**found, "score": view.best.score, "interval": asdict(view.best.interval)}
    counted: dict[str, int] = {state: states.count(state) for state in dict.fromkeys(states)}
    return StudyEntry(view.name, "search", None, (), view.num_people, trials, counted, best)


def _study_of(data: Mapping[str, Any]) -> StudyEntry:
    """From plain data."""

    def change(row: Mapping[str, Any]) -> ChangeEntry:
        bounds = {k: row[k] and Interval(**row[k]) for k in ("interval", "difference_interval")}
        return ChangeEntry(**{**row, **bounds})

    changes, trials = tuple(map(change, data["changes"])), tuple(TrialEntry(**t) for t in data["trials"])
    return StudyEntry(**{**data, "changes": changes, "trials": trials})
