"""`forecast`, `plan`, `final`, `leaderboard`: what to expect, what to send, what to choose, and what came of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facetwise.cli.context import console, get_context, owns_stdout, print_json, say_written
from facetwise.cli.data import Json


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    for command in (forecast, plan, final, leaderboard):
        app.command()(command)


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
