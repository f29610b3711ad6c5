"""Submissions to a contest: files, the gate, forecasts, and the final choice."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from facetwise.api.arguments import AnyProject, checked_output, opened_project
from facetwise.api.options import Option, Page, Views, verb

if TYPE_CHECKING:
    from facetwise.evaluate.scorecard import Scorecard
    from facetwise.submission.gate.gate import GateReport
    from facetwise.submission.make import Submission
    from facetwise.submission.planning.final import FinalView
    from facetwise.submission.planning.forecast import ForecastView
    from facetwise.submission.planning.leaderboard import LeaderboardView
    from facetwise.submission.planning.plan import PlanView


@verb
def submit(
    project: AnyProject = ".",
    source: Annotated[str, Option("A run (its id, number or `last`) or a blend (`b3`, `blend:last`, id).")] = "last",
    *,
    tta: Views = "none",
    yes: Annotated[bool, Option("Confirm what the gate warns of.")] = False,
    fill_missing: Annotated[bool, Option("Answer unreadable images with the most frequent predicted class.")] = False,
    against_others: Annotated[bool, Option("Make it even though other predictions contradict it.")] = False,
) -> "Submission":
    """Make a submission from a run or a blend and record it; nothing is written when the gate refuses (GateError).

    `yes` confirms the gate's warnings; `fill_missing` answers unreadable images with the most frequent predicted class;
    `against_others` overrides the gate where only other predictions contradict the file.
    """
    from facetwise.results.ranked import rank_predictors
    from facetwise.submission.folder import SubmitSpec
    from facetwise.submission.make import make_submission

    opened = opened_project(project)
    spec = SubmitSpec(confirmed=yes, overruled=against_others, fill_missing=fill_missing)
    return make_submission(opened, str(source), tta=tta, spec=spec, others=rank_predictors(opened))


@verb
def gate(
    project: AnyProject, file: Annotated[str | Path, Option("A csv file to check before it is sent.")]
) -> "GateReport":
    """The gate's report on any csv file, made by this project or not; sends and records nothing.

    Raises InputError when the file cannot be read; faults of its content are in the report.
    """
    from facetwise.results.ranked import rank_predictors
    from facetwise.submission.make import gate_file

    opened = opened_project(project)
    return gate_file(opened, Path(file), others=rank_predictors(opened))


@verb
def score(
    project: AnyProject = ".",
    submission: Annotated[str | Path, Option("A submission's id, number or `last`, or a csv file.", kind=str)] = "last",
    *,
    labels: Annotated[str | Path, Option("A csv with the true joint class of every image.")],
) -> "Scorecard":
    """Score a submission (its id, number, `last`, or a csv file) against a csv of true joint classes."""
    from facetwise.core.errors import InputError
    from facetwise.submission.folder import find_submission, score_submission

    opened = opened_project(project)
    side = opened.file.dataset.test
    if side is None:
        raise InputError("the dataset has no test side: there is nothing to score")
    file = Path(submission)
    if not file.is_file():
        recorded = find_submission(opened.workspace, str(submission))
        recorded.read_csv_bytes()  # raises when it is not the csv that was recorded
        file = recorded.csv_file
    metric = opened.file.score.metric
    return score_submission(file, Path(labels), side.image, side.answer, opened.space, metric=metric)


@verb
def forecast(
    project: AnyProject,
    reference: Annotated[
        str, Option("A run (`3`, `last`), a blend (`b1`) or a submission (`s1`).", metavar="REF")
    ] = "last",
) -> "ForecastView":
    """The leaderboard score to expect of a run (`3`, `last`), a blend (`b1`) or a submission (`s1`).

    Every score has a 90 % prediction interval. Public scores in the ledger count the more, the more similar the answers
    are. Raises InputError when it has no out-of-fold predictions, or lacks an attribute.
    """
    from facetwise.submission.planning.forecast import build_forecast_view

    return build_forecast_view(opened_project(project), str(reference))


@verb
def plan(project: AnyProject = ".") -> "PlanView":
    """Which files to send today, in which order and why; raises InputError when there is nothing to send."""
    from datetime import UTC, datetime

    from facetwise.results.ranked import rank_predictors
    from facetwise.submission.planning.plan import build_plan

    opened = opened_project(project)
    return build_plan(opened, datetime.now(UTC), rank_predictors(opened))


@verb
def final(
    project: AnyProject = ".",
    *,
    count: Annotated[int, Option("How many the contest lets you choose.")] = 2,
) -> "FinalView":
    """Which sent submissions to choose for the private score, and why.

    Raises SettingError when `count` is not positive, InputError when nothing was sent.
    """
    from facetwise.submission.planning.final import build_final

    return build_final(opened_project(project), count)


@verb
def leaderboard(project: AnyProject = ".", *, html: Page = None) -> "LeaderboardView":
    """Forecast and score of every sent submission; with `html` also written as a page.

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
