"""Which combinations can occur: by the labels, by a table, or all; and what the check says of it."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from made_project import attribute, open_project, photo_project, project_at, replace_in, write_contest, write_table
from rich.console import Console

import facetwise as fw
from facetwise.core.errors import MismatchError, ProblemsError, SettingError
from facetwise.core.project import Project
from facetwise.core.records.project_file import ALL, SEEN
from facetwise.data import combinations
from facetwise.data.manifest import build_manifest, describe_other, load_manifest
from facetwise.screens.text.check import audit_text

CROPS = attribute("crop", "tomato", "potato", "maize") + attribute("disease", "none", "blight", "rust")
IMAGES = ("a.png,1,tomato,none", "b.png,2,potato,blight", "c.png,3,maize,rust", "d.png,4,,rust")
ROWS = ("file,person,crop,disease", *IMAGES)
PHOTOS = [f"photos/{name}.png" for name in "abcd"]


def project_on(root: Path, *rows: str, head: str = "") -> Project:
    """A project on four photos; `head` stands at the top of its file."""
    project = photo_project(root, rows or ROWS, PHOTOS, attributes=CROPS)
    file = project.workspace.project_file
    file.write_text(head + "\n" + file.read_text(encoding="utf-8"), encoding="utf-8")
    return Project.open(project.root)


def printed(project: Project) -> str:
    """What `facetwise check` prints."""
    console = Console(width=200, file=io.StringIO())
    console.print(audit_text(fw.check(project)))
    return str(console.file.getvalue())  # type: ignore[attr-defined]


def codes_of(project: Project) -> list[list[int]]:
    return project.space.joint_codes.tolist()


def test_a_table_of_images_takes_what_its_labels_have(tmp_path: Path) -> None:
    project = project_on(tmp_path)
    assert project.file.combinations == SEEN
    assert project.space.num_joint == 9, "before the first check nothing is known"
    fw.check(project)
    assert codes_of(project) == [[0, 0], [1, 1], [2, 2]]
    assert project.space == Project.open(project.root).space
    assert project.space_hash != project.file.space.as_dict()
    assert load_manifest(project).codes(project.space).tolist() == [[0, 0], [1, 1], [2, 2], [-1, 2]]


def test_all_and_a_contest_leave_nothing_out(tmp_path: Path) -> None:
    everything = project_on(tmp_path / "all", head='labels = { combinations = "all" }')
    fw.check(everything)
    assert everything.space.num_joint == 9
    contest = open_project(tmp_path / "project", write_contest(tmp_path / "data"))
    fw.check(contest)
    assert contest.file.combinations == ALL
    assert contest.space == contest.file.space


def test_one_attribute_keeps_its_classes(tmp_path: Path) -> None:
    rows = ("file,person,crop", "a.png,1,tomato", "b.png,2,tomato", "c.png,3,potato", "d.png,4,potato")
    project = photo_project(tmp_path, rows, PHOTOS, attributes=attribute("crop", "tomato", "potato", "maize"))
    fw.check(project)
    assert project.space.num_joint == 3


def test_an_image_that_cannot_be_read_brings_no_combination(tmp_path: Path) -> None:
    project = project_on(tmp_path)
    (tmp_path / "data" / PHOTOS[1]).write_bytes(b"no image")
    fw.check(project)
    assert codes_of(project) == [[0, 0], [2, 2]]


def test_other_labels_are_another_label_space(tmp_path: Path) -> None:
    project = project_on(tmp_path)
    fw.check(project)
    before = project.space_hash
    replace_in(tmp_path / "data" / "labels.csv", {"maize,rust": "tomato,rust"})
    with pytest.raises(MismatchError):
        load_manifest(project)
    fw.check(project)
    assert codes_of(project) == [[0, 0], [0, 2], [1, 1]]
    assert project.space_hash != before


LISTED = 'labels = { combinations = "can.csv" }'


def test_a_table_lists_what_can_occur(tmp_path: Path) -> None:
    project = project_on(tmp_path, head=LISTED)
    rows = ("tomato,none", "potato,blight", "maize,rust", "tomato,blight", "tomato,none")
    write_table(project.root / "can.csv", "disease,crop", *(",".join(reversed(row.split(","))) for row in rows))
    audit = fw.check(project)
    assert not audit.has_errors
    assert codes_of(project) == [[0, 0], [0, 1], [1, 1], [2, 2]]
    write_table(project.root / "can.csv", "crop,disease", *rows, "maize,none")
    with pytest.raises(MismatchError, match=r"can\.csv changed"):
        load_manifest(project)
    fw.check(project)
    assert project.space.num_joint == 5


def test_a_label_that_the_table_lacks_is_an_error_that_names_it(tmp_path: Path) -> None:
    project = project_on(tmp_path, head=LISTED)
    write_table(project.root / "can.csv", "crop,disease", "tomato,none", "maize,rust")
    found = build_manifest(project).errors
    assert [(e.code, e.where) for e in found] == [("impossible-combination", PHOTOS[1])]
    assert "`potato/blight` is not among the combinations of can.csv" in found[0].message
    assert "correct the label, or set `combinations`" in str(found[0].hint)


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (None, "unreadable-csv"),
        (("crop", "tomato"), "missing-column"),
        (("crop,disease", "tomato,none", "pear,none"), "unknown-class"),
        (("crop,disease",), "empty-csv"),
    ],
)
def test_a_faulty_table_is_told(tmp_path: Path, lines: tuple[str, ...] | None, code: str) -> None:
    project = project_on(tmp_path, head=LISTED)
    if lines is not None:
        write_table(project.root / "can.csv", *lines)
    found = build_manifest(project).errors
    assert code in [e.code for e in found]
    assert all("can.csv" in str(e) for e in found)
    assert project.space.num_joint == 9


def test_a_table_outside_is_refused(tmp_path: Path) -> None:
    project = project_on(tmp_path, head='labels = { combinations = "../../can.csv" }')
    assert [e.code for e in build_manifest(project).errors] == ["leaves-dataset"]


def test_another_dataset_may_have_nothing_that_cannot_occur(tmp_path: Path) -> None:
    project = project_on(tmp_path / "one")
    fw.check(project)
    project_on(tmp_path / "other", *ROWS[:3], "c.png,3,maize,none", ROWS[4])
    with pytest.raises(ProblemsError, match="`maize/none` is not among the combinations that can occur"):
        describe_other(project, tmp_path / "other" / "data")


def test_the_check_says_what_can_occur_and_how_to_change_it(tmp_path: Path) -> None:
    said = printed(project_on(tmp_path / "seen"))
    assert "3 of 9 combinations occur in these labels: no other is predicted or scored" in said
    assert '`combinations = "all"`, or a table of them, under `[labels]`' in said
    said = printed(project_on(tmp_path / "all", head='labels = { combinations = "all" }'))
    assert "6 of 9 joint classes have no image: each counts 0 in the macro F1" in said
    assert '`combinations = "seen"` under `[labels]`' in said


def test_what_is_known_in_part_is_not_ruled_out(tmp_path: Path) -> None:
    """No image of maize has a disease: all of its combinations can occur. A blight fits the potato's."""
    head = ("file,person,crop,disease", "a.png,1,tomato,none", "b.png,2,potato,blight")
    project = project_on(tmp_path / "one", *head, "c.png,3,maize,", "d.png,4,,blight")
    fw.check(project)
    assert codes_of(project) == [[0, 0], [1, 1], [2, 0], [2, 1], [2, 2]]
    lacking = project_on(tmp_path / "two", *head, "c.png,3,,", "d.png,4,,blight")
    fw.check(lacking)
    assert codes_of(lacking) == [[0, 0], [1, 1]]
    nothing = project_on(tmp_path / "none", head[0], "a.png,1,tomato,", "b.png,2,,rust")
    fw.check(nothing)
    assert nothing.space.num_joint == 9


