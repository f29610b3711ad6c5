"""`doctor`, `clean`: what machine and project lack, and the disk."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from facetwise.cli.context import console, get_context, print_json, say
from facetwise.cli.options import Json


def doctor(context: typer.Context, json: Json = False) -> None:
    """Say what machine and project have and lack."""
    from facetwise import api
    from facetwise.screens.text.doctor import doctor_text

    found = api.doctor(get_context(context).folder)
    if json:
        print_json(found.as_dict())
    else:
        console().print(doctor_text(found))
    if any(line.level == "problem" for line in found.findings):
        raise typer.Exit(1)


def clean(
    context: typer.Context,
    keep: Annotated[int, typer.Option(help="How many of the best runs of a kind keep their weights.", min=0)] = 5,
    stores: Annotated[
        bool, typer.Option("--stores", help="Image stores too that no kept run and no recipe reads.")
    ] = False,
    predictions: Annotated[bool, typer.Option("--predictions", help="Predictions of other photos too.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Delete; without it only show what would go.")] = False,
    json: Json = False,
) -> None:
    """Free disk space.

    Shows what would go and what stays, and why. Keeps what submissions need, the best runs, the newest and the
    unfinished ones (but for trials that a search stopped), and the tables, recipe and record of every run.
    """
    from facetwise import api
    from facetwise.screens.text.clean import clean_text, size
    from facetwise.upkeep.clean import clean as delete

    project = get_context(context).project()
    plan = api.clean(project, keep=keep, stores=stores, predictions=predictions)
    if not json:
        console().print(clean_text(plan))
    if plan.freed and (yes or (not json and _asked())):
        plan = delete(project, plan)
    if json:
        print_json(plan.as_dict())
        return
    for line in plan.refused:
        say(f"not deleted: {line}")
    if plan.deleted:
        say(f"freed {size(plan.num_bytes)}")
    elif plan.freed:
        say("nothing was deleted; `--yes` deletes it")


def _asked() -> bool:
    """Ask on a terminal; elsewhere nobody can answer."""
    return sys.stdin.isatty() and sys.stderr.isatty() and typer.confirm("Delete this?", default=False, err=True)


COMMANDS = (doctor, clean)
