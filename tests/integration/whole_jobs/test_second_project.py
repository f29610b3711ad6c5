"""Another project altogether: a csv with a row an image, other attributes, Korean class names. Nothing about masks."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import facetwise as fw
from facetwise.core.runs import find_run
from facetwise.core.tables import prediction_columns
from facetwise.data.manifest import load_manifest

FILE = """\
name = "옷 사진"

[dataset]
path = "../옷"
layout = "images"

[dataset.train]
table = "라벨.csv"
images = "사진"
group = "사람"
image = "파일"

[dataset.test]
table = "제출.csv"
images = "시험"
image = "이름"
answer = "답"

[[attributes]]
name = "키"
classes = ["작음", "중간", "큼", "아주 큼"]
column = "키(cm)"
cuts = [150, 165.5, 180]
valid = [50, 250]

[[attributes]]
name = "안경"
classes = ["없음", "있음"]
column = "안경"
values = { 0 = "없음", 1 = "있음" }

[[attributes]]
name = "색"
classes = ["빨강", "초록", "파랑"]
column = "색"

[[attributes]]
name = "shape"
classes = ["a", "b", "c", "d", "e"]
column = "shape"
"""
COLOURS = {"빨강": (200, 40, 40), "초록": (40, 200, 40), "파랑": (40, 40, 200)}
RECIPE = """\
input = { height = 24, width = 32 }
model = { backbone = "small_resnet", args = { stem = 8, widths = [8, 8], depths = [1, 1] } }
folds = { plan = 3 }
optimizer = { name = "adamw", lr = 1e-2 }
train = { length = "12ep", batch_size = 16, device = "cpu" }
"""


def draw(folder: Path, name: str, colour: str, random: np.random.Generator) -> None:
    pixels = np.array(COLOURS[colour]) + random.integers(-40, 40, (30, 40, 3))
    buffer = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=90)
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(buffer.getvalue())


def draw_dataset(root: Path) -> list[str]:
    """30 people with three photos each, and 12 photos to predict; returns the colours of the latter, in csv order."""
    random = np.random.default_rng(5)
    rows = []
    for person in range(30):
        height, glasses = random.choice([140, 150, 165.4, 165.5, 180, 190]), random.integers(2)
        for photo in range(3):
            colour, shape = random.choice(list(COLOURS)), random.choice(list("abcde"))
            name = f"사람 {person}/{photo}.jpg"
            draw(root / "사진", name, colour, random)
            rows.append([f"P{person:02d}", name, f"{height:g}", glasses, colour, shape])
    with (root / "라벨.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["사람", "파일", "키(cm)", "안경", "색", "shape"], *rows])
    truth = [str(random.choice(list(COLOURS))) for _ in range(12)]
    for i, colour in enumerate(truth):
        draw(root / "시험", f"{11 - i}.jpg", colour, random)
    lines = ["번호,이름", *(f"{i},{11 - i}.jpg" for i in range(12))]
    (root / "제출.csv").write_bytes(("﻿" + "\r\n".join(lines) + "\r\n").encode())
    return truth


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The project with a finished run, and the colours to predict."""
    base = tmp_path_factory.mktemp("second")
    truth = draw_dataset(base / "옷")
    (base / "내 프로젝트").mkdir()
    (base / "내 프로젝트" / "facetwise.toml").write_text(FILE, encoding="utf-8")
    (base / "내 프로젝트" / "r.toml").write_text(RECIPE, encoding="utf-8")
    project = fw.open_project(base / "내 프로젝트")
    audit = fw.check(project, workers=1)
    assert not audit.has_errors, audit.errors
    assert fw.folds(project, num_folds=3, seed=1).stats.shared_groups == 0
    fw.fit(project, base / "내 프로젝트" / "r.toml")
    return base / "내 프로젝트", truth


def test_the_whole_job(made, tmp_path):
    folder, truth = made
    project = fw.open_project(folder)
    assert project.space.sizes == (4, 2, 3, 5)
    assert project.space.num_joint == 120
    manifest = load_manifest(project)
    heights = manifest.values("키")
    np.testing.assert_array_equal(manifest.codes(project.space)[:, 0], np.digitize(heights, [150, 165.5, 180]))
    run = find_run(project.workspace, "1")
    assert set(prediction_columns(run.oof())) == {c for n in project.space.names for c in project.space.columns(n)}
    view = fw.show(project, "1", html=tmp_path / "page.html")
    assert [a.name for a in view.scorecard.attributes] == ["키", "안경", "색", "shape"]
    assert next(a.macro_f1 for a in view.scorecard.attributes if a.name == "색") > 0.9
    assert "옷 사진" in (tmp_path / "page.html").read_text(encoding="utf-8")
    submission = fw.submit(project, "1", yes=True).folder.csv_file
    text = submission.read_text(encoding="utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert list(rows[0]) == ["번호", "이름", "답"]
    assert [r["이름"] for r in rows] == [f"{11 - i}.jpg" for i in range(12)]
    codes = project.space.decode([int(r["답"]) for r in rows])
    told = [project.space.attribute("색").classes[c] for c in codes[:, 2]]
    assert told == truth


def test_a_specialist_of_a_korean_attribute_with_moved_cuts_and_soft_labels(made):
    folder, _ = made
    run = fw.fit(
        folder,
        folder / "r.toml",
        settings=[
            'model.head={ name = "single", attribute = "키" }', "train.length=1ep", "folds.plan=holdout",
            'labels={ cuts = { "키" = [149, 165, 179] }, soften = { "키" = 3.0 } }',
        ],
    )  # fmt: skip
    assert run.id.endswith("-키_holdout")
    assert fw.show(folder, run.id).scorecard.what == "키"
    folders = fw.predict(folder, run.id, images=folder.parent / "옷" / "시험")
    assert (folders / "classes.csv").read_text(encoding="utf-8").startswith("image,키,키:probability")


def test_nothing_of_the_first_contest_is_left_in_the_pages(made, tmp_path):
    folder, _ = made
    fw.show(folder, "1", html=tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    body = text[text.index("<body") :]
    assert "gender" not in body
    assert "incorrect_mask" not in body
