"""`submit`, `gate`, `score`: what goes out, and what it was worth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facetwise.cli.context import console, get_context, print_json, say
from facetwise.cli.data import Json
from facetwise.cli.runs import Tta

if TYPE_CHECKING:
    from facetwise.core.project import Project
    from facetwise.submission.make import Submission


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    for command in (submit, gate, score):
        app.command()(command)


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
    submission: Annotated[str, typer.Argument(help="A submission's id, number or `last`, or a csv file.")],
    labels: Annotated[Path, typer.Option(help="A csv with the true joint class of every image.")],
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
