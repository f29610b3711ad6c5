"""Datasets as strangers have them: nothing is guessed in silence that is not so."""

from __future__ import annotations

import json
import shlex

import polars as pl
import pytest
from made_init import init, labels, notes, photos, refused
from made_project import write_table

from facetwise.data.reading.readers import read_dataset


def of_rows(root, header, *rows):
    """A dataset with an image for the first cell of each row, and that table."""
    data = photos(root, *(f"img/{row.partition(',')[0]}" for row in rows))
    write_table(data / "labels.csv", header, *rows)
    return data


@pytest.mark.parametrize(
    ("column", "values", "train", "test"),
    [
        ("Usage", ("Training", "Training", "PublicTest", "PrivateTest"), 20, 20),
        ("dataset", ("train", "train", "dev", "test"), 30, 10),
        ("phase", ("train", "train2", "val", "val"), 40, None),
        ("is_training_image", ("1", "1", "0", "1"), 30, 10),
        ("kfold", ("0", "1", "2", "3"), 40, None),
    ],
)
def test_a_column_of_parts_is_a_split_whatever_it_is_called(column, values, train, test, tmp_path):
    rows = [f"{k}.png,{'ab'[k % 2]},{values[k // 2 % 4]}" for k in range(40)]
    project, told = init(of_rows(tmp_path, f"file,kind,{column}", *rows))
    assert list(labels(project)) == ["kind"]
    assert (told.train, told.test) == (train, test)


def test_classes_that_are_called_as_a_part_and_more_are_no_split(tmp_path):
    rows = [f"{k}.png,{('train', 'bus', 'tram')[k % 3]},{('train station', 'test bench')[k % 2]}" for k in range(24)]
    project, told = init(of_rows(tmp_path, "file,vehicle,place", *rows))
    assert labels(project) == {"vehicle": ["bus", "train", "tram"], "place": ["test bench", "train station"]}
    assert told.test is None


@pytest.mark.parametrize("column", ["lesion_id", "seq_id", "sequence", "sku", "ProductID"])
def test_what_numbers_things_of_several_images_is_the_group(column, tmp_path):
    rows = [f"{k}.png,x{k // 3},{'ab'[k // 3 % 2]}" for k in range(30)]
    project, told = init(of_rows(tmp_path, f"file,{column},kind", *rows))
    assert (told.group, told.groups, list(labels(project))) == (column, 10, ["kind"])
    assert f"`{column}` is taken as the group by its name and its values" in notes(told)


@pytest.mark.parametrize("column", ["class_id", "SpeciesID", "emotion"])
def test_what_numbers_kinds_is_no_group(column, tmp_path):
    rows = [f"{k}.png,x{k % 10},{'ab'[k // 10 % 2]}" for k in range(40)]
    project, told = init(of_rows(tmp_path, f"file,{column},kind", *rows))
    assert told.group is None
    assert set(labels(project)) == {column, "kind"}


def test_a_column_that_numbers_the_classes_of_another_is_not_an_attribute_beside_it(tmp_path):
    rows = [f"{k}.png,{k % 4},{('cat', 'dog', 'cow', 'pig')[k % 4]}" for k in range(40)]
    project, told = init(of_rows(tmp_path, "file,class_id,class_name", *rows))
    assert list(labels(project)) == ["class_name"]
    assert "`class_id` numbers the classes of `class_name`" in notes(told)


def test_parts_of_a_split_are_no_classes_and_the_pattern_that_is_told_works(tmp_path):
    names = [f"train/{animal}.{k}.jpg" for animal in ("cat", "dog") for k in range(12)]
    data = photos(tmp_path, *names, *(f"test1/{k}.jpg" for k in range(6)))
    words = shlex.split(str(refused(data).hint).partition("`")[2].partition("`")[0])
    assert words[::2] == ["--pattern", "--attribute", "--leave-out"]
    project, told = init(data, pattern=words[1], attributes=(words[3],), leave_out=True)
    assert (labels(project), told.train) == ({"label": ["cat", "dog"]}, 24)


