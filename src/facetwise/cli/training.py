"""`augment`, `fit`, `predict`, `ablate`, `tune`: training, one run or many."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from facetwise.cli.context import console, get_context, print_view, progress_bar, say, say_written
from facetwise.cli.next_steps import say_next
from facetwise.cli.options import Jobs, Json, Settings, Tta

if TYPE_CHECKING:
    from facetwise.core.project import Project
    from facetwise.core.runs import RunFolder


def augment(
    context: typer.Context,
    recipe: Annotated[str, typer.Argument(help="A recipe file, or the name of a shipped recipe.")],
    out: Annotated[Path, typer.Option(help="The PNG to write.")],
    rows: Annotated[int, typer.Option(help="Training images to show.", min=1, max=64)] = 8,
    columns: Annotated[int, typer.Option(help="Pictures of each: as stored, then augmented.", min=2, max=64)] = 8,
    seed: Annotated[int, typer.Option(help="Another seed shows other images and draws.", min=0)] = 0,
    settings: Settings = None,
) -> None:
    """Draw a contact sheet: training images as the network will see them.

    The first column is as stored, the others are augmented, mixed images with the shares of their labels.
    """
    from facetwise import api

    project = get_context(context).project()
    with progress_bar("decoding images") as progress:
        written = api.augment(
            project, recipe, out=out, rows=rows, columns=columns, seed=seed, settings=settings or (), progress=progress
        )
    say_written(written)


def fit(
    context: typer.Context,
    recipe: Annotated[str | None, typer.Argument(help="A recipe file, or the name of a shipped recipe.")] = None,
    settings: Settings = None,
    resume: Annotated[str | None, typer.Option(metavar="RUN", help="Continue an interrupted run.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Train even if the same was trained before.")] = False,
    jobs: Jobs = 1,
) -> None:
    """Train a recipe on every fold.

    Keeps weights, out-of-fold and test predictions. What was trained before is not trained again.
    """
    from facetwise import api
    from facetwise.api.results import show_run
    from facetwise.cli.display import TrainingDisplay
    from facetwise.screens.text.run import summary_text

    project = get_context(context).project()
    with TrainingDisplay(sys.stderr) as display:
        run = api.fit(
            project, recipe, settings=settings or (), resume=resume, again=again, jobs=jobs,
            listener=display.event, progress=display.preparing,
        )  # fmt: skip
    number = run.id.split("-")[0]
    if display.run is None:
        say(f"run {run.id} has this recipe and data already: nothing was trained (`--again` trains another)")
    view = show_run(project, run.id)
    if view.scorecard is not None:
        console().print(summary_text(view.scorecard))
    for notice in view.warnings:
        say(f"{notice.kind}: {notice.text}")
    say(f"run {run.id} is finished: {run.path}")
    submit = [["submit", number]] if _can_submit(project, run) else []
    say_next(context, ["show", number, "--html", "run.html"], *submit)


def _can_submit(project: Project, run: RunFolder) -> bool:
    """Whether a submission can be made of a run."""
    record = run.record()
    whole = set(record.attributes) == set(project.space.names)
    return whole and not record.by_image and project.file.dataset.test is not None


def predict(
    context: typer.Context,
    run: Annotated[str, typer.Argument(help="A run: its id, number or `last`.")] = "last",
    images: Annotated[Path | None, typer.Option(help="Any folder of photos to predict.")] = None,
    dataset: Annotated[Path | None, typer.Option(help="Another dataset in the project's layout.")] = None,
    tta: Tta = "none",
) -> None:
    """Predict photos with the models of a run.

    Any folder, another dataset, or the project's own again with test-time augmentation; kept beside the run.
    """
    from facetwise import api

    project = get_context(context).project()
    if (other := images or dataset) and other.is_dir():
        say(f"looking through {other}")
    with progress_bar("reading and decoding") as progress:
        folder = api.predict(project, run, images=images, dataset=dataset, tta=tta, progress=progress)
    for path in sorted(folder.iterdir()):
        if path.suffix in (".csv", ".parquet"):
            typer.echo(str(path))


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
    from facetwise.cli.display import StudyDisplay
    from facetwise.results.wording import count
    from facetwise.screens.text.study import ablation_text

    project = get_context(context).project()
    with StudyDisplay(sys.stderr) as display:
        view = api.ablate(
            project, recipe, tries=tries, settings=settings or (), name=name, jobs=jobs,
            listener=display.event, progress=display.preparing,
        )  # fmt: skip
    print_view(view, json, ablation_text)
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
    from facetwise.cli.display import StudyDisplay
    from facetwise.screens.text.study import search_text

    project = get_context(context).project()
    with StudyDisplay(sys.stderr) as display:
        view = api.tune(
            project, recipe, space=space, trials=trials, settings=settings or (), name=name, pruner=pruner,
            listener=display.event, progress=display.preparing,
        )  # fmt: skip
    print_view(view, json, search_text)
    say(f"study {view.name}: {project.root / view.folder}")


COMMANDS = (augment, fit, predict, ablate, tune)
