"""The journal of a contest, generated from the records: runs, submissions and notes of a day, and what was still open.

Everything is described as it was at the end of the day, as far as the records are dated, so that a past day reads the
same whenever it is generated. What has no date in the records (label corrections, for one) is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import count

from facetwise.core.plain import Plain
from facetwise.core.progress import Progress
from facetwise.core.project import Project
from facetwise.core.records.notes import Note, open_notes
from facetwise.core.runs import list_runs
from facetwise.data.manifest import Manifest, load_manifest
from facetwise.journals.day import Day, moment_of
from facetwise.journals.runs import RunEntry, RunsOfDay
from facetwise.journals.studies import StudiesOfDay, StudyEntry
from facetwise.journals.submissions import (
    BlendEntry,
    SubmissionEntry,
    blend_entries,
    made_at,
    num_sent,
    submission_entries,
    unreadable,
    unsent,
)
from facetwise.journals.timeline import RunTimeline, run_timeline
from facetwise.predictors.blend_folder import list_blends
from facetwise.results.cache import ResultCache
from facetwise.results.runs import RunRow, build_runs_view
from facetwise.study.record import list_studies
from facetwise.submission.folder import list_submissions
from facetwise.submission.ledger.ledger import Ledger, read_ledger
from facetwise.submission.ledger.notes import all_notes


@dataclass(frozen=True)
class OpenItems:
    """What was still open at the end of the day."""

    unfinished: tuple[RunEntry, ...]
    """Runs that were started, on this day or earlier, and not finished; without those listed in a study of the day,
    those that failed in a study, and those that a search pruned."""
    unsent: tuple[str, ...]
    """Ids of submissions."""
    per_day: int | None
    """The contest's limit of submissions a day; None when the project does not state it."""
    sent: int
    """Number of submissions sent that day."""
    questions: tuple[Note, ...]
    """Open notes."""


@dataclass(frozen=True)
class JournalDay(Plain):
    """The journal of one day."""

    project: str
    day: str
    """`2026-11-25`."""
    time_zone: str
    runs: tuple[RunEntry, ...]
    """Runs that were worked on that day, by number; without those listed in a study."""
    studies: tuple[StudyEntry, ...]
    undated: tuple[tuple[str, str, str], ...]
    """Damaged runs, blends and submissions without a date: kind, id and what is wrong."""
    blends: tuple[BlendEntry, ...]
    submissions: tuple[SubmissionEntry, ...]
    notes: tuple[Note, ...]
    """Notes of that day, in the order of writing."""
    highest: RunEntry | None
    """The finished run with the highest joint score at the end of the day."""
    num_scored: int
    """Number of runs compared for `highest`: cross-validated ones that predict the whole label."""
    open: OpenItems

    @property
    def empty(self) -> bool:
        """Whether nothing was recorded on that day."""
        return not (self.runs or self.studies or self.blends or self.submissions or self.notes)


def build_journal(project: Project, days: Sequence[Day], progress: Progress | None = None) -> tuple[JournalDay, ...]:
    """The journal of each of the days from the first record on, and always of the last day.

    `progress` receives the number of runs compared so far, and their total. A damaged run, study, blend or submission
    is reported in the journal and does not stop it. Raises ProblemsError when notes or ledger have invalid lines,
    ArtefactError when there are runs but no usable manifest.
    """
    records = _Records.of(project)
    begun = min(_moments(records), default=days[-1].start)
    days = [day for day in days if day.end > begun or day is days[-1]]
    runs = records.timelines.values()
    advance = _counted(progress, sum(timeline.worked_on(day) for timeline in runs for day in days))
    found = tuple(_journal_day(records, day, advance) for day in days)
    if records.data is not None:
        records.data[1].save()
    return found


