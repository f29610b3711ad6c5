"""The ledger as people look at it: what was sent, what it scored beside what was expected, and what is left today."""

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
from facetwise.submission.ledger.odd_times import odd_times
from facetwise.submission.ledger.quota import Quota, quota_left


@dataclass(frozen=True)
class Expected:
    """The macro F1 that was to be expected, and its prediction interval."""

    score: float
    low: float
    high: float
    level: float

    @property
    def interval(self) -> Interval:
        """Of the level that the record has: 95 % in older ones."""
        return Interval(self.low, self.high, self.level)


@dataclass(frozen=True)
class LedgerRow:
    """A file that was sent, by the sending that stands for it (`Ledger.by_submission`)."""

    entry: Entry
    expected: Expected | None
    """As the submission's record has it; None for a file from elsewhere, and for a source without out-of-fold."""
    notes: tuple[str, ...]
    """What people wrote about it, in the order of writing."""
    others: tuple[Entry, ...] = ()
    """Other sendings of the same file; this one stands for it."""

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        expected = None if self.expected is None else asdict(self.expected)
        more = {"notes": list(self.notes), "expected": expected, "others": [e.as_dict() for e in self.others]}
        return {**self.entry.as_dict(), **more}


@dataclass(frozen=True)
class LedgerView:
    """Everything that `facetwise ledger show` tells."""

    rows: tuple[LedgerRow, ...]
    """In the order of sending; those without a known time first."""
    unsent: tuple[str, ...]
    """Submissions that were made and not sent."""
    quota: Quota | None
    """None where `facetwise.toml` sets no limit."""
    odd: tuple[str, ...] = ()
    """Submissions that are damaged, and what cannot be by its times, in words."""

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {
            "entries": [row.as_dict() for row in self.rows],
            "unsent": list(self.unsent),
            "quota": None if self.quota is None else self.quota.as_dict(),
            "odd": list(self.odd),
        }


def build_ledger_view(project: Project, moment: datetime) -> LedgerView:
    """The ledger at `moment`; raises ProblemsError when lines of it are wrong."""
    ledger = read_ledger(project.workspace)
    notes = [n for n in all_notes(project.workspace) if n.kind == "submission"]
    rows = tuple(_row(project.workspace, ledger, entry, notes) for entry in ledger.files)
    unsent = tuple(s.id for s in list_submissions(project.workspace) if s.id not in ledger.by_submission)
    folders = list_submissions(project.workspace)
    damaged = [f"`{folder.id}` is {folder.damage.summary}" for folder in folders if folder.damage is not None]
    odd = (*damaged, *odd_times(project.workspace, ledger, moment))
    return LedgerView(rows, unsent, quota_left(ledger, project.file.contest, moment), odd)


def _row(workspace: Workspace, ledger: Ledger, entry: Entry, notes: Sequence[Note]) -> LedgerRow:
    texts = tuple(n.text for n in notes if n.id == entry.submission) if entry.submission else entry.notes
    return LedgerRow(entry, expected(workspace, entry.submission), texts, ledger.others(entry))


def expected(workspace: Workspace, submission: str | None) -> Expected | None:
    """What the record of a submission forecast; None when it did not, or cannot be read."""
    if submission is None:
        return None
    with suppress(FacetwiseError):
        if (forecast := find_submission(workspace, submission).record().forecast) is not None:
            return Expected(forecast.expected, **forecast.interval.as_dict())
    return None