def test_labels_in_part_that_may_be_anything_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(combinations, "MAX_ADDED", 2)
    project = project_on(tmp_path, ROWS[0], "a.png,1,tomato,none", "c.png,3,maize,")
    (found,) = build_manifest(project).errors
    assert "1 labels that are known in part stand for 3 combinations" in found.message
    assert "or to a table of them" in str(found.hint)


def test_answers_that_number_every_combination_and_single_attributes_have_none_to_leave_out(tmp_path: Path) -> None:
    contest = open_project(tmp_path / "project", write_contest(tmp_path / "data"))
    text = contest.workspace.project_file.read_text(encoding="utf-8")
    assert contest.file.combinations == "all"
    assert project_at(tmp_path / "contest", 'labels = { combinations = "seen" }\n' + text).file.combinations == "seen"
    with pytest.raises(SettingError, match="is about several attributes, and there is one"):
        photo_project(tmp_path / "one", ROWS, PHOTOS, attributes=attribute("crop", "x", "y") + LABELS)


LABELS = '[labels]\ncombinations = "seen"\n'


def test_a_check_that_fails_says_nothing_of_combinations(tmp_path: Path) -> None:
    said = printed(project_on(tmp_path, ROWS[0], "a.png,1,tomato,none", "b.png,2,potato,bligt"))
    assert "combinations" not in said
    assert "at most" not in said


def test_a_project_held_open_sees_what_another_one_checked(tmp_path: Path) -> None:
    first, second = project_on(tmp_path), Project.open(tmp_path)
    fw.check(first)
    assert second.space.num_joint == 3
    replace_in(tmp_path / "data" / "labels.csv", {"maize,rust": "maize,none"})
    fw.check(first)
    load_manifest(second)
    assert second.space == first.space
