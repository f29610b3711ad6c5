"""`run export`, `run import`, `note`, `notes`, `journal`: exchange with teammates, notes and the journal."""

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from facetwise import api
from facetwise.cli.commands import Call, Json, command, room
from facetwise.cli.context import console, print_json, progress_bar, say
from facetwise.cli.next_steps import say_next
from facetwise.core.text.counting import count, in_bytes

if TYPE_CHECKING:
    from facetwise.api.team import JournalPage
    from facetwise.core.records.notes import Note
    from facetwise.journals.page_file import Written
    from facetwise.predictors.external import ExternalFolder
    from facetwise.sharing.export_run import Exported
    from facetwise.sharing.import_run import ImportedRun

RUNS = room("run", "Exchange runs and predictions with teammates.")
ROOM = room()


@command(RUNS, api.export_run)
def _(call: "Call[Exported]", json: Json = False) -> None:
    """Pack a finished run into one file.

    Holds recipe, record, events, tables, and the weights of every fold. The same run gives the same bytes.
    """
    made = call()
    if json:
        print_json(made.as_dict())
        return
    for key in made.shortened:
        say(f"note: `{key}` of the recipe is a path on this machine; only the file's name is packed")
    left = " without its weights" if made.content == "tables" else ""
    say(f"packed run {made.run}{left}: {made.path}, {in_bytes(made.num_bytes)}")
    say(f"next, in a teammate's project: facetwise run import {shlex.quote(made.path.name)}")


@command(RUNS, api.import_predictions)
def _(
    call: "Call[ExternalFolder]", file: Path, name: str | None, answers_of: str | None,
    json: Json = False,
) -> None:  # fmt: skip
    """Import a teammate's run, or a csv of predictions.

    A pack becomes a run of this project, if it is of the same images, people and classes. A csv with probabilities or
    answers for each image is used for the test side only. Both are checked, not trusted.
    """
    from facetwise.core.errors import SettingError
    from facetwise.sharing.read import is_pack

    project = call.project
    if is_pack(file):
        if answers_of is not None:
            raise SettingError(f"{file} is a pack: `--answers-of` is for a csv of answers")
        _tell_run(api.import_run(project, file, name=name), json)
    else:
        _tell_predictions(call(), json)


def _tell_run(taken: "ImportedRun", json: bool) -> None:
    if json:
        print_json(taken.as_dict())
        return
    number = taken.run.id.split("-")[0]
    say(f"imported run {taken.origin.original} as {taken.run.id}")
    if taken.split == "image":
        say("unsafe: its folds were split by image; it cannot be blended or submitted")
    if taken.origin.other_folds:
        say(
            f"caution: it was validated on folds `{taken.origin.folds_name}`, which this project does not have: it can "
            "be used for the test side only, and has no score here"
        )
        if taken.same_folds:
            say(f"hint: `{taken.same_folds}` makes its folds; then move the run away and import it again")
    if taken.origin.content == "tables":
        say("note: its weights are not included: it can be shown, compared and blended, but not predict new images")
    say_next(["show", number])


def _tell_predictions(taken: "ExternalFolder", json: bool) -> None:
    record = taken.record()
    if json:
        print_json(record)
        return
    say(f"imported {record.num_images:,} predictions of {', '.join(record.attributes)} as foreign:{taken.name}")
    say(f"note: {record.how}")
    if record.num_impossible:
        odd = f"{count(record.num_impossible, 'answer')} with a combination that cannot occur"
        say(f"note: {odd}: the most alike one that can was taken")
    if record.num_respelt:
        say(f"note: {count(record.num_respelt, 'image')} spelt differently in the csv (normal form, blanks): found")
    if record.ignored_columns:
        say(f"note: columns that were not read: {', '.join(record.ignored_columns)}")
    say("note: they have no out-of-fold predictions: they can be used for the test side only")


@command(ROOM, api.note)
def _(call: "Call[Note]") -> None:
    """Put a note on a run, a blend or a submission.

    It is shown there and in the journal. A note that ends in a question mark counts as open.
    """
    written = call()
    say(f"noted on {written.kind} {written.id}" + (" (open)" if written.asks else ""))


@command(ROOM, api.notes)
def _(call: "Call[tuple[Note, ...]]", json: Json = False) -> None:
    """List notes, including those on what was deleted."""
    from facetwise.core.records.notes import notes_cut
    from facetwise.screens.text.notes import notes_text

    found = call()
    if json:
        print_json([asdict(n) for n in found])
    else:
        console().print(notes_text(found))
    if (cut := notes_cut(call.project.workspace)) is not None:
        say(f"warning: {cut}")


@command(ROOM, api.journal)
def _(call: "Call[list[JournalPage]]", since: str | None, out: Path | None, json: Json = False) -> None:
    """Write the journal of a day from the records.

    Runs and what changed in them, results with intervals, sent submissions and their scores, failures, open questions.
    Writing it again keeps what you wrote in it. Days are those of the contest's time zone. `--json` writes no file
    unless `--out` names one.
    """
    from facetwise.journals.page_file import readable

    write = not json or out is not None
    with progress_bar("comparing runs") as progress:
        pages = call(write=write, progress=progress)
    if json:
        print_json([p.as_dict() for p in pages] if since is not None else pages[0].as_dict())
    else:
        typer.echo("\n\n".join(readable(page.text) for page in pages))
    for page in pages:
        if page.written is not None:
            _tell(page.written)


def _tell(written: "Written") -> None:
    if written.backup is not None:
        parts = ", ".join(f"`{name}`" for name in written.edited)
        say(f"warning: {parts} had been edited and was written again; the edited page is saved as {written.backup}")
        say("hint: what you write outside of facetwise's comments, such as under Thoughts, is kept")
    say(f"wrote {written.path}")
