"""`clean`: freeing the disk, after a look at what would go."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from facetwise.cli.context import console, get_context, print_json, say
from facetwise.cli.data import Json

if TYPE_CHECKING:
    from rich.console import RenderableType

    from facetwise.study.clean import CleanPlan


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    app.command()(clean)


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
    from facetwise.study.clean import clean as delete

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


def clean_text(plan: CleanPlan) -> RenderableType:
    """The plan as two tables: what would go, and what stays."""
    from rich.console import Group
    from rich.text import Text

    parts: list[RenderableType] = []
    if plan.freed:
        rows = [(f.what, f.why, size(f.num_bytes)) for f in plan.freed]
        parts += [_table("would go", "why it may", [*rows, ("in all", "", size(plan.num_bytes))]), Text()]
    else:
        parts += [Text(f"{plan.project}: there is nothing to clean"), Text()]
    if plan.kept:
        parts += [_table("stays", "why", [(k.what, "; ".join(k.why), size(k.num_bytes)) for k in plan.kept]), Text()]
    if plan.num_runs:
        parts.append(Text(f"The tables, recipe and record of every run stay ({plan.num_runs} in all).", style="dim"))
    return Group(*parts)


def _table(first: str, second: str, rows: list[tuple[str, str, str]]) -> RenderableType:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column(first, overflow="fold")
    table.add_column(second, overflow="fold")
    table.add_column("size", justify="right", no_wrap=True)
    for what, why, held in rows:
        table.add_row(Text(what), Text(why, style="dim"), held)
    return table


def size(num_bytes: int) -> str:
    """Bytes for people: `12 KiB`, `34.5 MiB`, `1.2 GiB`."""
    for unit, bits in (("GiB", 30), ("MiB", 20)):
        if num_bytes >= 2**bits:
            return f"{num_bytes / 2**bits:.1f} {unit}"
    return f"{num_bytes / 2**10:.0f} KiB"
