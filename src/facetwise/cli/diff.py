"""`diff`: where answers to the same images differ."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facetwise.cli.context import console, get_context, owns_stdout, print_json, say_written
from facetwise.cli.data import Json


def register(app: typer.Typer) -> None:
    """Add this group's command."""
    app.command()(diff)


def diff(
    context: typer.Context,
    references: Annotated[
        list[str],
        typer.Argument(
            metavar="SIDE",
            help="Two or more: a run (`3`, `last`, its id), a blend (`b3`, `blend:last`), `foreign:NAME`, a submission "
            "(`s1`, `submission:last`), or the path of a filled-in csv.",
        ),
    ],
    oof: Annotated[
        bool, typer.Option("--oof", help="Compare runs and blends out of fold, where the truth is known.")
    ] = False,
    html: Annotated[Path | None, typer.Option(help="Write one self-contained page with photos to this file.")] = None,
    limit: Annotated[int, typer.Option(min=0, help="Images to show of each kind of disagreement.")] = 24,
    json: Json = False,
) -> None:
    """Show where two or more answer the same images differently.

    Agreement, which attribute moved, from which class to which, and the surest disagreements first. Of three or more
    also who is outvoted. Nothing is changed.
    """
    from facetwise import api
    from facetwise.screens.text.diff import diff_text

    owns_stdout(json, html)
    view = api.diff(get_context(context).project(), *references, oof=oof, html=html, limit=limit)
    if json:
        print_json(view.as_dict())
    elif html is None:
        console().print(diff_text(view))
    say_written(html)
