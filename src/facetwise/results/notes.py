"""Notes on a run, blend or submission."""

from __future__ import annotations

from facetwise.core.errors import InputError
from facetwise.core.project import Project
from facetwise.core.records.notes import Note, NoteTargetKind, notes_cut, read_notes
from facetwise.results.notices import Notice


def all_notes(project: Project) -> tuple[tuple[Note, ...], tuple[Notice, ...]]:
    """All notes; if the file is unreadable, none and a notice."""
    try:
        cut = notes_cut(project.workspace)
        return read_notes(project.workspace), () if cut is None else (Notice("caution", f"{cut}."),)
    except InputError as error:
        return (), (Notice("caution", f"Notes are not shown. {str(error).splitlines()[0]}: see `facetwise notes`."),)


def notes_on(project: Project, kind: NoteTargetKind, target: str) -> tuple[tuple[Note, ...], tuple[Notice, ...]]:
    """The notes on one target, in the order of writing; if the file is unreadable, none and a notice."""
    notes, troubles = all_notes(project)
    return tuple(n for n in notes if (n.kind, n.id) == (kind, target)), troubles
