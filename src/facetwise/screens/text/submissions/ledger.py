"""The ledger as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from facetwise.results.wording import DASH, heading, percent, shared_level
from facetwise.screens.kit import Group, RenderableType, Table, Text

if TYPE_CHECKING:
    from facetwise.submission.ledger.ledger import Entry
    from facetwise.submission.ledger.view import Expected, LedgerRow, LedgerView


def ledger_text(view: LedgerView) -> RenderableType:
    """A row a sending, then what was not sent, then what is left today."""

    lines: list[RenderableType] = [_table(view.rows), Text()] if view.rows else [Text("nothing was sent yet")]
    lines += [Text(f"warning: {text}", style="yellow") for text in view.odd]
    if view.unsent:
        lines.append(Text(f"made and not sent: {', '.join(view.unsent)}"))
    if view.quota is not None:
        lines.append(Text(view.quota.text()))
    else:
        lines.append(Text("no limit a day is set (`contest.submissions_per_day` in facetwise.toml)", style="dim"))
    return Group(*lines)


def _table(rows: tuple[LedgerRow, ...]) -> RenderableType:
    level = shared_level(row.expected.interval for row in rows if row.expected is not None)
    table = Table()
    table.add_column("submission")
    for name in ("sent (UTC)", "public", "private", heading("forecast", level)):
        table.add_column(name)
    table.add_column("")
    for row in rows:
        entry = row.entry
        notes = [*(["final"] if entry.final else []), *([entry.description] if entry.description else []), *row.notes]
        found = row.expected
        expected = DASH if found is None else _forecast(found, level)
        cells = (entry.name, minute_of(entry.sent), _score(entry.public), _score(entry.private), expected)
        notes += [f"also {_sending(other)}" for other in row.others]
        table.add_row(*map(Text, cells), Text("; ".join(notes), style="dim"))
    return table


def _forecast(found: Expected, level: float | None) -> str:
    """With four decimals, as platforms give the scores beside it."""
    low_high = f"{found.score:.4f} [{found.low:.4f}, {found.high:.4f}]"
    return low_high if level is not None else f"{low_high} ({percent(found.level)})"


def _sending(entry: Entry) -> str:
    """Another sending of a file, which does not represent it."""
    scores = {"public": entry.public, "private": entry.private}
    scored = [f"{name} {value:.4f}" for name, value in scores.items() if value is not None]
    known = "" if entry.platform_id is None else f" (platform {entry.platform_id})"
    when = "sent, when is not known" if entry.sent is None else f"sent {minute_of(entry.sent)}"
    return f"{when}{known}: {', '.join(scored) or 'no score'}"


def _score(value: float | None) -> str:
    return DASH if value is None else f"{value:.4f}"


def minute_of(time: str | None) -> str:
    """A time of the ledger, to the minute."""
    return "not known" if time is None else time[:16].replace("T", " ")
