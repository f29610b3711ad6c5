"""The command line and Python are two doors to one thing: the same verbs in the same rooms, with the same options."""

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from made_runs import made_contest
from typer.testing import CliRunner

from facetwise import api
from facetwise.blending.spec import BlendSpec
from facetwise.cli.main import JOBS, app, command_names, main
from facetwise.core.errors import SettingError

HELP = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "80"}).output


def test_help_groups_commands_by_job_in_the_order_of_use() -> None:
    _, *sections = (part.split("\n") for part in HELP.split("\n\n"))
    shown = {title.rstrip(":"): [line.split()[0] for line in lines if line.strip()] for title, *lines in sections}
    expected = {title: command_names(rooms) for title, rooms in JOBS.items()}
    assert list(expected) == ["Data", "Train", "Look", "Blend", "Submit", "Team", "Upkeep"]
    assert {title: shown[title] for title in expected} == expected
    assert [title for title in shown if title in expected] == list(expected)


# --- options and arguments

NO_VERB = {"demo": "the whole job: it calls the verbs"}
NO_COMMAND = {
    "open_project": "is what `--project` does",
    "import_run": "is `run import` of a pack",
}
ONLY_IN_PYTHON = {
    "project": "the option `--project` of all commands",
    "progress": "a bar on the terminal", "listener": "a line an epoch on the terminal",
    "ask": "a question on the terminal", "tell": "lines on the terminal",
    ("doctor", "folder"): "the option `--project`", ("journal", "write"): "`--json` without `--out`",
}  # fmt: skip
ONLY_OPTIONS = {
    "json": "how a result is shown", ("blend", "explain"): "how a result is shown",
    ("prepare", "view"): "from Python the call without a recipe",
    ("same-person", "join"): "from Python `joined` of what is returned",
}  # fmt: skip


def commands(group: Any, *words: str) -> Iterator[tuple[str, Any]]:
    """All commands with their words, those of groups too."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, *words, name)
        else:
            yield " ".join((*words, name)), command


COMMANDS = dict(commands(typer.main.get_command(app)))


VERB_OF = {path: command.callback.__name__ for path, command in COMMANDS.items() if path not in NO_VERB}


def plain(value: object) -> object:
    """A default as it is compared: nothing is given is None, () or an empty list."""
    return None if value in (None, ()) or value is inspect.Parameter.empty else value


@pytest.mark.parametrize("path", VERB_OF)
def test_each_option_is_an_argument_with_the_same_default_and_the_other_way_round(path: str) -> None:
    verb = VERB_OF[path]
    ours = {
        name: plain(parameter.default)
        for name, parameter in inspect.signature(getattr(api, verb)).parameters.items()
        if name not in ONLY_IN_PYTHON and (path, name) not in ONLY_IN_PYTHON
    }
    theirs = {
        p.name: plain(p.default)
        for p in COMMANDS[path].params
        if p.name not in ONLY_OPTIONS and (path, p.name) not in ONLY_OPTIONS
    }
    assert theirs == ours


def test_both_doors_have_the_same_rooms() -> None:
    for path, verb in VERB_OF.items():
        rooms = [f.__module__.split(".")[-1] for f in (getattr(api, verb), COMMANDS[path].callback)]
        assert rooms[0] == rooms[1] in api.ROOMS


def test_every_verb_has_its_command() -> None:
    assert set(VERB_OF.values()) == set(api.__all__) - set(NO_COMMAND)


@pytest.mark.parametrize(
    ("verb", "given", "message"),
    [
        ("fit", {"recipe": "cpu-tiny", "jobs": 0}, "`jobs` is 0, expected 1 or more"),
        ("folds", {"num_folds": 21}, "`num_folds` is 21, expected 2 to 20"),
        ("draw_contest", {"folder": "new", "wrong_labels": float("nan")}, "`wrong_labels` is nan, expected 0 to 0.5"),
        ("blend", {"method": "sofft"}, "`method` is 'sofft', expected soft or geometric or hard or rank"),
        ("diff", {"project": ".", "limit": -1}, "`limit` is -1, expected 0 or more: the most images to show"),
        ("submit", {"tta": "flips"}, "`tta` is 'flips', expected none or flip or crops or flip-crops"),
    ],
)
def test_python_keeps_the_ranges_and_choices_of_the_command_line(
    verb: str, given: dict[str, Any], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingError, match=re.escape(message)):
        getattr(api, verb)(**given)
    assert list(tmp_path.iterdir()) == []


def test_the_defaults_of_blend_are_those_of_its_spec() -> None:
    arguments = {name: p.default for name, p in inspect.signature(api.blend).parameters.items()}
    spec = BlendSpec()
    names = ("members", "by", "method", "max_models", "max_cost", "rules", "tta", "seed")
    assert {name: arguments[name] for name in names} == {name: getattr(spec, name) for name in names}
    search = (spec.weigh, spec.given, spec.search.rounds, spec.search.bags, spec.search.seed)
    assert search == tuple(arguments[name] for name in ("weighting", "weights", "rounds", "bags", "seed"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (("blend", "--weight", "3=2"), "--weights"),
        (("blend", "--rule", "argmax"), "--rules"),
        (("blend", "--weights", "greedy"), "--weighting greedy"),
        (("ledger", "import", "f.tsv", "--match", "31=2"), "--matches"),
    ],
)
def test_an_option_of_before_is_answered_with_its_new_name(
    old: tuple[str, ...], new: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    project, _ = made_contest(tmp_path)
    monkeypatch.setattr(sys, "argv", ["facetwise", "--project", str(project.root), *old])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    assert new in capsys.readouterr().err
