"""`rules`, `cuts`, `calibration`: from probabilities to classes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facetwise.cli.context import console, get_context, owns_stdout, print_json, say_written
from facetwise.cli.options import Json


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


COMMANDS = (rules, cuts, calibration)
