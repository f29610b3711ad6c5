"""`rules`: by which rule probabilities are best turned into classes."""

from __future__ import annotations

from typing import Annotated

import typer

from facetwise.cli.context import console, get_context, print_json
from facetwise.cli.data import Json


def register(app: typer.Typer) -> None:
    """Add this group's command."""
    app.command()(rules)


def rules(
    context: typer.Context,
    reference: Annotated[str, typer.Argument(help="A run (`3`, `last`, id) or a blend (`b3`, `blend:last`).")] = "last",
    json: Json = False,
) -> None:
    """Say what each decision rule would be worth.

    Class multipliers, per attribute or joint, and moved cuts, against taking the most probable class. Each is fitted on
    four fifths of the people and applied to the fifth. Nothing is changed.
    """
    from facetwise import api
    from facetwise.screens.text.decisions.rules import rules_text

    view = api.rules(get_context(context).project(), reference)
    if json:
        print_json(view.as_dict())
    else:
        console().print(rules_text(view))
