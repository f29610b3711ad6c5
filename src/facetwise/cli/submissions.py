"""`submit`, `gate`, `score`, `forecast`, `plan`, `final`, `leaderboard`: what goes out, and what to choose."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facetwise.cli.context import console, get_context, owns_stdout, print_json, say, say_written
from facetwise.cli.options import Json, Tta

if TYPE_CHECKING:
    from facetwise.core.project import Project
    from facetwise.submission.make import Submission


def submit(
    context: typer.Context,
    source: Annotated[
        str, typer.Argument(help="A run (its id, number or `last`) or a blend (`b3`, `blend:last`, id).")
    ] = "last",
    tta: Tta = "none",
    yes: Annotated[bool, typer.Option("--yes", help="Confirm what the gate warns of.")] = False,
    fill_missing: Annotated[
        bool, typer.Option("--fill-missing", help="Answer unreadable images with the commonest predicted class.")
    ] = False,
    against_others: Annotated[
        bool, typer.Option("--against-others", help="Send it though other predictions speak against it.")
    ] = False,
    json: Json = False,
) -> None:
    """Make a submission from a run or a blend.

    It passes the gate first, is recorded with what made it, and comes with the score to expect.
    """
    from facetwise import api
    from facetwise.screens.text.submissions.gate import submission_dict, submission_text

    project = get_context(context).project()
    made = api.submit(
        project, source, tta=tta, yes=yes, fill_missing=fill_missing, against_others=against_others
    )  # fmt: skip
    if json:
        print_json(submission_dict(made))
    else:
        console().print(submission_text(made))
        typer.echo(str(made.folder.csv_file))
    _say_what_is_left(project, made)


def _say_what_is_left(project: Project, made: Submission) -> None:
    """How many files may still be sent; the submission is made, whatever the ledger looks like."""
    from facetwise import api
    from facetwise.core.errors import FacetwiseError

    try:
        left = api.ledger(project).quota
    except FacetwiseError as error:
        say(f"what is left today is not known: {error}")
        return
    if left is not None:
        say(left.told())
    say(f"when it is sent: facetwise ledger sent {made.folder.id.split('-')[0]}")


def gate(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A csv file to send, from wherever.")],
    json: Json = False,
) -> None:
    """Look at a csv file before it is sent, as `submit` does.

    For files that were made elsewhere. Nothing is recorded. Ends with exit code 2 when the file must not be sent.
    """
    from facetwise import api
    from facetwise.screens.text.submissions.gate import gate_text

    report = api.gate(get_context(context).project(), file)
    if json:
        print_json(report.as_dict())
    else:
        console().print(gate_text(report, str(file)))
    if report.errors:
        raise typer.Exit(2)


def score(
    context: typer.Context,
    labels: Annotated[Path, typer.Option(help="A csv with the true joint class of every image.")],
    submission: Annotated[str, typer.Argument(help="A submission's id, number or `last`, or a csv file.")] = "last",
    json: Json = False,
) -> None:
    """Score a submission against labels."""
    from facetwise import api
    from facetwise.screens.text.run import scorecard_text

    card = api.score(get_context(context).project(), submission, labels=labels)
    if json:
        print_json(card.as_dict())
    else:
        console().print(scorecard_text(card))
    if card.by == "image":
        say("note: the labels do not say whose image it is, so the interval goes by image and is too narrow")


def forecast(
    context: typer.Context,
    reference: Annotated[
        str, typer.Argument(metavar="REF", help="A run (`3`, `last`), a blend (`b1`) or a submission (`s1`).")
    ] = "last",
    json: Json = False,
) -> None:
    """Forecast the leaderboard score of a run, a blend or a submission.

    With 90 % prediction intervals for the people of the public and of the private part, from out-of-fold predictions
    and from the public scores in the ledger, the more the more alike the answers are.
    """
    from facetwise import api
    from facetwise.screens.text.submissions.planning import forecast_text

    view = api.forecast(get_context(context).project(), reference)
    if json:
        print_json(view.as_dict())
    else:
        console().print(forecast_text(view))


def plan(context: typer.Context, json: Json = False) -> None:
    """Say which files to send today, and why.

    Looks at submissions that were made and not sent, and at the best runs and blends that could be one.
    """
    from facetwise import api
    from facetwise.screens.text.submissions.planning import plan_text

    view = api.plan(get_context(context).project())
    if json:
        print_json(view.as_dict())
    else:
        console().print(plan_text(view))


def final(
    context: typer.Context,
    count: Annotated[int, typer.Option(help="How many the contest lets you choose.")] = 2,
    json: Json = False,
) -> None:
    """Say which submissions to choose for the private score.

    Those whose better one is to be expected highest, given all public scores; and why not by public score alone.
    """
    from facetwise import api
    from facetwise.screens.text.submissions.planning import final_text

    view = api.final(get_context(context).project(), count=count)
    if json:
        print_json(view.as_dict())
    else:
        console().print(final_text(view))


def leaderboard(
    context: typer.Context,
    html: Annotated[Path | None, typer.Option(help="Write one self-contained page to this file.")] = None,
    json: Json = False,
) -> None:
    """Hold what was sent against what was expected of it.

    Out-of-fold score, forecast, public and private score of every submission, whether both put them into the same
    order, and which stand out.
    """
    from facetwise import api
    from facetwise.screens.text.submissions.leaderboard import leaderboard_text

    page_only = owns_stdout(json, html)
    view = api.leaderboard(get_context(context).project(), html=html)
    if json:
        print_json(view.as_dict())
    elif not page_only:
        console().print(leaderboard_text(view))
    say_written(html)


COMMANDS = (submit, gate, score, forecast, plan, final, leaderboard)
