"""The guide "your own photos" runs as it stands, in order, on drawn leaves: crop x disease, several photos a plant."""

from __future__ import annotations

import io
import re
import shlex
from itertools import product
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from made_project import encoded, write_table
from PIL import Image, ImageDraw
from typer.testing import CliRunner

import facetwise as fw
from facetwise.cli.display import TrainingDisplay
from facetwise.cli.main import app
from facetwise.core.errors import ArtefactError, ProblemsError, SettingError

GUIDE = Path(__file__).parents[3] / "docs" / "guides" / "your-own-photos.md"
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CROPS = {"bean": (60, 150, 40), "maize": (150, 160, 30)}
DISEASES = {"healthy": None, "rust": (150, 60, 20), "spot": (30, 30, 30)}
PLANTS, SHOTS = 30, 4


def leaf(crop: str, disease: str, plant: int, shot: int) -> bytes:
    """A photo of a leaf: its colour is the crop's, its spots the disease's, its ground the plant's."""
    random = np.random.default_rng([plant, shot])
    picture = Image.new("RGB", (48, 64), tuple(np.random.default_rng(plant).integers(90, 200, 3).tolist()))
    draw = ImageDraw.Draw(picture)
    draw.ellipse((6, 8, 42, 56), fill=CROPS[crop])
    if (colour := DISEASES[disease]) is not None:
        for x, y in random.integers((12, 16), (32, 44), (8, 2)).tolist():
            draw.ellipse((x, y, x + 5, y + 5), fill=colour)
    return encoded(picture)


def leaves() -> list[tuple[str, str, str, int, bytes]]:
    """Plant, crop, disease, number and bytes of every photo; a plant has one crop and one disease."""
    kinds = list(product(CROPS, DISEASES))
    return [
        (f"{kinds[p % 6][0]}-{p:02}", *kinds[p % 6], k, leaf(*kinds[p % 6], p, k))
        for p in range(PLANTS)
        for k in range(SHOTS)
    ]


def draw(folder: Path, few: int | None = None) -> None:
    """The datasets of the guide in `folder`."""
    rows = []
    for plant, crop, disease, number, data in leaves()[:few]:
        name = f"{plant}-{number}.jpg"
        for place in (
            f"leaves/photos/{name}",
            f"leaves-by-crop/{crop}/{name}",
            f"leaves-by-name/{crop}_{disease}/{plant}_{number}.jpg",
            *([f"field/{name}"] if number == 0 else []),
        ):
            path = folder / place
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        rows.append(f"photos/{name},{plant},{crop},{disease},2026-06-{number + 1:02}")
    write_table(folder / "leaves" / "labels.csv", "photo,plant,crop,disease,taken", *rows)


def call(line: str) -> str:
    """Standard output of a command, as it is written."""
    result = CliRunner().invoke(app, shlex.split(line)[1:], catch_exceptions=False)
    assert result.exit_code == 0, f"{line}\n{result.output}"
    return result.stdout


@pytest.mark.slow
def test_the_guide_runs_as_it_stands(tmp_path, monkeypatch):
    draw(tmp_path)
    monkeypatch.chdir(tmp_path)
    said: dict[str, str] = {}
    for text in BLOCK.findall(GUIDE.read_text(encoding="utf-8")):
        for line in text.splitlines():
            if line.startswith("cd "):
                monkeypatch.chdir(line.removeprefix("cd "))
            else:
                said[line.split(" --")[0]] = call(line)
    told = [line.split() for line in GUIDE.read_text(encoding="utf-8").splitlines() if line.startswith("    train ")]
    printed = [line.split() for line in said["facetwise init my-leaves"].splitlines() if line.startswith("train ")]
    assert printed == told
    assert "120 images each its own group" in said["facetwise init by-crop"]
    assert "120 images of 30 plants by `plant`" in said["facetwise init by-name"]
    score = re.search(r"Macro F1 +([0-9.]+)", said["facetwise show"])
    assert score
    assert float(score[1]) > 0.5  # crops and diseases have colours of their own, and chance is 1 / 6
    (written,) = (Path(line) for line in said["facetwise predict last"].splitlines() if line.endswith("classes.csv"))
    predicted = pl.read_csv(io.BytesIO(written.read_bytes()))
    assert predicted.height == PLANTS
    assert {"crop", "disease"} <= set(predicted.columns)


