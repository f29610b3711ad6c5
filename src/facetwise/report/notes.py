"""What people wrote about a run, a blend or a submission, beside what the records say of it."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from facetwise.core.errors import InputError
from facetwise.core.notes import Kind, Note, open_notes, read_notes
from facetwise.core.project import Project
from facetwise.report.wording import Notice

_STYLES = {"unsafe": "bold red", "caution": "yellow", "note": "dim"}


def all_notes(project: Project) -> tuple[tuple[Note, ...], tuple[Notice, ...]]:
    """All notes; none, and why, where the file was edited by hand so that it cannot be read."""
    try:
        return read_notes(project.workspace), ()
    except InputError as error:
        return (), (Notice("caution", f"Notes are not shown. {str(error).splitlines()[0]}: see `facetwise notes`."),)


def notes_on(project: Project, kind: Kind, thing: str) -> tuple[tuple[Note, ...], tuple[Notice, ...]]:
    """The notes on one thing, in the order of writing; none, and why, where they cannot be read."""
    notes, troubles = all_notes(project)
    return tuple(n for n in notes if (n.kind, n.id) == (kind, thing)), troubles


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
        parts.append(Padding(Text(note.text), (0, 0, 0, 2), expand=False))
    return Group(*parts)


def note_text(note: Note) -> Padding:
    """A note below its thing."""
    who = (f"{note.author}, " if note.author else "") + f"{note.moment:%Y-%m-%d %H:%M} UTC: "
    return Padding(Text.assemble((who, "dim"), note.text), (0, 0, 0, 2), expand=False)


def notice_text(notice: Notice) -> Text:
    """What a reader must know of a thing, above its numbers."""
    return Text(f"! {notice.text}", style=_STYLES[notice.kind])
