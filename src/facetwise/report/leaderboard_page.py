"""The page of cross-validation against the leaderboard."""

from __future__ import annotations

from pathlib import Path

from facetwise.core.workspace import write_atomic
from facetwise.report.html import page
from facetwise.report.leaderboard import LeaderboardView, findings, outcome_text
from facetwise.report.plots import leaderboard_scatter


def write_leaderboard_page(view: LeaderboardView, out: Path) -> None:
    """Write the page to the file `out`, whole or not at all."""
    write_atomic(out, leaderboard_page(view))


def leaderboard_page(view: LeaderboardView) -> str:
    """The page: the figure where there is something to draw, what it comes to, and the table."""
    figures = {"scatter": leaderboard_scatter(view)} if view.expected else {}
    return page("leaderboard.html.j2", view, figures, findings=list(findings(view)), outcome_text=outcome_text)
