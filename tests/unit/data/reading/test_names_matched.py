"""Names in a table that are not paths of images: matched in one way for all where exactly one image fits, and told."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from made_project import PEOPLE, open_project, photo_project, replace_in, write_contest

from facetwise.core.project import Project
from facetwise.data.findings import Finding
from facetwise.data.manifest import build_manifest
from facetwise.data.reading.readers import read_dataset

STEMS = ("a1", "b2", "c3", "d4")


def made(folder: Path, cells: Sequence[str], files: Sequence[str]) -> Project:
    """A project whose table has these `cells`, and whose dataset these `files`; no two rows are of one person."""
    rows = [f'"{cell}",p{k},{("no", "yes")[k % 2]}' for k, cell in enumerate(cells)]
    return photo_project(folder, ["file,person,glasses", *rows], files, folder="project")


def found(folder: Path, cells: Sequence[str], files: Sequence[str]) -> tuple[list[Finding], list[str]]:
    """Findings of reading the dataset, and the images that the table names, in its order."""
    listing = read_dataset(made(folder, cells, files))
    return list(listing.findings), listing.table["image"].to_list()


def levels(findings: Sequence[Finding]) -> list[tuple[str, str]]:
    return [(f.level, f.code) for f in findings]


@pytest.mark.parametrize(
    ("written", "on_disk", "how"),
    [
        ("{}", "photos/{}.png", "it has no ending"),
        (" {} ", "photos/{}.png", "it has blanks around it and has no ending"),
        ("{}.jpg", "photos/{}.png", "it ends in `.jpg`"),
        ("x\\{}.png", "photos/x/{}.png", "it has back slashes"),
        ("X\\{}.PNG", "photos/x/{}.png", "it has back slashes"),
        ("photos/{}.png", "photos/{}.png", "it begins with `photos/`"),
        ("/srv/kim/photos/{}.png", "photos/{}.png", "it begins with `/srv/kim/photos/`"),
        ("C:\\photos\\{}", "photos/{}.png", "it begins with `C:\\photos\\` and has no ending"),
        ("https://example.org/x/{}.png", "photos/x/{}.png", "it begins with `https://example.org/`"),
        ("../../elsewhere/{}.png", "photos/{}.png", "it begins with `../../elsewhere/`"),
        ("{}.png", "photos/all/{}.png", "it lies in `photos/all`, not in `photos`"),
    ],
)
def test_names_that_differ_in_one_way_are_matched_and_told_once(
    tmp_path: Path, written: str, on_disk: str, how: str
) -> None:
    images = [on_disk.format(stem) for stem in STEMS]
    project = made(tmp_path, [written.format(stem) for stem in STEMS], images)
    (told,) = read_dataset(project).findings
    assert (told.level, told.code, told.where) == ("info", "names-matched", "labels.csv")
    assert told.message.startswith("4 names in `file` matched with the one image that each fits: `")
    assert told.message.endswith(f"with `{images[0]}`: {how}")
    plain = made(tmp_path / "plain", [image.removeprefix("photos/") for image in images], images)
    assert build_manifest(project).hash == build_manifest(plain).hash


def test_every_name_may_have_the_ending_of_its_own_file(tmp_path: Path) -> None:
    files = ["photos/a.png", "photos/b.jpg", "photos/c.PNG"]
    findings, images = found(tmp_path, ["a", "b", "c"], files)
    assert (levels(findings), images) == ([("info", "names-matched")], files)


@pytest.mark.parametrize(("written", "on_disk"), [("{}", "{:03}"), ("{:04}", "{}"), ("{:05}", "{:03}"), ("{}.0", "{}")])
def test_zeros_are_added_to_numbers_that_are_too_short(tmp_path: Path, written: str, on_disk: str) -> None:
    numbers = [8, 9, 10, 99, 100, 101, 102, 103]  # most are as on the disk, and yet all are written in one way
    files = [f"photos/{on_disk.format(k)}.png" for k in numbers]
    findings, images = found(tmp_path, [written.format(k) + ".png" for k in numbers], files)
    assert (levels(findings), images) == ([("info", "names-matched")], files)


def test_a_few_wrong_names_in_a_good_table_are_not_given_images_that_are_called_alike(tmp_path: Path) -> None:
    files = [f"photos/x/{k}.png" for k in range(1, 9)]
    wrong = ["y/6.png", "x/07.png", "8"]
    findings, images = found(tmp_path, [f"x/{k}.png" for k in range(1, 6)] + wrong, files)
    assert images[5:] == [f"photos/{name}" for name in wrong]  # missing ones
    assert levels(findings) == [("warning", "names-not-found"), ("warning", "unlisted-image")]


def test_what_does_not_fit_as_the_others_do_is_told(tmp_path: Path) -> None:
    findings, images = found(tmp_path, ["a1", "b2", "c3", "q9"], [f"photos/{stem}.png" for stem in STEMS])
    assert images == ["photos/a1.png", "photos/b2.png", "photos/c3.png", "photos/q9"]
    told = {f.code: f for f in findings}
    assert told["names-matched"].message.startswith("3 names")
    assert told["names-not-found"].message == "1 of 4 names in `file` are not in `photos`, however they are read: `q9`"


def test_a_name_that_fits_two_images_is_an_error(tmp_path: Path) -> None:
    files = [f"photos/{stem}.png" for stem in STEMS]
    findings, _ = found(tmp_path, STEMS, [*files, "photos/b2.jpg"])
    (wrong,) = (f for f in findings if f.level == "error")
    assert (wrong.code, wrong.where) == ("two-images-fit", "labels.csv:3")
    assert wrong.message == "`b2` fits 2 paths alike: `photos/b2.jpg`, `photos/b2.png`"


def test_two_names_that_fit_one_image_are_an_error(tmp_path: Path) -> None:
    cells = ["C:\\x\\a1.png", "C:\\x\\b2.png", "C:\\y\\a1.png"]
    findings, _ = found(tmp_path, cells, [f"photos/{stem}.png" for stem in STEMS])
    (wrong,) = (f for f in findings if f.level == "error")
    assert (wrong.code, wrong.where) == ("two-names-fit", "labels.csv:4")
    assert wrong.message == "`C:\\y\\a1.png` and `C:\\x\\a1.png` on line 2 fit the same: `photos/a1.png`"


def test_a_path_of_this_machine_means_what_it_leads_to(tmp_path: Path) -> None:
    files = [f"photos/{stem}.png" for stem in STEMS]
    inside = [str(tmp_path / "data" / file) for file in files]
    findings, images = found(tmp_path, inside, files)
    assert (levels(findings), images) == ([("info", "names-matched")], files)
    (tmp_path / "data" / "photos").rename(tmp_path / "photos")  # the same names, and other photos below the dataset
    for file in files:
        (tmp_path / file).write_bytes(b"another")
    outside = [str(tmp_path / file) for file in files]
    findings, images = found(tmp_path, outside, files)
    assert {code for _, code in levels(findings)} == {"names-not-found"}
    assert images == []


def test_a_path_of_this_machine_means_a_copy_of_what_it_leads_to(tmp_path: Path) -> None:
    files = [f"photos/{stem}.png" for stem in STEMS]
    made(tmp_path, STEMS, files)
    shutil.copytree(tmp_path / "data" / "photos", tmp_path / "photos")
    cells = [str(tmp_path / file) for file in files]
    findings, images = found(tmp_path, cells, files)
    assert (levels(findings), images) == ([("info", "names-matched")], files)


def test_a_link_out_of_the_dataset_is_not_what_a_name_means(tmp_path: Path) -> None:
    project = made(tmp_path, STEMS, [f"photos/{stem}.png" for stem in STEMS])
    image = tmp_path / "data" / "photos" / "b2.png"
    image.rename(tmp_path / "b2.png")
    image.symlink_to(tmp_path / "b2.png")
    assert [(f.code, f.where) for f in read_dataset(project).findings if f.level == "error"] == [
        ("leaves-dataset", "labels.csv:3")
    ]


def test_rows_of_the_other_side_are_matched_too(tmp_path: Path) -> None:
    project = made(tmp_path, STEMS, [f"photos/{stem}.png" for stem in STEMS])
    replace_in(
        project.workspace.project_file, {"[[attributes]]": 'where = { person = ["p0", "p1", "p2"] }\n\n[[attributes]]'}
    )
    findings = read_dataset(Project.open(project.root)).findings
    assert levels(list(findings)) == [("info", "names-matched"), ("warning", "rows-left-out")]


def test_folders_and_a_test_table_are_matched_and_its_names_stay(tmp_path: Path) -> None:
    dataset = write_contest(tmp_path / "data", tests=("a.jpg", "b.jpg"))
    replace_in(dataset / "train" / "train.csv", {f",{p.split(',')[-1]}": f",x\\{p.split(',')[-1]}" for p in PEOPLE})
    replace_in(dataset / "eval" / "info.csv", {"a.jpg": "a", "b.jpg": "b"})
    listing = read_dataset(open_project(tmp_path / "project", dataset))
    assert levels(listing.findings) == [("info", "names-matched")] * 2
    assert "matched with the one folder that each fits" in listing.findings[0].message
    test = listing.table.filter(split="test")
    assert test["name"].to_list() == ["a", "b"]
    assert test["image"].to_list() == ["eval/images/a.jpg", "eval/images/b.jpg"]