# --- `fit` does what nobody did, and says so


QUICK = (
    "input.height=16", "input.width=16", 'model={backbone="small_resnet", args={stem=4, widths=[4], depths=[1]}}',
    "train.length=1ep", "train.batch_size=8", "augment=[]", 'schedule={name="constant"}', "folds.plan=3",
)  # fmt: skip


def project_on(folder: Path, few: int = 48) -> fw.Project:
    draw(folder, few)
    return fw.init(folder / "project", folder / "leaves")


def test_fit_checks_and_deals_folds_where_nobody_did_and_tells_it(tmp_path):
    project = project_on(tmp_path)
    events: list[dict[str, object]] = []
    fw.fit(project, "cpu-tiny", settings=QUICK, listener=events.append)
    ready = [event for event in events if event["event"] in ("checking", "checked", "dealt")]
    assert ready == [
        {"event": "checking"},
        {"event": "checked", "images": 48, "people": 12, "warnings": 0, "joint": 6, "products": 6},
        {"event": "dealt", "name": "default", "people": [4, 4, 4], "given": None},
    ]
    display = TrainingDisplay(io.StringIO())
    for event in ready:
        display.event(event)
    assert display.console.file.getvalue().splitlines() == [  # type: ignore[attr-defined]
        "checked 48 images of 12 plants",
        "folds `default` dealt: 4 + 4 + 4 plants",
    ]
    events.clear()
    fw.fit(project, "cpu-tiny", settings=QUICK, listener=events.append)
    assert events == []  # nothing was missing, and nothing is trained twice


def test_fit_stops_on_what_the_check_refuses_and_goes_on_once_it_is_mended(tmp_path):
    project = project_on(tmp_path, 24)
    table = tmp_path / "leaves" / "labels.csv"
    good = table.read_text(encoding="utf-8")
    table.write_text(good.replace(",rust,", ",rsut,", 1), encoding="utf-8")
    for _ in range(2):
        with pytest.raises(ProblemsError, match=r"(?s)the check refuses it.*labels.csv:6: `disease` is `rsut`"):
            fw.fit(project, "cpu-tiny", settings=QUICK)
    assert not list((project.root / "runs").glob("*"))
    table.write_text(good, encoding="utf-8")
    assert fw.fit(project, "cpu-tiny", settings=[*QUICK, "folds.plan=2"]).record().num_folds == 2


def test_fit_deals_no_folds_of_another_name(tmp_path):
    project = project_on(tmp_path, 24)
    with pytest.raises(ArtefactError, match="no folds are called `other`"):
        fw.fit(project, "cpu-tiny", settings=[*QUICK, "folds.name=other"])


def test_fit_keeps_a_given_split(tmp_path):
    draw(tmp_path, 48)
    table = tmp_path / "leaves" / "labels.csv"
    header, *rows = table.read_text(encoding="utf-8").splitlines()
    parts = [f"{row},{'val' if k < 16 else 'train'}" for k, row in enumerate(rows)]
    write_table(table, f"{header},split", *parts)
    project = fw.init(tmp_path / "project", tmp_path / "leaves")
    with pytest.raises(SettingError, match=r"`folds\.plan` is 3, but folds `default` are 2"):
        fw.fit(project, "cpu-tiny", settings=QUICK)
    run = fw.fit(project, "cpu-tiny", settings=[*QUICK, "folds.plan=holdout"])
    oof = pl.read_parquet(run.path / "oof.parquet")
    covered = oof.filter(pl.col("crop=bean").is_not_nan())
    assert covered["group"].n_unique() == 4
    assert covered.select("image").equals(oof.select("image").head(16))  # those that the table has as `val`
