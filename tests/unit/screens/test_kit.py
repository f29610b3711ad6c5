"""The kit of the terminal: what tables show of cells that are wider than the screen."""

import io
from typing import Any

import pytest

from facetwise.screens.kit import Printer, Table


def printed(table: Table, width: int) -> str:
    file = io.StringIO()
    printer = Printer(file)
    printer.width = width
    printer.print(table)
    return file.getvalue()


@pytest.mark.parametrize("declared", [True, False])
def test_a_cell_wider_than_the_screen_is_folded_and_not_cut(declared: bool) -> None:
    path = "/projects/" + "faces-" * 30 + "end"
    table = Table(show_header=False)
    if declared:
        table.add_column()
        table.add_column()
    table.add_row("ok", path)
    shown = printed(table, 40)
    assert all(len(line.rstrip()) <= 40 for line in shown.splitlines())
    assert "".join(shown.split()) == f"ok{path}"


SCORES = [("joint-multipliers", "2026-11-30 15:10", "0.1911 [0.1281, 0.2558]"), ("argmax", "", "0.1830")]


def scores(columns: int = 3, **options: Any) -> Table:
    table = Table(**options)
    for name in ("rule", "sent (UTC)", "expected")[:columns]:
        table.add_column(name)
    for row in SCORES:
        table.add_row(*row[:columns])
    return table


@pytest.mark.parametrize("width", range(20, 70))
@pytest.mark.parametrize("ruled", [True, False])
def test_no_number_is_broken_and_no_line_too_long(width: int, ruled: bool) -> None:
    shown = printed(scores(ruled=ruled), width)
    assert all(len(line.rstrip()) <= width for line in shown.splitlines())
    for word in ("argmax", "2026-11-30", "15:10", "0.1911", "[0.1281,", "0.2558]", "0.1830", "expected"):
        assert word in shown.split()


def test_a_table_that_fits_is_as_wide_as_its_cells() -> None:
    assert printed(scores(), 62).splitlines()[0].split("   ")[0] == "rule"
    assert printed(scores(), 62) == printed(scores(), 200)


def test_where_nothing_else_helps_a_table_comes_in_parts_with_its_first_column() -> None:
    table = Table()
    for name in ("", "temperature", "precision", "recall"):
        table.add_column(name, justify="right")
    table.add_row("mask", "0.80", "0.3572", "0.3482")
    lines = [line.split() for line in printed(table, 17).splitlines()]
    rows = [line for line in lines if line and not line[0].startswith("─")]
    assert rows == [
        ["temperature"], ["mask", "0.80"],
        ["precision"], ["mask", "0.3572"],
        ["recall"], ["mask", "0.3482"],
    ]  # fmt: skip


def test_columns_never_touch() -> None:
    table = Table(ruled=False, padding=(0, 0, 0, 1))
    table.add_row(*["100"] * 9)
    assert set(printed(table, 20).split()) == {"100"}
