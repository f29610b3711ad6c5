"""Targets of notes: runs, blends and submissions, named by references."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import get_args

from facetwise.core.errors import InputError
from facetwise.core.records.notes import Note, NoteTargetKind
from facetwise.core.references import AnyReference, parse_reference, short_name
from facetwise.core.runs import find_run
from facetwise.core.workspace import Workspace
from facetwise.predictors.blend_folder import find_blend
from facetwise.submission.folder import find_submission, list_submissions

TARGET_KINDS: tuple[NoteTargetKind, ...] = get_args(NoteTargetKind)


@dataclass(frozen=True)
class NoteTarget:
    """A run, blend or submission, which may have been deleted."""

    kind: NoteTargetKind
    id: str

    @property
    def short(self) -> str:
        """Its short reference: `3`, `b2`, `s1`; its id when that has no number."""
        return short_name(self.kind, self.id)

    @property
    def name(self) -> str:
        """`run 3`, `blend b2`, `submission s1`."""
        return f"{self.kind} {self.short}"


def find_target(workspace: Workspace, reference: AnyReference) -> NoteTarget:
    """Resolve a reference: `3`, `last` or an id; `b3`, `blend:last` or an id; `s1`, `submission:last` or an id.

    Raises InputError when it names nothing that exists.
    """
    named = parse_reference(reference, TARGET_KINDS, submissions=[s.id for s in list_submissions(workspace)])
    match named.kind:
        case "run":
            return NoteTarget("run", find_run(workspace, named).id)
        case "blend":
            return NoteTarget("blend", find_blend(workspace, named).id)
    return NoteTarget("submission", find_submission(workspace, named).id)


def find_noted_target(workspace: Workspace, notes: Iterable[Note], reference: AnyReference) -> NoteTarget:
    """As `find_target`, but also finds a target that was deleted and has notes."""
    try:
        return find_target(workspace, reference)
    except InputError:
        noted = {NoteTarget(n.kind, n.id) for n in notes}
        named = parse_reference(reference, TARGET_KINDS, submissions=[t.id for t in noted if t.kind == "submission"])
        found = [t for t in noted if t.kind == named.kind and named.means(t.id)]
        if len(found) != 1:
            raise
        return found[0]
