"""Tables and folders from outside: everything wrong is found in one look, with its line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from made_project import (
    GLASSES,
    HEADER,
    PEOPLE,
    STEMS,
    encoded,
    open_project,
    photo_project,
    picture,
    replace_in,
    write_contest,
    write_table,
)

from facetwise.core.errors import InputError
from facetwise.core.project import Project
from facetwise.data.reading.readers import Listing, read_dataset
from facetwise.data.reading.recognising.newproject import propose, write_project_file
from facetwise.data.reading.recognising.presets import presets
from facetwise.data.reading.recognising.proposal import TableChoices

ROW = "000003,male,Asian,40,000003_male_Asian_40"


def listing(tmp_path: Path, *rows: str, header: str = HEADER) -> Listing:
    """The listing of a dataset whose training csv has these rows after the two good ones."""
    dataset = write_contest(tmp_path / "data")
    if rows:
        write_table(dataset / "train" / "train.csv", header, *PEOPLE, *rows)
    return read_dataset(open_project(tmp_path / "project", dataset))


def codes(found: Listing, level: str = "error") -> list[tuple[str, str]]:
    return [(f.code, f.where) for f in found.findings if f.level == level]


def test_a_good_dataset(tmp_path: Path) -> None:
    found = listing(tmp_path)
    assert found.findings == ()
    assert found.table.height == 16
    train = found.table.filter(split="train")
    assert train["image"][0] == "train/images/000001_male_Asian_29/mask1.jpg"
    assert train["label:mask"].to_list() == [0, 0, 0, 0, 0, 1, 2] * 2
    assert train["label:gender"].to_list() == [0] * 7 + [1] * 7
    assert train["label:age"].to_list() == [0] * 7 + [2] * 7
    assert train["value:age"].to_list() == [29.0] * 7 + [60.0] * 7
    assert train["meta:race"].unique(maintain_order=True).to_list() == ["Asian", "White"]
    assert found.table.filter(split="test")["name"].to_list() == ["a.jpg", "b.jpg"]


@pytest.mark.parametrize(
    ("row", "code"),
    [
        (ROW.replace("male", "unknown", 1), "unknown-class"),
        (ROW.replace("male", "Male", 1), "unknown-class"),
        (ROW.replace(",40,", ",999,"), "out-of-range"),
        (ROW.replace(",40,", ",-1,"), "out-of-range"),
        (ROW.replace(",40,", ",nan,"), "not-a-number"),
        (ROW.replace(",40,", ",inf,"), "not-a-number"),
        (ROW.replace(",40,", ",4_0,"), "not-a-number"),
        (ROW.replace(",40,", ",forty,"), "not-a-number"),
        (ROW.replace(",40,", ",3e1,"), "not-a-number"),
        (ROW.replace(",40,", ",+40,"), "not-a-number"),
        (ROW.replace(",40,", ",.5,"), "not-a-number"),
        ("000003,male,Asian,40,.", "leaves-dataset"),
        ("000003,male,Asian,40,./x/..", "leaves-dataset"),
        (f"000003,male,Asian,40,{'x' * 300}", "missing-folder"),
        ("000003,male,Asian,40,/etc", "leaves-dataset"),
        ("000003,male,Asian,40,../../..", "leaves-dataset"),
        ("000003,male,Asian,40,", "empty-cell"),
        (ROW, "missing-folder"),
        (" ,male,Asian,29,000001_male_Asian_29x", "empty-group"),
        ("000003,male,Asian", "ragged-row"),
        (ROW + ",more", "ragged-row"),
        (f"000003,male,{'x' * 5000},40,a", "huge-cell"),
        (PEOPLE[0].replace("male", "female", 1), "contradicting-rows"),
    ],
)
def test_a_wrong_row_is_an_error_with_its_line(tmp_path: Path, row: str, code: str) -> None:
    if code in ("unknown-class", "out-of-range", "not-a-number", "empty-group"):  # nothing else is wrong then
        (tmp_path / "data" / "train" / "images" / row.split(",")[-1]).mkdir(parents=True)
    found = listing(tmp_path, row)
    assert codes(found) == [(code, "train/train.csv:4")]
    assert codes(found, "warning") == []
    assert found.table.filter(split="train").height == 14


def test_everything_is_found_in_one_look(tmp_path: Path) -> None:
    found = listing(tmp_path, "", f'3,"ma\nle",x,40,{PEOPLE[0].split(",")[-1]}', ROW.replace("40", "x", 1), ROW)
    lines = list(dict.fromkeys(where for _, where in codes(found)))
    assert lines == ["train/train.csv:5", "train/train.csv:7", "train/train.csv:8"]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"id,gender,race,path\n1,male,x,a\n", "missing-column"),
        (b"id,gender,race,Age,path\n1,male,x,3,a\n", "missing-column"),
        (b"id;gender;race;age;path\n1;male;x;3;a\n", "wrong-separator"),
        (b"id,age,gender,race,age,path\n1,3,male,x,3,a\n", "repeated-column"),
        (HEADER.encode() + b"\n", "empty-csv"),
        (b"", "empty-csv"),
        (HEADER.encode("utf-16"), "not-utf8"),
        (HEADER.encode("utf-16-le"), "not-utf8"),
        (HEADER.encode() + b"\n1,male,\xe9,3,a\n", "not-utf8"),
        (HEADER.encode() + b"\n1\0,male,x,3,a\n", "nul-in-csv"),
        (HEADER.encode() + b'\n1,male,"x,3,a\n', "broken-csv"),
    ],
)
def test_a_table_that_cannot_be_used_is_one_error(tmp_path: Path, content: bytes, code: str) -> None:
    dataset = write_contest(tmp_path / "data")
    (dataset / "train" / "train.csv").write_bytes(content)
    (project := tmp_path / "project").mkdir()
    (project / "facetwise.toml").write_text(presets()[0].fill("p", str(dataset)), encoding="utf-8")
    found = read_dataset(Project.open(project))
    assert [c for c, _ in codes(found)] == [code]
    assert found.table["split"].unique().to_list() == ["test"]


def test_spellings_of_a_good_table(tmp_path: Path) -> None:
    dataset = write_contest(tmp_path / "data")
    plain = read_dataset(project := open_project(tmp_path / "project", dataset)).table
    lines = [HEADER.replace("gender", " gender "), "", *PEOPLE]
    text = "\r\n".join(line + "," for line in lines) + "\r\n"
    (dataset / "train" / "train.csv").write_bytes(b"\xef\xbb\xbf" + text.replace(",\r\n\r\n", ",\r\n").encode())
    found = read_dataset(project)
    assert found.findings == ()
    assert found.table.equals(plain)


def test_oddities_of_rows_are_warnings(tmp_path: Path) -> None:
    dataset = write_contest(tmp_path / "data", (*PEOPLE, ROW))
    rows = [
        PEOPLE[0].replace(",29,", ",61,"),
        PEOPLE[1],
        PEOPLE[1],
        ROW.replace(",40,", ",31.5,").replace("000003,", "2,"),
    ]
    write_table(dataset / "train" / "train.csv", HEADER, *rows)
    found = read_dataset(open_project(tmp_path / "project", dataset))
    assert codes(found) == []
    assert sorted(codes(found, "warning")) == [
        ("duplicate-row", "train/train.csv:4"),
        ("fraction", "train/train.csv:5"),
        ("similar-groups", "train/train.csv:5"),
    ]
    assert found.table.filter(split="train").height == 21


def test_the_csv_counts_where_a_folder_name_differs(tmp_path: Path) -> None:
    dataset = write_contest(tmp_path / "data", (*PEOPLE, ROW))
    replace_in(dataset / "train" / "train.csv", {",40,": ",61,"})
    found = read_dataset(open_project(tmp_path / "project", dataset))
    assert codes(found, "warning") == [("folder-name-differs", "train/train.csv:4")]
    assert found.table["value:age"].drop_nulls().max() == 61


def test_files_that_are_no_images_of_the_dataset(tmp_path: Path) -> None:
    dataset = write_contest(tmp_path / "data")
    images = dataset / "train" / "images"
    folder = images / "000001_male_Asian_29"
    (folder / "mask1.jpg").unlink()
    (folder / "mask1.jpg").mkdir()
    for name in ("selfie.jpg", "Thumbs.db", "._mask2.jpg"):
        (folder / name).write_bytes(encoded(picture(99)))
    (folder / "mask2.png").write_bytes(encoded(picture(99), "PNG"))
    (images / "notes.txt").write_text("x", encoding="utf-8")
    (images / "stranger").mkdir()
    found = read_dataset(open_project(tmp_path / "project", dataset))
    assert [c for c, _ in codes(found)] == ["same-stem"]
    assert {c for c, _ in codes(found, "warning")} == {"missing-file", "folder-without-row", "extra-file"}
    assert [c for c, _ in codes(found, "info")] == ["hidden-file"]
    assert found.table.filter(group="000001").height == 5


def test_two_attributes_by_file_name(tmp_path: Path) -> None:
    dataset = write_contest(tmp_path / "data")
    project = open_project(tmp_path / "project", dataset)
    text = project.workspace.project_file.read_text(encoding="utf-8")
    classes = ", ".join(f'{stem} = "{"yes" if stem == "normal" else "no"}"' for stem in reversed(STEMS))
    second = f'\n[[attributes]]\nname = "bare"\nclasses = ["no", "yes"]\nfiles = {{ {classes} }}\n'
    project.workspace.project_file.write_text(text + second, encoding="utf-8")
    found = read_dataset(Project.open(project.root))
    assert found.findings == ()
    train = found.table.filter(split="train")
    assert train["label:mask"].to_list() == [0, 0, 0, 0, 0, 1, 2] * 2
    assert train["label:bare"].to_list() == [0, 0, 0, 0, 0, 0, 1] * 2


def test_a_dataset_whose_folder_is_not_utf8_cannot_be_named(tmp_path: Path) -> None:
    dataset = write_contest(tmp_path / os.fsdecode(b"d\xe9"))
    with pytest.raises(InputError, match=r"d\\xe9: its name is not UTF-8"):
        write_project_file(tmp_path / "project", dataset)


def test_the_test_side(tmp_path: Path) -> None:
    dataset = write_contest(tmp_path / "data")
    write_table(dataset / "eval" / "info.csv", "ImageID", "b.jpg", "gone.jpg", "b.jpg", "../../train/train.csv")
    found = read_dataset(open_project(tmp_path / "project", dataset))
    assert codes(found) == [("listed-twice", "eval/info.csv:4"), ("leaves-dataset", "eval/info.csv:5")]
    assert codes(found, "warning") == [("unlisted-image", "eval/images")]
    assert codes(found, "info") == [("no-answer-column", "eval/info.csv:1")]
    assert found.table.filter(split="test")["name"].to_list() == ["b.jpg", "gone.jpg"]


def test_a_folder_that_is_a_link_out_of_the_dataset_is_refused(tmp_path: Path) -> None:
    dataset = write_contest(tmp_path / "data")
    (tmp_path / "elsewhere").mkdir()
    (dataset / "train" / "images" / "000003_male_Asian_40").symlink_to(tmp_path / "elsewhere")
    write_table(dataset / "train" / "train.csv", HEADER, *PEOPLE, ROW)
    found = read_dataset(open_project(tmp_path / "project", dataset))
    assert codes(found) == [("leaves-dataset", "train/train.csv:4")]


def test_the_layout_with_a_row_an_image(tmp_path: Path) -> None:
    table = ("file,person,glasses,camera", "a.jpg,김,1,x", "./b.jpg,김,no,y", "b.jpg,김,yes,y")
    photos = ("photos/a.jpg", "photos/b.jpg", "photos/extra.jpg")
    attributes = GLASSES + 'values = { "0" = "no", "1" = "yes" }\n'
    found = read_dataset(photo_project(tmp_path, table, photos, attributes=attributes))
    assert codes(found) == [("contradicting-rows", "labels.csv:4")]
    assert codes(found, "warning") == [("unlisted-image", "photos")]
    assert found.table.select("image", "group", "label:glasses", "meta:camera").rows() == [
        ("photos/a.jpg", "김", 1, "x"),
        ("photos/b.jpg", "김", 0, "y"),
    ]


def test_init_recognises_either_side_and_writes_once(tmp_path: Path) -> None:
    dataset = write_contest(tmp_path / "data")
    (dataset / "train" / "train.csv").unlink()
    assert propose(dataset, TableChoices()).title == "the layout `mask-contest`"
    target = write_project_file(tmp_path / "새 project", dataset)
    project = Project.open(target.parent)
    assert project.file.dataset.path == "../data"
    assert project.file.name == "새 project"
    assert project.dataset_root == dataset.resolve()
    before = target.read_bytes()
    with pytest.raises(InputError, match="exists already"):
        write_project_file(target.parent, dataset)
    assert target.read_bytes() == before


def test_init_refuses_what_it_cannot_do_and_writes_nothing(tmp_path: Path) -> None:
    dataset = write_contest(tmp_path / "data")
    with pytest.raises(InputError, match="only ever read"):
        write_project_file(dataset / "project", dataset)
    inside = tmp_path / "outer" / "deep" / "inside"
    write_project_file(tmp_path / "outer", dataset)
    with pytest.raises(InputError, match=r"inside: lies in the project .*outer"):
        write_project_file(inside, dataset)
    assert not inside.parent.exists()
    (tmp_path / "other").mkdir()
    write_table(tmp_path / "other" / "labels.csv", "file,label", "a.jpg,1")
    with pytest.raises(InputError, match="known layouts") as caught:
        write_project_file(tmp_path / "project", tmp_path / "other")
    assert "layout = " in str(caught.value.hint)
    with pytest.raises(InputError, match="no such folder"):
        write_project_file(tmp_path / "project", tmp_path / "nowhere")
    assert not (tmp_path / "project").exists()
    assert not (dataset / "project").exists()


def test_links_in_a_circle_are_files_that_are_no_images(tmp_path: Path) -> None:
    dataset = write_contest(tmp_path / "data", (*PEOPLE, ROW))
    folder = dataset / "train" / "images" / "000001_male_Asian_29"
    (folder / "mask3.jpg").unlink()
    for link in (folder / "mask3.jpg", dataset / "train" / "images" / "loop", dataset / "eval" / "images" / "loop.jpg"):
        link.symlink_to(link.name)
    write_table(dataset / "train" / "train.csv", HEADER, *PEOPLE, ROW, "4,male,Asian,40,loop")
    found = read_dataset(open_project(tmp_path / "project", dataset))
    assert codes(found) == [("missing-folder", "train/train.csv:5")]
    assert {c for c, _ in codes(found, "warning")} == {"missing-file", "extra-file", "unlisted-image"}
    assert found.table.filter(group="000001").height == 6


@pytest.mark.parametrize(
    ("row", "code", "words"),
    [
        (
            "000001,female,Asian,34,000003_female_Asian_34",
            ("warning", "group-with-conflicting-labels"),
            ["`gender` is male (line 2), female (line 4)", "`age` is 29 (line 2), 34 (line 4)"],
        ),
        ("000001,male,White,29.0,000003_male_Asian_29", ("info", "group-with-several-folders"), ["lines 2, 4"]),
    ],
)
def test_one_group_on_two_rows(tmp_path: Path, row: str, code: tuple[str, str], words: list[str]) -> None:
    found = read_dataset(open_project(tmp_path / "project", write_contest(tmp_path / "data", (*PEOPLE, row))))
    assert [(f.level, f.code, f.where) for f in found.findings] == [(*code, "train/train.csv:4")]
    assert all(word in found.findings[0].message for word in words)
    assert found.table.filter(group="000001").height == 14


def test_a_person_without_images_is_an_error(tmp_path: Path) -> None:
    dataset = write_contest(tmp_path / "data")
    folder = dataset / "train" / "images" / "000001_male_Asian_29"
    for stem in STEMS:
        (folder / f"{stem}.jpg").unlink()
    found = read_dataset(open_project(tmp_path / "project", dataset))
    assert codes(found) == [("no-images", "train/images/000001_male_Asian_29")]
    assert codes(found, "warning") == []


@pytest.mark.parametrize(("separator", "called"), [(";", "`;`"), ("\t", "tabs")])
def test_init_recognises_a_table_with_other_separators(tmp_path: Path, separator: str, called: str) -> None:
    dataset = write_contest(tmp_path / "data")
    for table in ("train/train.csv", "eval/info.csv"):
        replace_in(dataset / table, {",": separator})
    found = read_dataset(open_project(tmp_path / "project", dataset))
    assert [str(f) for f in found.findings if f.where.startswith("train")] == [
        f"train/train.csv:1: seems to be separated by {called}, expected commas"
    ]
    assert all("comma" in str(f.hint) for f in found.findings if f.code == "wrong-separator")
