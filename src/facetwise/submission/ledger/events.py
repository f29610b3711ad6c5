"""Lines of the ledger: their schema, strict reading, and atomic appending."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import unquote

from pydantic import AfterValidator, Field, TypeAdapter, model_validator

from facetwise.core.errors import ProblemsError
from facetwise.core.files.jsonlines import append_lines, is_cut
from facetwise.core.files.settings import Spec
from facetwise.core.records.lines import read_lines
from facetwise.core.text.counting import count
from facetwise.core.workspace import canonical_json

_WORD = re.compile(r"[^\s\"'<>]+")
_SIGNED = re.compile(r"/.*[;&?#/](x-amz-|x-goog-|x-oss-)?(sig|signature|token|credential|se|key|accesskeyid)=", re.I)
"""Parameters that grant access, also in addresses without a question mark."""
MOST_ENCODED = 5
"""Most levels of percent-encoding of an address that are undone."""
DROPPED = "(address dropped)"
"""Replaces an address that might grant access to its readers."""
STORE = "the ledger"
KINDS = ("sent", "scored", "imported", "note")


def moment_of(text: str, there: tzinfo | None = None) -> datetime | None:
    """A time in ISO 8601 as UTC; None if it is invalid, or has no offset and no time zone `there` is given.

    Of a local time that occurs twice, when clocks are set back, the first is taken; a skipped one is invalid.
    """
    try:
        time = datetime.fromisoformat(text.strip())
        if time.tzinfo is None:
            return None if there is None or is_skipped(time, there) else time.replace(tzinfo=there).astimezone(UTC)
        return time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def is_skipped(time: datetime, there: tzinfo) -> bool:
    """Whether this local time (without an offset) is skipped because clocks are set forward."""
    shown = time.replace(tzinfo=there).astimezone(UTC).astimezone(there)
    return shown.replace(tzinfo=None, fold=0) != time.replace(fold=0)


def utc(text: str) -> str:
    """A time as UTC, ISO 8601 to the second; raises ValueError unless it has a date, a time and an offset."""
    moment = moment_of(text)
    if moment is None:
        raise ValueError("expected a time with an offset, such as 2026-11-25T18:30:00+09:00")
    return moment.isoformat(timespec="seconds")


def without_secrets(text: str) -> str:
    """A text without addresses that may grant access: those with a query, a fragment or a user name."""
    return _WORD.sub(lambda found: DROPPED if _grants(found.group()) else found.group(), text)


def _grants(word: str) -> bool:
    plain = _decoded(word)
    _, address, rest = plain.partition("://")
    if address and any(mark in rest for mark in "?#@"):
        return True
    return ("?" in plain and "=" in plain.partition("?")[2]) or _SIGNED.search(plain) is not None


def _decoded(word: str) -> str:
    """A word with all levels of percent-encoding undone."""
    for _ in range(MOST_ENCODED):
        before, word = word, unquote(word)
        if word == before:
            break
    return word


Time = Annotated[str, AfterValidator(utc)]
Score = Annotated[float, Field(ge=0, le=1)]


class Event(Spec):
    """Common fields of all events. A sending is named by `submission`, by `platform_id`, or by both."""

    schema_version: Literal[1] = 1
    """Version of the line's format."""
    time: Time
    """When the line was written."""
    submission: str | None = None
    """Id of a submission of this project; None for a file made elsewhere."""
    platform_id: str | None = None
    """Its number in the platform's record table."""

    @model_validator(mode="after")
    def _named(self) -> Event:
        if not self.submission and not self.platform_id:
            raise ValueError("give `submission`, `platform_id` or both")
        return self


class Scores(Event):
    """Macro F1 and accuracy, 0..1, as far as known."""

    public: Score | None = None
    private: Score | None = None
    public_accuracy: Score | None = None
    private_accuracy: Score | None = None


class SentEvent(Event):
    """A file was sent. A later event for the same submission corrects the time."""

    event: Literal["sent"] = "sent"
    sent: Time
    """When it was sent."""


class ScoredEvent(Scores):
    """The platform published a score. A later event adds to it or corrects it."""

    event: Literal["scored"] = "scored"


class ImportedEvent(Scores):
    """A row of the platform's record table."""

    event: Literal["imported"] = "imported"
    platform_id: str
    sent: Time | None = None
    """When it was sent, if the table has it."""
    description: str = ""
    final: bool | None = None
    """Whether it is chosen for the final score."""
    more: dict[str, str] = Field(default_factory=dict)
    """Other columns of the table, without any address that grants access."""


class NoteEvent(Event):
    """A note. Notes are now stored in `notes.jsonl`; those in old ledgers are still read."""

    event: Literal["note"] = "note"
    text: str


class CutEvent(Spec):
    """The start of a line that was never finished; preserved without meaning."""

    event: Literal["cut"] = "cut"
    schema_version: Literal[1] = 1
    time: Time
    text: str


AnyEvent = SentEvent | ScoredEvent | ImportedEvent | NoteEvent
_LINE: TypeAdapter[AnyEvent | CutEvent] = TypeAdapter(Annotated[AnyEvent | CutEvent, Field(discriminator="event")])


@dataclass(frozen=True)
class Line:
    """An event and its line number, from 1."""

    number: int
    event: AnyEvent


def read_events(path: Path) -> list[Line]:
    """Every event of the file, in order; empty without a file. A last line that was cut off is skipped.

    Raises ProblemsError with every invalid line: no JSON, unknown keys, wrong types, scores outside 0..1, invalid
    times.
    """
    events, problems = read_lines(path, _LINE, STORE, KINDS)
    raise_wrong_lines(path, problems)
    return [Line(number, event) for number, event in events.items() if not isinstance(event, CutEvent)]


def raise_wrong_lines(path: Path, problems: Sequence[str]) -> None:
    """Raise ProblemsError with these problems, if any."""
    if problems:
        hint = "correct these lines by hand; nothing was changed, and nothing is added until they are right"
        raise ProblemsError(f"{path}: {count(len(problems), 'line')} not of a ledger", problems, hint=hint)


def append_events(path: Path, events: Sequence[AnyEvent], time: str) -> None:
    """Append lines atomically; the caller holds the ledger's lock.

    Existing lines are preserved byte for byte. A cut-off last line becomes the text of an event `cut`.
    """

    def mend(tail: str) -> str:
        readable = tail.encode(errors="surrogateescape").decode(errors="replace")
        return _written(CutEvent(time=time, text=readable)) if is_cut(tail) else tail

    append_lines(path, [_written(event) for event in events], mend)


def _written(event: AnyEvent | CutEvent) -> str:
    return canonical_json(event.model_dump(exclude_none=True, exclude_defaults=False))