@pytest.mark.parametrize(("front", "name"), [("seg_", "seg_{}/seg_{}"), ("", "{}2017")])
def test_folders_that_are_called_as_parts_and_more_are_parts(front, name, tmp_path):
    many = {"train": 6, "test": 2}
    names = [
        f"{name.format(part, part)}/{c}/{k}.jpg" for part in many for c in ("sea", "ice") for k in range(many[part])
    ]
    project, told = init(photos(tmp_path, *names, f"{front}pred/1.jpg", f"{front}pred/2.jpg"))
    assert (labels(project), told.train, told.test) == ({"label": ["ice", "sea"]}, 12, 4)


@pytest.mark.parametrize("name", ["P{0:02d}/{1}.png", "P{0:02d}_{1}.png", "site/P{0:02d}-{1}-x.png"])
def test_a_table_with_a_row_of_each_patient_labels_images_whose_names_tell_the_patient(name, tmp_path):
    data = photos(tmp_path, *(f"img/{name.format(k // 3, k % 3)}" for k in range(24)))
    write_table(data / "patients.csv", "patient,sex", *(f"P{k:02d},{'mf'[k % 2]}" for k in range(8)))
    project, told = init(data)
    assert (told.group, told.groups, told.train, told.known) == ("patient", 8, 24, 24)
    assert (labels(project), told.findings[0].code) == ({"sex": ["f", "m"]}, "joined-table")


def test_a_table_of_classes_does_not_label_their_folders(tmp_path):
    data = photos(tmp_path, *(f"{c}/{k}.png" for c in "abcdef" for k in range(3)))
    write_table(data / "classes.csv", "class_name,edible", *(f"{c},{'yn'[k % 2]}" for k, c in enumerate("abcdef")))
    assert labels(init(data)[0]) == {"label": [*"abcdef"]}


