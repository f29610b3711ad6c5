"""What people wrote about a run, a blend or a submission."""

from __future__ import annotations

from facetwise.core.errors import InputError
from facetwise.core.project import Project
from facetwise.core.records.notes import Kind, Note, read_notes
from facetwise.results.notices import Notice


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
