"""What a submission will score, what to send, what to choose in the end, and what came of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from facetwise.api.arguments import AnyProject, checked_output, opened_project

if TYPE_CHECKING:
    from facetwise.submission.planning.final import FinalView
    from facetwise.submission.planning.forecast import ForecastView
    from facetwise.submission.planning.leaderboard import LeaderboardView
    from facetwise.submission.planning.plan import PlanView


def forecast(project: AnyProject, reference: str = "last") -> ForecastView:
    """The leaderboard score to expect of a run (`3`, `last`), a blend (`b1`) or a submission (`s1`).

    Every score has a 90 % interval. Learns from public scores in the ledger, the more the more alike the answers are.
    Raises InputError when nothing is known of it out of fold, or it lacks an attribute.
    """
    from facetwise.submission.planning.forecast import build_forecast_view

    return build_forecast_view(opened_project(project), str(reference))


def plan(project: AnyProject = ".") -> PlanView:
    """Which files to send today, in which order and why; raises InputError when nothing could be sent."""
    from datetime import UTC, datetime

    from facetwise.results.ranked import best_first
    from facetwise.submission.planning.plan import build_plan

    opened = opened_project(project)
    return build_plan(opened, datetime.now(UTC), best_first(opened))


def final(project: AnyProject = ".", *, count: int = 2) -> FinalView:
    """Which of the submissions that were sent to choose for the private score, and why.

    Raises SettingError when `count` is not positive, InputError when nothing was sent.
    """
    from facetwise.submission.planning.final import build_final

    return build_final(opened_project(project), count)


def leaderboard(project: AnyProject = ".", *, html: str | Path | None = None) -> LeaderboardView:
    """What was expected of every submission that was sent, and what it scored; with `html` also written as a page.

    Raises InputError when nothing was sent yet.
    """
    from facetwise.screens.pages.leaderboard_page import write_leaderboard_page
    from facetwise.submission.planning.leaderboard import build_leaderboard

    opened = opened_project(project)
    if html is not None:
        checked_output(opened, html)
    view = build_leaderboard(opened)
    if html is not None:
        write_leaderboard_page(view, Path(html))
    return view