@dataclass(frozen=True)
class _Records:
    """Everything that is read once for all days."""

    project: Project
    notes: tuple[Note, ...]
    ledger: Ledger
    rows: Mapping[str, RunRow]
    timelines: Mapping[str, RunTimeline]
    data: tuple[Manifest, ResultCache] | None
    """None when nothing was run or blended, and so no manifest is needed."""

    @classmethod
    def of(cls, project: Project) -> _Records:
        notes, ledger = all_notes(project.workspace), read_ledger(project.workspace)
        timelines = {run.id: run_timeline(run) for run in list_runs(project.workspace)}
        if not timelines and not list_blends(project.workspace):
            return cls(project, notes, ledger, {}, {}, None)
        manifest = load_manifest(project)
        rows = {row.id: row for row in build_runs_view(project, manifest).runs}
        # a run that started between the two reads is left to the next journal
        timelines = {name: timeline for name, timeline in timelines.items() if name in rows}
        return cls(project, notes, ledger, rows, timelines, (manifest, ResultCache(project, manifest)))


def _moments(records: _Records) -> Iterator[datetime]:
    """When things were recorded; of runs all of it, of what is in trouble what its record still says."""
    space = records.project.workspace
    yield from (moment for timeline in records.timelines.values() for moment in timeline.moments)
    yield from (note.moment for note in records.notes)
    times = (time for entry in records.ledger.entries for time in (entry.sent, entry.public_told, entry.private_told))
    made = [
        *map(made_at, list_blends(space)),
        *map(made_at, list_submissions(space)),
        *map(made_at, list_studies(space)),
    ]
    yield from (moment for moment in map(moment_of, (*times, *made)) if moment is not None)


def _counted(progress: Progress | None, total: int) -> Callable[[], None]:
    """A function to call for each step that is done."""
    numbers = count(1)
    return lambda: progress(next(numbers), total) if progress is not None else None


def _journal_day(records: _Records, day: Day, advance: Callable[[], None]) -> JournalDay:
    project, notes = records.project, [n for n in records.notes if n.moment < day.end]
    sent = submission_entries(project.workspace, records.ledger, day)
    written = tuple(n for n in notes if day.holds(n.moment))
    waiting = OpenItems(
        unfinished=(),
        unsent=unsent(project.workspace, records.ledger, day),
        per_day=_per_day(project),
        sent=num_sent(records.ledger.entries, day),
        questions=open_notes(notes),
    )
    if records.data is None:
        return JournalDay(project.file.name, day.name, str(day.zone), (), (), (), (), sent, written, None, 0, waiting)
    return _with_runs(records, day, sent, written, waiting, advance)


def _with_runs(
    records: _Records,
    day: Day,
    sent: tuple[SubmissionEntry, ...],
    notes: tuple[Note, ...],
    waiting: OpenItems,
    advance: Callable[[], None],
) -> JournalDay:
    assert records.data is not None
    manifest, cache = records.data
    made = RunsOfDay(records.project, manifest, day, records.rows, records.timelines, cache)
    asked = StudiesOfDay(records.project, day, records.timelines, cache)
    studies, failed = asked.entries(), asked.failed()
    in_studies = {run for study in studies for run in study.runs}
    timelines = records.timelines.values()
    single = [timeline for timeline in timelines if timeline.worked_on(day) and timeline.run.id not in in_studies]
    left = [
        timeline
        for timeline in timelines
        if timeline.moments and timeline.begun_by(day) and not timeline.finished_by(day)
    ]
    left = [timeline for timeline in left if timeline.run.id not in in_studies and timeline.fingerprint not in failed]
    scored = made.scored()
    return JournalDay(
        project=records.project.file.name,
        day=day.name,
        time_zone=str(day.zone),
        runs=tuple(_entry_done(made.entry(timeline), advance) for timeline in single),
        studies=studies,
        undated=(*_undated_runs(records), *unreadable(records.project.workspace)),
        blends=blend_entries(records.project.workspace, day),
        submissions=sent,
        notes=notes,
        highest=made.without_base(max(scored, key=made.score)) if scored else None,
        num_scored=len(scored),
        open=replace(waiting, unfinished=tuple(e for e in map(made.without_base, left) if e.pruned_by is None)),
    )


def _entry_done(entry: RunEntry, advance: Callable[[], None]) -> RunEntry:
    advance()
    return entry


def _undated_runs(records: _Records) -> Iterator[tuple[str, str, str]]:
    for name, timeline in records.timelines.items():
        if not timeline.moments:
            yield "run", name, records.rows[name].damaged or "its date is unknown"


def _per_day(project: Project) -> int | None:
    contest = project.file.contest
    return None if contest is None else contest.submissions_per_day
