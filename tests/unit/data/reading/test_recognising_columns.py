"""Which column is what: by the rule, by a choice, or by an answer; and what a given split decides."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import pytest
from made_init import HEADER, PHOTOS, ROWS, init, labels, leaves, notes, photos, refused
from made_project import write_table

from facetwise.data.reading.labelcells import plain_number, proposed_cuts
from facetwise.data.reading.readers import read_dataset
from facetwise.data.reading.recognising.columns import Column
from facetwise.data.reading.recognising.proposal import OpenQuestion


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
    assert "`age` (12 different numbers: cuts would make classes of them, `--attribute age=32,44`)" in notes(told)
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


# --- numbers as people write them


@pytest.mark.parametrize(("written", "read"), [("1,5", 1.5), ("-0,25", -0.25), ("12,3456", 12.3456), ("1,500", None)])
def test_a_decimal_comma_is_one_unless_it_may_part_thousands(written: str, read: float | None) -> None:
    assert plain_number(written) == read if read is not None else math.isnan(plain_number(written))


def numbers(root: Path, cells: Sequence[str]) -> Path:
    """A dataset whose column `size` has these cells."""
    names = [f"{k}.png" for k, _ in enumerate(cells)]
    data = photos(root, *(f"img/{name}" for name in names))
    write_table(data / "labels.csv", "file;size", *(f"{n};{c}" for n, c in zip(names, cells, strict=True)))
    return data


def test_numbers_with_a_comma_are_cut_as_others_are(tmp_path: Path) -> None:
    project, told = init(numbers(tmp_path, [f"{k},5" for k in range(30)]), attributes=("size=10,20",))
    assert labels(project) == {"size": ["<10", "10 to <20", ">=20"]}
    assert [dict(a.classes) for a in told.attributes] == [{"<10": 10, "10 to <20": 10, ">=20": 10}]


def test_what_is_open_ended_is_of_the_class_that_has_all_of_it(tmp_path: Path) -> None:
    data = numbers(tmp_path, [*map(str, range(10, 70)), "60+", ">=65", "<20", "n/a"])
    project, told = init(data, attributes=("size=20,60",))
    assert project.file.attributes[0].values == {"60+": ">=60", ">=65": ">=60", "<20": "<20"}
    assert [dict(a.classes) for a in told.attributes] == [{"<20": 11, "20 to <60": 40, ">=60": 12}]
    assert "`60+` as `>=60`" in notes(told)


@pytest.mark.parametrize("cell", ["50+", "early 40s", "<30", "20-30"])
def test_what_may_be_of_several_classes_is_refused(cell: str, tmp_path: Path) -> None:
    data = numbers(tmp_path, [*map(str, range(10, 70)), cell])
    assert f"it holds {cell!r}, expected numbers" in str(refused(data, attributes=("size=20,60",)))


def test_a_column_of_numbers_and_words_is_told_with_the_words(tmp_path: Path) -> None:
    data = numbers(tmp_path, [*map(str, range(10, 70)), "early 40s"])
    assert "numbers, but for `early 40s`" in str(refused(data))


@pytest.mark.parametrize(
    ("cuts", "lacking"), [("100,200", "`100 to <200`, `>=200`"), ("-5,30", "`<-5`"), ("30.2,30.8", "`30.2 to <30.8`")]
)
def test_cuts_that_leave_a_class_without_an_image_are_refused(cuts: str, lacking: str, tmp_path: Path) -> None:
    error = refused(numbers(tmp_path, list(map(str, range(10, 70)))), attributes=(f"size={cuts}",))
    assert lacking in str(error)
    assert "numbers go from 10 to 69" in str(error)
    assert "--attribute size=" in str(error.hint)


def test_a_proposed_cut_is_never_minus_nought(tmp_path: Path) -> None:
    assert proposed_cuts([k * 1.5 - 20 for k in range(40)], 3) == [0.0, 19.0]
    assert "--attribute size=0,19" in str(refused(numbers(tmp_path, [f"{k * 1.5 - 20}" for k in range(40)])))
