"""What a note can be put on: runs, blends and submissions, by the references that people write."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from facetwise.blend.folder import blend_number, find_blend
from facetwise.core.errors import InputError
from facetwise.core.notes import Kind, Note, open_notes
from facetwise.core.runs import find_run, run_number
from facetwise.core.workspace import Workspace
from facetwise.submission.folder import find_submission, list_submissions

_PREFIXES: dict[str, Kind] = {"run:": "run", "blend:": "blend", "submission:": "submission"}


@dataclass(frozen=True)
class Thing:
    """A run, a blend or a submission, which may be gone."""

    kind: Kind
    id: str

    @property
    def short(self) -> str:
        """How people refer to it: `3`, `b2`, `s1`; its id when that has no number."""
        number = blend_number(self.id) if self.kind == "blend" else run_number(self.id)
        return {"run": "", "blend": "b", "submission": "s"}[self.kind] + str(number) if number else self.id

    @property
    def name(self) -> str:
        """`run 3`, `blend b2`, `submission s1`."""
        return f"{self.kind} {self.short}"


def find_thing(workspace: Workspace, reference: str) -> Thing:
    """What `reference` means: `3`, `last` or an id; `b3`, `blend:last` or an id; `s1`, `submission:last` or an id.

    Raises InputError when there is no such thing.
    """
    kind, name = _kind_of(workspace, str(reference).strip())
    match kind:
        case "run":
            return Thing(kind, find_run(workspace, name).id)
        case "blend":
            return Thing(kind, find_blend(workspace, name).id)
        case "submission":
            return Thing(kind, find_submission(workspace, name).id)


def noted_thing(workspace: Workspace, notes: Iterable[Note], reference: str) -> Thing:
    """As `find_thing`, and also finds a thing that is gone but for its notes."""
    try:
        return find_thing(workspace, reference)
    except InputError:
        noted = {Thing(n.kind, n.id) for n in notes}
        found = [t for t in noted if reference in (t.id, t.short, f"{t.kind}:{t.id}", f"{t.kind}:{t.short}")]
        if len(found) != 1:
            raise
        return found[0]


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


def _kind_of(workspace: Workspace, reference: str) -> tuple[Kind, str]:
    if reference.startswith("foreign:"):
        raise InputError(f"`{reference}`: notes are put on runs, blends and submissions")
    for prefix, kind in _PREFIXES.items():
        if reference.startswith(prefix):
            name = reference.removeprefix(prefix)
            return kind, name.removeprefix("s") if kind == "submission" and _is_short(name) else name
    if _is_short(reference):
        return "submission", reference[1:]
    if re.match(r"b\d+(-|$)", reference):
        return "blend", reference
    return ("submission" if reference in {s.id for s in list_submissions(workspace)} else "run"), reference


def _is_short(reference: str) -> bool:
    return re.fullmatch(r"s\d+", reference) is not None
