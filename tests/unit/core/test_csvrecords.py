"""What is written as csv is read back as it was."""

from __future__ import annotations

import csv
import io

from hypothesis import example, given
from hypothesis import strategies as st

from facetwise.core.files.csvrecords import CONTROL, csv_records, csv_row

CELLS = st.lists(
    st.text(st.characters(codec="utf-8") | st.sampled_from(',"\r\n ;'), max_size=8).filter(
        lambda text: not CONTROL.search(text)
    ),
    min_size=1,
    max_size=5,
)


@given(st.lists(CELLS, max_size=4), st.sampled_from(["\n", "\r\n"]))
@example([["two\rlines", "b"]], "\n")
@example([['"', ""], ["\r\n", ",,"]], "\r\n")
def test_rows_are_read_back(rows: list[list[str]], newline: str) -> None:
    text = "header" + newline + "".join(csv_row(row, newline) for row in rows)
    told = [tuple(row) for row in rows if any(cell.strip() for cell in row)]
    assert [cells for _, cells in csv_records(text.encode())][1:] == told


@given(CELLS.filter(lambda cells: cells != [""]))
def test_other_programs_read_the_same(cells: list[str]) -> None:
    assert list(csv.reader(io.StringIO(csv_row(cells), newline=""))) == [cells]
