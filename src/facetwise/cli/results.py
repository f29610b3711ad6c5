"""`runs`, `show`, `compare`, `diff`, `studies`: what came of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facetwise.cli.context import console, get_context, owns_stdout, print_json, print_view, say_written
from facetwise.cli.options import Json

if TYPE_CHECKING:
    from facetwise.results.blends import BlendView
    from facetwise.results.runs import RunView
    from facetwise.screens.kit import RenderableType
    from facetwise.submission.view import SubmissionView


def runs(context: typer.Context, json: Json = False) -> None:
    """List all runs with their scores."""
    from facetwise import api
    from facetwise.screens.text.run import runs_text

    view = api.runs(get_context(context).project())
    print_view(view, json, runs_text)


def show(
    context: typer.Context,
    reference: Annotated[
        str,
        typer.Argument(
            metavar="[REF]", help="A run (`3`, `last`, its id), a blend (`b3`, `blend:last`) or a submission (`s1`)."
        ),
    ] = "last",
    html: Annotated[Path | None, typer.Option(help="Write one self-contained page of a run or a blend.")] = None,
    json: Json = False,
) -> None:
    """Show everything about one run, blend or submission, with its notes.

    Of a run scores with intervals, per attribute, class and fold, and its mistakes; of a blend its worth, its members
    and how it came about; of a submission what it was made of, the gate, forecast and scores.
    """
    from facetwise import api

    owns_stdout(json, html)
    view = api.show(get_context(context).project(), reference, html=html)
    if html is None or json:
        print_view(view, json, _shown)
    say_written(html)


def _shown(view: RunView | BlendView | SubmissionView) -> RenderableType:
    from facetwise.results.blends import BlendView
    from facetwise.screens.text.blend import blend_text
    from facetwise.screens.text.run import run_text
    from facetwise.screens.text.submissions.submission import submission_text
    from facetwise.submission.view import SubmissionView

    match view:
        case BlendView():
            return blend_text(view, explain=True)
        case SubmissionView():
            return submission_text(view)
    return run_text(view)


_TTA_HELP = "Take its predictions with this test-time augmentation (see `facetwise predict`)."


def compare(
    context: typer.Context,
    first: Annotated[str, typer.Argument(metavar="A", help="A finished run: its id, number or `last`.")],
    second: Annotated[str, typer.Argument(metavar="B", help="Another one.")] = "last",
    tta_a: Annotated[str, typer.Option("--tta-a", help="Of A: " + _TTA_HELP)] = "none",
    tta_b: Annotated[str, typer.Option("--tta-b", help="Of B: " + _TTA_HELP)] = "none",
    json: Json = False,
) -> None:
    """Say whether run B is better than run A.

    Paired by person: the difference B - A in macro F1 with an interval, per attribute and fold, and what the recipes
    differ in.
    """
    from facetwise import api
    from facetwise.screens.text.study import comparison_text

    view = api.compare(get_context(context).project(), first, second, tta_a=tta_a, tta_b=tta_b)
    print_view(view, json, comparison_text)


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


def studies(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="A study's name, or `last`.")] = "last",
    json: Json = False,
) -> None:
    """Show the table of an ablation or a search as it stands.

    Also while another process works on it. Trains and changes nothing.
    """
    from facetwise import api
    from facetwise.screens.text.study import study_text

    print_view(api.studies(get_context(context).project(), name), json, study_text)


COMMANDS = (runs, show, compare, diff, studies)
