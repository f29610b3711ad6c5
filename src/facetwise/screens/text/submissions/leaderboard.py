"""Forecasts beside the leaderboard, as text."""

from __future__ import annotations

from facetwise.results.wording import DASH, below_heading, heading
from facetwise.screens.kit import Group, RenderableType, Table, Text
from facetwise.submission.planning.leaderboard import LeaderboardView, Outcome, findings


def leaderboard_text(view: LeaderboardView) -> RenderableType:
    """The view for a terminal: a table, and what it comes to."""
    table = Table()
    table.add_column("submission")
    level, made = view.out_of_fold_level, view.made_level
    for name in (heading("out of fold", level), heading("forecast when made", made), "public", "private"):
        table.add_column(name)
    for row in view.rows:
        cells = [
            below_heading(row.out_of_fold, row.out_of_fold_interval, level),
            below_heading(row.made_expected, row.made_interval, made),
            outcome_text(row.public),
            outcome_text(row.private),
        ]
        table.add_row(row.name, *cells, style="yellow" if row.stands_out else "")
    parts: list[RenderableType] = [table, Text()]
    parts += [Text(line) for line in findings(view)]
    missing = [Text(f"{row.name}: {row.why_not}", style="dim") for row in view.rows if row.why_not]
    return Group(*parts, *missing, *(Text(note, style="dim") for note in view.notes))


def outcome_text(outcome: Outcome | None) -> str:
    """`0.7478 (+0.8 sd)`, with an exclamation mark where it stands out."""
    if outcome is None:
        return DASH
    deviation = outcome.deviation
    deviation_text = "" if deviation is None else f" ({deviation:+z.1f} sd)"
    return f"{outcome.score:.4f}{deviation_text}{'!' if outcome.stands_out else ''}"
