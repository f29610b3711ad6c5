"""`rules`, `cuts`, `calibration`: from probabilities to classes."""

from pathlib import Path
from typing import TYPE_CHECKING

from facetwise import api
from facetwise.cli.commands import Call, Json, command, room
from facetwise.cli.context import owns_stdout, print_view, say_written

if TYPE_CHECKING:
    from facetwise.results.calibration import CalibrationView
    from facetwise.results.cuts import CutsView
    from facetwise.results.rules import RulesView

ROOM = room()


@command(ROOM, api.rules)
def _(call: "Call[RulesView]", json: Json = False) -> None:
    """Say what each decision rule would be worth.

    Class multipliers, per attribute or joint, and moved cuts, against taking the most probable class. Each is fitted on
    four fifths of the people and applied to the fifth. Nothing is changed.
    """
    from facetwise.screens.text.decisions.rules import rules_text

    print_view(call(), json, rules_text)


@command(ROOM, api.cuts)
def _(call: "Call[CutsView]", json: Json = False) -> None:
    """Choose where to cut an attribute after training.

    For a run whose head has `kind = "years"` or `"ordinal"`. Says what the choice is worth by a nested estimate: people
    are split in five, cuts chosen on four parts and applied to the fifth. Nothing is changed.
    """
    from facetwise.screens.text.decisions.cuts import cuts_text

    print_view(call(), json, cuts_text)


@command(ROOM, api.calibration)
def _(call: "Call[CalibrationView]", html: Path | None, json: Json = False) -> None:
    """Say how far probabilities can be believed.

    Fits a temperature an attribute on out-of-fold predictions, and says what it would do by a nested estimate; `--html`
    writes a page with reliability plots. Nothing is changed.
    """
    from facetwise.screens.text.decisions.calibration import calibration_text

    owns_stdout(json, html)
    view = call()
    if html is None or json:
        print_view(view, json, calibration_text)
    say_written(html)
