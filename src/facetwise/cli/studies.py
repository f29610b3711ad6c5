"""`compare`, `ablate`, `tune`, `studies`: many runs as one question."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from facetwise.cli.context import console, get_context, print_json, say
from facetwise.cli.data import Json
from facetwise.cli.runs import Jobs

Settings = Annotated[
    list[str] | None, typer.Option("--set", help="Change one key of the recipe first. May be repeated.")
]
_TTA_HELP = "Take its predictions with this test-time augmentation (see `facetwise predict`)."


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    for command in (compare, ablate, tune, studies):
        app.command()(command)


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

    view = api.compare(get_context(context).project(), first, second, tta=(tta_a, tta_b))
    _print(view, json, comparison_text)


def ablate(
    context: typer.Context,
    recipe: Annotated[str, typer.Argument(help="The base: a recipe file, or the name of a shipped recipe.")],
    tries: Annotated[
        list[str],
        typer.Option("--try", help="A change: `--try loss=focal`; several settings with `;` between. May be repeated."),
    ],
    settings: Settings = None,
    name: Annotated[str | None, typer.Option(help="Name of the study; made from the recipe when not given.")] = None,
    jobs: Jobs = 1,
    json: Json = False,
) -> None:
    """Train a run for each change of a base recipe and compare it with the base.

    Same folds, same seed. What was trained before is not trained again; after an interruption the same command goes on.
    When a change fails the others are trained all the same, and it ends with exit code 2.
    """
    from facetwise import api
    from facetwise.cli.studying import StudyDisplay
    from facetwise.results.wording import count
    from facetwise.screens.text.study import ablation_text

    project = get_context(context).project()
    with StudyDisplay(sys.stderr) as display:
        view = api.ablate(
            project, recipe, tries=tries, settings=settings or (), name=name, jobs=jobs,
            listener=display.event, progress=display.preparing,
        )  # fmt: skip
    _print(view, json, ablation_text)
    say(f"study {view.name}: {project.root / view.folder}")
    if display.failed:
        of = count(display.num_changes, "change")
        say(f"error: {len(display.failed)} of {of} failed; the same command tries again")
        for change, reason in display.failed.items():
            say(f"  - `{change}`: {reason}")
        raise typer.Exit(2)


def tune(
    context: typer.Context,
    recipe: Annotated[str, typer.Argument(help="Where to begin: a recipe file, or the name of a shipped recipe.")],
    space: Annotated[
        Path, typer.Option(help="A TOML file: a table a recipe key, with `low` and `high`, or `choices`.")
    ],
    trials: Annotated[int, typer.Option(min=1, help="How many trials the study shall have in all.")],
    settings: Settings = None,
    name: Annotated[str | None, typer.Option(help="Name of the study; made from the recipe when not given.")] = None,
    pruner: Annotated[
        Literal["median", "none"],
        typer.Option(help="Stop a trial after a fold when it is below the median of the others so far, or never."),
    ] = "median",
    json: Json = False,
) -> None:
    """Search a space of settings around a recipe.

    Goes on where it was stopped, and several processes may work on one study. Writes the best recipe, and what choosing
    the best of so many is worth. Needs the extra `search`.
    """
    from facetwise import api
    from facetwise.cli.studying import StudyDisplay
    from facetwise.screens.text.study import search_text

    project = get_context(context).project()
    with StudyDisplay(sys.stderr) as display:
        view = api.tune(
            project, recipe, space=space, trials=trials, settings=settings or (), name=name, pruner=pruner,
            listener=display.event, progress=display.preparing,
        )  # fmt: skip
    _print(view, json, search_text)
    say(f"study {view.name}: {project.root / view.folder}")


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

    _print(api.show_study(get_context(context).project(), name), json, study_text)


def _print(view: Any, json: bool, render: Any) -> None:
    if json:
        print_json(view.as_dict())
    else:
        console().print(render(view))
