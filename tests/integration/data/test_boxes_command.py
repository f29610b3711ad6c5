"""`facetwise boxes`: from photos to the csv that a recipe crops by, once, whatever stops it."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import numpy as np
import pytest
from made_detectors import photo, write_detector
from made_project import encoded, photo_project
from PIL import Image
from typer.testing import CliRunner

import facetwise as fw
from facetwise.cli.main import app
from facetwise.core.errors import ArtefactError, InputError, MismatchError, SettingError
from facetwise.core.project import Project
from facetwise.data.boxes import detecting
from facetwise.data.boxes.choosing import refuse_none
from facetwise.data.boxes.detectors import Detector
from facetwise.recipe import load_recipe

TURNED = 6
"""EXIF orientation of a photo that has to be turned by a quarter, clockwise."""
PHOTOS = {
    "one.png": photo((16, 16, 32, 32)),
    "two.png": photo((32, 0, 64, 32), (0, 48, 16, 64)),  # the larger one
    "level.png": photo((0, 0, 16, 16), (32, 32, 48, 48)),  # as large as the other, and nearer to the middle
    "none.png": photo(),
    "wide.png": photo((96, 32, 128, 64), size=(128, 64)),
}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    names = [*PHOTOS, "turned.jpg", "broken.png"]
    rows = [f"{name},{k},{'no' if k % 2 else 'yes'}" for k, name in enumerate(names)]
    made = photo_project(tmp_path, ["file,person,glasses", *rows], [f"photos/{name}" for name in names])
    photos = tmp_path / "data" / "photos"
    for name, image in PHOTOS.items():
        (photos / name).write_bytes(encoded(image, "PNG"))
    exif = Image.Exif()
    exif[0x0112] = TURNED
    (photos / "turned.jpg").write_bytes(encoded(photo((0, 32, 32, 64), size=(128, 64)), quality=100, exif=exif))
    (photos / "broken.png").write_bytes(b"\x89PNG no more")
    fw.check(made, workers=1)
    return made


@pytest.fixture
def detector(tmp_path: Path) -> Path:
    return write_detector(tmp_path)


def run(project: Project, *words: str) -> str:
    done = CliRunner().invoke(app, ["-p", str(project.root), "boxes", *words])
    assert done.exit_code == 0, done.output
    return done.output


def test_every_image_has_its_box_in_upright_pixels_and_a_recipe_reads_them(project: Project, detector: Path) -> None:
    told = run(project, "--detector", str(detector))
    header, *rows = (project.root / "boxes.csv").read_text("utf-8").splitlines()
    assert header == "image,left,top,right,bottom,score,found"
    found = {name: cells for name, *cells in (row.split(",") for row in rows)}
    assert [[round(float(side)) for side in cells[:4]] for cells in found.values()] == [
        [16, 16, 32, 32], [32, 0, 64, 32], [32, 32, 48, 48], [96, 32, 128, 64], [0, 0, 32, 32],
    ]  # fmt: skip
    assert list(found) == [f"photos/{n}" for n in ("one.png", "two.png", "level.png", "wide.png", "turned.jpg")]
    assert [cells[5] for cells in found.values()] == ["1", "6", "2", "1", "1"]
    assert "red.onnx (YOLOv8): 5 of 6 images have a box of score 0.5 or more; 6 looked at now" in told
    assert "1 image without a box, and without a row: photos/none.png" in told
    assert "2 images with several boxes: taken is the largest" in told
    (following,) = (line.removeprefix("next: facetwise ") for line in told.splitlines() if line.startswith("next: "))
    assert CliRunner().invoke(app, shlex.split(following)).exit_code == 0


def test_another_call_looks_at_nothing_again_and_a_threshold_changes_rows_alone(
    project: Project, detector: Path
) -> None:
    first = fw.boxes(project, detector=detector)
    again = fw.boxes(project, detector=detector, min_score=0.9, new=True)
    assert (first.num_new, again.num_new) == (6, 0)
    assert [c.image for c in again.chosen] == ["photos/two.png"]
    assert again.several == ()


def test_where_no_image_has_a_box_nothing_is_written(project: Project, detector: Path) -> None:
    with pytest.raises(InputError, match=r"none of 6 images has a box of class 3 .*: classes found: 0$") as told:
        fw.boxes(project, detector=detector, label=3)
    assert told.value.hint == "give one of them"
    assert not (project.root / "boxes.csv").exists()
    unsure = {"one": np.array([[0, 0, 9, 9, 0.42, 0, *[np.nan] * 4]]), "two": np.empty((0, 10))}
    with pytest.raises(InputError, match=r"none of 2 images has a box with .*: the surest has 0\.42$"):
        refuse_none(unsure, 0.5, None)
    with pytest.raises(InputError, match="it found nothing at all"):
        refuse_none({"two": unsure["two"]}, 0.5, 1)
    with pytest.raises(InputError, match="no image that can be read"):
        refuse_none({}, 0.5, None)


def test_boxes_of_another_folder_are_found_there_and_named_as_predict_names_them(
    project: Project, detector: Path, tmp_path: Path
) -> None:
    (other := tmp_path / "field" / "a").mkdir(parents=True)
    (other / "new.png").write_bytes(encoded(photo((16, 16, 48, 48)), "PNG"))
    (other / "nothing.png").write_bytes(encoded(photo(), "PNG"))
    out = tmp_path / "page.html"
    found = fw.boxes(project, images=other.parent, detector=detector, html=out)
    assert found.out == project.root / "boxes-field.csv"
    assert ([c.image for c in found.chosen], found.without) == (["a/new.png"], ("a/nothing.png",))
    assert 'alt="a/nothing.png"' in out.read_text("utf-8")
    told = run(project, "--detector", str(detector), "--images", str(other.parent))
    assert "next:" not in told  # without a run that crops by boxes


def test_other_boxes_are_not_replaced_unasked(project: Project, detector: Path) -> None:
    fw.boxes(project, detector=detector)
    before = (project.root / "boxes.csv").read_bytes()
    fw.boxes(project, detector=detector)
    with pytest.raises(ArtefactError, match="there are other boxes already"):
        fw.boxes(project, detector=detector, min_score=0.9)
    assert (project.root / "boxes.csv").read_bytes() == before
    fw.boxes(project, detector=detector, min_score=0.9, out=project.root / "sure.csv")


@pytest.mark.parametrize("workers", [1, 3])
def test_stopped_anywhere_and_continued_it_writes_the_same_bytes(
    project: Project, detector: Path, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    fw.boxes(project, detector=detector, workers=2)
    whole = (project.root / "boxes.csv").read_bytes()
    (journal,) = (project.workspace.cache / "boxes").glob("*.jsonl")
    lines = journal.read_bytes()
    (project.root / "boxes.csv").unlink()
    looked = []
    find = Detector.find
    monkeypatch.setattr(Detector, "find", lambda self, pixels: looked.append(1) or find(self, pixels))
    for cut in range(0, len(lines), len(lines) // 7):
        journal.write_bytes(lines[:cut])
        looked.clear()
        fw.boxes(project, detector=detector, workers=workers)
        assert (project.root / "boxes.csv").read_bytes() == whole
        kept = sum(line.endswith(b"]\n") for line in lines[:cut].splitlines(keepends=True))
        assert len(looked) <= 6 - kept


def test_nothing_is_written_when_it_is_stopped(project: Project, detector: Path) -> None:
    def stop(done: int, _total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fw.boxes(project, detector=detector, workers=1, progress=stop)
    assert not (project.root / "boxes.csv").exists()
    assert fw.boxes(project, detector=detector, workers=1).num_new == 3


def test_a_photo_that_was_changed_is_told_after_the_others_are_done(project: Project, detector: Path) -> None:
    (project.dataset_root / "photos" / "two.png").write_bytes(encoded(photo((8, 8, 24, 24)), "PNG"))
    with pytest.raises(MismatchError, match=r"`photos/two\.png` was changed"):
        fw.boxes(project, detector=detector)
    assert not (project.root / "boxes.csv").exists()
    fw.check(project, workers=1)
    assert fw.boxes(project, detector=detector).num_new == 1


def test_the_page_shows_photos_without_a_box_and_those_to_look_at(project: Project, detector: Path) -> None:
    out = project.root / "boxes.html"
    told = run(project, "--detector", str(detector), "--html", str(out))
    assert f"wrote {out}" in told
    page = out.read_text("utf-8")
    for words in ("1 image. A recipe says", 'alt="photos/none.png"', "one of 2", "left: 75.00%; top: 50.00%"):
        assert words in page
    assert "broken.png" not in page


def test_json_holds_all_that_was_found(project: Project, detector: Path) -> None:
    found = json.loads(run(project, "--detector", str(detector), "--json"))
    assert found["without"] == ["photos/none.png"]
    assert (found["num_images"], found["num_several"], len(found["chosen"])) == (6, 2, 5)
    assert found["chosen"][0]["image"] == "photos/one.png"


# --- margin and alignment belong to the crop


def test_margin_and_alignment_are_of_the_crop_and_detect_nothing_anew(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    header = "image,left,top,right,bottom,eye1_x,eye1_y,eye2_x,eye2_y"
    rows = ["photos/one.png,16,16,32,32,20,20,20,28", "photos/two.png,32,0,64,32,,,,"]
    (project.root / "boxes.csv").write_text("\n".join([header, *rows, ""]), encoding="utf-8")
    monkeypatch.setattr(detecting, "detect", None)
    shared = ["input.boxes=boxes.csv", "input.without_box=whole", "input.height=32", "input.width=32"]
    stores = {
        what: fw.prepare(project, "cpu-tiny", settings=[*shared, *settings], workers=1)
        for what, settings in {
            "box": [], "margin": ["input.margin=0.5"], "align": ["input.align=true"],
        }.items()
    }  # fmt: skip
    assert len({store.key for store in stores.values()}) == 3
    red = {what: (store.images[:2, ..., 0].astype(int) > 200).mean((1, 2)) for what, store in stores.items()}
    assert red["box"].min() > 0.99
    np.testing.assert_allclose(red["margin"], [0.25, 4 / 9], atol=0.04)  # the second ends at the border of its photo
    assert "1 box without eyes: not turned (`input.align`)" in stores["align"].notes


def test_aligned_eyes_are_level(project: Project) -> None:
    """A stripe through both eyes becomes a row."""
    tilted = photo()
    pixels = np.array(tilted)
    for k in range(64):
        pixels[max(0, k - 1) : k + 2, k] = 255
    (project.dataset_root / "photos" / "one.png").write_bytes(encoded(Image.fromarray(pixels), "PNG"))
    fw.check(project, workers=1)
    header = "image,left,top,right,bottom,eye1_x,eye1_y,eye2_x,eye2_y"
    row = "photos/one.png,16,16,48,48,24,24,40,40"
    (project.root / "boxes.csv").write_text(f"{header}\n{row}\n", encoding="utf-8")
    settings = ["input.boxes=boxes.csv", "input.without_box=whole", "input.height=32", "input.width=32"]
    store = fw.prepare(project, "cpu-tiny", settings=[*settings, "input.align=true"], workers=1)
    assert store.images[0].mean((1, 2)).argmax() in (15, 16)
    assert store.images[0][15:17].min() > 200


def test_margin_and_alignment_need_boxes_and_alignment_needs_eyes(project: Project, detector: Path) -> None:
    for setting in ("input.margin=0.1", "input.align=true"):
        with pytest.raises(SettingError, match="give `boxes` too"):
            load_recipe("cpu-tiny", [setting])
    fw.boxes(project, detector=detector)
    with pytest.raises(Exception, match="eye1_x"):
        fw.prepare(project, "cpu-tiny", settings=["input.boxes=boxes.csv", "input.align=true"])
