"""`blend`, `blends`: blends of runs and their scores."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facetwise import api
from facetwise.cli.commands import Call, Json, command, room
from facetwise.cli.context import console, owns_stdout, print_json, print_view, say, say_written
from facetwise.cli.next_steps import say_next

if TYPE_CHECKING:
    from facetwise.results.blends import BlendsView, BlendView

Explain = Annotated[bool, typer.Option("--explain", help="Explain what was chosen, and why.")]

ROOM = room()


@command(ROOM, api.blend)
def _(call: "Call[BlendView]", html: Path | None, explain: Explain = False, json: Json = False) -> None:
    """Blend runs by their out-of-fold predictions.

    Weights and decision rule are chosen on out-of-fold predictions. The score of the whole choice is a nested estimate:
    chosen on four fifths of the people, applied to the fifth. The blend is saved and can be submitted.
    """
    from facetwise.screens.text.blend import blend_text

    page_only = owns_stdout(json, html)
    view = call()
    say_written(html)
    if json:
        print_json(view.as_dict())
        return
    if not page_only:
        console().print(blend_text(view, explain=explain))
    if not view.new:
        say(f"blend {view.id} already exists, with the same members and settings")
    say_next(["submit", view.id.split("-")[0]])


@command(ROOM, api.blends)
def _(call: "Call[BlendsView]", json: Json = False) -> None:
    """List all blends with their nested estimates."""
    from facetwise.screens.text.blend import blends_text

    print_view(call(), json, blends_text)
