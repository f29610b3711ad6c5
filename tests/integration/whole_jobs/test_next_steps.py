"""Each command that is printed as the next one works as it is printed, where it is printed."""

import re
import shlex
from pathlib import Path

import pytest
from made_project import replace_in
from made_runs import made_contest
from typer.testing import CliRunner

from facetwise.cli.main import app
from facetwise.core.errors import FacetwiseError


@pytest.fixture
def by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of 10 people whose file was written by hand: `init` copied no recipes into it."""
    project, _ = made_contest(tmp_path, 10)
    monkeypatch.chdir(project.root)
    return project.root


def call(*words: str) -> list[list[str]]:
    """Run a command; the commands that it prints as the next ones, without `facetwise`."""
    result = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    told = re.findall(r"^next: (.+)$", result.stderr, flags=re.MULTILINE)
    return [shlex.split(command)[1:] for line in told for command in line.split(", then ")]


def hinted(*words: str) -> list[str]:
    """Run a command that is refused; the command in its hint, without `facetwise`."""
    with pytest.raises(FacetwiseError) as error:
        CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert error.value.hint is not None
    command = re.search(r"`facetwise ([^`]+)`", error.value.hint)
    assert command, error.value.hint
    return shlex.split(command[1])


QUICK = ("--set", "train.length=1ep", "--set", "schedule={name='constant'}", "--set", "model.args.widths=[4, 4]",
         "--set", "model.args.depths=[1, 1]", "--set", "train.batch_size=16")  # fmt: skip


def test_from_the_first_look_to_a_run(by_hand: Path) -> None:
    (folds,) = call("check", "--workers", "1")
    (prepare,) = call(*folds)
    (fit,) = call(*prepare, *QUICK, "--workers", "1")
    assert fit[:2] == ["fit", "cpu-tiny"]
    assert tuple(fit[2:]) == QUICK
    show, *_ = call(*fit)
    assert call(*show) == []
    assert (by_hand / "run.html").is_file()


@pytest.mark.parametrize(
    ("options", "settings"),
    [
        ((), []),
        (("--folds", "3"), ["folds.plan=3"]),
        (("--name", "k4", "--folds", "4"), ["folds.name=k4", "folds.plan=4"]),
        (("--unsafe-split", "image"), ["folds.name=unsafe-image"]),
    ],
)
@pytest.mark.usefixtures("by_hand")
def test_the_recipe_is_told_of_the_folds_just_made(options: tuple[str, ...], settings: list[str]) -> None:
    (prepare,) = call("folds", *options)
    assert prepare[:2] == ["prepare", "cpu-tiny"]
    assert prepare[3::2] == settings
    (fit,) = call(*prepare, "--workers", "1")
    assert fit == ["fit", *prepare[1:]]


def test_the_projects_own_recipe_comes_first(by_hand: Path) -> None:
    from facetwise.recipe.load import SHIPPED

    (by_hand / "recipes").mkdir()
    (by_hand / "recipes" / "cpu-tiny.toml").write_bytes((SHIPPED / "cpu-tiny.toml").read_bytes())
    assert call("folds") == [["prepare", "recipes/cpu-tiny.toml"]]


def test_a_project_that_is_named_is_named_again(by_hand: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(by_hand.parent)
    (prepare,) = call("--project", "project", "folds")
    assert prepare == ["--project", "project", "prepare", "cpu-tiny"]
    call(*prepare, "--workers", "1")


@pytest.mark.usefixtures("by_hand")
def test_without_folds_they_come_before_the_fit() -> None:
    (folds,) = call("prepare", "cpu-tiny", "--set", "folds.name=k3", "--set", "folds.plan=3", "--workers", "1")
    assert folds == ["folds", "--name", "k3", "--folds", "3"]
    call(*folds)


@pytest.mark.usefixtures("by_hand")
def test_a_recipe_of_another_number_of_folds_is_told_of_those_there() -> None:
    call("folds", "--folds", "3")
    assert call("prepare", "cpu-tiny", "--workers", "1") == [["fit", "cpu-tiny", "--set", "folds.plan=3"]]


def test_the_same_folds_again_are_those_there(by_hand: Path) -> None:
    before = call("folds", "--folds", "3", "--seed", "4")
    done = (by_hand / "folds" / "default" / "DONE.json").read_bytes()
    assert call("folds", "--folds", "3", "--seed", "4") == before
    assert (by_hand / "folds" / "default" / "DONE.json").read_bytes() == done


@pytest.mark.parametrize(
    "options", [("--folds", "3"), ("--seed", "1"), ("--folds", "4", "--seed", "2"), ("--name", "mine", "--folds", "2")]
)
@pytest.mark.usefixtures("by_hand")
def test_other_folds_are_made_by_the_hint(options: tuple[str, ...]) -> None:
    call("folds", *(("--name", "mine") if "mine" in options else ()))
    command = hinted("folds", *options)
    assert sorted(command) == sorted(["folds", *options, "--new"])
    call(*command)
    call("folds", *options)


@pytest.mark.usefixtures("by_hand")
def test_too_few_people_are_dealt_by_the_hint() -> None:
    call(*hinted("folds", "--folds", "12", "--name", "k12"))


def test_folds_of_another_manifest_are_made_again_by_the_hint(by_hand: Path) -> None:
    call("folds", "--folds", "3", "--seed", "2")
    table = by_hand.parent / "contest" / "train" / "train.csv"
    replace_in(table, {table.read_text(encoding="utf-8").splitlines()[1] + "\n": ""})
    call("check", "--workers", "1")
    command = hinted("folds", "--folds", "3", "--seed", "2")
    assert sorted(command) == sorted(["folds", "--folds", "3", "--seed", "2", "--new"])
    call(*command)


def test_a_missing_module_of_facetwise_is_no_missing_extra() -> None:
    from facetwise.api.arguments import need_training

    with pytest.raises(ModuleNotFoundError, match=r"facetwise\.no_such_module"):
        need_training("facetwise.no_such_module")
