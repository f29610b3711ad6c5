"""All notes: those in `notes.jsonl`, and those in old ledgers."""

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
    """Every note on a run, blend or submission, in the order of writing, even if a clock was set back in between.

    Raises ProblemsError for invalid lines in either file.
    """
    both = merge(_timed(read_notes(workspace)), _timed(_of_ledger(workspace)), key=itemgetter(0))
    return tuple(note for _, note in both)


def _timed(notes: Sequence[Note]) -> Iterator[tuple[datetime, Note]]:
    """Notes of a file in order, each with the latest time so far."""
    moments = accumulate((note.moment for note in notes), max)
    return zip(moments, notes, strict=True)


def _of_ledger(workspace: Workspace) -> list[Note]:
    """Notes that older versions wrote into the ledger itself."""
    events = [line.event for line in read_events(workspace.ledger_file)]
    owners = {e.platform_id: e.submission for e in events if e.platform_id and e.submission}
    found = [(owners.get(e.platform_id or "", e.submission), e) for e in events if isinstance(e, NoteEvent)]
    return [Note(e.time, "submission", name, e.text) for name, e in found if name is not None]
