"""Blends and submissions of a day: what was made, sent and scored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from facetwise.core.errors import FacetwiseError
from facetwise.core.records.submission import SubmissionRecord
from facetwise.core.workspace import Workspace
from facetwise.evaluate.intervals import Interval, PairedInterval
from facetwise.evaluate.scorecard import JOINT
from facetwise.journals.day import Day, moment_of
from facetwise.journals.runs import PairedDifference
from facetwise.predictors.blend_folder import BlendFolder, list_blends
from facetwise.study.record import StudyFolder
from facetwise.submission.folder import SubmissionFolder, list_submissions
from facetwise.submission.ledger.ledger import Entry, Ledger


@dataclass(frozen=True)
class BlendEntry:
    """A blend that was made that day."""

    id: str
    made: str
    """UTC, ISO 8601."""
    method: str | None
    """How its members vote, such as `soft`."""
    members: tuple[tuple[str, str], ...]
    """Kind and id of each."""
    score: float | None
    """By the nested estimate; None without out-of-fold predictions."""
    interval: Interval | None
    best_member: str | None
    """The best single member with every attribute."""
    paired: PairedDifference | None
    """The nested estimate minus the score of that member."""


@dataclass(frozen=True)
class SubmissionEntry:
    """A submission that was made, sent or scored that day; or a file from elsewhere that was sent or scored."""

    id: str | None
    """None for a file that is not from this project."""
    name: str
    """Its id, else its number on the platform."""
    made: str | None
    source: tuple[str, str] | None
    """Kind and id of what it was made from."""
    expected: float | None
    """The forecast score; `interval` is its interval."""
    interval: Interval | None
    num_people: int | None
    warnings: int
    """Number of the gate's warnings, all confirmed."""
    sent: str | None
    """When it was sent, if before the end of the day."""
    public: float | None
    private: float | None
    description: str
    """As given to the platform."""
    told: tuple[str, ...] = ()
    """When its scores arrived, UTC, before the end of the day."""
    trouble: str | None = None
    """Why its record cannot be read."""


def blend_entries(workspace: Workspace, day: Day) -> tuple[BlendEntry, ...]:
    """The blends that were made that day, by number, with the scores from their records."""
    made = ((blend, made_at(blend)) for blend in list_blends(workspace))
    return tuple(_blend(blend, when) for blend, when in made if when is not None and _on_day(when, day))


def made_at(folder: BlendFolder | SubmissionFolder | StudyFolder) -> str | None:
    """When an artefact was made according to its record; None when that cannot be read."""
    try:
        return folder.record().made if isinstance(folder, StudyFolder) else folder.record().provenance.made
    except (FacetwiseError, OSError):
        return None


def unreadable(workspace: Workspace) -> Iterator[tuple[str, str, str]]:
    """Blends and submissions whose record cannot be read: kind, id and why."""
    folders: list[BlendFolder | SubmissionFolder] = [*list_blends(workspace), *list_submissions(workspace)]
    for folder in folders:
        try:
            folder.record()
        except (FacetwiseError, OSError) as error:
            yield "blend" if isinstance(folder, BlendFolder) else "submission", folder.id, _why(error)


def _why(error: Exception) -> str:
    """The message of an error with its hint, without the word `damaged`."""
    hint = error.hint if isinstance(error, FacetwiseError) else None
    return str(error).removeprefix("damaged: ") + (f" ({hint})" if hint else "")


def _blend(blend: BlendFolder, made: str) -> BlendEntry:
    record = blend.record()
    scores, best, paired = record.scores, record.scores.best_member, None
    if best is not None:
        bounds = PairedInterval(**best.difference_interval.as_dict())
        paired = PairedDifference(JOINT, best.difference, bounds, record.rows.people)
    return BlendEntry(
        id=blend.id,
        made=made,
        method=record.method,
        members=tuple((m.kind, m.id) for m in record.made_from.members),
        score=scores.nested,
        interval=Interval.of(scores.nested_interval),
        best_member=best.id if best else None,
        paired=paired,
    )


def submission_entries(workspace: Workspace, ledger: Ledger, day: Day) -> tuple[SubmissionEntry, ...]:
    """The submissions that were made, sent or scored that day, by number; then files from elsewhere."""
    found = []
    for folder in list_submissions(workspace):
        made, entry = made_at(folder), ledger.by_submission.get(folder.id)
        times = [made, *((entry.sent, entry.public_told, entry.private_told) if entry else ())]
        if any(when is not None and day.holds(when) for when in map(moment_of, times)):
            found.append(_submission(folder, made, entry, day))
    external = [e for e in ledger.entries if e.submission is None]
    times = [(e, (e.sent, e.public_told, e.private_told)) for e in external]
    return (*found, *(_external(e, day) for e, when in times if any(_on_day(t, day) for t in when)))


def _on_day(time: str | None, day: Day) -> bool:
    moment = moment_of(time)
    return moment is not None and day.holds(moment)


def _submission(folder: SubmissionFolder, made: str | None, entry: Entry | None, day: Day) -> SubmissionEntry:
    record, trouble = _record(folder)
    forecast = record.forecast if record else None
    return SubmissionEntry(
        id=folder.id,
        name=folder.id,
        made=made,
        source=(record.made_from.kind, record.made_from.id) if record else None,
        expected=forecast.expected if forecast else None,
        interval=Interval.of(forecast.interval) if forecast else None,
        num_people=forecast.num_people if forecast else None,
        warnings=record.num_warnings if record else 0,
        sent=entry.sent if entry is not None and _before(entry.sent, day) else None,
        public=entry.public if entry is not None and _before(entry.public_told, day) else None,
        private=entry.private if entry is not None and _before(entry.private_told, day) else None,
        description=entry.description if entry is not None else "",
        told=_score_times(entry, day) if entry is not None else (),
        trouble=trouble,
    )


def _record(folder: SubmissionFolder) -> tuple[SubmissionRecord | None, str | None]:
    """A submission's record, or why it cannot be read."""
    try:
        return folder.record(), None
    except FacetwiseError as error:
        return None, str(error)


def _before(time: str | None, day: Day) -> bool:
    moment = moment_of(time)
    return moment is not None and moment < day.end


def _external(entry: Entry, day: Day) -> SubmissionEntry:
    nothing = (None,) * 5
    public = entry.public if _before(entry.public_told, day) else None
    private = entry.private if _before(entry.private_told, day) else None
    times = _score_times(entry, day)
    return SubmissionEntry(None, entry.name, *nothing, 0, entry.sent, public, private, entry.description, times)


def _score_times(entry: Entry, day: Day) -> tuple[str, ...]:
    return tuple(time for time in (entry.public_told, entry.private_told) if time is not None and _before(time, day))


def unsent(workspace: Workspace, ledger: Ledger, day: Day) -> tuple[str, ...]:
    """Ids of submissions that were made but not sent before the end of the day."""

    def is_unsent(folder: SubmissionFolder) -> bool:
        made, entry = moment_of(made_at(folder)), ledger.by_submission.get(folder.id)
        sent = moment_of(entry.sent) if entry else None
        unknown = entry is not None and entry.sent is None  # sent at an unknown time
        return made is not None and made < day.end and not unknown and (sent is None or sent >= day.end)

    return tuple(folder.id for folder in list_submissions(workspace) if is_unsent(folder))


def num_sent(entries: Sequence[Entry], day: Day) -> int:
    """Number of files sent that day."""
    return sum(_on_day(entry.sent, day) for entry in entries)
