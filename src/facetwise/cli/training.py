"""`augment`, `fit`, `predict`, `embed`, `ablate`, `zoo`, `tune`: training; `weights`: what it starts from."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from facetwise import api
from facetwise.cli.commands import Call, Json, command, room
from facetwise.cli.context import console, print_json, print_view, progress_bar, say, say_written
from facetwise.cli.next_steps import say_next

if TYPE_CHECKING:
    from facetwise.cli.display import StudyDisplay
    from facetwise.core.project import Project
    from facetwise.core.runs import RunFolder
    from facetwise.results.shelf import AddedWeights, ShelfView
    from facetwise.study.ablation import Ablation, Zoo
    from facetwise.study.search import Search

ROOM = room()
WEIGHTS = room("weights", "Keep pretrained weights, and make them of the files that people have.")


@command(ROOM, api.augment)
def _(call: "Call[Path]") -> None:
    """Draw a contact sheet: training images as the network sees them.

    The first column shows images as stored, the others as augmented; mixed images name the shares of their labels.
    """
    with progress_bar("decoding images") as progress:
        written = call(progress=progress)
    say_written(written)


@command(ROOM, api.fit)
def _(call: "Call[RunFolder]") -> None:
    """Train a recipe on every fold.

    Saves weights, out-of-fold and test predictions. A finished run is not trained again.
    """
    from facetwise.api.results import show_run
    from facetwise.cli.display import TrainingDisplay
    from facetwise.screens.text.runs.run import attributes_table, summary_text

    project = call.project
    with TrainingDisplay(sys.stderr) as display:
        run = call(listener=display.event, progress=display.preparing)
    number = run.id.split("-")[0]
    if display.run is None:
        say(f"run {run.id} has this recipe and data already: nothing was trained (`--again` trains another)")
    view = show_run(project, run.id)
    if view.scorecard is not None:
        console().print(summary_text(view.scorecard))
    elif view.alone:
        console().print(attributes_table(view.alone, project.file.score.metric, counted=True))
    for notice in view.warnings:
        say(f"{notice.kind}: {notice.text}")
    say(f"run {run.id} is finished: {run.path}")
    submit = [["submit", number]] if _can_submit(project, run) else []
    say_next(["show", number, "--html", "run.html"], *submit)


def _can_submit(project: "Project", run: "RunFolder") -> bool:
    """Whether a run can be submitted."""
    record = run.record()
    whole = set(record.attributes) == set(project.space.names)
    return whole and not record.by_image and project.file.dataset.test is not None


@command(ROOM, api.predict)
def _(call: "Call[Path]", images: Path | None, dataset: Path | None) -> None:
    """Predict photos with the models of a run.

    Predicts any folder, another dataset, or the project's own data with test-time augmentation; saved in the run's
    folder.
    """
    if (other := images or dataset) and other.is_dir():
        say(f"looking through {other}")
    with progress_bar("reading and decoding") as progress:
        folder = call(progress=progress)
    for path in sorted(folder.iterdir()):
        if path.suffix in (".csv", ".parquet"):
            typer.echo(str(path))


@command(ROOM, api.embed)
def _(call: "Call[Path]") -> None:
    """Write the features of a backbone, a row an image.

    They are what heads on a frozen backbone are trained on; computed once and kept.
    """
    with progress_bar("computing features") as progress:
        written = call(progress=progress)
    say_written(written)


@command(ROOM, api.ablate)
def _(call: "Call[Ablation]", json: Json = False) -> None:
    """Train a run for each change of a base recipe and compare it with the base.

    All with the same folds and seed. Finished runs are not trained again; after an interruption the same command
    continues. If a change fails, the others are still trained, and the exit code is 2.
    """
    from facetwise.cli.display import StudyDisplay
    from facetwise.screens.text.study import ablation_text

    with StudyDisplay(sys.stderr) as display:
        view = call(listener=display.event, progress=display.preparing)
    print_view(view, json, ablation_text)
    _end_of_study(call.project, view, display)


@command(ROOM, api.zoo)
def _(call: "Call[Zoo]", json: Json = False) -> None:
    """Train a recipe from several pretrained weights, and blend all of the runs.

    By default all of the shelf, frozen, each with two heads: features are computed once for all heads on them. Runs and
    exit code are those of `ablate`; the blend is chosen on out-of-fold predictions.
    """
    from facetwise.cli.display import StudyDisplay
    from facetwise.screens.text.study import zoo_text

    with StudyDisplay(sys.stderr) as display:
        view = call(listener=display.event, progress=display.preparing)
    print_view(view, json, zoo_text)
    _end_of_study(call.project, view.study, display)
    say_next(["submit", view.blend.id.split("-")[0]])


def _end_of_study(project: "Project", view: "Ablation", display: "StudyDisplay") -> None:
    """Where the study lies, and what failed."""
    from facetwise.core.text.counting import count

    say(f"study {view.name}: {project.root / view.folder}")
    if display.failed:
        of = count(display.num_changes, "change")
        say(f"error: {len(display.failed)} of {of} failed; the same command tries again")
        for change, reason in display.failed.items():
            say(f"  - `{change}`: {reason}")
        raise typer.Exit(2)


@command(ROOM, api.tune)
def _(call: "Call[Search]", json: Json = False) -> None:
    """Search a space of settings around a recipe.

    Continues where it was stopped, and several processes may work on one study. Writes the best recipe, and an honest
    score for the best of so many. Needs the extra `search`.
    """
    from facetwise.cli.display import StudyDisplay
    from facetwise.screens.text.study import search_text

    project = call.project
    with StudyDisplay(sys.stderr) as display:
        view = call(listener=display.event, progress=display.preparing)
    print_view(view, json, search_text)
    say(f"study {view.name}: {project.root / view.folder}")


@command(WEIGHTS, api.list_weights)
def _(call: "Call[ShelfView]", json: Json = False) -> None:
    """List the weights on the shelf, with licence and source.

    With `--for-memory` also pretrained backbones of timm to try first, with size, licence and, once `--measure` has
    measured it, their speed on this machine.
    """
    from facetwise.screens.text.shelf import shelf_text

    with progress_bar("measuring") as progress:
        view = call(progress=progress)
    print_view(view, json, shelf_text)


@command(WEIGHTS, api.add_weights)
def _(call: "Call[AddedWeights]", json: Json = False) -> None:
    """Put the weights of a file on the shelf.

    Files of torch and safetensors, by timm's names, torchvision's or efficientnet-pytorch's. What is not of the
    backbone is refused; only the head is left out. Recipes then say `weights = "shelf:NAME"`.
    """
    from facetwise.screens.text.shelf import entry_text

    added = call()
    if json:
        print_json(added.as_dict())
        return
    console().print(entry_text(added.record))
    if added.record.licence is None:
        say("note: the licence is not known; `--licence` says it, and every run made from it keeps it")
    say(f"wrote {added.path}" if added.new else f"it was there already: {added.path}")
    say(f"next: --set model.backbone={added.record.backbone} --set model.weights=shelf:{added.record.name}")


@command(WEIGHTS, api.verify_weights)
def _(call: "Call[ShelfView]", json: Json = False) -> None:
    """Compare weights on the shelf with their hashes; exit code 1 when any is damaged."""
    from facetwise.screens.text.shelf import shelf_text

    found = call()
    print_view(found, json, shelf_text)
    if any(row.problem for row in found.weights):
        raise typer.Exit(1)
