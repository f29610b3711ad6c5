"""`blend`, `blends`: several runs put together, and what that is worth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from facetwise.cli.context import console, get_context, owns_stdout, print_json, say, say_written
from facetwise.cli.next_steps import say_next
from facetwise.cli.options import Json, Tta


def blend(
    context: typer.Context,
    members: Annotated[
        list[str] | None,
        typer.Argument(help="Runs, and predictions from elsewhere (`foreign:NAME`); none: every cross-validated run."),
    ] = None,
    by: Annotated[
        Literal["auto", "whole", "attribute"],
        typer.Option(help="Blend joint probabilities, or each attribute by itself; `auto` takes the better one."),
    ] = "auto",
    method: Annotated[
        Literal["soft", "geometric", "hard", "rank"], typer.Option(help="How the members' votes are added up.")
    ] = "soft",
    weighting: Annotated[
        Literal["greedy", "equal"], typer.Option(help="Choose weights by out-of-fold predictions, or none at all.")
    ] = "greedy",
    weights: Annotated[
        list[str] | None,
        typer.Option(help="Give a weight: `3=2`, `age:5=1` for one attribute, `foreign:alice=0.3`. May be repeated."),
    ] = None,
    max_models: Annotated[int | None, typer.Option(min=1, help="Most runs with a weight.")] = None,
    max_cost: Annotated[
        float | None, typer.Option(help="Most that predicting may cost, in units of the cheapest run.")
    ] = None,
    rules: Annotated[
        list[str] | None,
        typer.Option(help="Decision rule to choose among (`argmax` always is). May be repeated; default: all."),
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Members that a selection adds.")] = 50,
    bags: Annotated[int, typer.Option(min=0, help="Selections whose weights are averaged; 0: one, not bagged.")] = 20,
    seed: Annotated[int, typer.Option(help="Of the bags, and of how people are dealt in parts.")] = 0,
    tta: Tta = "none",
    explain: Annotated[bool, typer.Option("--explain", help="Say in words what was chosen, and why.")] = False,
    html: Annotated[Path | None, typer.Option(help="Also write one self-contained page to this file.")] = None,
    json: Json = False,
) -> None:
    """Put runs together by what they prove out of fold.

    Weights and decision rule are chosen on out-of-fold predictions, and what the whole choice is worth is told by a
    nested estimate: chosen on four fifths of the people, applied to the fifth. Kept as a blend, which can be submitted.
    """
    from facetwise import api
    from facetwise.screens.text.blend import blend_text

    page_only = owns_stdout(json, html)
    view = api.blend(
        get_context(context).project(), members or (), by=by, method=method, weighting=weighting, weights=weights or (),
        max_models=max_models, max_cost=max_cost, rules=rules or (), rounds=rounds, bags=bags, seed=seed, tta=tta,
        html=html,
    )  # fmt: skip
    say_written(html)
    if json:
        print_json(view.as_dict())
        return
    if not page_only:
        console().print(blend_text(view, explain=explain))
    if not view.new:
        say(f"blend {view.id} was there already: the same members and settings")
    say_next(context, ["submit", view.id.split("-")[0]])


def blends(context: typer.Context, json: Json = False) -> None:
    """List all blends with their nested estimates."""
    from facetwise import api
    from facetwise.screens.text.blend import blends_text

    view = api.blends(get_context(context).project())
    if json:
        print_json(view.as_dict())
    else:
        console().print(blends_text(view))


COMMANDS = (blend, blends)
