"""What all texts for a terminal are made of: one text, one table, one printer.

They take plain text. Nothing in it is read as markup, and nothing reaches the terminal that it would obey
(`core.text.printable`). Other screens import these names from here, never from rich.
"""

from __future__ import annotations

import sys
from typing import IO, Any, Literal

import rich.console
import rich.table
import rich.text
from rich import box
from rich.console import Group as Group
from rich.console import RenderableType as RenderableType
from rich.padding import Padding as Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.progress import TaskID as TaskID
from rich.style import Style

from facetwise.core.text.printable import printable

PIPE_WIDTH = 100
"""Columns of output that no terminal reads."""
LEVEL_STYLES = {"ok": "green", "info": "dim", "warning": "yellow", "error": "bold red"}
"""How findings look, by their level."""
NOTICE_STYLES = {"unsafe": "bold red", "caution": "yellow", "note": "dim"}
"""How notices look, by their kind."""


class Text(rich.text.Text):
    """Plain text with styles."""

    def __init__(self, text: str = "", style: str | Style = "", **options: Any) -> None:
        super().__init__(printable(text), style, **options)

    def append(self, text: rich.text.Text | str, style: str | Style | None = None) -> Text:
        super().append(printable(text) if isinstance(text, str) else text, style)
        return self

    @classmethod
    def assemble(cls, *parts: rich.text.Text | str | tuple[str, str], **options: Any) -> Text:  # type: ignore[override]
        """One text of several, each plain, or with a style."""
        made = cls(**options)
        for part in parts:
            made.append(*part) if isinstance(part, tuple) else made.append(part)
        return made


class Table(rich.table.Table):
    """A table whose cells are plain text: with a rule below its head, or (`ruled=False`) only aligned."""

    def __init__(self, *, ruled: bool = True, title: str | None = None, **options: Any) -> None:
        look: dict[str, Any] = {"box": box.SIMPLE_HEAD} if ruled else {"box": None, "padding": (0, 2, 0, 0)}
        named = None if title is None else Text(title, style="bold")
        given = {**look, "pad_edge": False, "show_edge": False, "title_justify": "left", **options}
        super().__init__(title=named, **given)

    def add_column(self, header: RenderableType = "", *args: Any, **options: Any) -> None:
        """A column; what is too long is folded, so that nothing is cut off."""
        super().add_column(_cell(header) or "", *args, **{"overflow": "fold", **options})

    def add_row(self, *cells: RenderableType | None, **options: Any) -> None:
        super().add_row(*map(_cell, cells), **options)


class Printer(rich.console.Console):
    """Prints what the screens make; a string is plain text."""

    def __init__(self, file: IO[str] | None = None, *, stderr: bool = False) -> None:
        stream = file or (sys.stderr if stderr else sys.stdout)
        width = None if stream.isatty() else PIPE_WIDTH
        super().__init__(file=file, stderr=stderr, width=width, markup=False, emoji=False, highlight=False)

    def render_str(self, text: str, **options: Any) -> rich.text.Text:
        known = {key: options[key] for key in ("style", "justify", "overflow") if options.get(key) is not None}
        return Text(text, **known)

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError  # the entry point ends the program, with another code than rich would


def progress_bars(printer: Printer, **options: Any) -> Progress:
    """Bars with a plain description, how much is done and the time that is left; they go when they end."""
    columns = (
        TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    return Progress(*columns, console=printer, transient=True, **options)


def section(title: str) -> Text:
    """The heading of a part."""
    return Text(title, style="bold")


def paragraph(text: str, *, style: str = "", indent: int = 2) -> Padding:
    """A text whose lines are all indented."""
    return Padding(Text(text, style), (0, 0, 0, indent), expand=False)


def table_of(first: str, *others: str, title: str | None = None, justify: Literal["left", "right"] = "right") -> Table:
    """A ruled table: its first column to the left, the others as told."""
    made = Table(title=title)
    made.add_column(first)
    for name in others:
        made.add_column(name, justify=justify)
    return made


def _cell(content: RenderableType | None) -> RenderableType | None:
    return Text(content) if isinstance(content, str) else content
