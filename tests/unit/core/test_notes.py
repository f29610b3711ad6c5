"""Notes: any language comes back as it was written, and what is edited by hand is told by line."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facetwise.core.errors import InputError, LockedError, ProblemsError
from facetwise.core.records.notes import MAX_TEXT, Note, checked, open_notes, read_notes, write_note
from facetwise.core.workspace import Workspace, lock

TEXTS = st.text(st.characters(exclude_categories=("Cc", "Cs")) | st.just("\n"), min_size=1, max_size=80).filter(
    str.strip
)


@pytest.fixture
def space(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


def note(text: str = "a", thing: str = "01-x", **more: Any) -> Note:
    return Note("2026-11-25T12:00:00+00:00", "run", thing, text, **more)


def line(**changes: Any) -> str:
    data = {"time": "2026-11-25T12:00:00+00:00", "kind": "run", "id": "01-x", "text": "a", **changes}
    return json.dumps({k: v for k, v in data.items() if v is not None}, ensure_ascii=False)


# ------------------------------------------------------------------------------------------------ laws


@settings(max_examples=15)
@given(texts=st.lists(st.tuples(TEXTS, TEXTS.map(lambda t: t.replace("\n", " "))), max_size=4))
def test_what_is_written_comes_back(texts: list[tuple[str, str]], tmp_path_factory: pytest.TempPathFactory) -> None:
    space = Workspace(tmp_path_factory.mktemp("notes"))
    written = [write_note(space, "blend", "b01-x", text, author=author, open=True) for text, author in texts]
    assert list(read_notes(space)) == written
    assert [(n.text, n.author) for n in written] == [(text.strip(), author.strip()) for text, author in texts]


@settings(max_examples=40)
@given(cut=st.integers(0, 400))
def test_a_line_that_was_cut_off_is_not_missed(cut: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Cut anywhere, the whole lines are read; what was begun has to be put right before more is written."""
    space = Workspace(tmp_path_factory.mktemp("notes"))
    texts = ["eins 하나", "zwei", "drei\nvier"]
    for text in texts:
        write_note(space, "run", "01-x", text)
    whole = space.notes_file.read_bytes()
    kept = whole[: max(0, len(whole) - cut)]
    while kept and not _decodes(kept):
        kept = kept[:-1]
    space.notes_file.write_bytes(kept)
    num_whole = sum(end <= len(kept) for end in _ends(whole))
    assert [n.text for n in read_notes(space)] == texts[:num_whole]
    if kept.rpartition(b"\n")[2] and len(kept) not in _ends(whole):
        with pytest.raises(ProblemsError, match=f"line {num_whole + 1}"):
            write_note(space, "run", "01-x", "last")
        assert space.notes_file.read_bytes() == kept
    else:
        write_note(space, "run", "01-x", "last")
        assert [n.text for n in read_notes(space)] == [*texts[:num_whole], "last"]


def _decodes(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _ends(whole: bytes) -> list[int]:
    """Where each line's object ends: a line that lacks nothing but its newline is whole."""
    return [i for i, byte in enumerate(whole) if byte == ord("\n")]


# ------------------------------------------------------------------------------------------------ what is open


@pytest.mark.parametrize(
    ("text", "asks"),
    [("why?", True), ("왜？", True), ("why? because.", False), ("لماذا؟", True), ("fine", False)],  # noqa: RUF001
)
def test_a_question_is_open(text: str, asks: bool) -> None:
    assert note(text).asks == asks
    assert note(text, open=True).asks


def test_a_later_note_on_the_same_thing_answers() -> None:
    first, other, second = note("why?"), note("and why?", "02-y"), note("still, why?")
    assert open_notes([first, other, second]) == (first, other, second)
    assert open_notes([first, other, second, note("the seed")]) == (other,)
    again = note("or not?")
    assert open_notes([first, note("the seed"), again]) == (again,)


# ------------------------------------------------------------------------------------------------ bad input


@pytest.mark.parametrize(
    ("text", "author", "told"),
    [
        ("  \n ", None, "is empty"),
        ("a\0b", None, r"U\+0000"),
        ("\x1b[31mred", None, r"U\+001B, which is no text"),
        ("a" * (MAX_TEXT + 1), None, "10,001 characters"),
        ("\udcff", None, "no text"),
        ("a", "two\nlines", "the author has the character"),
    ],
)
def test_what_is_no_note(space: Workspace, text: str, author: str | None, told: str) -> None:
    with pytest.raises(InputError, match=told):
        write_note(space, "run", "01-x", text, author=author)
    assert not space.notes_file.exists()


def test_breaks_of_other_systems_are_breaks() -> None:
    assert checked(" a\r\nb ", " Kim ") == ("a\nb", "Kim")


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("{", "line 2: not JSON"),
        ("[]", "line 2: expected an object"),
        (line(kind="fold"), "line 2: `kind`: expected 'run', 'blend' or 'submission' (got 'fold')"),
        (line(time="yesterday"), "line 2: `time`: Invalid isoformat string"),
        (line(time="2026-11-25T12:00:00"), "line 2: `time`"),
        (line(text=None), "line 2: `text`: missing"),
        (line(text=""), "line 2: the note is empty"),
        (line(open="yes"), "line 2: `open`: expected a valid boolean (got 'yes')"),
        (line(colour="red"), "line 2: `colour`: "),
        ("[" * 100_000, "line 2: not what anybody writes: too deep"),
    ],
)
def test_a_line_that_is_no_note_is_told_by_number(space: Workspace, wrong: str, told: str) -> None:
    before = f"{line()}\n{wrong}\n\n{line(text='b')}\n{wrong}\n"
    space.notes_file.write_text(before, encoding="utf-8")
    with pytest.raises(ProblemsError) as error:
        read_notes(space)
    assert told in str(error.value)
    assert "2 lines" in str(error.value)
    with pytest.raises(ProblemsError):
        write_note(space, "run", "01-x", "more")
    assert space.notes_file.read_text(encoding="utf-8") == before, "nothing is lost"


def test_a_file_of_another_encoding_is_told(space: Workspace) -> None:
    space.notes_file.write_bytes(f"{line()}\n".encode() + line(text="ü").encode("latin-1") + b"\n")
    with pytest.raises(InputError, match=r"line 2: not UTF-8"):
        read_notes(space)


def test_a_file_of_a_windows_editor_is_read(space: Workspace) -> None:
    space.notes_file.write_bytes(b"\xef\xbb\xbf" + f"{line()}\r\n{line(text='b')}".encode())
    assert [n.text for n in read_notes(space)] == ["a", "b"]
    write_note(space, "run", "01-x", "c")
    assert [n.text for n in read_notes(space)] == ["a", "b", "c"]


def test_one_writes_at_a_time(space: Workspace) -> None:
    with lock(space.root / ".notes.lock", "notes"), pytest.raises(LockedError):
        write_note(space, "run", "01-x", "a")
