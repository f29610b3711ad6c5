"""What people see is escaped, and can be read back."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facetwise.core.text.printable import SIGNS, from_list_cell, list_cell, printable, unprintable

ANY = st.text(alphabet=st.characters(codec=None), max_size=30)
HOSTILE = st.text(alphabet="\\x1bu202e'=+-@\x1b\u202e\r\n1", max_size=12)


@given(ANY | HOSTILE)
def test_what_is_escaped_is_read_back(text):
    assert unprintable(printable(text)) == text
    assert from_list_cell(list_cell(text)) == text


@given(ANY | HOSTILE)
def test_nothing_that_a_terminal_obeys_is_left(text):
    shown = printable(text)
    left = {c for c in shown if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") or c in "\u202a\u202e\u2066\u2069"}
    assert left <= {"\n", "\t"}


@given(ANY | HOSTILE)
def test_no_cell_is_a_formula(text):
    cell = list_cell(text)
    assert not cell.startswith(("=", "@", "\t", "\r"))
    if cell.startswith(("+", "-")):
        float(cell)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("이름 é — …", "이름 é — …"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("a\u202egpj.exe", r"a\u202egpj.exe"),
        ("\udc80", r"\udc80"),
        (r"C:\photos\x1b", r"C:\\photos\\x1b"),
        (r"C:\photos", r"C:\photos"),
    ],
)
def test_examples(text, shown):
    assert printable(text) == shown


@pytest.mark.parametrize(("text", "cell"), [("=1+1", "'=1+1"), ("-3.5", "-3.5"), ("-x", "'-x"), ("'=a", "''=a")])
def test_cells(text, cell):
    assert list_cell(text) == cell


def test_a_stream_that_cannot_show_a_sign_shows_another():
    assert "0.5 ± 0.1 … ██ 이름".encode("ascii", SIGNS) == rb"0.5 +- 0.1 ... ## \uc774\ub984"
    assert "±…".encode("latin-1", SIGNS) == b"\xb1..."
