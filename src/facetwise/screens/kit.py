"""Building blocks of all terminal output: one text, one table, one printer.

They take plain text, which is never read as markup, and control characters never reach the terminal
(`core.text.printable`). Other screens import these names from here, never from rich.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from dataclasses import replace
from typing import IO, Any, Literal

import rich.table
import rich.text
from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.console import Group as Group
from rich.console import RenderableType as RenderableType
from rich.measure import Measurement
from rich.padding import Padding as Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.progress import TaskID as TaskID
from rich.style import Style

from facetwise.core.text.commands import as_typed
from facetwise.core.text.printable import printable

PIPE_WIDTH = 100
"""Width of output that does not go to a terminal."""
LONG_WORD = 16
"""A longer word, as of a path, may be broken where a table does not fit."""
LEVEL_STYLES = {"ok": "green", "info": "dim", "warning": "yellow", "error": "bold red"}
"""How findings look, by their level."""
NOTICE_STYLES = {"unsafe": "bold red", "caution": "yellow", "note": "dim"}
"""How notices look, by their kind."""


class Text(rich.text.Text):
    """Plain text with styles."""

    def __init__(self, text: str = "", style: str | Style = "", **options: Any) -> None:
        super().__init__(printable(as_typed(text)), style, **options)

    def append(self, text: rich.text.Text | str, style: str | Style | None = None) -> Text:
        super().append(printable(as_typed(text)) if isinstance(text, str) else text, style)
        return self

    @classmethod
    def assemble(cls, *parts: rich.text.Text | str | tuple[str, str], **options: Any) -> Text:  # type: ignore[override]
        """One text of several, each plain, or with a style."""
        made = cls(**options)
        for part in parts:
            made.append(*part) if isinstance(part, tuple) else made.append(part)
        return made


class Table(rich.table.Table):
    """A table of plain text, with a rule below its header or (`ruled=False`) only aligned columns.

    Where it is wider than the screen, columns narrow, the widest first, but no word up to `LONG_WORD` is broken: then
    columns stand closer together, and last the table is printed in parts, each with the first column.
    """

    def __init__(self, *, ruled: bool = True, title: str | None = None, **options: Any) -> None:
        look: dict[str, Any] = {"box": box.SIMPLE_HEAD} if ruled else {"box": None, "padding": (0, 2, 0, 0)}
        named = None if title is None else Text(title, style="bold")
        look_and_options = {**look, "pad_edge": False, "show_edge": False, "title_justify": "left", **options}
        super().__init__(title=named, **look_and_options)

    def add_column(self, header: RenderableType = "", *args: Any, **options: Any) -> None:
        """Add a column; long cells are folded, so that nothing is truncated."""
        super().add_column(_cell(header) or "", *args, **{"overflow": "fold", **options})

    def add_row(self, *cells: RenderableType | None, **options: Any) -> None:
        for _ in cells[len(self.columns) :]:  # rich would add columns that truncate
            self.add_column()
        super().add_row(*map(_cell, cells), **options)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for number, part in enumerate(self._parts(console, options)):
            if number:
                yield ""
            yield from rich.table.Table.__rich_console__(part, console, options)

    def _parts(self, console: Console, options: ConsoleOptions) -> Iterator[Table]:
        """Tables that fit, which together hold this one."""
        sizes = [_size(console, options, column) for column in self.columns]
        close = self._chosen(range(len(sizes)))
        if self._gap() > 1:
            top, right, bottom, left = self.padding
            close.padding = (top, max(0, right - 1), bottom, max(0, left - 1))
        for table in (self, close):
            if table._width(size.minimum for size in sizes) <= options.max_width:
                yield table._narrowed(sizes, options.max_width)
                return
        for chosen in close._split([size.minimum for size in sizes], options.max_width):
            yield close._chosen(chosen)._narrowed([sizes[index] for index in chosen], options.max_width)

    def _gap(self) -> int:
        _, right, _, left = self.padding
        return left + right + (self.box is not None)

    def _width(self, widths: Iterable[int]) -> int:
        """Width of the table whose columns have these."""
        return sum(width + self._gap() for width in widths) - self._gap()

    def _chosen(self, chosen: Iterable[int]) -> Table:
        """This table with some of its columns."""
        made = copy(self)
        made.columns = [replace(self.columns[old], _index=new) for new, old in enumerate(chosen)]
        return made

    def _split(self, widths: Sequence[int], room: int) -> Iterator[list[int]]:
        """Columns of each part: the first column, and one or as many others as there is room for."""
        chosen = [0]
        for index in range(1, len(widths)):
            if len(chosen) > 1 and self._width(widths[i] for i in (*chosen, index)) > room:
                yield chosen
                chosen = [0]
            chosen.append(index)
        yield chosen

    def _narrowed(self, sizes: Sequence[Measurement], room: int) -> Table:
        """This table with columns no wider than `room` in all: the widest is narrowed first, below its least last."""
        widths, least = [size.maximum for size in sizes], [size.minimum for size in sizes]
        if self._width(least) > room:
            least = [1] * len(least)
        made = self._chosen(range(len(widths)))
        while self._width(widths) > room and widths != least:
            spare = [width if width > low else 0 for width, low in zip(widths, least, strict=True)]
            widths[spare.index(max(spare))] -= 1
        for column, width in zip(made.columns, widths, strict=True):
            column.width = width
        return made


class Printer(Console):
    """Prints the output of screens; a string is plain text."""

    def __init__(self, file: IO[str] | None = None, *, stderr: bool = False) -> None:
        stream = file or (sys.stderr if stderr else sys.stdout)
        width = None if stream.isatty() else PIPE_WIDTH
        super().__init__(file=file, stderr=stderr, width=width, markup=False, emoji=False, highlight=False)

    def render_str(self, text: str, **options: Any) -> rich.text.Text:
        known = {key: options[key] for key in ("style", "justify", "overflow") if options.get(key) is not None}
        return Text(text, **known)

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError  # handled by the entry point, with another exit code than rich's


def progress_bars(printer: Printer, **options: Any) -> Progress:
    """Progress bars with a plain description, amount done and remaining time; removed when finished."""
    columns = (
        TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    return Progress(*columns, console=printer, transient=True, **options)


def section(title: str) -> Text:
    """The heading of a section."""
    return Text(title, style="bold")


def paragraph(text: str, *, style: str = "") -> Padding:
    """An indented paragraph."""
    return Padding(Text(text, style), (0, 0, 0, 2), expand=False)


def table_of(first: str, *rest: str, title: str | None = None, justify: Literal["left", "right"] = "right") -> Table:
    """A ruled table with the first column left-aligned and the others as in `justify`."""
    made = Table(title=title)
    made.add_column(first)
    for name in rest:
        made.add_column(name, justify=justify)
    return made


def _size(console: Console, options: ConsoleOptions, column: rich.table.Column) -> Measurement:
    """The least width of a column that breaks no word up to `LONG_WORD`, and the width of its widest cell."""
    found = [Measurement.get(console, options, cell) for cell in (column.header, *column.cells)]
    widest = max(1, column.min_width or 0, *(size.maximum for size in found))
    return Measurement(min(widest, max(1, *(min(size.minimum, LONG_WORD) for size in found))), widest)


def _cell(content: RenderableType | None) -> RenderableType | None:
    return Text(content) if isinstance(content, str) else content
