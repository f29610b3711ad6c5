"""`submit`, `score`: what goes out, and what it was worth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facetwise.cli.context import console, get_context, print_json, say
from facetwise.cli.data import Json
from facetwise.cli.runs import Tta


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    for command in (submit, score):
        app.command()(command)


def submit(
    context: typer.Context,
    run: Annotated[str, typer.Argument(help="A run: its id, number or `last`.")] = "last",
    tta: Tta = "none",
    yes: Annotated[bool, typer.Option("--yes", help="Confirm what the gate warns of.")] = False,
    fill_missing: Annotated[
        bool, typer.Option("--fill-missing", help="Answer unreadable images with the commonest predicted class.")
    ] = False,
    json: Json = False,
) -> None:
    """Make a submission from a run.

    It passes the gate first, is recorded with what made it, and comes with the score to expect.
    """
    from facetwise import api
    from facetwise.cli.gate import submission_dict, submission_text

    made = api.submit(get_context(context).project(), run, tta=tta, yes=yes, fill_missing=fill_missing)
    if json:
        print_json(submission_dict(made))
    else:
        console().print(submission_text(made))
        typer.echo(str(made.folder.csv_file))


def score(
    context: typer.Context,
    submission: Annotated[str, typer.Argument(help="A submission's id, number or `last`, or a csv file.")],
    labels: Annotated[Path, typer.Option(help="A csv with the true joint class of every image.")],
    json: Json = False,
) -> None:
    """Score a submission against labels."""
    from facetwise import api
    from facetwise.report.text import scorecard_text

    card = api.score(get_context(context).project(), submission, labels=labels)
    if json:
        print_json(card.as_dict())
    else:
        console().print(scorecard_text(card))
    if card.by == "image":
        say("note: the labels do not say whose image it is, so the interval goes by image and is too narrow")
