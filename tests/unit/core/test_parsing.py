"""Text of files as plain data: the parsers' own answers within the limits, and a word on what is beyond them."""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from facetwise.core.errors import ArtefactError, FacetwiseError, InputError, SettingError
from facetwise.core.files.parsing import parse_json, parse_toml
from facetwise.core.files.settings import MAX_TOML, read_toml
from facetwise.core.project import Project
from facetwise.core.runs import RunFolder
from facetwise.core.workspace import read_json
from facetwise.recipe import load_recipe

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
PLAIN = st.recursive(
    st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)
BEYOND = {
    "digits": (f"a = {'1' * 5000}", "a number of thousands of digits"),
    "bits": (f"a = 0x{'f' * 5000}", "a whole number of more than 64 bits"),
    "negative": (f"a = -{'9' * 30}", "more than 64 bits"),
    "brackets": (f"a = {'[' * 3000}{']' * 3000}", "too deep"),
    "braces": (f"a = {'{a = ' * 70}1{'}' * 70}", "too deep"),
    "key": (f"{'a.' * 100}a = 1", "too deep"),
    "endless key": (f"{'a.' * 100_000}a = 1", "too deep"),
    "nul": (r'a = ["b", "c\u0000"]', r"U\+0000"),
    "endless section": (f"[{'a.' * 100_000}a]", "too deep"),
}


@given(st.dictionaries(st.text(), PLAIN, max_size=3))
def test_what_is_within_the_limits_is_what_the_parsers_say(data: dict[str, Any]) -> None:
    text = json.dumps(data)
    assert parse_json(text) == parse_json(text.encode(), strict=True) == json.loads(text)
    assert parse_toml(tomli_w.dumps(data)) == tomllib.loads(tomli_w.dumps(data))


@pytest.mark.parametrize(("text", "words"), BEYOND.values(), ids=BEYOND)
def test_toml_beyond_the_limits(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "facetwise.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=words) as error:
        Project.open(tmp_path)
    assert str(path) in str(error.value)
    with pytest.raises(InputError, match=words):
        load_recipe(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"a": ' + "1" * 5000 + "}", "a number of 5,000 digits"),
        ('{"a": ' + "9" * 30 + "}", "more than 64 bits"),
        ("[" * 3000 + "]" * 3000, "too deep"),
        ("[" * 100_000, "too deep"),
        ("[" * 65 + "1" + "]" * 65, "too deep"),
        ('{"a":\n1', r"not JSON from line 2, column 2 on"),
        (r'{"a": "b\u0000"}', r"U\+0000"),
        (b"\xff", "utf-8"),
    ],
)
def test_json_beyond_the_limits(tmp_path: Path, text: str | bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_json(text)
    path = tmp_path / "run.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ArtefactError, match=words):
        read_json(path)


def test_strict_json_has_each_key_once_and_numbers_only() -> None:
    assert parse_json('{"a": 1, "a": 2}') == {"a": 2}
    with pytest.raises(ValueError, match="`a` stands there twice"):
        parse_json('{"a": 1, "b": 3, "a": 2}', strict=True)
    with pytest.raises(ValueError, match="NaN is not a number"):
        parse_json("[NaN]", strict=True)


@pytest.mark.parametrize("text", ["9" * 5000, "[" * 3000, "0x" + "f" * 100])
def test_a_setting_beyond_the_limits(text: str) -> None:
    with pytest.raises(SettingError) as error:
        load_recipe("cpu-tiny", [f"optimizer.lr={text}"])
    assert len(str(error.value)) < 500


def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")  # whoever opened it would wait for ever
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        for read in (read_toml, read_json, load_recipe):
            with pytest.raises(FacetwiseError, match="not a regular file"):
                read(path)
    (tmp_path / "facetwise.toml").symlink_to("/dev/zero")
    with pytest.raises(InputError, match=r"facetwise\.toml: not a regular file"):
        Project.open(tmp_path)


def test_a_file_without_end_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "facetwise.toml"
    with path.open("wb") as file:
        file.truncate(MAX_TOML + 1)  # a hole, which takes no space
    with pytest.raises(InputError, match=r"1,048,577 bytes, at most 1,048,576 are read"):
        Project.open(tmp_path)
    events = tmp_path / "events.jsonl"
    with events.open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(InputError, match="at most"):
        list(RunFolder(tmp_path).events())


def test_events_that_are_none_are_passed_over(tmp_path: Path) -> None:
    lines = ['{"event": "run"}', "[" * 5000, '{"n": ' + "1" * 5000 + "}", "[1]", '{"event": "done"}', '{"cut']
    (tmp_path / "events.jsonl").write_text("\n".join(lines), encoding="utf-8")
    assert [event["event"] for event in RunFolder(tmp_path).events()] == ["run", "done"]
