"""What `init` recognises of datasets that people have, what it decides by which rule, and what it asks."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_project import write_table

from facetwise.core.errors import FacetwiseError, InputError, ProblemsError, SettingError
from facetwise.core.project import Project
from facetwise.data.reading.readers import read_dataset
from facetwise.data.reading.recognising.columns import Column
from facetwise.data.reading.recognising.newproject import propose, write_project_file
from facetwise.data.reading.recognising.proposal import OpenQuestion, TableChoices, toml_value
from facetwise.data.reading.recognising.understood import Understood

PHOTOS = [f"p{plant}_{k}.jpg" for plant in range(4) for k in range(3)]
ROWS = [
    (f"img/{name}", f"p{k // 3}", ("rust", "well")[k % 2], ("bean", "maize", "rice")[k % 3])
    for k, name in enumerate(PHOTOS)
]
HEADER = "file,plant,disease,crop"


def photos(root: Path, *names: str) -> Path:
    """A dataset with these images, which nobody looks into."""
    for name in names:
        path = root / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return root / "data"


def leaves(root: Path, header: str = HEADER, rows: object = None) -> Path:
    """A dataset with a table of photos of leaves."""
    data = photos(root, *(f"img/{name}" for name in PHOTOS))
    write_table(data / "labels.csv", header, *(",".join(row) for row in (rows or ROWS)))  # type: ignore[attr-defined]
    return data


def init(data: Path, ask=lambda _: (), **choices: object) -> tuple[Project, Understood]:
    """The project that is made of a dataset, and what was told."""
    told: list[Understood] = []
    target = write_project_file(
        data.parent / "project",
        data,
        choices=TableChoices(**choices),
        ask=ask,
        tell=told.append,  # type: ignore[arg-type]
    )
    (understood,) = told
    return Project.open(target.parent), understood


def refused(data: Path, **choices: object) -> FacetwiseError:
    with pytest.raises(FacetwiseError) as error:
        init(data, **choices)
    assert not (data.parent / "project" / "facetwise.toml").exists()
    return error.value


def labels(project: Project) -> dict[str, list[str]]:
    return {a.name: list(a.classes) for a in project.space.attributes}


def notes(understood: Understood) -> str:
    return "\n".join(understood.notes)


# --- tables


def test_a_table_is_understood_and_told(tmp_path):
    project, told = init(leaves(tmp_path))
    assert labels(project) == {"disease": ["rust", "well"], "crop": ["bean", "maize", "rice"]}
    train = project.file.dataset.train
    assert (train.table, train.images, train.image, train.group) == ("labels.csv", ".", "file", "plant")
    assert (told.train, told.test, told.group, told.groups) == (12, None, "plant", 4)
    assert [dict(a.classes) for a in told.attributes] == [{"rust": 6, "well": 6}, {"bean": 4, "maize": 4, "rice": 4}]
    assert told.findings == ()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp949", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_what_a_table_is_written_in_is_said_and_kept(delimiter, encoding, tmp_path):
    data = leaves(tmp_path)
    well = {"cp949": "건강", "cp1252": "gesünd"}.get(encoding, "건강")
    lines = [HEADER, *(",".join(row).replace("well", well) for row in ROWS)]
    (data / "labels.csv").write_bytes("\r\n".join(lines).replace(",", delimiter).encode(encoding))
    project, told = init(data)
    train = project.file.dataset.train
    assert (train.delimiter, train.encoding) == (delimiter, encoding)
    assert labels(project)["disease"] == sorted(["rust", well])
    assert (told.train, told.findings) == (12, ())
    assert ("`delimiter`, `encoding`" in notes(told)) == ((delimiter, encoding) != (",", "utf-8"))


def test_images_are_found_wherever_their_column_counts_from(tmp_path):
    rows = [(file.removeprefix("img/"), *rest) for file, *rest in ROWS]
    project, _ = init(leaves(tmp_path, rows=rows))
    assert project.file.dataset.train.images == "img"


def test_hugging_faces_metadata_is_a_table_a_part(tmp_path):
    data = photos(tmp_path, *(f"{part}/{name}" for part in ("train", "test") for name in PHOTOS))
    for part in ("train", "test"):
        rows = [{"file_name": name, "label": k % 2, "text": f"leaf {k}"} for k, name in enumerate(PHOTOS)]
        (data / part / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    project, told = init(data)
    assert project.file.dataset.train.table == "train/metadata.jsonl"
    assert project.file.dataset.test is not None
    assert project.file.dataset.test.table == "test/metadata.jsonl"
    assert (told.train, told.test, told.group) == (12, 12, None)
    assert labels(project) == {"label": ["0", "1"]}
    assert "`text` (12 different values)" in notes(told)
    assert [f for f in told.findings if f.level == "error"] == []


def test_a_table_of_photos_without_labels_is_the_test_side(tmp_path):
    data = leaves(tmp_path)
    photos(tmp_path, "new/a.jpg", "new/b.jpg")
    write_table(data / "sample.csv", "id,disease", "a.jpg,0", "b.jpg,0")
    project, told = init(data)
    side = project.file.dataset.test
    assert side is not None
    assert (side.table, side.images, side.image, side.answer) == ("sample.csv", "new", "id", "disease")
    assert told.test == 2


def test_several_tables_with_labels_are_asked_about(tmp_path):
    data = leaves(tmp_path)
    (data / "other.csv").write_bytes((data / "labels.csv").read_bytes())
    error = refused(data)
    assert "`labels.csv`, `other.csv`" in str(error)
    assert "--table labels.csv" in str(error.hint)
    project, _ = init(data, table="other.csv")
    assert project.file.dataset.train.table == "other.csv"


def test_a_table_without_a_header_is_refused(tmp_path):
    data = leaves(tmp_path)
    table = data / "labels.csv"
    table.write_text(table.read_text(encoding="utf-8").split("\n", 1)[1], encoding="utf-8")
    error = refused(data)
    assert "labels.csv:1: no header: its first line names the image `img/p0_0.jpg`" in str(error)


@pytest.mark.parametrize(
    "spell",
    [
        lambda name: name.removesuffix(".jpg"),
        lambda name: f"C:\\photos\\{name}",
        lambda name: f"/mnt/ann/{name}",
        lambda name: f" {name} ",
    ],
)
def test_names_in_other_words_are_still_the_column_of_images(spell, tmp_path):
    rows = [(str(k), *row[1:], spell(PHOTOS[k])) for k, row in enumerate(ROWS)]
    project, told = init(leaves(tmp_path, "number,plant,disease,crop,photo", rows))
    assert (project.file.dataset.train.image, project.file.dataset.train.images) == ("photo", "img")
    assert labels(project)["disease"] == ["rust", "well"]
    assert told.train == 12 or "in other words than the disk: 12 of 12 rows" in notes(told)


def test_images_beside_their_table_may_be_named_in_other_words(tmp_path):
    data = photos(tmp_path, *PHOTOS)
    write_table(
        data / "labels.csv", HEADER, *(",".join((name[:-4], *row[1:])) for name, row in zip(PHOTOS, ROWS, strict=True))
    )
    project, told = init(data)
    assert project.file.dataset.train.images == "."
    assert (told.train, [f.code for f in told.findings]) == (12, ["names-matched"])


def test_a_table_of_the_same_images_is_no_test_side_wherever_its_names_count_from(tmp_path):
    data = leaves(tmp_path)
    write_table(data / "img" / "test.csv", "id,sharp", *(f"{name},{k}" for k, name in enumerate(PHOTOS)))
    project, told = init(data)
    assert project.file.dataset.test is None
    assert "other tables left out: img/test.csv" in notes(told)


def test_a_table_that_lies_elsewhere_is_refused_with_the_folder_that_holds_both(tmp_path):
    data = leaves(tmp_path)
    (tmp_path / "tables").mkdir()
    (data / "labels.csv").rename(tmp_path / "tables" / "my labels.csv")
    error = refused(data, table="../tables/my labels.csv")
    assert str(error.hint) == f"give the folder that holds both: `--dataset {tmp_path} --table 'tables/my labels.csv'`"
    told: list[Understood] = []
    choices = TableChoices(table="tables/my labels.csv")
    write_project_file(tmp_path.parent / f"{tmp_path.name} project", tmp_path, choices=choices, tell=told.append)
    assert (told[0].train, told[0].groups, told[0].findings) == (12, 4, ())


def test_a_list_without_a_header_beside_the_table_of_labels_is_passed_over(tmp_path):
    data = leaves(tmp_path)
    write_table(data / "test.csv", *(row[0] for row in ROWS[:3]))
    _, told = init(data)
    assert (told.train, told.test) == (12, None)


def test_a_table_that_cannot_be_read_is_told_with_the_reason(tmp_path):
    data = photos(tmp_path, "a.jpg", "b.jpg")
    (data / "labels.csv").write_bytes(b'file,label\n"a.jpg,1\n')
    assert "labels.csv (unreadable: labels.csv:2: not readable as csv" in str(refused(data))


# --- which column is what


@pytest.mark.parametrize(
    ("name", "is_group"),
    [
        *(
            (name, True)
            for name in ("patient_id", "PatientID", "subjects", "Plant", "person name", "animal-no", "group")
        ),
        *((name, False) for name in ("age_group", "patient_age", "implant", "name", "file")),
    ],
)
def test_a_group_is_known_by_its_name(name, is_group):
    assert Column(name, ("a", "a", "b", "b")).names_a_group == is_group


def test_an_id_is_a_group_only_when_it_repeats():
    assert Column("id", ("1", "1", "2", "2")).names_a_group
    assert not Column("id", ("1", "2", "3", "4")).names_a_group


@pytest.mark.parametrize(
    ("cells", "is_attribute"),
    [
        (["a", "b"] * 3, True),
        (["a"] * 6, False),
        (["a", "b", "c", "d", "e", "f"], False),
        ([str(k % 21) for k in range(420)], False),
        ([str(k % 20) for k in range(420)], True),
        (["0.5", "1.5"] * 3, False),
        (["2020-01-01", "2020-02-01"] * 3, False),
        (["a.jpg", "b.jpg"] * 3, False),
        (["", "", "a", "a", "b", "b"], True),
        (["todo", "Unknown", "a", "a", "n/a", "-"], False),
        ([f"site {k % 60}" for k in range(240)], False),
        ([f"species {k % 60}" for k in range(300)], True),
    ],
)
def test_an_attribute_has_few_values_that_repeat(cells, is_attribute):
    assert Column("x", tuple(cells)).is_an_attribute == is_attribute


def test_classes_are_in_order_of_their_numbers_or_names_and_whole_numbers_have_no_fraction(tmp_path):
    rows = [(*row[:2], f"{(10, 9, 1)[k % 3]}.0", ("10b", "9b")[k % 2]) for k, row in enumerate(ROWS)]
    project, told = init(leaves(tmp_path, rows=rows))
    assert labels(project) == {"disease": ["1", "9", "10"], "crop": ["10b", "9b"]}
    assert told.findings == ()
    assert told.train == 12


def test_classes_that_differ_in_case_alone_are_one_and_that_is_said(tmp_path):
    rows = [(*row[:2], ("Rust", "rust", "well")[k % 3] if k else "rust", row[3]) for k, row in enumerate(ROWS)]
    project, told = init(leaves(tmp_path, rows=rows))
    assert labels(project)["disease"] == ["rust", "well"]
    assert dict(told.attributes[0].classes) == {"rust": 8, "well": 4}
    assert "`Rust` as `rust`" in notes(told)


def test_what_is_not_known_is_no_class_and_is_counted(tmp_path):
    rows = [(*row[:2], ("todo", "", "Unknown")[k] if k < 3 else row[2], row[3]) for k, row in enumerate(ROWS)]
    project, told = init(leaves(tmp_path, rows=rows))
    assert labels(project)["disease"] == ["rust", "well"]
    assert "`disease`: 3 cells not known: `(empty)`, `Unknown`, `todo`; `unknown`" in notes(told)
    assert project.file.dataset.train.unknown == ["", "Unknown", "todo"]
    assert (told.train, [f.level for f in told.findings if f.level == "error"]) == (12, [])


def test_several_findings_in_a_cell_are_told_and_parted_when_that_is_chosen(tmp_path):
    rows = [(*row[:2], ("rust", "rust/spot", "todo", "none seen")[k % 4], row[3]) for k, row in enumerate(ROWS)]
    data = leaves(tmp_path, rows=rows)
    project, told = init(data)
    assert labels(project)["disease"] == ["none seen", "rust", "rust/spot"]
    assert '`rust/spot` seems to be several findings: `--attribute "disease=/"` makes a yes or no' in notes(told)
    (tmp_path / "project" / "facetwise.toml").unlink()
    project, told = init(data, attributes=("disease=/",))
    assert labels(project) == {key: ["no", "yes"] for key in ("none seen", "rust", "spot")}
    assert [dict(a.classes) for a in told.attributes] == [{"no": 6, "yes": 3}, {"no": 3, "yes": 6}, {"no": 6, "yes": 3}]
    assert project.file.dataset.train.unknown == ["", "todo"]


def test_many_columns_of_labels_are_asked_about(tmp_path):
    header = f"{HEADER},{','.join(f'x{k}' for k in range(7))}"
    error = refused(
        leaves(tmp_path, header, [(*row, *"0101010") for row in ROWS[:6]] + [(*row, *"1010101") for row in ROWS[6:]])
    )
    assert "labels.csv: 9 columns may be attributes" in str(error)
    assert "--attribute disease` (may be repeated)" in str(error.hint)


def test_a_word_in_names_that_says_nothing_is_no_class(tmp_path):
    names = [f"{state}/{k}.jpg" for state in ("on", "off", "unknown") for k in range(2)]
    project, told = init(photos(tmp_path, *names), pattern="{state}/{n:int}.jpg", attributes=("state",))
    assert labels(project) == {"state": ["off", "on"]}
    assert (told.train, dict(told.attributes[0].classes)) == (6, {"off": 2, "on": 2})


def test_options_decide_and_cuts_make_classes_of_numbers(tmp_path):
    rows = [(*row, str(20 + 3 * k)) for k, row in enumerate(ROWS)]
    data = leaves(tmp_path, f"{HEADER},age", rows)
    _, told = init(data)
    assert "`age` (12 different numbers: cuts would make classes of them, `--attribute age=CUT,CUT`)" in notes(told)
    (tmp_path / "project" / "facetwise.toml").unlink()
    project, told = init(data, attributes=("age=30,40", "crop"), group="none")
    assert labels(project) == {"age": ["<30", "30 to <40", ">=40"], "crop": ["bean", "maize", "rice"]}
    assert [n for _, n in told.attributes[0].classes] == [4, 3, 5]
    assert told.group is None


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ({"attributes": ("age",)}, "12 different numbers"),
        ({"attributes": ("crop=3",)}, "`crop` cannot be cut"),
        ({"attributes": ("age=40,30",)}, "the smallest first"),
        ({"attributes": ("crp",)}, "no column is called `crp`"),
        ({"group": "plnt"}, "no column is called `plnt`"),
        ({"table": "lables.csv"}, "no table `lables.csv`"),
        ({"table": "labels.csv", "image": "fle"}, "no column is called `fle`"),
        ({"table": "labels.csv", "image": "crop"}, "no column of it names images"),
        ({"table": "../project.csv"}, "no table"),
    ],
)
def test_a_choice_that_does_not_fit_is_one_error(choices, said, tmp_path):
    rows = [(*row, str(20 + 3 * k)) for k, row in enumerate(ROWS)]
    error = refused(leaves(tmp_path, f"{HEADER},age", rows), **choices)
    assert said in str(error)


def test_what_cannot_be_decided_is_asked_and_an_error_where_nobody_answers(tmp_path):
    rows = [(*row, f"k{k // 6}") for k, row in enumerate(ROWS)]
    data = leaves(tmp_path, f"{HEADER},patient", rows)
    error = refused(data)
    assert "`plant`, `patient`, `none`" in str(error)
    assert "--group plant" in str(error.hint)
    asked: list[OpenQuestion] = []
    project, _ = init(data, ask=lambda question: asked.append(question) or ["patient"])
    assert project.file.dataset.train.group == "patient"
    assert [q.flag for q in asked] == ["--group"]
    assert list(labels(project)) == ["disease", "crop"]


def test_a_table_without_labels_says_what_each_column_is(tmp_path):
    rows = [(row[0], f"note {k}", "same") for k, row in enumerate(ROWS)]
    error = refused(leaves(tmp_path, "file,text,source", rows))
    assert "labels.csv: no column of labels" in str(error)
    assert "`text`: 12 different values; `source`: one value" in str(error)
    assert "--attribute" in str(error.hint)


def test_a_dataset_of_no_known_kind_is_told_what_it_has(tmp_path):
    error = refused(photos(tmp_path, "a.jpg", "b.jpg"))
    assert "2 images, such as a.jpg, and no table" in str(error)
    assert "--pattern" in str(error.hint)


# --- given splits


def with_parts(root: Path, values: tuple[str, ...]) -> Path:
    rows = [(*row, values[k // 3 % len(values)]) for k, row in enumerate(ROWS)]
    return leaves(root, f"{HEADER},split", rows)


def test_a_column_of_parts_gives_the_test_side_and_the_folds(tmp_path):
    project, told = init(with_parts(tmp_path, ("train", "val", "test")))
    train, test = project.file.dataset.train, project.file.dataset.test
    assert (train.where, train.split) == ({"split": ["train", "val"]}, "split")
    assert test is not None
    assert test.where == {"split": ["test"]}
    assert (told.train, told.test) == (9, 3)
    assert "labels there are never read" in notes(told)


def test_a_column_of_folds_gives_the_folds(tmp_path):
    project, told = init(with_parts(tmp_path, ("0", "1", "2")))
    assert (project.file.dataset.train.split, project.file.dataset.train.where) == ("split", {})
    assert (told.train, told.test) == (12, None)


def test_lists_give_the_sides_of_a_table(tmp_path):
    data = leaves(tmp_path)
    for part, names in (("train", PHOTOS[:6]), ("val", PHOTOS[6:9]), ("test", PHOTOS[9:11])):
        write_table(data / "lists" / f"{part}.txt", *(f"img/{name}" for name in names))
    project, told = init(data)
    assert project.file.dataset.train.listed == ["lists/train.txt", "lists/val.txt"]
    assert (told.train, told.test) == (9, 2)
    assert {f.code for f in told.findings} == {"no-answer-column", "rows-left-out"}
    assert "`listed`" in notes(told)


def test_lists_without_endings_give_the_sides_of_folders_of_classes(tmp_path):
    data = photos(tmp_path, *(f"images/{c}/{k}.jpg" for c in ("a", "b") for k in range(4)))
    for part, numbers in (("train", (0, 1, 2)), ("test", (3,))):
        write_table(data / "meta" / f"{part}.txt", *(f"{c}/{k}" for c in ("a", "b") for k in numbers))
    project, told = init(data)
    assert project.file.dataset.test is not None
    assert (told.train, told.test, told.findings) == (6, 2, ())


@pytest.mark.parametrize("text", [b"", b"\xff\xfe\x00", b"nobody.jpg\n"])
def test_a_list_that_cannot_be_read_or_names_nothing_is_an_error(text, tmp_path):
    data = leaves(tmp_path)
    write_table(data / "train.txt", *(f"img/{name}" for name in PHOTOS[:9]))
    write_table(data / "test.txt", *(f"img/{name}" for name in PHOTOS[9:]))
    project, _ = init(data)
    (data / "train.txt").write_bytes(text)
    found = read_dataset(project)
    assert next(f.code for f in found.findings if f.level == "error") in ("no-rows", "unreadable-table")
    assert found.table.filter(split="train").is_empty()


# --- folders and names


def test_a_folder_a_class_is_an_attribute(tmp_path):
    data = photos(tmp_path, *(f"leaf/{c}/{k}.png" for c in ("10", "9", "1") for k in range(2)), "leaf/cover.png")
    project, told = init(data)
    assert labels(project) == {"label": ["1", "9", "10"]}
    assert project.file.dataset.train.images == "leaf"
    assert (told.train, told.group, told.groups) == (6, None, 6)
    assert "1 image beside the folders left out: cover.png" in notes(told)
    assert "no group" in notes(told)


def test_a_folder_a_class_needs_no_columns_and_has_none_to_choose(tmp_path):
    data = photos(tmp_path, *(f"{c}/{k}.png" for c in "ab" for k in range(2)))
    for choices in ({"group": "plant"}, {"attributes": ("label",)}):
        assert "no table in it" in str(refused(data, **choices))
    project, _ = init(data, group="none")
    assert labels(project) == {"label": ["a", "b"]}


def test_more_folders_than_a_label_has_classes_are_none(tmp_path):
    data = photos(tmp_path, *(f"{k}/0.jpg" for k in range(1001)))
    assert "1,001 images, such as 0/0.jpg" in str(refused(data))


def test_folders_of_parts_above_the_classes_are_the_sides(tmp_path):
    parts = [f"{part}/{c}/{k}.jpg" for part in ("train", "valid") for c in ("a", "b") for k in range(2)]
    project, told = init(photos(tmp_path, *parts, "test/x.jpg", "test/y.jpg", "old/a/0.jpg"))
    train, test = project.file.dataset.train, project.file.dataset.test
    assert (train.where, train.split) == ({"part": ["train", "valid"]}, "part")
    assert test is not None
    assert test.images == "test"
    assert (told.train, told.test) == (8, 2)
    assert "left out, beside the parts of the split: old" in notes(told)
    assert {f.code for f in told.findings if f.level == "error"} == set()


def test_a_test_folder_with_classes_is_a_test_side_whose_labels_are_never_read(tmp_path):
    names = [f"{part}/{c}/{k}.jpg" for part in ("train", "test") for c in ("a", "b") for k in range(2)]
    project, told = init(photos(tmp_path, *names))
    assert project.file.dataset.train.images == "train"
    assert (told.train, told.test) == (4, 4)
    assert "never read" in notes(told)


NAMES = [
    f"{look}/{who}_{k}.jpg"
    for look, who in (("on_m_31", "ann"), ("off_f_9", "bob"), ("on_f_9", "kim"), ("off_m_31", "ann"))
    for k in range(2)
]


def test_a_pattern_makes_attributes_of_names(tmp_path):
    project, told = init(photos(tmp_path, *NAMES), pattern="{mask}_{gender}_{age:int}/{person}_{n}.jpg")
    assert labels(project) == {"mask": ["off", "on"], "gender": ["f", "m"], "age": ["9", "31"], "n": ["0", "1"]}
    assert (told.train, told.group, told.groups) == (8, "person", 3)
    chosen = ("mask", "gender", "age=20")
    (tmp_path / "project" / "facetwise.toml").unlink()
    project, _ = init(tmp_path / "data", pattern="{mask}_{gender}_{age:int}/{person}_{n}.jpg", attributes=chosen)
    assert labels(project) == {"mask": ["off", "on"], "gender": ["f", "m"], "age": ["<20", ">=20"]}


def test_a_pattern_is_tried_on_all_names_and_those_that_do_not_match_are_listed(tmp_path):
    data = photos(tmp_path, *NAMES, "cover.jpg", "on_m_old/ann_0.jpg")
    pattern = "{mask}_{gender}_{age:int}/{person}_{n:int}.jpg"
    error = refused(data, pattern=pattern, attributes=("mask",))
    assert isinstance(error, ProblemsError)
    assert error.problems == ("cover.jpg", "on_m_old/ann_0.jpg")
    assert "--leave-out" in str(error.hint)
    _, told = init(data, pattern=pattern, attributes=("mask",), leave_out=True)
    assert told.train == len(NAMES)
    assert "2 images of other names left out" in notes(told)


def test_names_that_can_be_read_in_two_ways_are_told(tmp_path):
    data = photos(
        tmp_path, *(f"{who}_{state}_{k}.jpg" for who in "ab" for state in ("on", "off", "half_on") for k in range(2))
    )
    _, told = init(data, pattern="{person}_{state}_{n:int}.jpg", attributes=("state",))
    assert re.search(r"4 names can be read in two ways; `a_half_on_0.jpg` is taken as person `a_half`", notes(told))


def test_a_part_in_names_gives_the_sides(tmp_path):
    names = [f"{part}/{state}-{k}.jpg" for part in ("train", "test") for state in ("on", "off") for k in range(2)]
    project, told = init(photos(tmp_path, *names), pattern="{split}/{state}-{n:int}.jpg", attributes=("state",))
    assert (told.train, told.test) == (4, 4)
    assert project.file.dataset.test is not None
    assert {f.level for f in told.findings} <= {"info"}


@pytest.mark.parametrize("choices", [{"table": "labels.csv"}, {"image": "file"}])
def test_a_pattern_beside_a_table_is_refused(choices, tmp_path):
    assert "in the place of a table" in str(refused(leaves(tmp_path), pattern="{disease}/{n}.jpg", **choices))


def test_a_pattern_that_matches_nothing_is_refused_even_when_others_are_left_out(tmp_path):
    error = refused(photos(tmp_path, *NAMES), pattern="{a}-{b}.jpg", leave_out=True)
    assert "8 of 8 images are not called" in str(error)


# --- what is written


PLAIN = st.text() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)


@given(st.recursive(PLAIN, lambda s: st.lists(s, max_size=3) | st.dictionaries(st.text(), s, max_size=3), max_leaves=5))
def test_any_value_is_written_as_it_is_read(value):
    assert tomllib.loads(f"x = {toml_value(value)}")["x"] == value


@pytest.mark.parametrize("name", ['quo"te', "back\\slash", "한글 이름", "a=b:c", "joint", "{brace}", "#"])
def test_columns_and_classes_of_any_name_give_a_file_that_reads_the_dataset(name, tmp_path):
    data = photos(tmp_path, *(f"img/{photo}" for photo in PHOTOS))
    quoted = '"' + name.replace('"', '""') + '"'
    rows = [f"{photo},{quoted if k % 2 else 'other'}" for k, photo in enumerate(PHOTOS)]
    write_table(data / "labels.csv", f"file,{quoted}", *rows)
    project, told = init(data)
    assert set(next(iter(labels(project).values()))) == {name, "other"}
    assert (told.train, [f.level for f in told.findings]) == (12, [])


def test_a_shipped_layout_goes_before_a_table_unless_something_was_chosen(tmp_path):
    data = photos(tmp_path, "train/images/a/mask1.jpg")
    write_table(data / "train" / "train.csv", "id,gender,race,age,path", "1,male,Asian,29,a")
    assert propose(data, TableChoices()).title == "the layout `mask-contest`"
    with pytest.raises((InputError, SettingError)):
        propose(data, TableChoices(attributes=("gender",)))
