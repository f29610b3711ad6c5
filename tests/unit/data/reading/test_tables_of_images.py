"""Which table `init` takes for the images, in which folder they lie, and tables that are read one below another."""

from __future__ import annotations

import pytest
from made_init import HEADER, PHOTOS, ROWS, init, labels, leaves, notes, photos, refused
from made_project import write_table

PLAIN = [",".join((name, *row[1:])) for name, row in zip(PHOTOS, ROWS, strict=True)]
"""Rows that name images without a folder."""


# --- names that fit several images


def test_names_that_fit_images_in_two_folders_are_refused_with_both_and_chosen(tmp_path):
    data = photos(tmp_path, *(f"{folder}/{name}" for folder in "ab" for name in PHOTOS))
    write_table(data / "labels.csv", HEADER, *PLAIN)
    error = refused(data)
    assert "labels.csv:2: `p0_0.jpg` fits `a/p0_0.jpg` and `b/p0_0.jpg`" in str(error)
    assert "`--images a`" in str(error.hint)
    assert "names no images below `c`" in str(refused(data, images="c"))
    project, told = init(data, images="b")
    assert (project.file.dataset.train.images, told.train) == ("b", 12)


def test_a_folder_that_has_all_images_beats_one_with_some_and_that_is_said(tmp_path):
    data = leaves(tmp_path, rows=[(file.removeprefix("img/"), *rest) for file, *rest in ROWS])
    photos(tmp_path, *(f"new/{name}" for name in PHOTOS[:5]))
    project, told = init(data)
    assert project.file.dataset.train.images == "img"
    assert "some of their names are also in `new` (5): `--images DIR`" in notes(told)


def test_images_that_lie_in_several_folders_are_all_found_and_one_that_fits_two_is_refused(tmp_path):
    data = photos(tmp_path, *(f"part{k // 6}/{name}" for k, name in enumerate(PHOTOS)))
    write_table(data / "labels.csv", HEADER, *PLAIN)
    project, told = init(data)
    assert (project.file.dataset.train.images, told.train) == (".", 12)
    (project.root / "facetwise.toml").unlink()
    photos(tmp_path, f"part1/{PHOTOS[0]}")
    assert f"labels.csv:2: `{PHOTOS[0]}` fits `part1/{PHOTOS[0]}` and `part0/{PHOTOS[0]}`" in str(refused(data))


def test_a_name_that_is_not_where_its_table_is_means_no_image_elsewhere(tmp_path):
    data = photos(tmp_path, *(f"{part}/{name}" for part in ("train", "test") for name in PHOTOS))
    write_table(data / "train.csv", HEADER, *PLAIN)
    (data / "train" / PHOTOS[3]).unlink()
    project, told = init(data)
    assert (project.file.dataset.train.images, {f.code for f in told.findings}) == ("train", {"names-not-found"})


@pytest.mark.parametrize("ending", ["", ".png"])
def test_a_table_of_patients_whose_numbers_are_those_of_images_is_no_table_of_images(ending, tmp_path):
    data = photos(tmp_path, *(f"img/{k}.png" for k in range(12)))
    write_table(data / "images.csv", "file,patient", *(f"{k}{ending},{k // 2}" for k in range(12)))
    write_table(data / "patients.csv", "patient,dx", *(f"{k},{('ill', 'well')[k % 2]}" for k in range(6)))
    project, told = init(data)
    train = project.file.dataset.train
    assert (train.table, train.image, [join.table for join in train.join]) == ("images.csv", "file", ["patients.csv"])
    assert (labels(project), told.train, told.test) == ({"dx": ["ill", "well"]}, 12, None)


def test_a_table_of_the_same_images_in_other_words_is_no_test_side(tmp_path):
    data = leaves(tmp_path)
    rows = (f"{name.removesuffix('.jpg')},{k}" for k, name in enumerate(PHOTOS))
    write_table(data / "sizes.csv", "image,width", *rows)
    _, told = init(data)
    assert told.test is None


# --- a table a part


@pytest.mark.parametrize(
    ("paths", "pattern", "images"),
    [
        (("train/metadata.csv", "validation/metadata.csv", "test/metadata.csv"), "{part}/metadata.csv", "{part}"),
        (("d/Train/labels.csv", "d/Val/labels.csv", "d/Test/labels.csv"), "d/{part}/labels.csv", "d/{part}"),
        (("train.csv", "val.csv", "test.csv"), "{part}.csv", "img"),
        (("labels_train.csv", "labels_valid.csv", "labels_test.csv"), "labels_{part}.csv", "img"),
    ],
)  # fmt: skip
def test_tables_a_part_are_read_one_below_another(paths, pattern, images, tmp_path):
    data = tmp_path / "data"
    for number, path in enumerate(paths):
        own = "{" in images
        names = [f"{'' if own else number}{k}.png" for k in range(6 - number)]
        photos(tmp_path, *(f"{path.rpartition('/')[0] if own else 'img'}/{name}" for name in names))
        write_table(
            data / path, "file_name,label,text", *(f"{name},{'ab'[k % 2]},t{k}" for k, name in enumerate(names))
        )
    project, told = init(data)
    train, test = project.file.dataset.train, project.file.dataset.test
    assert (train.table, train.images, train.split) == (pattern, images, "part")
    assert test is not None
    assert test.table == paths[2]
    assert (told.train, told.test, sorted(number for _, number in told.folds)) == (11, 4, [5, 6])
    assert [f for f in told.findings if f.level == "error"] == []
    assert set(project.tables_of(train)) == set(paths[:2])


def test_a_row_of_one_of_several_tables_is_told_by_its_own(tmp_path):
    for part in ("train", "val"):
        photos(tmp_path, *(f"{part}/{k}.png" for k in range(6)))
        rows = [f"{k}.png,{'ab'[k % 2]}" for k in range(6)]
        write_table(
            tmp_path / "data" / part / "labels.csv", "file,label", *rows, *(["0.png,b"] if part == "val" else [])
        )
    _, told = init(tmp_path / "data")
    assert [(f.code, f.where) for f in told.findings] == [("contradicting-rows", "val/labels.csv:8")]


def test_a_table_with_the_word_of_a_part_in_its_name_alone_is_no_part(tmp_path):
    data = leaves(tmp_path)
    (data / "labels.csv").rename(data / "blood_test.csv")
    _, told = init(data)
    assert (told.train, told.test) == (12, None)


def test_a_column_that_is_there_twice_is_refused(tmp_path):
    data = leaves(tmp_path, "file,plant,disease,disease")
    assert "labels.csv:1: column `disease` is there twice" in str(refused(data))
