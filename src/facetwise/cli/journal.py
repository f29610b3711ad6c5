"""`journal`, `note`, `notes`: the diary of the contest."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facetwise.cli.context import console, get_context, print_json, progress_bar, say
from facetwise.cli.data import Json

if TYPE_CHECKING:
    from facetwise.journals.page_file import Written

_ABOUT = "A run (`3`, `last` or its id), a blend (`b2`) or a submission (`s1`)."


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    for command in (journal, note, notes):
        app.command()(command)


def journal(
    context: typer.Context,
    day: Annotated[str | None, typer.Option(help="A day such as 2026-11-25, `today` or `yesterday`.")] = None,
    since: Annotated[
        str | None, typer.Option(metavar="DAY", help="Every day from this one on, as far as something happened on it.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The file to keep it in; the default is `journal/<day>.md`.")] = None,
    json: Json = False,
) -> None:
    """Write the diary of a day from the records.

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
