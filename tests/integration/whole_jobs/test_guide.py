"""The guide "the last three days of a contest" runs as it stands, in order, on a contest that it draws itself."""

import json
import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from facetwise.cli.main import app

GUIDE = Path(__file__).parents[3] / "docs" / "guides" / "last-three-days.md"
BLOCK = re.compile(r"^```(sh|toml)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def call(line: str) -> str:
    """Standard output of a command, as it is written."""
    result = CliRunner().invoke(app, shlex.split(line)[1:], catch_exceptions=False)
    assert result.exit_code == 0, f"{line}\n{result.output}"
    return result.stdout


@pytest.mark.slow
def test_the_last_three_days(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said: dict[str, str] = {}
    for kind, text in BLOCK.findall(GUIDE.read_text(encoding="utf-8")):
        if kind == "toml":
            Path("recipes/tiny.toml").write_text(text, encoding="utf-8")
            continue
        for line in text.splitlines():
            if line.startswith("cd "):
                monkeypatch.chdir(line.removeprefix("cd "))
            else:
                said[line] = call(line)
    assert "nested estimate" in said["facetwise blend --explain"]
    assert "0.4100" in said["facetwise ledger show"]
    assert "the first one out" in said["facetwise journal"]
    assert Path("diff.html").stat().st_size > 10_000
    picked = json.loads(call("facetwise final --json"))
    assert "01-b02-soft-5" in json.dumps(picked)
    listed = json.loads(call("facetwise blends --json"))["blends"]
    assert [len([m for m in b["members"] if m["used"]]) for b in listed] == [3, 5]
