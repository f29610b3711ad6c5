"""`init`, `check`, `same-person`, `folds`, `boxes`, `prepare`, `draw`: from a dataset to what training reads."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facetwise import api
from facetwise.cli.commands import Call, Json, command, room
from facetwise.cli.context import console, owns_stdout, print_json, progress_bar, say, say_written
from facetwise.cli.next_steps import after_boxes, after_check, after_folds, after_prepare, first_fit, say_next
from facetwise.core.text.counting import in_bytes

if TYPE_CHECKING:
    from facetwise.core.project import Project
    from facetwise.data.audit import Audit
    from facetwise.data.boxes.choosing import DetectedBoxes
    from facetwise.data.features.same_subject import SameSubject
    from facetwise.data.folds import Folds
    from facetwise.data.images.store import Store
    from facetwise.data.made.contest import Contest
    from facetwise.data.reading.recognising.proposal import OpenQuestion
    from facetwise.data.reading.recognising.understood import Understood

View = Annotated[bool, typer.Option("--view", help="Only the uncropped store for pages and pictures.")]
ROOM = room()


@command(ROOM, api.init)
def _(call: "Call[Project]", folder: Path) -> None:
    """Make a project for a dataset.

    Recognises how labels are given, prints what it understood, writes `facetwise.toml` and copies the shipped recipes.
    The exit code is 2 when tables or names have errors: the project is there, to mend them with.
    """
    from facetwise.core.records.project_file import SEEN
    from facetwise.data.findings import errors
    from facetwise.screens.text.understood import understood_text

    understood: list[Understood] = []
    project = call(ask=_ask, tell=understood.append)
    console().print(understood_text(understood[0]))
    space = project.space
    sizes = " x ".join(f"{a.size} {a.name}" for a in space.attributes)
    made = f"{sizes} = {space.num_joint}" if len(space.attributes) > 1 else space.num_joint
    say(f"wrote {project.workspace.project_file}")
    known = ", of which `check` keeps those that occur" if project.file.combinations == SEEN else ""
    say(f"label: {made} classes{known}; dataset: {project.dataset_root}")
    inside = f"cd {shlex.quote(str(folder))} && facetwise check"
    if wrong := errors(understood[0].findings):
        what = "1 error was" if len(wrong) == 1 else f"{len(wrong)} errors were"
        say(f"error: the dataset cannot be used as it is: {what} found in its tables and names")
        say(f"hint: mend what is marked `error` above, in the dataset or in facetwise.toml; then: {inside}")
        raise typer.Exit(2)
    say(f"next: {inside}")
    say(f"or at once, with check and folds: {shlex.join(['facetwise', *first_fit(project, understood[0])])}")


def _ask(question: "OpenQuestion") -> list[str]:
    """Ask somebody at the terminal; nobody answers where there is none."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return []
    several = ", several with commas" if question.several else ""
    answer = typer.prompt(f"{question.text}. Which{several}? {', '.join(question.answers)}", err=True)
    given = [part.strip() for part in answer.split(",")] if question.several else [answer.strip()]
    return [word for word in given if word]


@command(ROOM, api.check)
def _(call: "Call[Audit]", json: Json = False) -> None:
    """Check every image and row of the dataset.

    Saves the manifest and reports all findings at once; a second call reads only what changed.
    """
    from facetwise.screens.text.check import audit_text

    with progress_bar("reading images") as progress:
        audit = call(progress=progress)
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
    if train := [side for side in audit.sides if side.split == "train"]:
        say_next(after_check(call.project, train[0].groups))
    else:
        say("nothing to train on: this dataset has a test side only")
        say("next: in a project with a trained run, facetwise predict --dataset DIR, with this dataset's folder")


