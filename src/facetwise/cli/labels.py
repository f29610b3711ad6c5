"""`labels`: which labels may be wrong, and corrections of them in `labels/overlay.csv`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from facetwise.cli.context import command_group, console, get_context, owns_stdout, print_json, say, say_written
from facetwise.cli.options import Json

if TYPE_CHECKING:
    from facetwise.api.labels import Corrected

Source = Annotated[
    str | None,
    typer.Argument(
        metavar="REF",
        help="A run or a blend; the default is the last blend, else the best finished run of the whole label.",
    ),
]
Reason = Annotated[str, typer.Option(help="Why; it stands in the file.")]
Author = Annotated[str, typer.Option(help="Who says so; it stands in the file.")]
Weight = Annotated[
    float, typer.Option(help="Weight of the corrected images in the training loss; 0 leaves them out.", min=0, max=100)
]


def suspects(
    context: typer.Context,
    source: Source = None,
    attribute: Annotated[str | None, typer.Option(help="Only this attribute; the default is all predicted.")] = None,
    method: Annotated[
        Literal["margin", "cleanlab"], typer.Option(help="How to rank; `cleanlab` needs the extra `labels`.")
    ] = "margin",
    limit: Annotated[int, typer.Option(help="Most suspects of an attribute.", min=1)] = 20,
    with_corrected: Annotated[
        bool, typer.Option("--with-corrected", help="List labels too that are corrected already.")
    ] = False,
    html: Annotated[Path | None, typer.Option(help="Write a page with the photos to this file.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write a csv to fill in to this file.")] = None,
    json: Json = False,
) -> None:
    """List labels that may be wrong.

    Ranks recorded labels by how surely out-of-fold predictions contradict them, and keeps the list for `facetwise
    labels accept`. Look at the photos before you accept: the model is often wrong, and the label right.
    """
    from facetwise import api
    from facetwise.screens.text.suspects import suspects_text

    file_only = owns_stdout(json, html, csv)
    view = api.suspects(
        get_context(context).project(),
        source,
        attribute=attribute,
        method=method,
        limit=limit,
        with_corrected=with_corrected,
        html=html,
        csv=csv,
    )
    if json:
        print_json(view.as_dict())
        return
    if not file_only:
        console().print(suspects_text(view))
    say_written(html, csv)
    if view.rows and str(csv) != "-":
        given = shlex.quote(str(csv)) if csv and csv.is_file() else "1,3,5-9"
        say(f'next, once you have looked: facetwise labels accept {given} --author YOU --reason "seen on the photos"')


def accept(
    context: typer.Context,
    selection: Annotated[
        str,
        typer.Argument(
            metavar="SELECTION",
            help="Ranks and person ids of the last list, such as `1,3,5-9`, or a csv of `suspects --csv` filled in.",
        ),
    ],
    reason: Reason,
    author: Author,
    weight: Weight = 1.0,
    json: Json = False,
) -> None:
    """Write proposals of the last list of suspects to `labels/overlay.csv`.

    All that are chosen or, when one of them cannot be used, none. The dataset itself is never changed.
    """
    from facetwise import api

    project = get_context(context).project()
    _tell(api.accept_labels(project, selection, reason=reason, author=author, weight=weight), json=json)


def correct(
    context: typer.Context,
    attribute: Annotated[str, typer.Option(help="The attribute whose label is wrong.")],
    value: Annotated[str, typer.Option(help="The right class; for an attribute with cuts a number.")],
    reason: Reason,
    author: Author,
    person: Annotated[str | None, typer.Option(help="The person, for all of their images.")] = None,
    image: Annotated[str | None, typer.Option(help="One image, as the manifest calls it.")] = None,
    weight: Weight = 1.0,
    json: Json = False,
) -> None:
    """Write one correction to `labels/overlay.csv`."""
    from facetwise import api

    found = api.correct_label(
        get_context(context).project(),
        person=person,
        image=image,
        attribute=attribute,
        value=value,
        reason=reason,
        author=author,
        weight=weight,
    )
    _tell(found, json=json)


def show(context: typer.Context, json: Json = False) -> None:
    """Show the corrections in `labels/overlay.csv`."""
    from dataclasses import asdict

    from facetwise import api
    from facetwise.screens.text.corrections import overlay_text

    project = get_context(context).project()
    overlay = api.show_labels(project)
    if json:
        print_json({"hash": overlay.hash, "corrections": [asdict(c) for c in overlay.corrections]})
    else:
        console().print(overlay_text(overlay))


def score(context: typer.Context, source: Source = None, json: Json = False) -> None:
    """Score predictions on the dataset's labels and, apart, on corrected ones."""
    from facetwise import api
    from facetwise.screens.text.suspects import scores_text

    found = api.score_labels(get_context(context).project(), source)
    if json:
        print_json(found.as_dict())
    else:
        console().print(scores_text(found))


def _tell(found: Corrected, *, json: bool) -> None:
    """What was written, and the scores before and after."""
    from facetwise.screens.text.corrections import corrections_text
    from facetwise.screens.text.suspects import scores_text

    if json:
        print_json(found.as_dict())
        return
    if found.taken_from is not None:
        say(f"accepted from {found.taken_from}")
    if found.added.written:
        console().print(corrections_text(found.added.written))
    if found.added.already:
        say(f"{len(found.added.already)} said so already, not written again")
    if found.scores is not None:
        console().print(scores_text(found.scores))
    elif found.added.written:
        say("no scores: nothing predicts the whole label out of fold yet")


GROUP = command_group(
    "labels", "Find labels that may be wrong, and correct them.", suspects, accept, correct, show, score
)
