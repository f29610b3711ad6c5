"""What a note can be put on: runs, blends and submissions, by the references that people write."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import get_args

from facetwise.core.errors import InputError
from facetwise.core.records.notes import Kind, Note
from facetwise.core.references import AnyReference, parse_reference, short_name
from facetwise.core.runs import find_run
from facetwise.core.workspace import Workspace
from facetwise.predictors.blend_folder import find_blend
from facetwise.submission.folder import find_submission, list_submissions

THINGS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Thing:
    """A run, a blend or a submission, which may be gone."""

    kind: Kind
    id: str

    @property
    def short(self) -> str:
        """How people refer to it: `3`, `b2`, `s1`; its id when that has no number."""
        return short_name(self.kind, self.id)

    @property
    def name(self) -> str:
        """`run 3`, `blend b2`, `submission s1`."""
        return f"{self.kind} {self.short}"


def find_thing(workspace: Workspace, reference: AnyReference) -> Thing:
    """What `reference` means: `3`, `last` or an id; `b3`, `blend:last` or an id; `s1`, `submission:last` or an id.

    Raises InputError when there is no such thing.
    """
    named = parse_reference(reference, THINGS, submissions=[s.id for s in list_submissions(workspace)])
    match named.kind:
        case "run":
            return Thing("run", find_run(workspace, named).id)
        case "blend":
            return Thing("blend", find_blend(workspace, named).id)
    return Thing("submission", find_submission(workspace, named).id)


def noted_thing(workspace: Workspace, notes: Iterable[Note], reference: AnyReference) -> Thing:
    """As `find_thing`, and also finds a thing that is gone but for its notes."""
    try:
        return find_thing(workspace, reference)
    except InputError:
        noted = {Thing(n.kind, n.id) for n in notes}
        named = parse_reference(reference, THINGS, submissions=[t.id for t in noted if t.kind == "submission"])
        found = [t for t in noted if t.kind == named.kind and named.means(t.id)]
        if len(found) != 1:
            raise
        return found[0]
