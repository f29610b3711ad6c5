"""The ledger: submissions sent to the contest, with times and scores (`ledger.jsonl`, one event on each line)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any

from facetwise.core.workspace import Workspace
from facetwise.submission.ledger.events import (
    AnyEvent,
    ImportedEvent,
    Line,
    NoteEvent,
    ScoredEvent,
    SentEvent,
    raise_wrong_lines,
    read_events,
)


@dataclass(frozen=True)
class Entry:
    """One sending, from all events about it; later events correct earlier ones."""

    submission: str | None
    """Id of the submission; None for a file that is not from this project."""
    platform_id: str | None
    """Its number on the platform; None until its record table is imported."""
    sent: str | None
    """When it was sent: UTC, ISO 8601 to the second. None if unknown."""
    public: float | None = None
    """Score on the public part, 0..1; None until known."""
    private: float | None = None
    """Score on the private part, 0..1; None until known."""
    public_accuracy: float | None = None
    private_accuracy: float | None = None
    public_told: str | None = None
    """When its public score was first recorded, UTC."""
    private_told: str | None = None
    """When its private score was first recorded, UTC."""
    final: bool | None = None
    """Whether it is chosen for the final score, according to the platform."""
    description: str = ""
    """As given to the platform."""
    notes: tuple[str, ...] = ()
    """Notes in an old ledger; `notes.all_notes` merges them with those in `notes.jsonl`."""
    more: Mapping[str, str] = field(default_factory=dict)
    """Other columns of the platform's table."""

    @property
    def name(self) -> str:
        """Its submission's id, else its number on the platform."""
        return self.submission or f"platform {self.platform_id}"

    @property
    def scored(self) -> bool:
        """Whether its public or private score is known."""
        return self.public is not None or self.private is not None

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {**asdict(self), "notes": list(self.notes)}


@dataclass(frozen=True)
class Ledger:
    """All sendings in order of time; those without a time come first, in the order of the file."""

    entries: tuple[Entry, ...] = ()

    @cached_property
    def by_submission(self) -> dict[str, Entry]:
        """The representative sending of each submission, by id: the last one with a score, else the last one. Every
        screen shows this one."""
        last = sorted(self.entries, key=lambda e: e.scored)
        return {e.submission: e for e in last if e.submission is not None}

    @cached_property
    def files(self) -> tuple[Entry, ...]:
        """One sending for each file, in order: `by_submission`, and every file that is not from this project."""
        return tuple(e for e in self.entries if e.submission is None or self.by_submission[e.submission] is e)

    @property
    def best_public(self) -> tuple[str, float] | None:
        """The file with the highest public score, and that score; None without public scores."""
        scores = [(e.name, e.public) for e in self.files if e.public is not None]
        return max(scores, key=lambda pair: pair[1], default=None)

    def others(self, entry: Entry) -> tuple[Entry, ...]:
        """The other sendings of the same file, in the order of sending."""
        same = (e for e in self.entries if e.submission is not None and e.submission == entry.submission)
        return tuple(e for e in same if e is not entry)

    @property
    def scored(self) -> tuple[Entry, ...]:
        """Sendings whose public or private score is known."""
        return tuple(e for e in self.entries if e.scored)


def read_ledger(workspace: Workspace) -> Ledger:
    """The project's ledger; empty when nothing was sent yet.

    Raises ProblemsError with every invalid line (see `events.read_events`) and every unknown submission.
    """
    lines = read_events(workspace.ledger_file)
    known = {p.name for p in workspace.submissions.glob("[!.]*/")} if workspace.submissions.is_dir() else set()
    raise_wrong_lines(workspace.ledger_file, list(_unknown(lines, known)))
    return Ledger(fold([line.event for line in lines]))


def _unknown(lines: Sequence[Line], known: set[str]) -> Iterator[str]:
    for line in lines:
        if line.event.submission is not None and line.event.submission not in known:
            yield f"line {line.number}: `submission`: this project has no submission {line.event.submission!r}"


def fold(events: Sequence[AnyEvent]) -> tuple[Entry, ...]:
    """One entry for each sending, in order of time.

    The last event that links a platform number to a submission also applies to all earlier events.
    """
    owners = {e.platform_id: e.submission for e in events if e.platform_id and e.submission}
    entries: list[Entry] = []
    for recorded in events:
        event = recorded.model_copy(update={"submission": owners.get(recorded.platform_id or "", recorded.submission)})
        place = _place(entries, event)
        if place is None:
            entries.append(_with(Entry(event.submission, event.platform_id, None), event))
        else:
            entries[place] = _with(entries[place], event)
    return tuple(sorted(entries, key=lambda e: e.sent or ""))


def _place(entries: Sequence[Entry], event: AnyEvent) -> int | None:
    """The index of the entry that an event belongs to: by platform number, else the submission's last."""
    for i, entry in enumerate(entries):
        if event.platform_id is not None and entry.platform_id == event.platform_id:
            return i
    for i, entry in reversed(list(enumerate(entries))):
        same = event.submission is not None and entry.submission == event.submission
        if same and (event.platform_id is None or entry.platform_id is None):
            return i
    return None


def _with(entry: Entry, event: AnyEvent) -> Entry:
    """The entry updated by one more event."""
    submission, platform_id = event.submission or entry.submission, event.platform_id or entry.platform_id
    entry = replace(entry, submission=submission, platform_id=platform_id)
    if isinstance(event, NoteEvent):
        return replace(entry, notes=(*entry.notes, event.text))
    if isinstance(event, SentEvent):
        return replace(entry, sent=event.sent)
    return _with_scores(entry, event)


def _with_scores(entry: Entry, event: ScoredEvent | ImportedEvent) -> Entry:
    names = ("public", "private", "public_accuracy", "private_accuracy")
    changes: dict[str, Any] = {name: value for name in names if (value := getattr(event, name)) is not None}
    for name in ("public_told", "private_told"):
        if name.removesuffix("_told") in changes:
            changes[name] = getattr(entry, name) or event.time
    if isinstance(event, ImportedEvent):
        changes["sent"] = event.sent or entry.sent
        changes["final"] = entry.final if event.final is None else event.final
        changes["description"], changes["more"] = event.description or entry.description, event.more
    return replace(entry, **changes)
