"""Import of the platform's table of submissions: strict reading, removal of addresses that grant access, and merging.

The table is tab-separated with one row for each sending: `id`, `submission_id`, `user`, `hyperparameter`,
`description`, `result`, `last`, `final`, `accuracy`, `f1`, ..., `downloadURL`. Its addresses are signed: whoever has
one can fetch the file.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path

from facetwise.core.errors import InputError
from facetwise.core.files.csvtable import CsvTable, raise_problems, read_csv
from facetwise.core.records.provenance import now
from facetwise.core.text.spelling import normal
from facetwise.core.workspace import Workspace
from facetwise.submission.folder import find_submission, list_submissions
from facetwise.submission.ledger.events import (
    DROPPED,
    ImportedEvent,
    append_events,
    moment_of,
    read_events,
    without_secrets,
)
from facetwise.submission.ledger.ledger import Entry, Ledger, read_ledger
from facetwise.submission.ledger.sending import ledger_lock

NEEDED = ("id", "f1")
MATCHED = ("submission_id", "description", "hyperparameter")
"""Columns in which a submission's id is looked for."""
TIMES = ("created_at", "createdAt", "submitted_at", "submittedAt", "sent_at", "sentAt", "date", "time")
"""Columns that may hold the time of sending; the first one present is used."""
_YES, _NO = {"true", "1", "yes", "y", "o"}, {"false", "0", "no", "n", "x", ""}


@dataclass(frozen=True)
class TableImport:
    """The result of importing a table."""

    added: int
    """Rows with new information."""
    known: int
    """Rows that were already in the ledger."""
    matched: dict[str, str]
    """Platform number -> submission."""
    unmatched: tuple[str, ...]
    """Numbers of rows that match no submission of this project."""
    rescored: tuple[str, ...]
    """Descriptions of submissions whose score differs from that of another sending of the same file."""
    dropped: int
    """Number of cells from which an address that might grant access was removed."""


@dataclass(frozen=True)
class _Row:
    line: int
    cells: Mapping[str, str]
    """Without addresses that grant access."""


def import_table(
    workspace: Workspace, path: Path, there: tzinfo, matches: Mapping[str, str] | None = None
) -> TableImport:
    """Add rows of the platform's table with new information to the ledger; importing again adds nothing.

    `there`: the time zone of its times; `matches`: platform number -> reference of a submission, for rows whose text
    does not name one. Raises InputError or ProblemsError naming the lines of an invalid table; the ledger is not
    changed then.
    """
    file = read_csv(path, needed=NEEDED, delimiter="\t")
    rows, dropped = _rows(file)
    matches_by_id = {number: find_submission(workspace, reference).id for number, reference in (matches or {}).items()}
    _check_matches(rows, matches_by_id)
    with ledger_lock(workspace):
        read_ledger(workspace)  # raises for invalid lines
        before = {
            e.platform_id: e
            for line in read_events(workspace.ledger_file)
            if isinstance(e := line.event, ImportedEvent)
        }
        ids = [s.id for s in list_submissions(workspace)]
        events = [_event(row, _whose(row, matches_by_id, ids, before), there) for row in rows]
        new = [e for e in events if e.platform_id not in before or not _same(e, before[e.platform_id])]
        if new:
            append_events(workspace.ledger_file, new, now())
    matched = {e.platform_id: e.submission for e in events if e.submission is not None}
    unmatched = tuple(e.platform_id for e in events if e.submission is None)
    rescored = tuple(_rescored(read_ledger(workspace), {e.submission for e in new}))
    return TableImport(len(new), len(events) - len(new), matched, unmatched, rescored, dropped)


def _rescored(ledger: Ledger, touched: Collection[str | None]) -> Iterator[str]:
    """Descriptions of updated files whose sendings have different scores."""
    for entry in ledger.files:
        if entry.submission is None or entry.submission not in touched:
            continue
        scored = [e for e in ledger.entries if e.submission == entry.submission and e.scored]
        if len({(e.public, e.private) for e in scored}) > 1:
            scores = ", ".join(_score_told(e) for e in scored)
            yield f"`{entry.submission}` was scored more than once: {scores}. {_score_told(entry)} counts: the last one"


def _score_told(entry: Entry) -> str:
    scores = {"public": entry.public, "private": entry.private}
    text = " and ".join(f"{name} {value:.4f}" for name, value in scores.items() if value is not None)
    return text if entry.platform_id is None else f"{text} (platform {entry.platform_id})"


