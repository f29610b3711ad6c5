"""The journal of a contest, made from the records: what was run, sent and noted on a day, and what was open at its end.

Everything is told as it was when the day ended, as far as records say when things happened; a day that is over reads
the same whenever it is made. What has no date in the records (label corrections, for one) is not told.
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
from facetwise.journals.timeline import RunLife, life_of
from facetwise.predictors.blend_folder import list_blends
from facetwise.results.cache import AnswerCache
from facetwise.results.runs import RunRow, build_runs_view
from facetwise.study.record import list_studies
from facetwise.submission.folder import list_submissions
from facetwise.submission.ledger.ledger import Ledger, read_ledger
from facetwise.submission.ledger.notes import all_notes


@dataclass(frozen=True)
class Open:
    """What waits for somebody when the day ends."""

    unfinished: tuple[RunEntry, ...]
    """Runs that were begun and not finished, also on earlier days, but for those that a study of the day tells of, that
    failed in one, or that a search stopped."""
    unsent: tuple[str, ...]
    """Ids of submissions."""
    per_day: int | None
    """Submissions that the contest takes a day; None where the project does not say it."""
    sent: int
    """Sent that day."""
    questions: tuple[Note, ...]
    """Notes that wait for an answer."""


@dataclass(frozen=True)
class JournalDay(Plain):
    """One day."""

    project: str
    day: str
    """`2026-11-25`."""
    time_zone: str
    runs: tuple[RunEntry, ...]
    """Worked on that day, but for those that a study tells of, by number."""
    studies: tuple[StudyEntry, ...]
    undated: tuple[tuple[str, str, str], ...]
    """Damaged runs, blends and submissions of which nothing says when they were made: kind, id and what is wrong."""
    blends: tuple[BlendEntry, ...]
    submissions: tuple[SubmissionEntry, ...]
    notes: tuple[Note, ...]
    """Written that day, in that order."""
    highest: RunEntry | None
    """The finished run with the highest joint score when the day ended."""
    num_scored: int
    """Runs that it is the highest of: cross-validated ones that predict the whole label."""
    open: Open

    @property
    def empty(self) -> bool:
        """Whether nothing was recorded on that day."""
        return not (self.runs or self.studies or self.blends or self.submissions or self.notes)


def build_journal(project: Project, days: Sequence[Day], progress: Progress | None = None) -> tuple[JournalDay, ...]:
    """The journal of each of the days, but for those before anything was recorded; that of the last day always.

    `progress` is told of runs that were compared with others, of all.
    A damaged run, study, blend or submission is told of, and stops nothing. Raises ProblemsError when notes or ledger
    have lines that are none, ArtefactError when there are runs and no manifest that can be used.
    """
    seen = _Seen.of(project)
    begun = min(_moments(seen), default=days[-1].start)
    days = [day for day in days if day.end > begun or day is days[-1]]
    told = _counted(progress, sum(life.worked_on(day) for life in seen.lives.values() for day in days))
    found = tuple(_journal_day(seen, day, told) for day in days)
    if seen.known is not None:
        seen.known[1].save()
    return found


@dataclass(frozen=True)
class _Seen:
    """What all days read."""

    project: Project
    notes: tuple[Note, ...]
    ledger: Ledger
    rows: Mapping[str, RunRow]
    lives: Mapping[str, RunLife]
    known: tuple[Manifest, AnswerCache] | None
    """None where nothing was ever run or blended, and so no manifest is needed."""

    @classmethod
    def of(cls, project: Project) -> _Seen:
        notes, ledger = all_notes(project.workspace), read_ledger(project.workspace)
        lives = {run.id: life_of(run) for run in list_runs(project.workspace)}
        if not lives and not list_blends(project.workspace):
            return cls(project, notes, ledger, {}, {}, None)
        manifest = load_manifest(project)
        rows = {row.id: row for row in build_runs_view(project, manifest).runs}
        # a run that began between the two looks is for the next journal
        lives = {name: life for name, life in lives.items() if name in rows}
        return cls(project, notes, ledger, rows, lives, (manifest, AnswerCache(project, manifest)))


def _moments(seen: _Seen) -> Iterator[datetime]:
    """When things were recorded; of runs all of it, of what is in trouble what its record still says."""
    space = seen.project.workspace
    yield from (moment for life in seen.lives.values() for moment in life.moments)
    yield from (note.moment for note in seen.notes)
    told = (time for entry in seen.ledger.entries for time in (entry.sent, entry.public_told, entry.private_told))
    made = [
        *map(made_at, list_blends(space)),
        *map(made_at, list_submissions(space)),
        *map(made_at, list_studies(space)),
    ]
    yield from (moment for moment in map(moment_of, (*told, *made)) if moment is not None)


def _counted(progress: Progress | None, total: int) -> Callable[[], None]:
    """Call it whenever one more is done."""
    numbers = count(1)
    return lambda: progress(next(numbers), total) if progress is not None else None


def _journal_day(seen: _Seen, day: Day, told: Callable[[], None]) -> JournalDay:
    project, notes = seen.project, [n for n in seen.notes if n.moment < day.end]
    sent = submission_entries(project.workspace, seen.ledger, day)
    written = tuple(n for n in notes if day.holds(n.moment))
    waiting = Open(
        unfinished=(),
        unsent=unsent(project.workspace, seen.ledger, day),
        per_day=_per_day(project),
        sent=num_sent(seen.ledger.entries, day),
        questions=open_notes(notes),
    )
    if seen.known is None:
        return JournalDay(project.file.name, day.name, str(day.zone), (), (), (), (), sent, written, None, 0, waiting)
    return _with_runs(seen, day, sent, written, waiting, told)


def _with_runs(
    seen: _Seen,
    day: Day,
    sent: tuple[SubmissionEntry, ...],
    notes: tuple[Note, ...],
    waiting: Open,
    told: Callable[[], None],
) -> JournalDay:
    assert seen.known is not None
    manifest, answers = seen.known
    made = RunsOfDay(seen.project, manifest, day, seen.rows, seen.lives, answers)
    asked = StudiesOfDay(seen.project, day, seen.lives, answers)
    studies, failed = asked.entries(), asked.failed()
    in_studies = {run for study in studies for run in study.runs}
    lives = seen.lives.values()
    single = [life for life in lives if life.worked_on(day) and life.run.id not in in_studies]
    left = [life for life in lives if life.moments and life.begun_by(day) and not life.finished_by(day)]
    left = [life for life in left if life.run.id not in in_studies and life.fingerprint not in failed]
    scored = made.scored()
    return JournalDay(
        project=seen.project.file.name,
        day=day.name,
        time_zone=str(day.zone),
        runs=tuple(_told(made.entry(life), told) for life in single),
        studies=studies,
        undated=(*_undated_runs(seen), *unreadable(seen.project.workspace)),
        blends=blend_entries(seen.project.workspace, day),
        submissions=sent,
        notes=notes,
        highest=made.alone(max(scored, key=made.score)) if scored else None,
        num_scored=len(scored),
        open=replace(waiting, unfinished=tuple(e for e in map(made.alone, left) if e.pruned_by is None)),
    )


def _told(entry: RunEntry, told: Callable[[], None]) -> RunEntry:
    told()
    return entry


def _undated_runs(seen: _Seen) -> Iterator[tuple[str, str, str]]:
    for name, life in seen.lives.items():
        if not life.moments:
            yield "run", name, seen.rows[name].damaged or "nothing says when it was made"


def _per_day(project: Project) -> int | None:
    contest = project.file.contest
    return None if contest is None else contest.submissions_per_day
