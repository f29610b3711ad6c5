"""Names are data: whatever people, classes, files and notes are called, every screen shows it, and obeys nothing."""

import json
import shutil
import unicodedata
from pathlib import Path

import pytest
from made_project import open_project, replace_in, write_contest
from made_runs import add_run
from typer.testing import CliRunner

import facetwise as fw
from facetwise.cli.main import app
from facetwise.core.errors import FacetwiseError
from facetwise.core.text.printable import printable
from facetwise.data.manifest import build_manifest

PEOPLE = ("[/x]", "[b]p1", "=1+1", "a\u202eb", "[link=file:///]p", "p:smile:", r"back\x1bslash", "가나", "b]", "p10")
AGES = (22, 25, 28, 31, 35, 44, 52, 57, 61, 66)
FILE = "[red]\x1b[31m\u202e.jpg"
NOTE = "[bold]note[/bold] \u202eend"
CLASS = "[i]male[/nothing]"
COMMANDS = (
    "check", "folds --name other", "runs", "show 1", "show 2", "compare 1 2", "rules 1", "calibration 1", "cuts 1",
    "diff 1 2", "blend 1 2", "blends", "show b1", "labels suspects 1", "labels suspects 1 --csv -", "labels show",
    "labels score 1", "submit 1 --yes", "submit b1 --yes", "gate s1", "ledger show", "forecast s1", "plan",
    "leaderboard", "show s1", "notes", "journal", "doctor", "clean", "runs --json", "final",
)  # fmt: skip


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose people, classes, files, runs' notes and events have such names. Tests only read it."""
    root = tmp_path_factory.mktemp("hostile") / "base"
    people = tuple(
        f"{name},{('male', 'female')[i % 2]},Asian,{age},p{i}"
        for i, (name, age) in enumerate(zip(PEOPLE * 2, AGES * 2, strict=True))
        if i < len(PEOPLE)
    )
    dataset = write_contest(root / "contest", people, tests=tuple(f"t{i:02d}.jpg" for i in range(18)))
    shutil.copy(dataset / "eval/images/t00.jpg", dataset / "eval/images" / FILE)  # not listed: a finding names it
    project = open_project(root / "project", dataset)
    replace_in(project.workspace.project_file, {'"male"': json.dumps(CLASS)})
    replace_in(dataset / "train" / "train.csv", {",male,": f",{CLASS},"})
    project = fw.open_project(project.workspace.root)
    manifest = build_manifest(project, workers=1)
    for number in (1, 2):
        add_run(project, manifest, number, skill=0.5 * number)
    fw.folds(project, num_folds=5)
    fw.note(project, "1", NOTE, author="[u]ann")
    return root


@pytest.fixture
def project(hostile: Path, tmp_path: Path) -> Path:
    shutil.copytree(hostile, tmp_path / "base")
    return tmp_path / "base" / "project"


def test_every_screen_shows_names_as_they_are_and_obeys_nothing(project: Path) -> None:
    told = ""
    for command in COMMANDS:
        found = CliRunner().invoke(app, ["--project", str(project), *command.split()])
        out = found.output
        assert found.exception is None or isinstance(found.exception, SystemExit | FacetwiseError), (
            command,
            found.exception,
        )
        if "--json" not in command:
            obeyed = {c for c in out if unicodedata.category(c) in ("Cc", "Cf", "Cs")} - {"\n", "\t"}
            assert obeyed == set(), command
        told += out
    for name in ("[/x]", "[b]p1", CLASS, NOTE, "[u]ann", FILE):
        assert "".join(printable(name).split()) in "".join(told.split()), name


def test_a_list_for_people_is_read_back_as_it_was(project: Path, tmp_path: Path) -> None:
    shown = tmp_path / "list.csv"
    view = fw.suspects(project, "1", attribute="gender", limit=100, csv=shown)
    text = shown.read_text(encoding="utf-8")
    assert not any(line.startswith(("=", "@")) or ",=" in line for line in text.splitlines())
    filled = "".join("y" + line if line.startswith(",") else line for line in text.splitlines(keepends=True))
    shown.write_text(filled, encoding="utf-8")
    accepted = fw.accept_labels(project, str(shown), reason="seen", author="ann")
    assert {c.group for c in accepted.added.written} == {row.suspect.group for row in view.rows}
