"""`init`, `check`, `folds`, `prepare`, `draw`: from a dataset to what training reads."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Literal

import typer

from facetwise.cli.context import console, get_context, print_json, progress_bar, say
from facetwise.cli.next_steps import after_folds, after_prepare, say_next
from facetwise.cli.options import Json, Settings, Workers


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the new project.")],
    dataset: Annotated[Path, typer.Option(help="Folder of the dataset; it is only ever read.")],
    name: Annotated[str | None, typer.Option(help="A name for people; the default is the folder's.")] = None,
) -> None:
    """Make a project for a dataset.

    Recognises the layout, writes `facetwise.toml` and copies the shipped recipes to edit.
    """
    from facetwise import api

    project = api.init(folder, dataset, name=name)
    space = project.space
    sizes = " x ".join(f"{a.size} {a.name}" for a in space.attributes)
    say(f"wrote {project.workspace.project_file}")
    say(f"label: {sizes} = {space.num_joint} classes; dataset: {project.dataset_root}")
    say(f"next: cd {shlex.quote(str(folder))} && facetwise check")


def check(
    context: typer.Context,
    json: Json = False,
    workers: Workers = None,
    all: Annotated[bool, typer.Option("--all", help="Read every image again, unchanged or not.")] = False,
) -> None:
    """Look into every image and row of the dataset.

    Saves the manifest and reports all that is found in one go; a second call reads only what changed.
    """
    from facetwise import api
    from facetwise.screens.text.check import audit_text

    project = get_context(context).project()
    with progress_bar("reading images") as progress:
        audit = api.check(project, all=all, workers=workers, progress=progress)
    if json:
        print_json(audit.as_dict())
    else:
        console().print(audit_text(audit))
    if audit.has_errors:
        if audit.usable:
            say("error: the label corrections cannot be used as they are; the manifest was saved")
        else:
            say("error: the dataset cannot be used as it is; no manifest was saved")
        say("hint: mend the lines marked ERROR above, then run `facetwise check` again")
        raise typer.Exit(2)
    if json:
        return
    if any(side.split == "train" for side in audit.sides):
        say_next(context, ["folds"])
    else:
        say("nothing to train on: this dataset has a test side only")
        say("next: in a project with a trained run, facetwise predict --dataset DIR, with this dataset's folder")


def folds(
    context: typer.Context,
    num_folds: Annotated[int, typer.Option("--folds", "-k", help="Number of folds.", min=2, max=20)] = 5,
    name: Annotated[
        str | None, typer.Option(help="Name to save them under; the default is `default`, or `unsafe-image`.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the dealing.", min=0)] = 0,
    new: Annotated[bool, typer.Option("--new", help="Replace folds of that name.")] = False,
    unsafe_split: Annotated[
        Literal["image"] | None,
        typer.Option(help="UNSAFE, for teaching: split by image, so that people stand on both sides."),
    ] = None,
    json: Json = False,
) -> None:
    """Deal people into folds.

    Stratified by joint class; every invariant is checked, and folds that exist are never silently remade.
    """
    from facetwise import api
    from facetwise.screens.text.folds import folds_dict, folds_text

    project = get_context(context).project()
    made = api.folds(project, name=name, num_folds=num_folds, seed=seed, new=new, unsafe_split=unsafe_split)
    if json:
        print_json(folds_dict(made))
    else:
        console().print(folds_text(made, project.space))
        say_next(context, after_folds(project, made))


def prepare(
    context: typer.Context,
    recipe: Annotated[str | None, typer.Argument(help="The recipe whose size and crop to prepare.")] = None,
    settings: Settings = None,
    view: Annotated[bool, typer.Option("--view", help="Only the uncropped store for pages and pictures.")] = False,
    workers: Workers = None,
) -> None:
    """Decode, crop and resize every image once.

    Makes the store that a recipe reads, or with `--view` the uncropped one for pages and pictures, or both.
    """
    from facetwise import api
    from facetwise.core.errors import SettingError

    if recipe is None and not view:
        raise SettingError("give a recipe, such as `cpu-tiny`, or `--view`")
    project = get_context(context).project()
    for wanted in [None] if recipe is None else [None, recipe] if view else [recipe]:
        with progress_bar("decoding") as progress:
            store = api.prepare(project, wanted, settings=settings or (), workers=workers, progress=progress)
        num, height, width = store.images.shape[:3]
        say(f"store {store.path.name}: {num} images of {height}x{width}, {store.images.nbytes / 2**20:.0f} MiB")
    say_next(context, after_prepare(project, recipe, settings or ()))


def draw(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to make.")],
    train_people: Annotated[int, typer.Option(help="People with labels.", min=1)] = 200,
    eval_people: Annotated[int, typer.Option(help="People to predict.", min=1)] = 60,
    seed: Annotated[int, typer.Option(help="The same seed draws the same bytes.", min=0)] = 0,
    wrong_labels: Annotated[float, typer.Option(help="Share of people with a wrong label.", min=0, max=0.5)] = 0.0,
    workers: Annotated[
        int | None, typer.Option(help="Processes that draw; the default fits the machine.", min=1)
    ] = None,
) -> None:
    """Draw a made contest.

    Procedural faces in a mask contest's layout, with hidden labels.
    """
    from facetwise import api
    from facetwise.core.errors import InputError

    try:
        contest = api.draw_contest(
            folder,
            train_people=train_people,
            eval_people=eval_people,
            seed=seed,
            wrong_labels=wrong_labels,
            workers=workers,
        )
    except FileExistsError as error:
        raise InputError(str(error)) from None
    say(f"drew {contest.root}; its hidden labels are {contest.labels}")


COMMANDS = (init, check, folds, prepare, draw)
