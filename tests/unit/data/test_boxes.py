"""A csv of boxes: read in any order, and checked against the images; nothing is cropped by mistake or in silence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from made_project import photo_project
from typer.testing import CliRunner

import facetwise as fw
from facetwise.cli.main import app
from facetwise.core.errors import InputError, ProblemsError, SettingError
from facetwise.data.boxes.reading import CropBy, read_boxes
from facetwise.recipe import load_recipe

NAMES = ["a.jpg", "b.jpg", "c.jpg", "lost.jpg"]
EXTENTS = np.array([[100, 80], [100, 80], [100, 80], [np.nan, np.nan]])


@pytest.fixture
def csv_file(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "boxes.csv"
    yield path
    path.unlink()


def test_boxes_find_images_that_they_spell_differently(tmp_path: Path) -> None:
    (path := tmp_path / "boxes.csv").write_text(
        "i\u00admage,left,top,right,bottom\ne\u0301 1.jpg,0,0,9,9\n", encoding="utf-8"
    )
    assert read_boxes(path, ["é\u00a01.jpg"], np.array([[10.0, 10.0]])).regions.tolist() == [[0, 0, 9, 9]]


def test_boxes_follow_the_images_and_are_clipped_where_they_stand_over_a_little(csv_file: Path) -> None:
    csv_file.write_text(
        "\ufeffimage,left,top,right,bottom,score\r\n"
        "c.jpg,-5,10.5,120,70,1\r\nlost.jpg,0,0,5,5,1\r\nb.jpg,1,2,3,4,1\r\na.jpg,0,0,100,80,1\r\n",
        encoding="utf-8",
    )
    found = read_boxes(csv_file, NAMES, EXTENTS)
    regions = found.regions
    assert found.notes == ("1 box over the border of their image by up to 25%, clipped to it",)
    assert regions[:3].tolist() == [[0, 0, 100, 80], [1, 2, 3, 4], [0, 10.5, 100, 70]]
    assert np.isnan(regions[3]).all()


def test_every_box_problem_is_told_with_its_line(csv_file: Path) -> None:
    csv_file.write_text(
        "image,left,top,right,bottom\n"
        "a.jpg,0,0,x,10\n"
        "b.jpg,50,0,20,10\n"
        "b.jpg,0,0,20,10\n"
        "z.jpg,0,0,20,10\n"
        "c.jpg,200,0,220,10\n"
        "c.jpg,0,0,inf,10\n"
        "short.jpg,1,2,3\n",
        encoding="utf-8",
    )
    with pytest.raises(ProblemsError) as caught:
        read_boxes(csv_file, NAMES, EXTENTS)
    told = caught.value.problems
    wanted = {
        8: "4 cells",  # a row that is too short is found first
        2: "`a.jpg`: `right` is 'x'",
        3: "`b.jpg`: box [50.0, 0.0, 20.0, 10.0] is empty",
        4: "`b.jpg`: stands on boxes.csv:3 already",
        5: "`z.jpg`: the manifest has no such image",
        6: "`c.jpg`: box [200.0, 0.0, 220.0, 10.0] reaches out of the image of 100x80, to 2.2 times its",
        7: "`c.jpg`: box [0.0, 0.0, inf, 10.0] is not finite",
    }
    assert [line for line, got in zip(wanted, told, strict=True) if not got.startswith(f"boxes.csv:{line}: ")] == []
    assert [got for words, got in zip(wanted.values(), told, strict=True) if words not in got] == []


def write(path: Path, *boxes: tuple[str, float, float, float, float]) -> Path:
    lines = ["image,left,top,right,bottom", *(",".join(map(str, box)) for box in boxes)]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


@pytest.mark.parametrize(("times", "told"), [(2, "2"), (1.5, "1.5"), (3.9, "4"), (11.5, "12")])
def test_boxes_of_another_resolution_are_an_error_with_their_line_and_scale(csv_file, times, told):
    boxes = [(name, 10 * times, 8 * times, 98 * times, 79 * times) for name in NAMES[:3]]
    with pytest.raises(ProblemsError) as caught:
        read_boxes(write(csv_file, *boxes), NAMES, EXTENTS)
    assert len(caught.value.problems) == 3
    assert caught.value.problems[1].startswith(f"boxes.csv:3: `b.jpg`: box [{10.0 * times},")
    assert "reaches out of the image of 100x80" in caught.value.problems[1]
    assert f"3 of 3 boxes reach out: they seem to be of images {told} times as large" in str(caught.value.hint)


def test_few_boxes_out_of_their_images_are_no_other_resolution(tmp_path):
    names = [f"{k}.jpg" for k in range(9)]
    boxes = [(name, 1, 1, 50, 50) for name in names[:8]]
    with pytest.raises(
        ProblemsError, match=r"boxes.csv:10: `8.jpg`: box \[0.0, -60.0, 40.0, 20.0\] reaches out"
    ) as caught:
        read_boxes(write(tmp_path / "boxes.csv", *boxes, ("8.jpg", 0, -60, 40, 20)), names, np.full((9, 2), 80.0))
    assert "mend or delete them" in str(caught.value.hint)


def test_fractions_are_told(csv_file):
    boxes = [(name, 0.1, 0.2, 0.8, 0.9) for name in NAMES[:3]]
    with pytest.raises(ProblemsError, match="less than a pixel inside") as caught:
        read_boxes(write(csv_file, *boxes), NAMES, EXTENTS)
    assert "fractions of the image" in str(caught.value.hint)


def test_an_image_without_a_box_is_cropped_by_the_median_of_the_others(tmp_path):
    names = ["a", "b", "c", "d", "e"]
    extents = np.array([[100, 100], [100, 100], [200, 400], [50, 10], [np.nan, np.nan]])
    path = write(tmp_path / "boxes.csv", ("a", 10, 20, 90, 60), ("b", 20, 20, 80, 70), ("c", 60, 120, 140, 320))
    found = read_boxes(path, names, extents, CropBy("median"))
    assert np.allclose(found.regions[3], [10, 2, 40, 7])
    assert found.regions[2].tolist() == [60, 120, 140, 320]
    assert np.isnan(found.regions[4]).all()
    assert found.notes == (
        "1 of 5 images without a box: cropped by the median of the other boxes (`input.without_box`)",
    )


def test_a_pixel_over_the_border_is_rounding(csv_file):
    boxes = [("a.jpg", -0.6, 0, 2, 80.9), ("b.jpg", 0, 0, 100, 80), ("c.jpg", 0, 0, 101, 80)]
    found = read_boxes(write(csv_file, *boxes), NAMES, EXTENTS)
    assert found.notes == ()
    assert found.regions[:3].tolist() == [[0, 0, 2, 80], [0, 0, 100, 80], [0, 0, 100, 80]]


def test_boxes_of_smaller_images_are_told(tmp_path):
    names = [f"{k}.jpg" for k in range(12)]
    boxes = [(name, 10, 10, 50, 40) for name in names]
    (note,) = read_boxes(write(tmp_path / "boxes.csv", *boxes), names, np.full((12, 2), 100.0)).notes
    assert note == "no box reaches beyond 50% of its image: they may be of smaller images"
    assert read_boxes(tmp_path / "boxes.csv", names, np.full((12, 2), 60.0)).notes == ()


def test_many_problems_are_counted(csv_file: Path) -> None:
    csv_file.write_text("image,left,top,right,bottom\n" + "z.jpg,0,0,1,1\n" * 500, encoding="utf-8")
    with pytest.raises(ProblemsError, match="501 problem") as caught:
        read_boxes(csv_file, NAMES, EXTENTS)
    assert len(caught.value.problems) == 501
    assert str(caught.value).endswith("and 481 more")


def test_images_without_a_box(csv_file: Path) -> None:
    csv_file.write_text("image,left,top,right,bottom\nb.jpg,1,2,30,40\n", encoding="utf-8")
    with pytest.raises(ProblemsError, match=r"2 images without a box: a\.jpg, c\.jpg") as caught:
        read_boxes(csv_file, NAMES, EXTENTS)
    assert "`input.without_box=whole` or `median`" in str(caught.value.hint)
    found = read_boxes(csv_file, NAMES, EXTENTS, CropBy("whole"))
    assert found.notes == ("2 of 4 images without a box: kept whole (`input.without_box`)",)
    regions = found.regions
    assert regions[:3].tolist() == [[0, 0, 100, 80], [1, 2, 30, 40], [0, 0, 100, 80]]
    assert np.isnan(regions[3]).all()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"image,left,top,right\n", "no column `bottom`"),
        (b"", "empty"),
        ("image,left".encode("utf-16"), "expected UTF-8"),
        (b'image,left,top,right,bottom\n"a.jpg,1,2,3,4\n', "not readable as csv"),
    ],
)
def test_what_is_no_boxes_csv(csv_file: Path, data: bytes, message: str) -> None:
    csv_file.write_bytes(data)
    with pytest.raises(InputError, match=message):
        read_boxes(csv_file, NAMES, EXTENTS)


def test_missing_boxes_file(tmp_path: Path) -> None:
    with pytest.raises(ProblemsError, match="cannot be read"):
        read_boxes(tmp_path / "none.csv", NAMES, EXTENTS)


def test_a_recipe_says_what_becomes_of_images_without_a_box_and_it_is_counted(tmp_path):
    rows = [f"{k}.png,{k},{'no' if k % 2 else 'yes'}" for k in range(4)]
    project = photo_project(tmp_path, ["file,person,glasses", *rows], [f"photos/{k}.png" for k in range(4)])
    fw.check(project, workers=1)
    write(project.root / "boxes.csv", *((f"photos/{k}.png", 0, 0, 48, 32) for k in range(3)))
    command = ["-p", str(project.root), "prepare", "cpu-tiny", "--set", "input.boxes=boxes.csv"]
    assert "1 image without a box: photos/3.png" in str(CliRunner().invoke(app, command).exception)
    told = CliRunner().invoke(app, [*command, "--set", "input.without_box=median"])
    assert told.exit_code == 0, told.output
    assert "note: 1 of 4 images without a box: cropped by the median of the other boxes" in told.output
    with pytest.raises(SettingError, match="give `boxes` too"):
        load_recipe("cpu-tiny", "input.without_box=whole")


def test_a_name_of_no_image_says_which_it_may_mean(csv_file: Path) -> None:
    csv_file.write_text("image,left,top,right,bottom\nb,0,0,5,5\na,0,0,5,5\n", encoding="utf-8")
    with pytest.raises(ProblemsError) as caught:
        read_boxes(csv_file, ["a.jpg", "a.png", "b.jpg"], np.full((3, 2), 9.0))
    assert caught.value.problems[:2] == (
        "boxes.csv:2: `b`: the manifest has no such image; it may mean `b.jpg`",
        "boxes.csv:3: `a`: the manifest has no such image; it fits 2 alike: `a.jpg`, `a.png`",
    )
