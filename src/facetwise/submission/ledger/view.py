"""The view of the ledger: submissions sent, scores beside forecasts, and the remaining quota."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from facetwise.core.errors import FacetwiseError
from facetwise.core.project import Project
from facetwise.core.records.notes import Note
from facetwise.core.workspace import Workspace
from facetwise.evaluate.intervals import Interval
from facetwise.submission.folder import find_submission, list_submissions
from facetwise.submission.ledger.ledger import Entry, Ledger, read_ledger
from facetwise.submission.ledger.notes import all_notes
from facetwise.submission.ledger.odd_times import odd_lines, odd_times
from facetwise.submission.ledger.quota import Quota, quota_left


@dataclass(frozen=True)
class Expected:
    """The forecast score with its prediction interval."""

    score: float
    low: float
    high: float
    level: float

    @property
    def interval(self) -> Interval:
        """The interval, with the level from the record (95 % in older ones)."""
        return Interval(self.low, self.high, self.level)


@dataclass(frozen=True)
class LedgerRow:
    """A sent file, represented by one sending (`Ledger.by_submission`)."""

    entry: Entry
    expected: Expected | None
    """From the submission's record; None for a file from elsewhere, or a source without out-of-fold predictions."""
    notes: tuple[str, ...]
    """Notes on it, in the order of writing."""
    others: tuple[Entry, ...] = ()
    """Other sendings of the same file."""

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        expected = None if self.expected is None else asdict(self.expected)
        more = {"notes": list(self.notes), "expected": expected, "others": [e.as_dict() for e in self.others]}
        return {**self.entry.as_dict(), **more}


@dataclass(frozen=True)
class LedgerView:
    """The view of `facetwise ledger show`."""

    rows: tuple[LedgerRow, ...]
    """In order of time; those without a time first."""
    unsent: tuple[str, ...]
    """Submissions that were not sent."""
    quota: Quota | None
    """None if `facetwise.toml` sets no limit."""
    odd: tuple[str, ...] = ()
    """Descriptions of damaged submissions, a line that was cut off, and impossible times."""

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {
            "entries": [row.as_dict() for row in self.rows],
            "unsent": list(self.unsent),
            "quota": None if self.quota is None else self.quota.as_dict(),
            "odd": list(self.odd),
        }


def build_ledger_view(project: Project, moment: datetime) -> LedgerView:
    """The ledger at `moment`; raises ProblemsError for invalid lines."""
    ledger = read_ledger(project.workspace)
    notes = [n for n in all_notes(project.workspace) if n.kind == "submission"]
    rows = tuple(_row(project.workspace, ledger, entry, notes) for entry in ledger.files)
    folders = list_submissions(project.workspace)
    unsent = tuple(folder.id for folder in folders if folder.id not in ledger.by_submission)
    damaged = [f"`{folder.id}` is {folder.damage.summary}" for folder in folders if folder.damage is not None]
    odd = (*damaged, *odd_lines(project.workspace), *odd_times(project.workspace, ledger, moment))
    return LedgerView(rows, unsent, quota_left(ledger, project.file.contest, moment), odd)


def _row(workspace: Workspace, ledger: Ledger, entry: Entry, notes: Sequence[Note]) -> LedgerRow:
    texts = tuple(n.text for n in notes if n.id == entry.submission) if entry.submission else entry.notes
    return LedgerRow(entry, expected(workspace, entry.submission), texts, ledger.others(entry))


def expected(workspace: Workspace, submission: str | None) -> Expected | None:
    """The forecast in a submission's record; None if there is none, or it is unreadable."""
    if submission is None:
        return None
    with suppress(FacetwiseError):
        if (forecast := find_submission(workspace, submission).record().forecast) is not None:
            return Expected(forecast.expected, **forecast.interval.as_dict())
    return None
