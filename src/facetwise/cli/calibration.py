"""`calibration`: whether probabilities mean what they say."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facetwise.cli.context import console, get_context, owns_stdout, print_json, say_written
from facetwise.cli.data import Json


def register(app: typer.Typer) -> None:
    """Add this group's command."""
    app.command()(calibration)


def calibration(
    context: typer.Context,
    reference: Annotated[str, typer.Argument(help="A run (`3`, `last`, id) or a blend (`b3`, `blend:last`).")] = "last",
    html: Annotated[Path | None, typer.Option(help="Write one self-contained page to this file.")] = None,
    json: Json = False,
) -> None:
    """Say how far probabilities can be believed.

    Fits a temperature an attribute on out-of-fold predictions, and says what it would do by a nested estimate; `--html`
    writes a page with reliability plots. Nothing is changed.
    """
    from facetwise import api
    from facetwise.screens.text.decisions.calibration import calibration_text

    owns_stdout(json, html)
    view = api.calibration(get_context(context).project(), reference, html=html)
    if json:
        print_json(view.as_dict())
    elif html is None:
        console().print(calibration_text(view))
    say_written(html)