def _rows(file: CsvTable) -> tuple[list[_Row], int]:
    """Rows sorted by number, and the number of cells from which an address was removed; raises ProblemsError."""
    rows, dropped = [], 0
    for name in file.columns:
        file.column(name)  # raises when it stands there twice
    for line, cells in file.records:
        named = {n: c.strip() for n, c in zip(file.names, cells, strict=True) if n and "url" not in n.casefold()}
        dropped += sum(bool(c.strip()) for n, c in zip(file.names, cells, strict=True) if "url" in n.casefold())
        clean = {name: without_secrets(cell) for name, cell in named.items()}
        dropped += sum(clean[name] != cell for name, cell in named.items())
        rows.append(_Row(line, clean))
    raise_problems(file.name, _problems(rows))
    return sorted(rows, key=lambda row: _natural(row.cells["id"])), dropped


def _problems(rows: Sequence[_Row]) -> list[str]:
    problems, first = [], dict[str, int]()
    for row in rows:
        number = row.cells["id"]
        if not number or DROPPED in number:
            problems.append(f"line {row.line}: `id` is {'empty' if not number else 'an address'}")
        elif first.setdefault(number, row.line) != row.line:
            problems.append(f"line {row.line}: `id` {number} again, first on line {first[number]}")
        for column in ("f1", "accuracy"):
            if _score(cell := row.cells.get(column, "")) is None and cell:
                problems.append(
                    f"line {row.line}: `{column}` is {cell[:40]!r}, expected a number from 0 to 1{_as_share(cell)}"
                )
    return problems


def _as_share(cell: str) -> str:
    """A hint for a score that looks like a percentage."""
    number = re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]{1,9})?) ?%?", cell)
    value = float(number.group(1)) if number else 0.0
    return f" ({value:g} per cent is {value / 100:.6g})" if 1 < value <= 100 else ""


def _score(cell: str) -> float | None:
    if not re.fullmatch(r"[0-9]*\.?[0-9]+([eE]-?[0-9]{1,3})?", cell):
        return None
    value = float(cell)
    return value if 0 <= value <= 1 else None


def _natural(number: str) -> tuple[int, str]:
    """Sort key: numbers by value, before anything else."""
    return (int(number), "") if re.fullmatch(r"[0-9]{1,18}", number) else (10**18, number)


def _check_matches(rows: Sequence[_Row], matches_by_id: Mapping[str, str]) -> None:
    numbers = {row.cells["id"] for row in rows}
    if unknown := [number for number in matches_by_id if number not in numbers]:
        raise InputError(
            f"the table has no row with `id` {unknown[0]}", hint="`--matches ID=SUBMISSION` names its `id`"
        )


def _whose(
    row: _Row, matches_by_id: Mapping[str, str], ids: Sequence[str], before: Mapping[str, ImportedEvent]
) -> str | None:
    """The submission of a row: from `matches`, from its text, or from an earlier import."""
    number = row.cells["id"]
    if number in matches_by_id:
        return matches_by_id[number]
    text = "\n".join(normal(row.cells.get(column, "")) for column in MATCHED)
    named = [i for i in ids if re.search(rf"(?<![\w.-]){re.escape(normal(i))}(?![\w-])", text)]
    if len(named) == 1:
        return named[0]
    return before[number].submission if number in before else None


def _event(row: _Row, submission: str | None, there: tzinfo) -> ImportedEvent:
    cells = dict(row.cells)
    column = next((name for name in TIMES if name in cells), "")
    moment = moment_of(cells.get(column, ""), there)
    final = cells.get("final", "?").casefold()
    used = {"id", "f1", "accuracy", "description"}
    used |= {column} if moment else set()
    used |= {"final"} if final in _YES | _NO else set()
    return ImportedEvent(
        time=now(),
        submission=submission,
        platform_id=cells["id"],
        sent=None if moment is None else moment.isoformat(timespec="seconds"),
        public=_score(cells["f1"]),
        public_accuracy=_score(cells.get("accuracy", "")),
        description=cells.get("description", ""),
        final=final in _YES if final in _YES | _NO else None,
        more={name: cell for name, cell in cells.items() if name not in used and cell},
    )


def _same(one: ImportedEvent, two: ImportedEvent) -> bool:
    """Whether two rows have the same content, apart from the time of import."""
    return one.model_dump(exclude={"time"}) == two.model_dump(exclude={"time"})
