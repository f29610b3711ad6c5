"""The command line: the whole job by its commands, and errors of a line or two with exit code 2."""

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from facetwise.cli.main import app, main

COMMANDS = (
    "init", "check", "folds", "prepare", "doctor", "fit", "predict", "runs", "show", "diff", "submit", "score", "demo",
)  # fmt: skip
QUICK = ("--set", "train.length=1ep")


def call(*arguments: object, code: int = 0) -> str:
    """Standard output of a command that ends with this code."""
    result = CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.stdout


@pytest.fixture
def fails(monkeypatch, capsys):
    """Call with arguments of a command that fails: what it says on stderr, by `main`, as in a terminal."""

    def run(*arguments: object) -> str:
        monkeypatch.setattr(sys, "argv", ["facetwise", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            main()
        told = capsys.readouterr()
        assert stop.value.code == 2, told.err
        assert "Traceback" not in told.err
        assert told.out == ""
        return told.err

    return run


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command):
    text = call(command, "--help")
    assert text.startswith("Usage:")
    assert "--help" in text


def test_the_list_of_commands_is_whole():
    text = call("--help")
    assert all(f"\n  {command} " in text for command in COMMANDS)
    assert call("--version").startswith("facetwise 0.")


def test_the_whole_job_by_commands(ready_to_fit, tmp_path):
    contest, project = ready_to_fit.copy(tmp_path / "base").contest, tmp_path / "base" / "mine"
    call("init", project, "--dataset", contest, "--name", "mine")
    at = ("--project", project)
    checked = json.loads(call(*at, "check", "--json", "--workers", 1))
    assert {s["split"]: s["images"] for s in checked["sides"]} == {"train": 252, "test": 56}
    assert "252 images" in call(*at, "check", "--workers", 1)
    dealt = json.loads(call(*at, "folds", "--folds", 3, "--json"))
    assert (dealt["num_folds"], dealt["stats"]["shared_groups"]) == (3, 0)
    assert "every person is in one fold" in call(*at, "folds", "--folds", 3, "--new")
    assert "UNSAFE" in call(*at, "folds", "--folds", 3, "--unsafe-split", "image", "--name", "unsafe-lie")
    call(*at, "prepare", ready_to_fit.recipe, "--view", "--workers", 1)
    assert "macro F1" in call(*at, "fit", ready_to_fit.recipe, *QUICK)
    assert json.loads(call(*at, "runs", "--json"))["runs"][0]["state"] == "finished"
    assert "01-AdamW" in call(*at, "runs")
    shown = json.loads(call(*at, "show", "--json"))
    assert f"{shown['scorecard']['macro_f1']:.3f}" in call(*at, "show", "last")
    call(*at, "show", "1", "--html", tmp_path / "run.html")
    assert (tmp_path / "run.html").stat().st_size > 10_000
    paths = call(*at, "predict", "--images", contest / "eval" / "images").splitlines()
    assert [Path(p).name for p in paths] == ["classes.csv", "images.parquet"]
    call(*at, "predict", "1", "--tta", "flip")
    made = json.loads(call(*at, "submit", "--yes", "--json"))
    assert Path(made["csv"]).read_text(encoding="utf-8").startswith("ImageID,ans\n")
    assert "prediction interval" in call(*at, "submit", "--tta", "flip", "--yes")
    between = json.loads(call(*at, "diff", "1", "s1", made["csv"], "--json"))
    assert [s["kind"] for s in between["sides"]] == ["run", "submission", "file"]
    assert between["num_different"] == 0
    scored = json.loads(call(*at, "score", "last", "--labels", ready_to_fit.labels, "--json"))
    assert 0 <= scored["macro_f1"] <= 1
    assert "macro F1" in call(*at, "score", made["csv"], "--labels", ready_to_fit.labels)
    assert json.loads(call(*at, "doctor", "--json", code=0))["findings"]


def test_errors_are_a_line_or_two(fails, finished, tmp_path):
    at = ("--project", finished.project)
    for arguments, words in (
        (("--project", tmp_path, "runs"), "no facetwise.toml"),
        ((*at, "fit"), "give a recipe to train, or a run to resume"),
        ((*at, "fit", "no-such"), "no such recipe file"),
        ((*at, "fit", "cpu-tiny", "--set", "optimizer.lrr=1"), "did you mean `lr`?"),
        ((*at, "fit", "cpu-tiny", "--set", "optimizer.lr=fast"), "`optimizer.lr`"),
        ((*at, "fit", finished.recipe, "--set", "model.backbone=resnet_18"), "timm has no `resnet_18`"),
        ((*at, "fit", finished.recipe, "--set", "folds.name=other"), "no folds are called `other`"),
        ((*at, "fit", finished.recipe, "--set", "train.device=cuda:7x"), "is not a device"),
        ((*at, "fit", "--resume", "7"), "no run is called `7`"),
        ((*at, "folds", "--folds", "4"), "folds `default` exist"),
        ((*at, "show", "nothing"), "no run is called `nothing`"),
        ((*at, "predict", "--images", tmp_path / "none"), "no such folder"),
        ((*at, "submit", "--tta", "flip"), "no predictions with `--tta flip`"),
        ((*at, "score", "9", "--labels", finished.labels), "submission"),
        ((*at, "prepare"), "give a recipe"),
        (("init", finished.project, "--dataset", finished.contest), "exists already"),
        (("init", tmp_path / "new", "--dataset", tmp_path / "none"), "no such folder"),
        (("init", tmp_path / "new", "--dataset", finished.project), "none of the known layouts"),
    ):
        told = fails(*arguments)
        assert words in told, told
        assert told.startswith("error: ")
        if "none of the known" not in words:  # its hint is a whole example file
            assert len(told.splitlines()) <= 3, told
    assert not (tmp_path / "new").exists()


def test_wrong_options_are_refused_without_a_traceback(fails, finished):
    at = ("--project", finished.project)
    for arguments in ((*at, "folds", "--folds", "1"), (*at, "predict", "--tta", "rotate"), ("nothing",), ("init",)):
        assert "Usage:" in fails(*arguments)


def test_the_folder_is_as_before_after_refused_commands(fails, own):
    def files() -> list[Path]:
        return sorted(p for p in own.project.rglob("*") if p.is_file() and p.name != ".lock" and "runs" not in p.parts)

    before = files()
    for setting in ("model.backbone=resnet_18", "train.batch_size=100000", "model.args={ widths = [1] }"):
        fails("--project", own.project, "fit", own.recipe, "--set", setting)
    assert files() == before


def test_a_dataset_with_errors_is_reported_and_ends_with_2(own):
    table = own.contest / "train" / "train.csv"
    lines = table.read_text(encoding="utf-8").splitlines()
    lines[3] = lines[3].replace("female", "femal").replace("male", "mael")
    lines[5] = ",".join([*lines[5].split(",")[:3], "abc", lines[5].split(",")[4]])
    table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    at = ("--project", own.project)
    text = call(*at, "check", "--workers", 1, code=2)
    assert "train.csv:4" in text
    assert "train.csv:6" in text
    told = json.loads(call(*at, "check", "--json", "--workers", 1, code=2))
    assert any(kind["level"] == "error" for kind in told["findings"])
