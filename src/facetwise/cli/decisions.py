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
    """Score each decision rule.

    Compares class multipliers, per attribute or joint, and moved cuts with taking the most probable class. Each is
    fitted on four fifths of the people and applied to the fifth. Changes nothing.
    """
    from facetwise.screens.text.decisions.rules import rules_text

    print_view(call(), json, rules_text)


@command(ROOM, api.cuts)
def _(call: "Call[CutsView]", json: Json = False) -> None:
    """Choose where to cut an attribute after training.

    For a run whose head has `kind = "bins"` or `"ordinal"`. The gain is a nested estimate: people are split into five
    parts, cuts chosen on four and applied to the fifth. Changes nothing.
    """
    from facetwise.screens.text.decisions.cuts import cuts_text

    print_view(call(), json, cuts_text)


@command(ROOM, api.calibration)
def _(call: "Call[CalibrationView]", html: Path | None, json: Json = False) -> None:
    """Show how well calibrated probabilities are.

    Fits a temperature for each attribute on out-of-fold predictions, with a nested estimate of its effect; `--html`
    writes a page with reliability plots. Changes nothing.
    """
    from facetwise.screens.text.decisions.calibration import calibration_text

    owns_stdout(json, html)
    view = call()
    if html is None or json:
        print_view(view, json, calibration_text)
    say_written(html)
