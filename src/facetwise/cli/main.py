"""`facetwise`: the app, its global options, and how errors reach the user."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from facetwise import __version__
from facetwise.cli import (
    augment,
    blending,
    calibration,
    clean,
    cuts,
    data,
    demo,
    diff,
    journal,
    ledger,
    packs,
    rules,
    runs,
    studies,
    submissions,
)
from facetwise.cli.context import Context
from facetwise.core.errors import FacetwiseError

app = typer.Typer(
    name="facetwise",
    help="Cross-validate and ship image classifiers whose label is made of several attributes.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for group in (
    data,
    augment,
    runs,
    packs,
    cuts,
    rules,
    calibration,
    diff,
    studies,
    blending,
    submissions,
    ledger,
    journal,
    demo,
    clean,
):
    group.register(app)


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
    _debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version and stop.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    context.obj = Context(project)


def main() -> None:
    """Entry point: runs the app; an error meant for the user is one or two lines on stderr and exit code 2."""
    try:
        app()
    except FacetwiseError as error:
        if "--debug" in sys.argv:
            raise
        _explain(error)
        sys.exit(2)
    except KeyboardInterrupt:
        typer.echo("\nstopped; what was finished is kept", err=True)
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except OSError as error:  # a full disk, no permission, a folder that went away
        if "--debug" in sys.argv:
            raise
        typer.echo(f"error: {error.filename or ''}: {error.strerror or error}; what was finished is kept", err=True)
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
            typer.echo("hint: the folder must be one that you may write to", err=True)
        sys.exit(2)


def _explain(error: FacetwiseError) -> None:
    typer.echo(f"error: {error}", err=True)
    if error.hint:
        typer.echo(f"hint: {error.hint}", err=True)
