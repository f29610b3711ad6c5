"""Writing: whole or not at all, through links, into pipes and devices, and never in the place of one."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from made_runs import add_run, made_contest
from typer.testing import CliRunner

import facetwise as fw
from facetwise.cli.main import app
from facetwise.core.errors import FacetwiseError, InputError
from facetwise.core.files.jsonlines import adding_to, append_lines, lock_file, text_lines
from facetwise.core.files.writing import check_target, write_atomic
from facetwise.core.project import Project
from facetwise.core.workspace import is_locked, new_artefact

DRAWING: tuple[tuple[str, ...], ...] = (
    ("show", "1", "--html"),
    ("show", "b1", "--html"),
    ("calibration", "1", "--html"),
    ("diff", "1", "2", "--html"),
    ("leaderboard", "--html"),
    ("blend", "1", "2", "--rules", "argmax", "--rounds", "6", "--bags", "2", "--html"),
    ("labels", "suspects", "1", "--html"),
    ("labels", "suspects", "1", "--csv"),
    ("ledger", "replay", "1", "--out"),
)
"""Commands that end with the option of a file to write, which may be standard output."""
KEEPING = (*DRAWING, ("journal", "--out"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project, manifest = made_contest(tmp_path_factory.mktemp("written"))
    for number in (1, 2):
        add_run(project, manifest, number, skill=3.0)
    fw.blend(project, ["1", "2"], rounds=6, bags=2, rules=["argmax"])
    fw.submit(project, "b1", yes=True, against_others=True)
    fw.record(project, public=0.7)
    return project


@contextmanager
def read_pipe(path: Path) -> Iterator[list[bytes]]:
    """A named pipe at `path`, and what came out of it when the block has ended."""
    os.mkfifo(path)
    found: list[bytes] = []
    reader = threading.Thread(target=lambda: found.append(path.read_bytes()), daemon=True)
    reader.start()
    yield found
    reader.join(timeout=30)


def call(project: Project, *words: Any) -> Any:
    result = CliRunner().invoke(app, ["--project", str(project.root), *map(str, words)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result


@pytest.mark.parametrize("words", KEEPING, ids=" ".join)
def test_a_command_writes_through_a_link_and_into_a_pipe_and_keeps_a_mode(made, tmp_path, words):
    (tmp_path / "team").mkdir()
    real, link = tmp_path / "team" / "there.out", tmp_path / "link.out"
    real.touch()
    real.chmod(0o640)
    link.symlink_to(real)
    call(made, *words, link)
    assert link.is_symlink()
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert real.stat().st_size > 100
    assert [p.name for p in real.parent.iterdir()] == ["there.out"]  # no temporary file stays
    with read_pipe(tmp_path / "pipe") as found:
        call(made, *words, tmp_path / "pipe")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    assert len(found[0]) > 100


@pytest.mark.parametrize("words", DRAWING, ids=" ".join)
def test_a_hyphen_is_standard_output_and_nothing_else_is_on_it(made, tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    call(made, *words, tmp_path / "file")
    written = (tmp_path / "file").read_bytes()
    assert call(made, *words, "-").stdout_bytes == written
    assert not (tmp_path / "-").exists()


def test_two_things_are_not_both_on_standard_output(made):
    for words in (["calibration", "1", "--json", "--html", "-"], ["labels", "suspects", "--csv", "-", "--html", "-"]):
        with pytest.raises(FacetwiseError, match="only one output can be standard output"):
            CliRunner().invoke(app, ["-p", str(made.root), *words], catch_exceptions=False)


def test_what_cannot_be_a_stream_says_so(made):
    with pytest.raises(InputError, match="cannot be written to standard output"):
        fw.journal(made, out="-")
    with pytest.raises(InputError, match="cannot be written to standard output"):
        fw.export_run(made, "1", out="-")


def test_standard_output_that_is_a_file_gets_what_is_written_to_its_name(tmp_path):
    out = tmp_path / "all.txt"
    code = "from pathlib import Path; from facetwise.core.files.writing import write_atomic\n"
    code += "print('one'); write_atomic(Path('/dev/stdout'), 'two\\n'); print('three')"
    with out.open("w", encoding="utf-8") as file:
        subprocess.run([sys.executable, "-c", code], stdout=file, check=True)
    assert out.read_text(encoding="utf-8") == "one\ntwo\nthree\n"


def test_no_file_can_be_where_something_else_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("s")  # an address has 108 bytes at most
        with pytest.raises(InputError, match="is a socket, expected a file"):
            write_atomic(tmp_path / "s", "x")
    with pytest.raises(InputError, match="is a folder, expected a file"):
        write_atomic(tmp_path, "x")
    (tmp_path / "circle").symlink_to("circle")
    with pytest.raises(InputError, match="cannot be written"):
        write_atomic(tmp_path / "circle", "x")
    (tmp_path / "astray").symlink_to(tmp_path / "gone" / "f")
    with pytest.raises(InputError, match=r"leads to .*f, whose folder is not there"):
        check_target(tmp_path / "astray")
    (tmp_path / "new").symlink_to(tmp_path / "f")
    write_atomic(tmp_path / "new", "x")
    assert (tmp_path / "new").is_symlink()
    assert (tmp_path / "f").read_text(encoding="utf-8") == "x"


def test_a_store_that_is_a_link_stays_one_and_all_who_share_it_take_turns(tmp_path):
    (tmp_path / "team").mkdir()
    shared = tmp_path / "team" / "ledger.jsonl"
    shared.write_text('{"a": 1}\n', encoding="utf-8")
    shared.chmod(0o664)
    for own in ("one", "two"):
        (tmp_path / own).mkdir()
        link = tmp_path / own / "ledger.jsonl"
        link.symlink_to(Path("..", "team", "ledger.jsonl"))
        with adding_to(link, "the ledger"):
            assert is_locked(lock_file(tmp_path / "one" / "ledger.jsonl"))
            append_lines(link, [f'{{"{own}": 1}}'], str)
        assert link.is_symlink()
    assert [line.text for line in text_lines(shared, "it")] == ['{"a": 1}', '{"one": 1}', '{"two": 1}']
    assert stat.S_IMODE(shared.stat().st_mode) == 0o664
    shared.unlink()
    with pytest.raises(InputError, match=r"leads to .*ledger\.jsonl, which is not there"):
        list(text_lines(link, "the ledger"))


def test_an_artefact_whose_folder_is_a_link_is_made_where_it_leads(tmp_path):
    (tmp_path / "big").mkdir()
    (tmp_path / "store").symlink_to("big")
    with new_artefact(tmp_path / "store", {}) as folder:
        (folder / "f").touch()
    assert (tmp_path / "store").is_symlink()
    assert (tmp_path / "big" / "f").is_file()


def test_a_file_that_may_not_be_written_is_not_exchanged(tmp_path, monkeypatch):
    (tmp_path / "f").write_text("kept", encoding="utf-8")
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everything
    with pytest.raises(PermissionError):
        write_atomic(tmp_path / "f", "new")
    assert (tmp_path / "f").read_text(encoding="utf-8") == "kept"
