"""The command line and Python are two doors to one thing: the same verbs in the same rooms, with the same options."""

import importlib
import inspect
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
from facetwise.cli.main import JOBS, app, command_name, main

HELP = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "80"}).output


def test_both_doors_have_the_same_rooms() -> None:
    for module in api._MODULES:
        importlib.import_module(f"facetwise.cli.{module}")
    rooms = {c.__module__ for commands in JOBS.values() for c in commands if hasattr(c, "__name__")}
    assert {room.removeprefix("facetwise.cli.") for room in rooms} - {"demo"} <= set(api._MODULES)


def test_every_verb_is_where_the_list_says() -> None:
    for module, verbs in api._MODULES.items():
        for verb in verbs:
            assert getattr(api, verb).__module__ == f"facetwise.api.{module}", verb


def test_help_groups_commands_by_job_in_the_order_of_use() -> None:
    _, *sections = (part.split("\n") for part in HELP.split("\n\n"))
    shown = {title.rstrip(":"): [line.split()[0] for line in lines if line.strip()] for title, *lines in sections}
    expected = {title: [command_name(c) for c in commands] for title, commands in JOBS.items()}
    assert list(expected) == ["Data", "Train", "Look", "Blend", "Submit", "Team", "Upkeep"]
    assert {title: shown[title] for title in expected} == expected
    assert [title for title in shown if title in expected] == list(expected)


# --- options and arguments

PATHS = {
    "ledger show": "ledger",
    "labels correct": "correct_label",
    "draw": "draw_contest",
    "run import": "import_predictions",
}
"""Commands whose verb is not its own name, nor `<command>_<group>`, nor alone the last word."""
NO_VERB = {"demo": "the whole job: it calls the verbs"}
NO_COMMAND = {
    "open_project": "is what `--project` does",
    "import_run": "is `run import` of a pack",
}
ALSO_NAMED = {
    ("folds", "num_folds"): "--folds",  # `facetwise folds --num-folds` would say it twice
    ("augment", "settings"): "--set", ("prepare", "settings"): "--set", ("fit", "settings"): "--set",
    ("ablate", "settings"): "--set", ("tune", "settings"): "--set",  # one `--set` a setting
    ("ablate", "tries"): "--try",  # a keyword of Python
}  # fmt: skip
"""(Command, argument) -> its option, where that is spelt otherwise."""
ONLY_IN_PYTHON = {
    "project": "the option `--project` of all commands",
    "progress": "a bar on the terminal", "listener": "a line an epoch on the terminal",
}  # fmt: skip
ONLY_OPTIONS = {
    "json": "how a result is shown", ("blend", "explain"): "how a result is shown",
    ("prepare", "view"): "from Python the call without a recipe",
}  # fmt: skip
PYTHON_ONLY_HERE = {("doctor", "folder"): "the option `--project`", ("journal", "write"): "`--json` without `--out`"}


def commands(group: Any, *words: str) -> Iterator[tuple[str, Any]]:
    """All commands with their words, those of groups too."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, *words, name)
        else:
            yield " ".join((*words, name)), command


COMMANDS = dict(commands(typer.main.get_command(app)))


def verb_of(path: str) -> str:
    """The verb of a command."""
    *groups, name = path.split()
    found = [PATHS.get(path), "_".join([name, *groups]), name]
    return next(verb for verb in found if verb in api.__all__)


def plain(value: object) -> object:
    """A default as it is compared: nothing is given is None, () or an empty list."""
    return None if value in (None, ()) or value is inspect.Parameter.empty else value


@pytest.mark.parametrize("path", [path for path in COMMANDS if path not in NO_VERB])
def test_each_option_is_an_argument_with_the_same_default_and_the_other_way_round(path: str) -> None:
    verb = verb_of(path)
    ours = {
        name: plain(parameter.default)
        for name, parameter in inspect.signature(getattr(api, verb)).parameters.items()
        if name not in ONLY_IN_PYTHON and (path, name) not in PYTHON_ONLY_HERE
    }
    theirs = {
        p.name: p for p in COMMANDS[path].params if p.name not in ONLY_OPTIONS and (path, p.name) not in ONLY_OPTIONS
    }
    assert {name: plain(p.default) for name, p in theirs.items()} == ours
    for name, parameter in theirs.items():
        if parameter.param_type_name == "option":
            assert ALSO_NAMED.get((path, name), "--" + name.replace("_", "-")) in parameter.opts


def test_every_verb_has_its_command() -> None:
    assert {verb_of(path) for path in COMMANDS if path not in NO_VERB} == set(api.__all__) - set(NO_COMMAND)


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
