"""Notes and notices as text."""

from __future__ import annotations

from collections.abc import Sequence

from facetwise.core.records.notes import Note, open_notes
from facetwise.results.notices import Notice
from facetwise.screens.kit import NOTICE_STYLES, Group, Padding, RenderableType, Text, paragraph


def notes_text(notes: Sequence[Note]) -> RenderableType:
    """Notes for a terminal, the oldest first."""
    if not notes:
        return Text("no notes yet: `facetwise note RUN TEXT` puts one on a run")
    waiting = set(open_notes(notes))
    parts: list[RenderableType] = []
    for note in notes:
        head = f"  {note.moment:%Y-%m-%d %H:%M} UTC" + (f", {note.author}" if note.author else "")
        mark = ("  open", "yellow") if note in waiting else ""
        parts.append(Text.assemble((f"{note.kind} {note.id}", "bold"), (head, "dim"), mark))
        parts.append(paragraph(note.text))
    return Group(*parts)


def note_text(note: Note) -> Padding:
    """A note below its target."""
    who = (f"{note.author}, " if note.author else "") + f"{note.moment:%Y-%m-%d %H:%M} UTC: "
    return Padding(Text.assemble((who, "dim"), note.text), (0, 0, 0, 2), expand=False)


def notice_text(notice: Notice) -> Text:
    """A notice, shown above the numbers that it concerns."""
    return Text(f"! {notice.text}", style=NOTICE_STYLES[notice.kind])
