"""What is odd in the ledger: times that cannot be (sent before it was made, or in the future; a clock set back), and a
last line that was cut off."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import pairwise

from facetwise.core.errors import FacetwiseError
from facetwise.core.files.jsonlines import last_line_cut
from facetwise.core.runs import RunFolder, list_runs
from facetwise.core.workspace import Workspace
from facetwise.submission.folder import SubmissionFolder, list_submissions
from facetwise.submission.ledger.events import STORE, Line, moment_of, read_events
from facetwise.submission.ledger.ledger import Entry, Ledger

TOLERANCE = timedelta(minutes=5)
"""Largest accepted difference between clocks."""


def odd_sending(workspace: Workspace, entry: Entry, now: datetime) -> str | None:
    """Why the time of a sending is impossible; None if it is plausible."""
    sent = moment_of(entry.sent or "")
    made = None if entry.submission is None else _made(SubmissionFolder(workspace.submissions / entry.submission))
    if sent is None:
        return None
    if sent > now + TOLERANCE:
        return f"`{entry.name}` was sent at {_told(sent)}, which lies in the future: no day's count has it yet"
    if made is not None and sent < made - TOLERANCE:
        mend = f"`facetwise ledger sent {entry.name} --at TIME` corrects it"
        return f"`{entry.name}` was sent at {_told(sent)}, before it was made ({_told(made)}); {mend}"
    return None


def odd_times(workspace: Workspace, ledger: Ledger, now: datetime) -> Iterator[str]:
    """Impossible times in the ledger, one line each."""
    for entry in ledger.entries:
        if (text := odd_sending(workspace, entry, now)) is not None:
            yield text
    yield from _set_back(read_events(workspace.ledger_file))


def odd_lines(workspace: Workspace) -> Iterator[str]:
    """That the last line was cut off, and so counts for nothing; nothing when it is whole."""
    if last_line_cut(workspace.ledger_file, STORE):
        yield f"{workspace.ledger_file}: the last line was cut off and is passed over: a file that it names may be sent"


def made_in_the_future(workspace: Workspace, now: datetime) -> Iterator[str]:
    """Runs and submissions recorded as made later than `now`, one line each."""
    folders: list[RunFolder | SubmissionFolder] = [*list_runs(workspace), *list_submissions(workspace)]
    for folder in folders:
        made = _made(folder)
        if made is not None and made > now + TOLERANCE:
            yield f"`{folder.id}` was made at {_told(made)}, which lies in the future"


def _set_back(lines: Sequence[Line]) -> Iterator[str]:
    for before, line in pairwise(lines):
        one, other = (moment_of(found.event.time) for found in (before, line))
        if one is not None and other is not None and other < one - TOLERANCE:
            yield (
                f"line {line.number} of the ledger was written at {_told(other)}, after line {before.number} at "
                f"{_told(one)}: a clock was set back"
            )


def _made(folder: RunFolder | SubmissionFolder) -> datetime | None:
    """When a run or submission was made according to its record; None if unreadable."""
    with suppress(FacetwiseError):
        return moment_of(folder.record().provenance.made)
    return None


def _told(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
