"""`facetwise demo --task plants`, with few plants and a small network."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from facetwise.cli.main import app
from facetwise.data.made import plants

RECIPE = """
input = { height = 16, width = 16 }
model = { backbone = "small_resnet", head = { name = "multilabel" }, args = { stem = 4, widths = [4], depths = [1] } }
optimizer = { name = "adamw", lr = 1e-2 }
train = { length = "1ep", batch_size = 16, device = "cpu" }
"""


def test_leaves_from_photos_to_predictions_beside_the_truth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plants, "LABELLED", 27)
    monkeypatch.setattr(plants, "OTHERS", 9)
    monkeypatch.chdir(tmp_path)
    Path("tiny.toml").write_text(RECIPE, encoding="utf-8")
    command = ["demo", "leaves", "--task", "plants", "--recipe", str(tmp_path / "tiny.toml")]
    told = CliRunner().invoke(app, command, catch_exceptions=False)
    assert told.exit_code == 0, told.output
    assert "9 of 12 combinations of classes occur: no other is predicted" in told.output
    lines = dict(line.split("  ", 1) for line in told.stdout.splitlines() if "  " in line)
    assert 0 <= float(lines["true score (hidden)"]) <= 1
    classes = pl.read_csv(tmp_path / lines["predictions"].strip())
    assert classes.height == 9 * plants.SHOTS
    decided = set(classes.select("crop", "disease").iter_rows())
    assert decided <= set(plants.KINDS)
    assert Path("leaves/report.html").is_file()
    again = CliRunner().invoke(app, command, catch_exceptions=False)
    assert again.stdout == told.stdout
    refused = CliRunner().invoke(app, ["demo", "leaves/project", "--task", "plants"])
    assert refused.exit_code != 0
    assert "no earlier demo" in str(refused.exception)
