"""Manual ledger entries: a file was sent, a score arrived, a note."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from facetwise.core.errors import InputError, SettingError
from facetwise.core.files.jsonlines import adding_to
from facetwise.core.records.notes import checked, read_notes, write_note
from facetwise.core.records.provenance import now
from facetwise.core.workspace import Workspace
from facetwise.submission.ledger.events import (
    STORE,
    AnyEvent,
    ScoredEvent,
    SentEvent,
    append_events,
    is_skipped,
    moment_of,
    without_secrets,
)
from facetwise.submission.ledger.ledger import Entry, read_ledger


@dataclass(frozen=True)
class NewScores:
    """Macro F1 and accuracy, 0..1; raises SettingError if all are missing or one is out of range."""

    public: float | None = None
    private: float | None = None
    public_accuracy: float | None = None
    private_accuracy: float | None = None

    def __post_init__(self) -> None:
        scores = {name: value for name, value in asdict(self).items() if value is not None}
        if not scores:
            raise SettingError("no score was given", hint="such as `--public 0.7478`")
        for name, value in scores.items():
            if not 0 <= value <= 1:
                per_cent = f" ({value:g} per cent is {value / 100:.6g})" if 1 < value <= 100 else ""
                raise SettingError(f"`{name}` is {value:g}: a score is between 0 and 1{per_cent}")


@contextmanager
def ledger_lock(workspace: Workspace) -> Iterator[None]:
    """Lock for reading and appending; raises LockedError while another process holds it."""
    with adding_to(workspace.ledger_file, STORE):
        yield


def note_sent(workspace: Workspace, submission: str, sent: str | None = None, *, note: str = "") -> Entry:
    """Record that a submission was sent, now or at `sent` (UTC, ISO 8601).

    For a submission that is already in the ledger, a time corrects the recorded one; without a time it is an
    InputError.
    """
    text = _checked(note)
    with ledger_lock(workspace):
        before = read_ledger(workspace).by_submission.get(submission)
        if before is not None and before.sent is not None and sent is None:
            raise InputError(
                f"submission `{submission}` was sent already, at {before.sent}",
                hint="`--at TIME` corrects that time; the same file sent again scores the same",
            )
        event = SentEvent(time=now(), submission=submission, sent=sent or now())
        return _added(workspace, submission, [event], text)


def record_score(
    workspace: Workspace, submission: str, scores: NewScores, sent: str | None = None, *, note: str = ""
) -> Entry:
    """Record a submission's scores, and that it was sent, now or at `sent`, if not yet recorded. Later calls
    correct."""
    text = _checked(note)
    with ledger_lock(workspace):
        before = read_ledger(workspace).by_submission.get(submission)
        new = sent or (now() if before is None else None)
        events: list[AnyEvent] = [] if new is None else [SentEvent(time=now(), submission=submission, sent=new)]
        events.append(ScoredEvent(time=now(), submission=submission, **_plain(scores)))
        return _added(workspace, submission, events, text)


def _plain(scores: NewScores) -> dict[str, Any]:
    return {name: None if value is None else float(value) for name, value in asdict(scores).items()}


def _checked(note: str) -> str:
    """A normalised note, empty for none; raises InputError for invalid text."""
    return checked(without_secrets(note))[0] if note.strip() else ""


def _added(workspace: Workspace, submission: str, events: Sequence[AnyEvent], note: str) -> Entry:
    if note and note != _last_note(workspace, submission):  # first, so that an interrupted call can be repeated
        write_note(workspace, "submission", submission, note)
    append_events(workspace.ledger_file, events, now())
    return read_ledger(workspace).by_submission[submission]


def _last_note(workspace: Workspace, submission: str) -> str | None:
    texts = [n.text for n in read_notes(workspace) if (n.kind, n.id) == ("submission", submission)]
    return texts[-1] if texts else None


def taken_of_two(text: str, there: tzinfo) -> str | None:
    """Which of two moments an ambiguous local time was taken for; None for any other time."""
    time = _local(text)
    if time is None:
        return None
    first, second = (time.replace(tzinfo=there, fold=fold).utcoffset() for fold in (0, 1))
    if first == second or is_skipped(time, there):
        return None
    offsets = [time.replace(tzinfo=there, fold=fold).isoformat()[-6:] for fold in (0, 1)]
    return f"{text} comes twice in {there}; the first was taken ({offsets[0]}). An offset says the other: {offsets[1]}"


def _local(text: str) -> datetime | None:
    """A time without an offset; None for anything else."""
    try:
        time = datetime.fromisoformat(text.strip())
        time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return time if time.tzinfo is None else None


def utc_time(text: str, there: tzinfo) -> str:
    """Convert a time, local to the zone `there` unless it has an offset, to UTC, ISO 8601.

    Raises SettingError for an invalid time or one in the future.
    """
    moment = moment_of(text, there)
    if moment is None and (time := _local(text)) is not None and is_skipped(time, there):
        message = f"{text!r} does not exist in {there}: the clock is put forward over it"
        raise SettingError(message, hint="give a time that the clock shows, or one with an offset")
    if moment is None:
        hint = 'such as "2026-11-25 18:30" or 2026-11-25T18:30+09:00'
        raise SettingError(f"{text!r} is not a time", hint=hint)
    if moment > datetime.now(UTC) + timedelta(minutes=5):  # clocks differ a little
        raise SettingError(f"{text!r} lies in the future")
    return moment.isoformat(timespec="seconds")
