"""`demo`: the whole job on a made contest."""

from pathlib import Path
from typing import Annotated

import typer

from facetwise import api
from facetwise.cli.commands import room
from facetwise.cli.context import console, progress_bar, say

ROOM = room()


@ROOM.command(name="demo")
def demo(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to make.")] = Path("demo"),
    recipe: Annotated[str, typer.Option(help="The recipe to train.")] = "demo",
    seed: Annotated[int, typer.Option(help="Seed of the made contest.", min=0)] = 0,
) -> None:
    """Run the whole job on a made contest.

    From photos to a submission that is scored on hidden labels; takes two or three minutes on two cores.
    """
    import sys

    from facetwise.api.results import show_run
    from facetwise.cli.display import TrainingDisplay
    from facetwise.screens.text.folds import folds_text
    from facetwise.screens.text.runs.run import summary_text
    from facetwise.screens.text.submissions.gate import submission_text

    _clear(folder)
    out = console()
    say("1/6 drawing a made contest: 200 people to train on, 60 to predict, seven photos each")
    contest = api.draw_contest(folder / "contest", seed=seed)
    project = api.init(folder / "project", contest.root, name="demo")
    say("2/6 checking every image and row")
    with progress_bar("reading images") as progress:
        audit = api.check(project, progress=progress)
    say(f"    {sum(s.images for s in audit.sides):,} images, {len(audit.copies.pairs)} copies between people")
    say("3/6 folds by person")
    out.print(folds_text(api.folds(project), project.space))
    say("4/6 training five folds")
    with TrainingDisplay(sys.stderr) as display:
        run = api.fit(project, recipe, listener=display.event, progress=display.preparing)
    say("5/6 report")
    page = folder / "report.html"
    api.prepare(project)
    card = show_run(project, run.id, html=page).scorecard
    assert card is not None
    out.print(summary_text(card))
    say("6/6 submission")
    made = api.submit(project, run.id, yes=True)
    out.print(submission_text(made))
    true = api.score(project, made.folder.id, labels=contest.labels)
    low, high = card.macro_f1_interval.low, card.macro_f1_interval.high
    typer.echo("")
    typer.echo(f"out-of-fold macro F1   {card.macro_f1:.3f} [{low:.3f}, {high:.3f}]")
    typer.echo(f"true score (hidden)    {true.macro_f1:.3f}")
    typer.echo(f"submission             {folder / made.folder.csv_file.relative_to(folder.resolve())}")
    typer.echo(f"report                 {page}")


def _clear(folder: Path) -> None:
    """Make the demo's folder, or delete what an earlier demo made in it and nothing else."""
    import shutil

    from facetwise.core.errors import InputError
    from facetwise.core.workspace import leftovers

    mark = folder / ".facetwise-demo"
    if mark.is_file():
        for earlier in (folder / "contest", folder / "project", *leftovers(folder)):
            shutil.rmtree(earlier, ignore_errors=True)
    elif folder.exists() and any(folder.iterdir()):
        raise InputError(f"{folder}: exists and is no earlier demo", hint="choose another folder")
    folder.mkdir(parents=True, exist_ok=True)
    mark.touch()
