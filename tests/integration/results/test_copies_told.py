"""Copies on both sides of the split: told once by everything that estimates from such runs."""

from __future__ import annotations

import pytest
from made_runs import add_run, made_contest
from typer.testing import CliRunner

from facetwise.cli.main import app
from facetwise.core.project import Project
from facetwise.core.records.run import RunRecord
from facetwise.core.runs import RunFolder
from facetwise.results.notices import copies_notices

COPIES = {"joined": False, "pairs": 3, "people": 6, "across": 2, "examples": [["a.jpg", "b.jpg"], ["c.jpg", "d.jpg"]]}
TOLD = "On both sides of the split: 2 pairs of copies between people (a.jpg = b.jpg; c.jpg = d.jpg)"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Runs 1 and 2 on folds that part copies, runs 3 and 4 on folds that part none; blends of each two."""
    project, manifest = made_contest(tmp_path_factory.mktemp("copies"), num_people=10)
    for number in (1, 2, 3, 4):
        across = {} if number < 3 else {"across": 0, "examples": []}
        add_run(project, manifest, number, copies=COPIES | across)
    for pair in (("1", "2"), ("3", "4")):
        said(project, "blend", *pair, "--weighting", "equal", "--rules", "argmax")
    return project


def said(project: Project, *words: str) -> str:
    found = CliRunner().invoke(app, ["--project", str(project.root), *words], env={"COLUMNS": "400"})
    assert found.exit_code == 0, found.output
    return " ".join(found.output.split())


@pytest.mark.parametrize(
    "command",
    ["show 1", "show b1", "compare 1 2", "diff --oof 1 b1", "rules 1", "rules b1", "calibration b1", "submit b1 --yes"],
)
def test_every_estimate_says_it_once(project: Project, command: str) -> None:
    assert said(project, *command.split()).count(TOLD) == 1


@pytest.mark.parametrize("command", ["show b2", "compare 3 4", "diff --oof 3 b2", "diff 1 b1"])
def test_nothing_is_said_without_a_parted_copy_or_an_estimate(project: Project, command: str) -> None:
    assert "both sides" not in said(project, *command.split())


def test_no_command_is_told_that_is_refused(project: Project) -> None:
    record: RunRecord = RunFolder(project.workspace.runs / "01-made").record()
    (dealt,) = copies_notices([record, record])
    assert "--join-copies" in dealt.text
    (by_image,) = copies_notices([record.model_copy(update={"split": "image"})])
    assert "`" not in by_image.text
