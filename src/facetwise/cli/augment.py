"""`augment`: see what a recipe does to images before it trains on them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facetwise.cli.context import get_context, progress_bar, say_written


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    app.command()(augment)


def augment(
    context: typer.Context,
    recipe: Annotated[str, typer.Argument(help="A recipe file, or the name of a shipped recipe.")],
    out: Annotated[Path, typer.Option(help="The PNG to write.")],
    rows: Annotated[int, typer.Option(help="Training images to show.", min=1, max=64)] = 8,
    columns: Annotated[int, typer.Option(help="Pictures of each: as stored, then augmented.", min=2, max=64)] = 8,
    seed: Annotated[int, typer.Option(help="Another seed shows other images and draws.", min=0)] = 0,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Change one key: `--set augment+=blur`. May be repeated.")
    ] = None,
) -> None:
    """Draw a contact sheet: training images as the network will see them.

    The first column is as stored, the others are augmented, mixed images with the shares of their labels.
    """
    from facetwise import api

    project = get_context(context).project()
    with progress_bar("decoding images") as progress:
        written = api.augment(
            project, recipe, out=out, rows=rows, columns=columns, seed=seed, settings=settings or (), progress=progress
        )
    say_written(written)
