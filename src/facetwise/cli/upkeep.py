"""`doctor`, `clean`: checks of the machine and the project, and freeing disk space."""

import sys
from typing import TYPE_CHECKING

import typer

from facetwise import api
from facetwise.cli.commands import Call, Json, command, room
from facetwise.cli.context import console, get_context, print_json, print_view, say
from facetwise.core.text.counting import in_bytes

if TYPE_CHECKING:
    from facetwise.upkeep.clean import CleanPlan
    from facetwise.upkeep.doctor import Doctor

ROOM = room()


@command(ROOM, api.doctor)
def _(call: "Call[Doctor]", context: typer.Context, json: Json = False) -> None:
    """Check what the machine and the project have and lack."""
    from facetwise.screens.text.doctor import doctor_text

    folder = get_context(context).folder
    found = call(folder=folder)
    print_view(found, json, doctor_text)
    if any(line.level == "problem" for line in found.findings):
        raise typer.Exit(1)


@command(ROOM, api.clean)
def _(call: "Call[CleanPlan]", yes: bool, json: Json = False) -> None:
    """Free disk space.

    Shows what would be deleted, what stays, and why. Keeps what submissions need, the best runs, the newest and the
    unfinished ones (except trials that a search stopped), and the tables, recipe and record of every run.
    """
    from facetwise.screens.text.clean import clean_text
    from facetwise.upkeep.clean import clean as delete

    plan = call(yes=False)
    if not json:
        console().print(clean_text(plan))
    if plan.freed and (yes or (not json and _asked())):
        plan = delete(call.project, plan)
    if json:
        print_json(plan.as_dict())
        return
    for line in plan.refused:
        say(f"not deleted: {line}")
    if plan.deleted:
        say(f"freed {in_bytes(plan.num_bytes)}")
    elif plan.freed:
        say("nothing was deleted; `--yes` deletes it")


def _asked() -> bool:
    """Ask for confirmation on a terminal; without one the answer is no."""
    return sys.stdin.isatty() and sys.stderr.isatty() and typer.confirm("Delete this?", default=False, err=True)
