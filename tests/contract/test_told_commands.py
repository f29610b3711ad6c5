"""Every command that is told, in an error's hint or on a page, can be given as it stands."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from told_commands import Told, filled, told_commands, told_options, told_settings

from facetwise.cli.main import app
from facetwise.core.errors import SettingError
from facetwise.recipe import load_recipe

ROOT = Path(__file__).parents[2]
APP: Any = typer.main.get_command(app)
USAGE: Any = typer.BadParameter.__base__
NEEDS = {
    "fit": ("recipe", "resume"),
    "prepare": ("recipe", "view"),
    "predict": ("tta", "images", "dataset"),
    "ledger record": ("public", "private", "note"),
    "labels correct": ("person", "image"),
}
"""Commands that need one of these, which none of their parameters says alone."""


def refused(words: list[str]) -> str | None:
    """Why the command line refuses these words before it does anything."""
    command, name = APP, ""
    words = [word for word in words if word not in ("--debug", "--version")]
    if not words or words[-1] == "--help":
        return None if not words[:-1] or words[0] in APP.commands else f"no command {words[0]}"
    try:
        while hasattr(command, "commands"):
            if words[0] not in command.commands:
                return f"no command {words[0]}"
            name, command, words = f"{name} {words[0]}".strip(), command.commands[words[0]], words[1:]
        context = command.make_context(name, list(words))
    except (IndexError, USAGE) as error:
        return str(error)
    if name in NEEDS and all(context.params[n] in (None, False, "none", "", ()) for n in NEEDS[name]):
        return f"needs one of {NEEDS[name]}"
    return None


@pytest.mark.parametrize("told", told_commands(), ids=str)
def test_a_told_command_can_be_given(told: Told) -> None:
    assert refused(told.words()) is None


PAGES = sorted([ROOT / "README.md", *(p for p in (ROOT / "docs").rglob("*.md") if p.name != "cli.md")])


def commands_of(page: Path) -> Iterator[str]:
    """Commands in blocks of a page, and those in a line that have arguments (without, the command as such is meant)."""
    text = page.read_text("utf-8")
    block = re.compile(r"^```(?:sh|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    for code in block.findall(text):
        for line in code.replace("\\\n", " ").splitlines():
            for part in map(str.strip, re.split(" && | [|;] ", line.removeprefix("$ "))):
                if part.startswith("facetwise "):
                    yield part.removesuffix("'") if part.count("'") % 2 else part  # the end of a quoted `ssh` command
    rest = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    yield from (c for c in re.findall(r"`(facetwise [^`]+)`", rest) if re.search(r" (-|[A-Z0-9/.]|\w+\.\w)", c))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_of_a_page_can_be_given(page: Path) -> None:
    told = {c: Told(page.name, c.removeprefix("facetwise ")).words(comments=True) for c in commands_of(page)}
    assert {c: why for c, words in told.items() if (why := refused(words)) is not None} == {}


def options() -> set[str]:
    """Every option of every command."""
    groups, found = [APP], set[str]()
    while groups:
        command = groups.pop()
        groups += getattr(command, "commands", {}).values()
        found |= {option for p in command.params for option in p.opts}
    return found


@pytest.mark.parametrize("told", told_options(), ids=str)
def test_a_told_option_exists(told: Told) -> None:
    asked = [w for w in shlex.split(filled(told.template)) if re.match("--[a-z]", w)]
    assert [w for w in asked if w not in options()] == []


def keys(data: dict[str, Any], start: str = "") -> set[str]:
    """Every dotted key of a recipe."""
    deeper = (keys(value, f"{start}{key}.") for key, value in data.items() if isinstance(value, dict))
    return {f"{start}{key}" for key in data}.union(*deeper)


@pytest.mark.parametrize("told", told_commands(), ids=str)
def test_what_may_hold_a_blank_is_quoted(told: Told) -> None:
    plain = re.compile(r"quote\(|\bid\b|number|\.short$|tta$|\.?(seed|num_folds|plan)$|head|reference|name|whose|rest")
    assert [e for e in re.findall(r"\{([^{}]*)\}", told.template) if not plain.search(e)] == []


@pytest.mark.parametrize("told", told_settings(), ids=str)
def test_a_told_setting_is_a_key_of_a_recipe(told: Told) -> None:
    recipe = load_recipe("cpu-tiny").as_dict()
    key, _, value = filled(told.template).partition("=")
    if value in ("...", ""):
        assert key in keys(recipe)
    else:
        told_for = ["schedule=step"] if key == "schedule.every" else []  # the schedule that has such a key
        load_recipe("cpu-tiny", [*told_for, f"{key}={value}"])


def test_what_cannot_be_given_is_noticed() -> None:
    assert refused(["fit", "demo"]) is None
    assert refused(["fit"]) is not None
    assert refused(["labels", "shows"]) is not None
    assert refused(["compare"]) is not None
    assert refused(["show", "--no-such"]) is not None
    with pytest.raises(SettingError):
        load_recipe("cpu-tiny", ["no.such=1"])
