"""The kit of the terminal: what tables show of cells that are wider than the screen."""

import io

import pytest

from facetwise.screens.kit import Printer, Table


@pytest.mark.parametrize("declared", [True, False])
def test_a_cell_wider_than_the_screen_is_folded_and_not_cut(declared: bool) -> None:
    path = "/projects/" + "faces-" * 30 + "end"
    table = Table(show_header=False)
    if declared:
        table.add_column()
        table.add_column()
    table.add_row("ok", path)
    printer = Printer(io.StringIO())
    printer.width = 40
    printer.print(table)
    shown = printer.file.getvalue()
    assert all(len(line.rstrip()) <= 40 for line in shown.splitlines())
    assert "".join(shown.split()) == f"ok{path}"
