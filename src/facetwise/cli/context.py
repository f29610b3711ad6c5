"""What all commands share: the global options, output, progress."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from facetwise.core.progress import Progress
from facetwise.core.text.commands import as_typed
from facetwise.core.text.printable import printable

if TYPE_CHECKING:
    from rich.console import RenderableType

    from facetwise.core.project import Project
    from facetwise.screens.kit import Printer


@dataclass(frozen=True)
class Context:
    """The global options."""

    folder: Path

    def project(self) -> Project:
        """The project that `--project` or the current folder is in."""
        from facetwise import api

        return api.open_project(self.folder)


def get_context(context: typer.Context) -> Context:
    """The global options of a command."""
    found = context.find_object(Context)
    assert found is not None
    return found


def console() -> Printer:
    """A printer of text for people on stdout, in colour only on a terminal."""
    from facetwise.screens.kit import Printer

    return Printer()


def say(message: str) -> None:
    """Print a line about what is happening to stderr, so that stdout holds data only."""
    typer.echo(printable(as_typed(message)), err=True)


def print_json(value: Any) -> None:
    """Print data for programs as JSON to stdout."""
    text = json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False)
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:  # what the stream cannot write exactly is escaped, as JSON does
        text = json.dumps(value, indent=2, allow_nan=False)
    typer.echo(text)


def print_view(view: Any, json: bool, render: Callable[[Any], RenderableType]) -> None:
    """Print a view as JSON, or rendered for people."""
    if json:
        print_json(view.as_dict())
    else:
        console().print(render(view))


def owns_stdout(json: bool, *outputs: Path | None) -> bool:
    """Whether an output file is standard output (`-`); raises SettingError when several of them, or one and `json`,
    are."""
    from facetwise.core.errors import SettingError

    wanted = [str(path) for path in outputs if path is not None].count("-")
    if wanted + json > 1:
        raise SettingError("only one output can be standard output", hint="give the name of a file for the others")
    return wanted == 1


def say_written(*outputs: Path | None) -> None:
    """Report which files were written, except standard output."""
    for path in outputs:
        if path is not None and str(path) != "-":
            say(f"wrote {path}")


@contextmanager
def progress_bar(what: str) -> Iterator[Progress]:
    """A progress bar on stderr, shown after one second; nothing when stderr is not a terminal."""
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    from facetwise.screens.kit import Printer, progress_bars

    started = time.monotonic()
    with progress_bars(Printer(stderr=True)) as bars:
        task = bars.add_task(what, total=None, visible=False)

        def update(done: int, total: int) -> None:
            bars.update(task, completed=done, total=total, visible=time.monotonic() - started > 1)

        yield update
