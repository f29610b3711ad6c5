"""A whole job whose groups are patients: every screen says so, and nothing else that it does not say of people."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from made_project import attribute, encoded, picture, project_at, replace_in, write_table
from typer.testing import CliRunner

from facetwise.cli.main import app

FILE = """\
name = "scans"
[dataset]
path = "../data"
layout = "images"
[dataset.train]
table = "labels.csv"
images = "."
group = "who"
image = "file"
"""
RECIPE = """\
input = { height = 16, width = 16 }
model = { backbone = "small_resnet", args = { stem = 4, widths = [4], depths = [1] } }
folds = { plan = 3 }
optimizer = { name = "adamw", lr = 1e-2 }
train = { length = "2ep", batch_size = 8, device = "cpu" }
"""
SCREENS = (
    "check", "folds --new", "show 1", "runs", "compare 1 2", "diff 1 2 --oof", "calibration 1", "rules 1", "show b1",
    "blends", "labels suspects 1", "doctor",
)  # fmt: skip
PATIENT = {"person": "patient", "people": "patients", "People": "Patients"}
WORD = re.compile(r'(?<!["#_-])\b(person|[Pp]eople)\b(?!")')
"""Not where it is the name of a section, a key or an option."""
PAGES = ("show 1", "diff 1 2 --oof", "calibration 1", "show b1", "labels suspects 1")


def call(line: str) -> str:
    result = CliRunner().invoke(app, shlex.split(line), catch_exceptions=False)
    assert result.exit_code == 0, f"{line}\n{result.output}"
    return result.output


def screens() -> dict[str, str]:
    """What each screen and page says: its words, since columns are as wide as they are."""
    said = {line: call(line) for line in SCREENS}
    for line in PAGES:
        call(f"{line} --html page.html")
        page = Path("page.html").read_text(encoding="utf-8")
        said[f"{line} --html"] = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    return {line: " ".join(re.sub("[─╌]+", "", text).split()) for line, text in said.items()}


@pytest.mark.slow
def test_every_screen_calls_them_patients_where_it_called_them_people(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"{patient:02}-{k}.png" for patient in range(18) for k in range(2)]
    for seed, name in enumerate(names):
        write = tmp_path / "data" / name
        write.parent.mkdir(exist_ok=True)
        write.write_bytes(encoded(picture(seed if seed != 5 else 0, (24, 24)), "PNG"))  # one copy between two
    rows = (f"{n},W{n[:2]},{('no', 'yes')[int(n[:2]) % 2]},{30 + int(n[:2]) % 3}" for n in names)
    write_table(tmp_path / "data" / "labels.csv", "file,who,ill,age", *rows)
    ordinal = attribute("age", "young", "old", cuts=[31])
    root = project_at(tmp_path / "p", FILE + attribute("ill", "no", "yes") + ordinal).root
    (root / "r.toml").write_text(RECIPE, encoding="utf-8")
    monkeypatch.chdir(root)
    for line in ("check", "folds -k 3", "fit r.toml", "fit r.toml --set train.seed=1", "blend 1 2 --bags 2"):
        call(line)
    people = screens()
    replace_in(root / "facetwise.toml", {'layout = "images"': 'layout = "images"\nsubject = "patient"'})
    patients = screens()
    for line, text in people.items():
        said = WORD.sub(lambda word: PATIENT[word[0]], text)
        assert said != text or line in ("blends", "runs"), f"`{line}` does not speak of people"
        assert patients[line] == said
