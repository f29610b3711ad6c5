"""The command line and Python are two doors to one thing: the same verbs in the same rooms, with the same options."""

import importlib

from typer.testing import CliRunner

from facetwise import api
from facetwise.cli.main import JOBS, app, command_name

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
