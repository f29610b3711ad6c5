"""`fit`, `predict`, `runs`, `show`: training, and what came of it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from facetwise.cli.context import console, get_context, owns_stdout, print_json, progress_bar, say, say_written
from facetwise.cli.data import Json
from facetwise.screens.kit import RenderableType

if TYPE_CHECKING:
    from facetwise.core.project import Project
    from facetwise.core.runs import RunFolder
    from facetwise.results.blends import BlendView
    from facetwise.results.runs import RunView
    from facetwise.submission.view import SubmissionView

Tta = Annotated[
    Literal["none", "flip", "crops", "flip-crops"],
    typer.Option(help="Test-time augmentation: average over views of an image."),
]
Jobs = Annotated[
    int, typer.Option("--jobs", min=1, help="Folds to train at a time, each in a process with its share of the cores.")
]


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    for command in (fit, predict, runs, show):
        app.command()(command)


def fit(
    context: typer.Context,
    recipe: Annotated[str | None, typer.Argument(help="A recipe file, or the name of a shipped recipe.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Change one key: `--set optimizer.lr=1e-3`. May be repeated.")
    ] = None,
    resume: Annotated[str | None, typer.Option(metavar="RUN", help="Continue an interrupted run.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Train even if the same was trained before.")] = False,
    jobs: Jobs = 1,
) -> None:
    """Train a recipe on every fold.

    Keeps weights, out-of-fold and test predictions. What was trained before is not trained again.
    """
    from facetwise import api
    from facetwise.api.results import show_run
    from facetwise.cli.training import TrainingDisplay
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
    say(f"next: facetwise show {number} --html run.html" + _then_submit(project, run, number))


def _then_submit(project: Project, run: RunFolder, number: str) -> str:
    """The advice to submit, where a submission can be made."""
    record = run.record()
    whole = set(record["attributes"]) == set(project.space.names)
    can = whole and record["split"] != "image" and project.file.dataset.test is not None
    return f", then facetwise submit {number}" if can else ""


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
    if other := images or dataset:
        say(f"looking through {other}")
    with progress_bar("reading and decoding") as progress:
        folder = api.predict(project, run, images=images, dataset=dataset, tta=tta, progress=progress)
    for path in sorted(folder.iterdir()):
        if path.suffix in (".csv", ".parquet"):
            typer.echo(str(path))


def runs(context: typer.Context, json: Json = False) -> None:
    """List all runs with their scores."""
    from facetwise import api
    from facetwise.screens.text.run import runs_text

    view = api.runs(get_context(context).project())
    _print(view, json, runs_text)


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
        _print(view, json, _shown)
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


def _print(view: Any, json: bool, render: Any) -> None:
    if json:
        print_json(view.as_dict())
    else:
        console().print(render(view))
