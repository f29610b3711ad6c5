"""`run export`, `run import`, `note`, `notes`, `journal`: what teammates exchange and write down."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facetwise.cli.context import command_group, console, get_context, print_json, progress_bar, say
from facetwise.cli.next_steps import say_next
from facetwise.cli.options import Json

if TYPE_CHECKING:
    from facetwise.core.project import Project
    from facetwise.journals.page_file import Written


def export(
    context: typer.Context,
    out: Annotated[Path, typer.Option(help="The file to write, such as `age.pack`.")],
    run: Annotated[str, typer.Argument(help="A finished run: its id, number or `last`.")] = "last",
    tables_only: Annotated[
        bool, typer.Option("--tables-only", help="Leave the weights out: it can be blended, but predicts nothing new.")
    ] = False,
    json: Json = False,
) -> None:
    """Pack a finished run into one file.

    Recipe, record, events and tables, and the weights of every fold. The same run gives the same bytes.
    """
    from facetwise import api

    made = api.export_run(get_context(context).project(), run, out=out, tables_only=tables_only)
    if json:
        print_json(made.as_dict())
        return
    for key in made.shortened:
        say(f"note: `{key}` of the recipe is a path of this machine, only the file's name is packed")
    left = " without its weights" if made.content == "tables" else ""
    say(f"packed run {made.run}{left}: {made.path}, {_size(made.num_bytes)}")
    say(f"next, in a teammate's project: facetwise run import {shlex.quote(made.path.name)}")


def import_(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A pack of `facetwise run export`, or a csv of predictions.")],
    name: Annotated[
        str | None, typer.Option(help="Of a csv: what to call its predictions. Of a pack: another name for its run.")
    ] = None,
    answers_of: Annotated[
        str | None,
        typer.Option(
            help="Of a csv of answers: the attribute whose classes they are, or `joint`.", metavar="ATTRIBUTE"
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Take in a teammate's run, or a csv of predictions.

    A pack becomes a run of this project, if it is of the same images, people and classes. A csv holds probabilities by
    image, or is a submission; it is used for the test side only. Both are checked first and not trusted.
    """
    from facetwise.core.errors import SettingError
    from facetwise.sharing.read import is_pack

    project = get_context(context).project()
    if is_pack(file):
        if answers_of is not None:
            raise SettingError(f"{file} is a pack: `--answers-of` is for a csv of answers")
        _take_run(context, file, name, json)
    else:
        _take_predictions(project, file, name, answers_of, json)


def _take_run(context: typer.Context, file: Path, name: str | None, json: bool) -> None:
    from facetwise import api

    taken = api.import_run(get_context(context).project(), file, name=name)
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
        say("note: its weights are not here: it can be shown, compared and blended, but predicts nothing new")
    say_next(context, ["show", number])


def _take_predictions(project: Project, file: Path, name: str | None, answers_of: str | None, json: bool) -> None:
    from facetwise import api
    from facetwise.core.errors import InputError

    if name is None:
        hint = f"name them: `facetwise run import {file.name} --name NAME`"
        raise InputError(f"{file}: not a pack; predictions from a csv need a name", hint=hint)
    taken = api.import_predictions(project, file, name=name, answers_of=answers_of)
    record = taken.record()
    if json:
        print_json(record)
        return
    say(f"imported {record.num_images:,} predictions of {', '.join(record.attributes)} as foreign:{taken.name}")
    say(f"note: {record.how}")
    if record.num_respelt:
        say(f"note: {record.num_respelt} image(s) are spelt differently in the csv (normal form, blanks): found")
    if record.ignored_columns:
        say(f"note: not read were the columns {', '.join(record.ignored_columns)}")
    say("note: nothing is known of them out of fold: they can be used for the test side only")


def _size(num_bytes: int) -> str:
    return f"{num_bytes / 2**20:,.1f} MiB" if num_bytes >= 2**20 else f"{num_bytes:,} bytes"


_ABOUT = "A run (`3`, `last` or its id), a blend (`b2`) or a submission (`s1`)."


def journal(
    context: typer.Context,
    day: Annotated[str | None, typer.Option(help="A day such as 2026-11-25, `today` or `yesterday`.")] = None,
    since: Annotated[
        str | None, typer.Option(metavar="DAY", help="Every day from this one on, as far as something happened on it.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The file to keep it in; the default is `journal/<day>.md`.")] = None,
    json: Json = False,
) -> None:
    """Write the journal of a day from the records.

    What was run and what changed, results with intervals, what was sent and what it scored, what failed, what is open.
    Made again, it keeps what you wrote in it. Days are those of the contest's time zone. `--json` writes no file unless
    `--out` names one.
    """
    from facetwise import api
    from facetwise.journals.page_file import readable

    write = not json or out is not None
    with progress_bar("comparing runs") as progress:
        pages = api.journal(get_context(context).project(), day, since=since, out=out, write=write, progress=progress)
    if json:
        print_json([p.as_dict() for p in pages] if since is not None else pages[0].as_dict())
    else:
        typer.echo("\n\n".join(readable(page.text) for page in pages))
    for page in pages:
        if page.written is not None:
            _tell(page.written)


def _tell(written: Written) -> None:
    if written.kept is not None:
        parts = ", ".join(f"`{name}`" for name in written.edited)
        say(f"warning: somebody wrote inside {parts}, which is made again; the page as it was is in {written.kept}")
        say("hint: write outside of facetwise's comments, under Thoughts for one: that stays")
    say(f"wrote {written.path}")


def note(
    context: typer.Context,
    about: Annotated[str, typer.Argument(metavar="REF", help=_ABOUT)],
    text: Annotated[str, typer.Argument(help="Any text, in any language.")],
    author: Annotated[str | None, typer.Option(metavar="NAME", help="Who says it.")] = None,
    open: Annotated[
        bool, typer.Option("--open", help="Keep it among what is open until a later note on the same thing answers it.")
    ] = False,
) -> None:
    """Put a note on a run, a blend or a submission.

    It is shown with its thing and in the journal. One that ends in a question mark counts as open.
    """
    from facetwise import api

    written = api.note(get_context(context).project(), about, text, author=author, open=open)
    say(f"noted on {written.kind} {written.id}" + (" (open)" if written.asks else ""))


def notes(
    context: typer.Context,
    about: Annotated[str | None, typer.Argument(metavar="[REF]", help=f"{_ABOUT} Without it all notes.")] = None,
    json: Json = False,
) -> None:
    """List notes, also of things that are gone."""
    from facetwise import api
    from facetwise.screens.text.notes import notes_text

    found = api.notes(get_context(context).project(), about)
    if json:
        print_json([asdict(n) for n in found])
    else:
        console().print(notes_text(found))


GROUP = command_group("run", "Exchange runs and predictions with teammates.", export, import_)
COMMANDS = (note, notes, journal)
