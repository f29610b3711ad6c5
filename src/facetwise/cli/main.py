"""`facetwise`: the app, its global options, and how errors reach the user."""

from __future__ import annotations

import errno
import io
import os
import sys
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from facetwise import __version__
from facetwise.cli import (
    blending,
    data,
    decisions,
    demo,
    labels,
    ledgers,
    results,
    submissions,
    team,
    training,
    upkeep,
)
from facetwise.cli.context import Context, say
from facetwise.core.errors import FacetwiseError
from facetwise.core.text.commands import speak_for
from facetwise.core.text.printable import SIGNS


class _ReaderGone(Exception):
    """The reader of standard output or standard error is gone."""


class _Stopped(Exception):
    """Ctrl-C, with how to go on where that is known."""


@contextmanager
def _past_typer() -> Iterator[None]:
    """Typer exits by itself on some errors, with its own codes; renamed, they pass through it."""
    try:
        yield
    except BrokenPipeError:
        raise _ReaderGone from None
    except KeyboardInterrupt as stop:
        raise _Stopped(*stop.args) from None


JOBS = {
    "Data": (data.ROOM, demo.ROOM),
    "Train": (training.ROOM, training.WEIGHTS),
    "Look": (results.ROOM, decisions.ROOM, labels.ROOM),
    "Blend": (blending.ROOM,),
    "Submit": (submissions.ROOM, ledgers.ROOM),
    "Team": (team.RUNS, team.ROOM),
    "Upkeep": (upkeep.ROOM,),
}
"""All commands by what they are for, in the order in which they are used; help and reference go by it."""


class _Commands(TyperGroup):
    """All commands, by job; with `--debug` an error's traceback is printed before its message."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        """Names in the order of `JOBS`."""
        return [name for rooms in JOBS.values() for name in command_names(rooms)]

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        """A section a job."""
        width = max(map(len, self.commands))
        for title, rooms in JOBS.items():
            with formatter.section(title):
                left = formatter.width - width - 4
                shown = {name: self.commands[name].get_short_help_str(left) for name in command_names(rooms)}
                formatter.write_dl([(name.ljust(width), text) for name, text in shown.items()])

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        with _past_typer():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        with _past_typer():
            try:
                return super().invoke(ctx)
            except (FacetwiseError, OSError, UnicodeEncodeError) as error:
                if ctx.params["debug"] and not isinstance(error, BrokenPipeError):
                    traceback.print_exc()
                raise


def command_names(rooms: Iterable[typer.Typer]) -> list[str]:
    """Names of all commands; a group of commands counts as its first word."""
    named = [[room.info] if room.info.name else room.registered_commands for room in rooms]
    return [str(info.name) for infos in named for info in infos]


app = typer.Typer(
    name="facetwise",
    cls=_Commands,
    help="Cross-validate and ship image classifiers whose label is made of several attributes.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for _title, _rooms in JOBS.items():
    for _room in _rooms:
        app.add_typer(_room, rich_help_panel=_title)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"facetwise {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    project: Annotated[
        Path, typer.Option("--project", "-p", help="A folder in the project; the default is the current folder.")
    ] = Path(),
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,  # noqa: ARG001
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version and stop.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    context.obj = Context(project)
    speak_for(project)


def main() -> None:
    """Entry point: runs the app; an error meant for the user is one or two lines on stderr and exit code 2."""
    _open_closed()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # what its encoding cannot show is replaced, and no traceback
            stream.reconfigure(errors=SIGNS)
    try:
        code = _run()
    except (BrokenPipeError, _ReaderGone):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in (sys.stdout, sys.stderr):  # what is left in them is written when Python ends
            os.dup2(nowhere, stream.fileno())
        code = 141
    sys.exit(code)


def _open_closed() -> None:
    """What a stream that the caller closed (`>&-`) is given goes nowhere; a file must not get its number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):  # the order of their numbers
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode, encoding="utf-8"))


def _run() -> int | str | None:
    """Run the app and print its errors; returns the exit code."""
    try:
        app()
    except SystemExit as end:
        sys.stdout.flush()
        return end.code
    except FacetwiseError as error:
        _explain(error)
    except (KeyboardInterrupt, _Stopped) as stop:
        say(f"\nstopped; {stop.args[0] if stop.args else 'what was finished is kept'}")
        return 130
    except BrokenPipeError:
        raise
    except OSError as error:  # a full disk, no permission, a folder that went away
        named = "" if error.filename is None else f"{error.filename}: "
        say(f"error: {named}{error.strerror or error}; what was finished is kept")
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
            say("hint: the folder must be one that you may write to")
    except UnicodeEncodeError as error:
        if (names := sys.getfilesystemencoding()) == "utf-8":
            raise
        say(f"error: a file's name has letters that this locale, in {names}, cannot write: {error}")
        say("hint: set `PYTHONUTF8=1`, or a locale with UTF-8: `LC_ALL=C.UTF-8`")
    return 2


def _explain(error: FacetwiseError) -> None:
    say(f"error: {error}")
    if error.hint:
        say(f"hint: {error.hint}")
