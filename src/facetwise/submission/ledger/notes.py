"""Notes on submissions, wherever they were written: they live in `notes.jsonl`, those of old ledgers are read too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from heapq import merge
from itertools import accumulate
from operator import itemgetter

from facetwise.core.records.notes import Note, read_notes
from facetwise.core.workspace import Workspace
from facetwise.submission.ledger.events import NoteEvent, read_events


def all_notes(workspace: Workspace) -> tuple[Note, ...]:
    """Every note on a run, a blend or a submission, in the order of writing, whatever a clock did between two of them.

    Raises ProblemsError for lines of either file that are not right.
    """
    both = merge(_timed(read_notes(workspace)), _timed(_of_ledger(workspace)), key=itemgetter(0))
    return tuple(note for _, note in both)


def _timed(notes: Sequence[Note]) -> Iterator[tuple[datetime, Note]]:
    """Notes of a file in its order, each with the latest time up to it."""
    moments = accumulate((note.moment for note in notes), max)
    return zip(moments, notes, strict=True)


def _of_ledger(workspace: Workspace) -> list[Note]:
    """What `facetwise ledger record --note` once wrote into the ledger itself."""
    events = [line.event for line in read_events(workspace.ledger_file)]
    owners = {e.platform_id: e.submission for e in events if e.platform_id and e.submission}
    found = [(owners.get(e.platform_id or "", e.submission), e) for e in events if isinstance(e, NoteEvent)]
    return [Note(e.time, "submission", name, e.text) for name, e in found if name is not None]
