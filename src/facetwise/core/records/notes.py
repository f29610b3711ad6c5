"""Notes on runs, blends and submissions: `notes.jsonl`, one object per line, in the order of writing.

A note names its target by id, and outlives it. The file may be edited by hand.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, StrictBool, TypeAdapter

from facetwise.core.errors import InputError, ProblemsError
from facetwise.core.files.jsonlines import adding_to, append_lines, last_line_cut, parsed_object, text_lines
from facetwise.core.records.lines import read_lines
from facetwise.core.records.provenance import now
from facetwise.core.text.counting import count
from facetwise.core.workspace import Workspace

NoteTargetKind = Literal["run", "blend", "submission"]

MAX_TEXT, MAX_AUTHOR = 10_000, 200
"""Characters of a note, and of its author's name."""
_QUESTION_MARKS = ("?", "？", "؟", ";")  # noqa: RUF001 - of Latin, full-width, Arabic and Greek script
_ALLOWED = "\n\t"
"""Control characters that a text may have."""


def _zoned(text: str) -> str:
    if datetime.fromisoformat(text).tzinfo is None:
        raise ValueError("expected a time with an offset, such as 2026-11-25T14:05:00+00:00")
    return text


@dataclass(frozen=True)
class Note:
    """A note by a person on a run, blend or submission."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    time: Annotated[str, AfterValidator(_zoned)]
    """UTC, ISO 8601."""
    kind: NoteTargetKind
    """Kind of the target."""
    id: str
    """Id of the target, which may be gone."""
    text: str
    """Any Unicode, lines apart by a newline; not empty."""
    author: str | None = None
    open: StrictBool = False
    """Whether its author marked it as open."""

    @property
    def asks(self) -> bool:
        """Whether it is a question: marked as open, or ending in a question mark."""
        return self.open or self.text.endswith(_QUESTION_MARKS)

    @property
    def moment(self) -> datetime:
        """When it was written, UTC."""
        return datetime.fromisoformat(self.time).astimezone(UTC)


def _readable(note: Note) -> Note:
    checked(note.text, note.author)
    return note


_LINE: TypeAdapter[Note] = TypeAdapter(Annotated[Note, AfterValidator(_readable)])


def read_notes(workspace: Workspace) -> tuple[Note, ...]:
    """All notes, in the order of writing; a last line that was cut off is skipped.

    Raises ProblemsError with every line that is not a note.
    """
    notes, problems = read_lines(workspace.notes_file, _LINE, "notes")
    if problems:
        what = f"{workspace.notes_file}: {count(len(problems), 'line is no note', 'lines are no notes')}"
        raise ProblemsError(what, problems, hint="put them right, or delete them")
    return tuple(notes.values())


def notes_cut(workspace: Workspace) -> str | None:
    """That the last line was cut off, and so is no note; None when it is whole."""
    path = workspace.notes_file
    return f"{path}: the last line was cut off and is passed over" if last_line_cut(path, "notes") else None


def write_note(
    workspace: Workspace, kind: NoteTargetKind, target: str, text: str, *, author: str | None = None, open: bool = False
) -> Note:
    """Add a note on the artefact with the id `target`, and return it.

    Raises InputError for an invalid text or author, ProblemsError when the file has lines that are not notes.
    """
    note = Note(now(), kind, target, *checked(text, author), open=open)
    path = workspace.notes_file
    with adding_to(path, "notes"):
        read_notes(workspace)
        append_lines(path, [json.dumps(asdict(note), ensure_ascii=False)], partial(_mended, path))
    return note


def checked(text: str, author: str | None = None) -> tuple[str, str | None]:
    """Text and author, stripped; raises InputError if they are invalid."""
    text, author = text.replace("\r\n", "\n").strip(), (author or "").strip() or None
    if not text:
        raise InputError("the note is empty", hint="write something: `facetwise note REF TEXT`")
    for what, words, most, allowed in (("note", text, MAX_TEXT, _ALLOWED), ("author", author or "", MAX_AUTHOR, "")):
        if len(words) > most:
            raise InputError(f"the {what} has {len(words):,} characters, at most {most:,} are kept")
        if bad := [c for c in words if unicodedata.category(c) in ("Cc", "Cs") and c not in allowed]:
            raise InputError(f"the {what} has the character U+{ord(bad[0]):04X}, which is no text")
    return text, author


def open_notes(notes: Sequence[Note]) -> tuple[Note, ...]:
    """Notes that wait for an answer: no later note on the same target answers them."""
    return tuple(n for place, n in enumerate(notes) if n.asks and not any(_answers(m, n) for m in notes[place + 1 :]))


def _answers(later: Note, asked: Note) -> bool:
    return not later.asks and (later.kind, later.id) == (asked.kind, asked.id)


def _mended(path: Path, last: str) -> str:
    """A last line without its end, when it is a note; raises ProblemsError for words that are none: none are lost."""
    try:
        parsed_object(last)
    except ValueError as why:
        *_, line = text_lines(path, "notes")
        problem = f"line {line.number}: {why}"
        raise ProblemsError(f"{path}: the last line is no note", [problem], hint="put it right, or delete it") from None
    return last
