"""`cuts`: whether a cut is better moved after training."""

from __future__ import annotations

from typing import Annotated

import typer

from facetwise.cli.context import console, get_context, print_json
from facetwise.cli.data import Json


def register(app: typer.Typer) -> None:
    """Add this group's command."""
    app.command()(cuts)


def cuts(
    context: typer.Context,
    run: Annotated[str, typer.Argument(help="A run: its id, number or `last`.")] = "last",
    attribute: Annotated[str | None, typer.Option(help="The attribute; the default is all that can be cut.")] = None,
    json: Json = False,
) -> None:
    """Choose where to cut an attribute after training.

    For a run whose head has `kind = "years"` or `"ordinal"`. Says what the choice is worth by a nested estimate: people
    are split in five, cuts chosen on four parts and applied to the fifth. Nothing is changed.
    """
    from facetwise import api
    from facetwise.screens.text.decisions.cuts import cuts_text

    view = api.cuts(get_context(context).project(), run, attribute=attribute)
    if json:
        print_json(view.as_dict())
    else:
        console().print(cuts_text(view))
