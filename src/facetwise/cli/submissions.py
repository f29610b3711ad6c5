"""`submit`, `gate`, `score`, `forecast`, `plan`, `final`, `leaderboard`: submissions and the final choice."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from facetwise import api
from facetwise.cli.commands import Call, Json, command, room
from facetwise.cli.context import console, owns_stdout, print_json, print_view, say, say_written
from facetwise.core.text.commands import typed

if TYPE_CHECKING:
    from facetwise.core.project import Project
    from facetwise.evaluate.scorecard import Scorecard
    from facetwise.submission.gate.gate import GateReport
    from facetwise.submission.make import Submission
    from facetwise.submission.planning.final import FinalView
    from facetwise.submission.planning.forecast import ForecastView
    from facetwise.submission.planning.leaderboard import LeaderboardView
    from facetwise.submission.planning.plan import PlanView

ROOM = room()


@command(ROOM, api.submit)
def _(call: "Call[Submission]", json: Json = False) -> None:
    """Make a submission from a run or a blend.

    The gate checks it first; it is recorded with its sources, and its expected score is shown.
    """
    from facetwise.screens.text.submissions.gate import submission_dict, submission_text

    made = call()
    if json:
        print_json(submission_dict(made))
    else:
        console().print(submission_text(made))
        typer.echo(str(made.folder.csv_file))
    _say_what_is_left(call.project, made)


def _say_what_is_left(project: "Project", made: "Submission") -> None:
    """Print how many files may still be sent; a damaged ledger is no error here, as the submission is already made."""
    from facetwise.core.errors import FacetwiseError

    try:
        left = api.ledger(project).quota
    except FacetwiseError as error:
        say(f"what is left today is not known: {error}")
        return
    if left is not None:
        say(left.text())
    say(f"when it is sent: {typed('ledger', 'sent', made.folder.id.split('-')[0])}")


@command(ROOM, api.gate)
def _(call: "Call[GateReport]", file: Path, json: Json = False) -> None:
    """Check a csv file before it is sent, as `submit` does.

    For files that this project did not make. Nothing is recorded. The last line is `may be sent`, or `look first` with
    exit code 2.
    """
    from facetwise.screens.text.submissions.gate import gate_text

    report = call()
    if json:
        print_json(report.as_dict())
    else:
        console().print(gate_text(report, str(file)))
    if not report.may_be_sent:
        raise typer.Exit(2)


@command(ROOM, api.score)
def _(call: "Call[Scorecard]", json: Json = False) -> None:
    """Score a submission against labels."""
    from facetwise.screens.text.runs.run import scorecard_text

    card = call()
    print_view(card, json, scorecard_text)
    if card.by == "image":
        say("note: the labels do not say whose image it is, so the interval goes by image and is too narrow")


@command(ROOM, api.forecast)
def _(call: "Call[ForecastView]", json: Json = False) -> None:
    """Forecast the leaderboard score of a run, a blend or a submission.

    With 90 % prediction intervals for the people of the public and of the private part, from out-of-fold predictions
    and public scores in the ledger; these count the more, the more similar the answers are.
    """
    from facetwise.screens.text.submissions.planning import forecast_text

    print_view(call(), json, forecast_text)


@command(ROOM, api.plan)
def _(call: "Call[PlanView]", json: Json = False) -> None:
    """Say which files to send today, and why.

    Considers unsent submissions, and the best runs and blends that could be submitted.
    """
    from facetwise.screens.text.submissions.planning import plan_text

    print_view(call(), json, plan_text)


@command(ROOM, api.final)
def _(call: "Call[FinalView]", json: Json = False) -> None:
    """Say which submissions to choose for the private score.

    The choice with the highest expected best private score, given all public scores; and why not by public score alone.
    """
    from facetwise.screens.text.submissions.planning import final_text

    print_view(call(), json, final_text)


@command(ROOM, api.leaderboard)
def _(call: "Call[LeaderboardView]", html: Path | None, json: Json = False) -> None:
    """Compare the scores of sent submissions with their forecasts.

    Out-of-fold score, forecast, public and private score of every submission, whether out-of-fold and public scores
    rank them alike, and which ones stand out.
    """
    from facetwise.screens.text.submissions.leaderboard import leaderboard_text

    page_only = owns_stdout(json, html)
    view = call()
    if json:
        print_json(view.as_dict())
    elif not page_only:
        console().print(leaderboard_text(view))
    say_written(html)