@command(ROOM, api.same_person, "same-person")
def _(
    call: "Call[SameSubject]",
    html: Path | None,
    join: Annotated[
        str | None, typer.Option("--join", help="Print the line that joins these pairs: `1,3-5`.", metavar="RANKS")
    ] = None,
    json: Json = False,
) -> None:
    """List names that may be one person.

    Compares everybody's photos by features, and says how sure the likeness is. Look at the photos before you join two
    names: who stands before the same wall in the same coat looks alike, too.
    """
    from facetwise.core.errors import InputError
    from facetwise.core.text.counting import whole_numbers
    from facetwise.data.people import same_person_line
    from facetwise.screens.text.same_person import same_person_text

    file_only = owns_stdout(json, html)
    if join is not None and (json or html is not None):
        raise InputError("`--join` prints one line and nothing else: leave `--json` and `--html` out")
    ranks = None if join is None else whole_numbers(join)
    found = call(**({} if ranks is None else {"limit": max(ranks)}))
    if ranks is not None:
        typer.echo(same_person_line(found.joined(ranks, call.project.file.dataset.train.same_person)))
        say("put this line into `[dataset.train]` of facetwise.toml, in place of one that is there, then check again")
        return
    if json:
        print_json(found.as_dict())
    elif not file_only:
        console().print(same_person_text(found))
    say_written(html)


@command(ROOM, api.folds)
def _(call: "Call[Folds]", json: Json = False) -> None:
    """Split people into folds.

    Stratified by joint class. Every invariant is checked, and existing folds are never silently replaced.
    """
    from facetwise.screens.text.folds import folds_dict, folds_text

    made = call()
    if json:
        print_json(folds_dict(made))
    else:
        console().print(folds_text(made, call.project.space))
        say_next(after_folds(call.project, made))


@command(ROOM, api.boxes)
def _(
    call: "Call[DetectedBoxes]", images: Path | None, min_score: float, html: Path | None, json: Json = False
) -> None:
    """Find the box to crop each image by.

    Writes a csv with a box for each image, which a recipe crops by (`input.boxes`). Each image is looked at once, and
    an interrupted call goes on where it stopped. A detector is `blazeface`, or an ONNX file: YuNet, SCRFD, UltraFace,
    YOLOv5, YOLOv8, or one that suppresses by itself and gives boxes, scores and labels.
    """
    from facetwise.core.text.counting import count, listed
    from facetwise.data.boxes.choosing import RULE

    file_only = owns_stdout(json, html)
    with progress_bar("looking for boxes") as progress:
        found = call(progress=progress)
    if json:
        print_json(found.as_dict())
        return
    what = f"{len(found.chosen):,} of {count(found.num_images, 'image')} have a box of score {min_score:g} or more"
    say(f"{found.detector} ({found.layout}): {what}; {found.num_new:,} looked at now")
    if found.several:
        say(f"{count(len(found.several), 'image')} with several boxes: taken is {RULE}")
    if found.without:
        say(f"{count(len(found.without), 'image')} without a box, and without a row: {listed(found.without)}")
    say_written(found.out, html)
    if not file_only and (following := after_boxes(call.project, found, images)):
        say_next(following)


@command(ROOM, api.prepare)
def _(call: "Call[Store]", recipe: str | None, settings: list[str] | None, view: View = False) -> None:
    """Decode, crop and resize every image once.

    Makes the store that a recipe reads, or with `--view` the uncropped one for pages and pictures, or both.
    """
    from facetwise.core.errors import SettingError

    if recipe is None and not view:
        raise SettingError("give a recipe, such as `cpu-tiny`, or `--view`")
    for wanted in [None] if recipe is None else [None, recipe] if view else [recipe]:
        with progress_bar("decoding") as progress:
            store = call(recipe=wanted, progress=progress)
        num, height, width = store.images.shape[:3]
        size = f"height {height}, width {width}, {in_bytes(store.images.nbytes)}"
        say(f"store {store.path.name}: {num:,} images of {size}")
        for note in store.notes:
            say(f"note: {note}")
    say_next(after_prepare(call.project, recipe, settings or ()))


@command(ROOM, api.draw_contest)
def _(call: "Call[Contest]") -> None:
    """Draw a made contest.

    Procedural faces in a mask contest's layout, with hidden labels.
    """
    from facetwise.core.errors import InputError

    try:
        contest = call()
    except FileExistsError as error:
        raise InputError(str(error)) from None
    say(f"drew {contest.root}; its hidden labels are {contest.labels}")
