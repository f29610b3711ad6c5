"""What goes out to a contest: files, the gate, forecasts, and what to choose in the end."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from facetwise.api.arguments import AnyProject, checked_output, opened_project

if TYPE_CHECKING:
    from facetwise.evaluate.scorecard import Scorecard
    from facetwise.recipe.predict import Tta
    from facetwise.submission.gate.gate import GateReport
    from facetwise.submission.make import Submission
    from facetwise.submission.planning.final import FinalView
    from facetwise.submission.planning.forecast import ForecastView
    from facetwise.submission.planning.leaderboard import LeaderboardView
    from facetwise.submission.planning.plan import PlanView


def submit(
    project: AnyProject = ".",
    source: str = "last",
    *,
    tta: Tta = "none",
    yes: bool = False,
    fill_missing: bool = False,
    against_others: bool = False,
) -> Submission:
    """Make a submission from a run or a blend and record it; nothing is written when the gate refuses (GateError).

    `yes` confirms the gate's warnings; `fill_missing` answers images that cannot be read with the commonest class;
    `against_others` overrules the gate where only other predictions speak against the file.
    """
    from facetwise.results.ranked import best_first
    from facetwise.submission.make import SubmitSpec, make_submission

    opened = opened_project(project)
    spec = SubmitSpec(confirmed=yes, overruled=against_others, fill_missing=fill_missing)
    return make_submission(opened, str(source), tta=tta, spec=spec, others=best_first(opened))


def gate(project: AnyProject, file: str | Path) -> GateReport:
    """What the gate says of any csv file, made here or elsewhere; sends and records nothing.

    Raises InputError when the file cannot be read; what is wrong with its content is in the report.
    """
    from facetwise.results.ranked import best_first
    from facetwise.submission.make import gate_file

    opened = opened_project(project)
    return gate_file(opened, Path(file), others=best_first(opened))


def score(project: AnyProject = ".", submission: str | Path = "last", *, labels: str | Path) -> Scorecard:
    """Score a submission (its id, number, `last`, or a csv file) against a csv of true joint classes."""
    from facetwise.core.errors import InputError
    from facetwise.submission.folder import find_submission, score_submission

    opened = opened_project(project)
    side = opened.file.dataset.test
    if side is None:
        raise InputError("the dataset has no test side: there is nothing to score")
    given = Path(submission)
    if not given.is_file():
        recorded = find_submission(opened.workspace, str(submission))
        recorded.read_csv_bytes()  # raises when it is not the csv that was recorded
        given = recorded.csv_file
    return score_submission(given, Path(labels), side.image, side.answer, opened.space)


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