@pytest.mark.parametrize(("here", "there"), [("p{:02d}", "P{:02d}"), ("{:03d}", "{}"), ("P-{:02d}", "P{}")])
def test_keys_that_differ_in_case_zeros_and_signs_are_joined_and_said(here, there, tmp_path):
    data = of_rows(tmp_path, "file,patient", *(f"{k}.png,{here.format(k // 3)}" for k in range(24)))
    write_table(data / "patients.csv", "patient,sex", *(f"{there.format(k)},{'mf'[k % 2]}" for k in range(8)))
    project, told = init(data)
    assert project.file.dataset.train.join[0].loosely
    assert f"`{here.format(0)}` taken as `{there.format(0)}`" in notes(told)
    assert (told.known, told.groups) == (24, 8)
    table = read_dataset(project).table
    assert table["label:sex"].to_list() == [(1, 0)[k // 3 % 2] for k in range(24)]


def test_keys_of_which_two_would_become_one_are_not_joined(tmp_path):
    data = of_rows(tmp_path, "file,patient", *(f"{k}.png,p{k // 3}" for k in range(24)))
    rows = [f"{p}{k},{'mf'[k % 2]}" for k in range(8) for p in ("P", "P0")]
    write_table(data / "patients.csv", "patient,sex", *rows)
    assert "write them alike" in str(refused(data))


def test_a_line_of_a_list_that_fits_two_images_is_an_error_with_both(tmp_path):
    data = photos(tmp_path, *(f"{c}/{k}.png" for c in "ab" for k in range(8)), "a/0.jpg")
    for part, numbers in {"train": range(6), "test": (6, 7)}.items():
        lines = "".join(f"{c}/{k}\n" for c in "ab" for k in numbers)
        (data / f"{part}.txt").write_text(lines, encoding="utf-8")
    _, told = init(data)
    (wrong,) = (f for f in told.findings if f.level == "error")
    assert (wrong.code, wrong.where) == ("two-images-fit", "train.txt:1")
    assert wrong.message == "`a/0` fits 2 images alike: `a/0.jpg`, `a/0.png`"


def test_rows_of_one_image_contradict_each_other_only_in_what_is_read(tmp_path):
    rows = [f"{k}.png,{'ab'[k % 2]},ann1" for k in range(12)]
    data = of_rows(tmp_path, "file,kind,annotator", *rows, "0.png,a,ann2", "1.png,a,ann2")
    _, told = init(data)
    assert [(f.level, f.code, f.message) for f in told.findings] == [
        ("warning", "duplicate-row", "the same as line 2 but for `annotator`; counted once"),
        ("error", "contradicting-rows", "`1.png` stands on line 3 as well, with another `kind`"),
    ]


@pytest.mark.parametrize(
    ("name", "way"),
    [("t.csv.gz", "unpack `t.csv.gz`"), ("0.dcm", "save `0.dcm` as PNG"), ("t.xlsx", "save `t.xlsx` as")],
)
def test_what_is_not_read_is_named_with_what_to_do(name, way, tmp_path):
    data = photos(tmp_path, "0.png", "1.png")
    (data / name).write_bytes(b"x")
    assert str(refused(data).hint).startswith(way)


def test_a_table_that_names_few_of_the_images_is_told_with_how_many(tmp_path):
    data = photos(tmp_path, *(f"{k}.png" for k in range(4)))
    write_table(data / "labels.csv", "file,kind", *(f"{k}.png,{'ab'[k % 2]}" for k in range(20)))
    assert "labels.csv (`file` names images in 4 of 20 rows)" in str(refused(data))


RECORDS = [{"file": f"{k}.png", "kind": "ab"[k % 2], "more": {"animal": f"x{k // 2}", "at": k}} for k in range(12)]


@pytest.mark.parametrize(
    "content",
    [RECORDS, {"info": {}, "data": RECORDS}, {f"{k}": record for k, record in enumerate(RECORDS)}],
    ids=["a list", "a section that is a list", "by name"],
)
def test_json_of_objects_is_a_table_with_what_is_in_sections(content, tmp_path):
    data = photos(tmp_path, *(record["file"] for record in RECORDS))
    (data / "labels.json").write_text(json.dumps(content), encoding="utf-8")
    project, told = init(data, group="more.animal")
    assert (labels(project), told.groups, told.train) == ({"kind": ["a", "b"]}, 6, 12)


def test_json_of_names_and_labels_is_a_table(tmp_path):
    data = photos(tmp_path, *(f"{k}.png" for k in range(8)))
    (data / "labels.json").write_text(json.dumps({f"{k}.png": "ab"[k % 2] for k in range(8)}), encoding="utf-8")
    assert labels(init(data)[0]) == {"label": ["a", "b"]}


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_sections_are_columns_and_lists_are_cells(ending, tmp_path):
    data = photos(tmp_path, *(f"{k}.png" for k in range(9)))
    rows = [
        {"file": f"{k}.png", "tags": [["a"], ["b"], ["a", "b"]][k % 3], "of": {"by": f"x{k % 2}"}} for k in range(9)
    ]
    if ending == "jsonl":
        (data / "labels.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    else:
        pl.DataFrame(rows).write_parquet(data / "labels.parquet")
    project, told = init(data)
    assert labels(project) == {"tags": ["a", "a|b", "b"], "of.by": ["x0", "x1"]}
    assert '`--attribute "tags=|"` makes a yes or no of each' in notes(told)


def test_tags_of_fiftyone_are_a_split(tmp_path):
    data = photos(tmp_path, *(f"{k}.png" for k in range(12)))
    label = {"_cls": "Classification", "label": "a", "confidence": None}
    samples = [
        {"filepath": f"{k}.png", "tags": ["test" if k > 7 else "train"], "kind": {**label, "label": "ab"[k % 2]}}
        for k in range(12)
    ]
    (data / "samples.json").write_text(json.dumps({"samples": samples}), encoding="utf-8")
    _, told = init(data)
    assert (told.train, told.test) == (8, 4)
