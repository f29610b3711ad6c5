"""The journal by its commands: written, written on, made again; notes, and what is told when something is wrong."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from facetwise.cli.main import app
from facetwise.core.errors import FacetwiseError


def call(*arguments: object) -> tuple[str, str]:
    """Standard output and error of a command that ends well."""
    result = CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout, result.stderr


def refused(*arguments: object) -> str:
    """What a command says that fails."""
    with pytest.raises(FacetwiseError) as error:
        CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)
    return f"{error.value} {error.value.hint or ''}"


@pytest.fixture
def at(own_finished: Any) -> tuple[str, Path]:
    return "--project", own_finished.project


def test_a_day_is_written_written_on_and_made_again(at: tuple[str, Path]) -> None:
    text, told = call(*at, "journal")
    file = Path(told.split("wrote ")[1].strip())
    assert file.parent == at[1] / "journal"
    assert text.startswith(f"# {file.stem}, ")
    assert "**Run 1** `01-AdamW" in text
    assert "facetwise:" not in text
    assert "<!-- facetwise:begin runs" in file.read_text(encoding="utf-8")
    file.write_text(
        file.read_text(encoding="utf-8").replace("## Thoughts\n", "## Thoughts\n\n오늘은 여기까지.\n"), encoding="utf-8"
    )
    call(*at, "note", "1", "왜 이렇게 낮지?", "--author", "김민수")
    again, _ = call(*at, "journal", "--day", file.stem)
    assert "## Thoughts\n\n오늘은 여기까지.\n" in again
    assert "> 김민수, " in again
    assert "왜 이렇게 낮지?" in again
    assert call(*at, "journal")[0] == again
    file.write_text(file.read_text(encoding="utf-8").replace("## Runs", "## My runs"), encoding="utf-8")
    _, told = call(*at, "journal")
    assert f"the edited page is saved as {file.with_suffix('')}.edited-1.md" in told
    assert "hint: what you write outside of facetwise's comments" in told


def test_data_for_programs_writes_no_page(at: tuple[str, Path], tmp_path: Path) -> None:
    data = json.loads(call(*at, "journal", "--json")[0])
    assert data["runs"][0]["score"] == json.loads(call(*at, "runs", "--json")[0])["runs"][0]["score"]
    assert not (at[1] / "journal").exists()
    since = json.loads(call(*at, "journal", "--since", data["day"], "--json", "--day", data["day"])[0])
    assert since == [data]
    call(*at, "journal", "--json", "--out", tmp_path / "today.md")
    assert "## Tomorrow" in (tmp_path / "today.md").read_text("utf-8")


def test_notes_are_listed_and_shown(at: tuple[str, Path]) -> None:
    assert "no notes yet" in call(*at, "notes")[0]
    text, told = call(*at, "note", "last", "학습률을 낮춰 보자", "--open")
    assert text == ""
    assert told == "noted on run 01-AdamW-Cosine-CE-v0-multilabel_3fold (open)\n"
    listed = call(*at, "notes")[0]
    assert "학습률을 낮춰 보자" in listed
    assert "open" in listed
    assert json.loads(call(*at, "notes", "1", "--json")[0])[0]["open"] is True
    assert "1 note" in call(*at, "runs")[0]
    assert "학습률을 낮춰 보자" in call(*at, "show", "1")[0]
    assert json.loads(call(*at, "show", "1", "--json")[0])["notes"][0]["kind"] == "run"
    call(*at, "show", "1", "--html", at[1] / "run.html")
    assert "학습률을 낮춰 보자" in (at[1] / "run.html").read_text("utf-8")


def test_what_cannot_be_noted_or_written(at: tuple[str, Path]) -> None:
    assert "the note is empty" in refused(*at, "note", "1", " ")
    assert "no run is called `7`" in refused(*at, "note", "7", "x")
    assert "no submissions yet" in refused(*at, "note", "s1", "x")
    assert "no blends yet" in refused(*at, "note", "b1", "x")
    assert "expected a run, a blend or a submission" in refused(*at, "note", "foreign:x", "x")
    assert "is not a day" in refused(*at, "journal", "--day", "monday")
    assert "has not begun yet" in refused(*at, "journal", "--day", "2999-01-01")
    (at[1] / "mine.md").write_text("# my words\n", encoding="utf-8")
    assert "has no part that can be replaced" in refused(*at, "journal", "--out", at[1] / "mine.md")
    assert (at[1] / "mine.md").read_text("utf-8") == "# my words\n"
    (at[1] / "notes.jsonl").write_text('{"time": 1}\n', encoding="utf-8")
    assert "line 1: `time`: expected a valid string (got 1)" in refused(*at, "journal")
    assert "line 1" in refused(*at, "notes")
