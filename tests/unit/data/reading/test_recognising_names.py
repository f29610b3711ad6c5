"""What `init` makes of labels in the names of folders and files."""

from __future__ import annotations

import re

import pytest
from made_init import init, labels, leaves, notes, photos, refused

from facetwise.core.errors import ProblemsError


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


@pytest.mark.parametrize(("folder", "spelt"), [("valid", str), ("Validation", str.upper), ("dev", str.title)])
def test_a_part_to_validate_on_is_one_with_other_classes_and_in_other_case_too(folder, spelt, tmp_path):
    names = [f"train/{c}/{k}.jpg" for c in ("ant", "bee") for k in range(3)]
    names += [f"{folder}/{spelt(c)}/{k}.jpg" for c in ("ant", "bee") for k in range(2)]
    project, told = init(photos(tmp_path, *names, f"{folder}/wasp/0.jpg", "test/0.jpg"))
    train = project.file.dataset.train
    assert (train.split, train.where) == ("part", {"part": ["train", folder]})
    assert labels(project) == {"label": ["ant", "bee", "wasp"]}
    assert [dict(a.classes) for a in told.attributes] == [{"ant": 5, "bee": 5, "wasp": 1}]
    assert (told.test, [f for f in told.findings if f.level == "error"]) == (1, [])
    assert f"only `{folder}` has images of wasp" in notes(told)


def test_parts_below_the_classes_are_the_sides(tmp_path):
    parts = {"train": 3, "val": 2, "test": 1}
    names = [f"{c}/{part}/{k}.jpg" for c in ("ant", "bee") for part, many in parts.items() for k in range(many)]
    project, told = init(photos(tmp_path, *names))
    assert (told.train, told.test, dict(told.folds)) == (10, 2, {"train": 6, "val": 4})
    assert labels(project) == {"label": ["ant", "bee"]}
    assert [f for f in told.findings if f.level == "error"] == []


@pytest.mark.parametrize(
    ("above", "group"), [("patient_{:02}", "patient"), ("Subject{}", "subject"), ("{:04}", "group")]
)
def test_numbered_folders_above_the_classes_say_whose_images_they_are(above, group, tmp_path):
    names = [f"{above.format(p)}/{c}/{k}.jpg" for p in range(5) for c in ("ill", "well") for k in range(2)]
    project, told = init(photos(tmp_path, *names))
    assert labels(project) == {"label": ["ill", "well"]}
    assert (told.group, told.groups, told.train) == (group, 5, 20)
    assert f"folders give `{group}` and `label`" in notes(told)


def test_words_in_words_are_asked_about_with_the_patterns_that_say_it(tmp_path):
    names = [f"{top}/{low}/{k}.jpg" for top, low in (("pear", "ill"), ("pear", "well"), ("fig", "ill"), ("fig", "well"))
             for k in range(3)]  # fmt: skip
    data = photos(tmp_path, *names)
    error = refused(data)
    assert "`fig`, `pear` hold `ill`, `well`" in str(error)
    assert "--pattern '{label}/{file:path}'" in str(error.hint)
    project, _ = init(data, lambda question: [question.answers[2]])
    assert labels(project) == {"upper": ["fig", "pear"], "label": ["ill", "well"]}
    (project.root / "facetwise.toml").unlink()
    project, told = init(data, lambda question: [question.answers[1]])
    assert (labels(project), told.groups) == ({"label": ["ill", "well"]}, 2)


def test_folders_of_images_and_of_masks_are_no_classes(tmp_path):
    data = photos(tmp_path, *(f"{kind}/{k}.png" for kind in ("images", "masks") for k in range(4)))
    error = refused(data)
    assert "the folders `images` and `masks` are no classes" in str(error)
    assert "`--pattern {label}/{file:path}`" in str(error.hint)
    parts = tmp_path / "parts"
    photos(parts, *(f"{p}/{kind}/{k}.png" for p in ("train", "val") for kind in ("image", "label") for k in range(4)))
    assert "are no classes" in str(refused(parts / "data"))


def test_a_folder_of_a_class_without_images_is_told(tmp_path):
    data = photos(tmp_path, *(f"{c}/{k}.png" for c in "ab" for k in range(2)))
    (data / "c").mkdir()
    assert "1 folder without images left out: c" in notes(init(data)[1])


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
