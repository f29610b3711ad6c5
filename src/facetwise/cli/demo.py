"""`demo`: the whole job on a made dataset."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from facetwise import api
from facetwise.cli.commands import room
from facetwise.cli.context import console, progress_bar, say
from facetwise.core.text.subject import PEOPLE, PERSON

if TYPE_CHECKING:
    from facetwise.core.project import Project
    from facetwise.data.made.plants import DrawnPlants
    from facetwise.evaluate.scorecard import Scorecard

ROOM = room()
Task = Literal["faces", "plants"]
FOR_LEAVES = ("input.width=64", "train.length=20ep")
"""Changes of the recipe `demo`: leaves are square, and there are fewer photos of them."""


@ROOM.command(name="demo")
def demo(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to make.")] = Path("demo"),
    task: Annotated[
        Task,
        typer.Option(
            help="`faces`: a contest, with a submission. `plants`: leaves with labels that lack, combinations that "
            "cannot occur, and photos to predict."
        ),
    ] = "faces",
    recipe: Annotated[str, typer.Option(help="The recipe to train.")] = "demo",
    seed: Annotated[int, typer.Option(help="Seed of what is drawn.", min=0, metavar="<int>")] = 0,
) -> None:
    """Run the whole job on a made dataset.

    From photos to predictions that are scored on hidden labels; takes two or three minutes on two cores.
    """
    _clear(folder)
    if task == "faces":
        _faces(folder, recipe, seed)
    else:
        _plants(folder, recipe, seed)


def _faces(folder: Path, recipe: str, seed: int) -> None:
    from facetwise.screens.text.submissions.gate import submission_text

    say("1/6 drawing a made contest: 200 people to train on, 60 to predict, seven photos each")
    contest = api.draw_contest(folder / "contest", seed=seed)
    project = api.init(folder / "project", contest.root, name="demo")
    run, card = _trained(project, recipe, folder / "report.html")
    say("6/6 submission")
    made = api.submit(project, run, yes=True)
    console().print(submission_text(made))
    true = api.score(project, made.folder.id, labels=contest.labels)
    _compared(card, true.macro_f1)
    typer.echo(f"submission             {folder / made.folder.csv_file.relative_to(folder.resolve())}")
    typer.echo(f"report                 {folder / 'report.html'}")


def _plants(folder: Path, recipe: str, seed: int) -> None:
    from facetwise.data.made.plants import LABELLED, OTHERS, SHOTS, draw_plants

    say(f"1/6 drawing made leaves: {LABELLED} plants with labels, {OTHERS} to predict, {SHOTS} photos each")
    drawn = draw_plants(folder / "plants", plants=LABELLED, others=OTHERS, seed=seed)
    project = api.init(folder / "project", drawn.root, table="labels.csv", name="demo")
    run, card = _trained(project, recipe, folder / "report.html", settings=FOR_LEAVES if recipe == "demo" else ())
    say("6/6 predicting photos of other plants")
    with progress_bar("predicting") as progress:
        predicted = api.predict(project, run, images=drawn.field, progress=progress)
    _compared(card, _true_score(project, drawn, predicted / "classes.csv"))
    typer.echo(f"predictions            {folder / (predicted / 'classes.csv').relative_to(folder.resolve())}")
    typer.echo(f"report                 {folder / 'report.html'}")


def _trained(project: "Project", recipe: str, page: Path, settings: tuple[str, ...] = ()) -> tuple[str, "Scorecard"]:
    """Steps 2 to 5: the run and its scores."""
    import sys

    from facetwise.api.results import show_run
    from facetwise.cli.display import TrainingDisplay
    from facetwise.screens.text.folds import folds_text
    from facetwise.screens.text.runs.run import summary_text

    out = console()
    say("2/6 checking every image and row")
    with progress_bar("reading images") as progress:
        audit = api.check(project, progress=progress)
    say(f"    {sum(s.images for s in audit.sides):,} images, {len(audit.copies.pairs)} copies between {PEOPLE}")
    if audit.num_joint < audit.products:
        say(f"    {audit.num_joint} of {audit.products} combinations of classes occur: no other is predicted")
    say(f"3/6 folds by {PERSON}")
    out.print(folds_text(api.folds(project), project.space))
    say("4/6 training five folds")
    with TrainingDisplay(sys.stderr) as display:
        run = api.fit(project, recipe, settings=settings, listener=display.event, progress=display.preparing)
    say("5/6 report")
    api.prepare(project)
    card = show_run(project, run.id, html=page).scorecard
    assert card is not None
    out.print(summary_text(card))
    return run.id, card


def _compared(card: "Scorecard", true: float) -> None:
    low, high = card.macro_f1_interval.low, card.macro_f1_interval.high
    typer.echo("")
    typer.echo(f"out-of-fold macro F1   {card.macro_f1:.3f} [{low:.3f}, {high:.3f}]")
    typer.echo(f"true score (hidden)    {true:.3f}")


def _true_score(project: "Project", drawn: "DrawnPlants", classes: Path) -> float:
    """Macro F1, 0..1, of what was predicted for the photos without labels."""
    import polars as pl

    from facetwise.evaluate.rows import Truth

    space = project.space
    hidden = pl.read_csv(drawn.labels).sort("image")
    predicted = pl.read_csv(classes).sort("image")
    truth, decided = (
        pl.DataFrame([table[a.name].replace_strict({c: k for k, c in enumerate(a.classes)}) for a in space.attributes])
        for table in (hidden, predicted)
    )
    known = Truth(space, hidden["image"].to_list(), truth.to_numpy(), hidden["plant"].to_list())
    return known.score(space.encode(decided.to_numpy()))


def _clear(folder: Path) -> None:
    """Make the demo's folder, or delete what an earlier demo made in it and nothing else."""
    import shutil

    from facetwise.core.errors import InputError
    from facetwise.core.workspace import leftovers

    mark = folder / ".facetwise-demo"
    if mark.is_file():
        for earlier in (folder / "contest", folder / "plants", folder / "project", *leftovers(folder)):
            shutil.rmtree(earlier, ignore_errors=True)
    elif folder.exists() and any(folder.iterdir()):
        raise InputError(f"{folder}: exists and is no earlier demo", hint="choose another folder")
    folder.mkdir(parents=True, exist_ok=True)
    mark.touch()
