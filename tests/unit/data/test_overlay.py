"""Label corrections: applied to copies, checked line by line, added whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made_project import open_project, replace_in, write_contest, write_table

import facetwise as fw
from facetwise.core.errors import ProblemsError
from facetwise.core.project import Project
from facetwise.data.labels.overlay import Overlay, apply, check_overlay, read_overlay, row_weights
from facetwise.data.manifest import Manifest, build_manifest, load_manifest

HEADER = "image,group,attribute,value,reason,author"
IMAGE = "train/images/000001_male_Asian_29/normal.jpg"


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Manifest]:
    folder = tmp_path_factory.mktemp("overlay")
    project = open_project(folder / "project", write_contest(folder / "data"))
    return project, build_manifest(project)


def read(path: Path, opened: tuple[Project, Manifest], *lines: str) -> Overlay:
    write_table(path, HEADER, *lines)
    return read_overlay(path, opened[0].space, opened[1])


def test_no_file_and_an_empty_file_change_nothing(tmp_path: Path, opened: tuple[Project, Manifest]) -> None:
    project, manifest = opened
    empty = read(tmp_path / "overlay.csv", opened)
    assert empty == read_overlay(tmp_path / "none.csv", project.space, manifest) == Overlay()
    codes, values = apply(empty, manifest, project.space)
    assert np.array_equal(codes, manifest.codes(project.space))
    assert np.array_equal(values["age"], manifest.values("age"))


def test_an_image_goes_before_its_group(tmp_path: Path, opened: tuple[Project, Manifest]) -> None:
    project, manifest = opened
    lines = [f"{IMAGE},,mask,wear,seen,me", ",000001,age,60,asked,me", f"{IMAGE},,age,30.0,seen,나"]
    overlay = read(tmp_path / "overlay.csv", opened, *lines)
    codes, values = apply(overlay, manifest, project.space)
    assert codes[:7].tolist() == [[0, 0, 2]] * 5 + [[1, 0, 2], [0, 0, 1]]
    assert values["age"][:7].tolist() == [60.0] * 6 + [30.0]
    assert np.array_equal(codes[7:], manifest.codes(project.space)[7:])
    assert read(tmp_path / "turned.csv", opened, *reversed(lines)).hash == overlay.hash
    assert overlay.hash != Overlay().hash


def test_a_row_weighs_what_its_corrections_say(tmp_path: Path, opened: tuple[Project, Manifest]) -> None:
    project, manifest = opened
    lines = [
        f"{IMAGE},,mask,wear,seen,me,0.5",
        f"{IMAGE},,age,30,seen,me,",
        ",000001,age,60,asked,me,0.25",
        ",000001,gender,male,asked,me,2",
    ]
    write_table(tmp_path / "overlay.csv", f"{HEADER},weight", *lines)
    overlay = read_overlay(tmp_path / "overlay.csv", project.space, manifest)
    assert row_weights(overlay, manifest, project.space).tolist() == [0.5] * 6 + [1.0] + [1.0] * 7
    assert row_weights(overlay, manifest, project.space, 3.0).tolist() == [1.5] * 6 + [3.0] + [1.0] * 7
    assert row_weights(Overlay(), manifest, project.space, 3.0).tolist() == [1.0] * 14


def test_weights_are_part_of_the_hash_and_labels_go_without(tmp_path: Path, opened: tuple[Project, Manifest]) -> None:
    project, manifest = opened
    made = []
    for cell in ("", "1", "1.0", "0"):
        write_table(tmp_path / "overlay.csv", f"{HEADER},weight", f"{IMAGE},,mask,wear,seen,me,{cell}")
        made.append(read_overlay(tmp_path / "overlay.csv", project.space, manifest))
    assert (
        made[0].hash == made[1].hash == made[2].hash == read(tmp_path / "o.csv", opened, f"{IMAGE},,mask,wear,a,b").hash
    )
    assert made[3].hash != made[0].hash
    assert np.array_equal(apply(made[3], manifest, project.space)[0], apply(made[0], manifest, project.space)[0])


@pytest.mark.parametrize("cell", ["heavy", "-1", "101", "nan", "inf", "1e2"])
def test_a_wrong_weight_is_named(cell: str, tmp_path: Path, opened: tuple[Project, Manifest]) -> None:
    write_table(tmp_path / "overlay.csv", f"{HEADER},weight", f"{IMAGE},,mask,wear,seen,me,{cell}")
    with pytest.raises(ProblemsError, match=rf"overlay.csv:2: `weight` is `{cell}`, expected a number from 0 to 100"):
        read_overlay(tmp_path / "overlay.csv", opened[0].space, opened[1])


def test_corrections_that_differ_in_weight_contradict_each_other(
    tmp_path: Path, opened: tuple[Project, Manifest]
) -> None:
    lines = [f"{IMAGE},,mask,wear,seen,me,1", f"{IMAGE},,mask,wear,seen,you,0.5"]
    write_table(tmp_path / "overlay.csv", f"{HEADER},weight", *lines)
    with pytest.raises(ProblemsError, match=r"`mask` becomes `wear` with weight 0\.5, line 2 says `wear`"):
        read_overlay(tmp_path / "overlay.csv", opened[0].space, opened[1])


def test_every_wrong_line_is_reported_at_once(tmp_path: Path, opened: tuple[Project, Manifest]) -> None:
    lines = [
        "eval/images/a.jpg,,mask,wear,r,a",
        ",999,mask,wear,r,a",
        f"{IMAGE},,hat,wear,r,a",
        f"{IMAGE},,mask,waer,r,a",
        f"{IMAGE},,age,old,r,a",
        f"{IMAGE},,age,nan,r,a",
        f"{IMAGE},,age,400,r,a",
        f"{IMAGE},,mask,wear,,a",
        f"{IMAGE},,mask,wear,r, ",
        f"{IMAGE},000001,mask,wear,r,a",
        ",,mask,wear,r,a",
        f"{IMAGE},,gender,male,r,a",
        f"{IMAGE},,gender,female,r,b",
    ]
    with pytest.raises(ProblemsError) as caught:
        read(tmp_path / "overlay.csv", opened, *lines)
    lines_named = [int(p.split(":")[1]) for p in caught.value.problems]
    assert lines_named == [*range(2, 13), 14]


def test_a_missing_column_is_named(tmp_path: Path, opened: tuple[Project, Manifest]) -> None:
    write_table(tmp_path / "overlay.csv", "image,attribute,value", f"{IMAGE},mask,wear")
    with pytest.raises(ProblemsError, match="no column `group`"):
        read_overlay(tmp_path / "overlay.csv", opened[0].space, opened[1])


def test_usable_lines_are_kept_beside_wrong_ones(tmp_path: Path, opened: tuple[Project, Manifest]) -> None:
    path = tmp_path / "labels" / "overlay.csv"
    lines = [f"{IMAGE},,mask,wear,seen,me", f"{IMAGE},,mask,normal,no,me", ",000002,gender,mael,asked,me"]
    write_table(path, HEADER, *lines)
    overlay, findings = check_overlay(path, opened[0].space, opened[1])
    assert [c.value for c in overlay.corrections] == ["wear"]
    assert [(f.level, f.where) for f in findings] == [
        ("error", "labels/overlay.csv:3"),
        ("error", "labels/overlay.csv:4"),
    ]


def test_a_wrong_overlay_does_not_hide_the_audit(tmp_path: Path) -> None:
    project = open_project(tmp_path / "project", write_contest(tmp_path / "data"))
    write_table(project.workspace.overlay_file, HEADER, ",000009,gender,male,asked,me", ",000002,age,31,asked,me")
    found = fw.check(project, workers=1)
    assert (found.has_errors, found.usable, found.corrections) == (True, True, 1)
    assert len(found.joint) == 18
    assert [(k.level, k.examples) for k in found.findings] == [
        ("error", ("labels/overlay.csv:2: no group `000009` on the training side",))
    ]
    manifest = load_manifest(project)
    with pytest.raises(ProblemsError, match="no group `000009`"):
        read_overlay(project.workspace.overlay_file, project.space, manifest)


def test_a_dataset_with_errors_is_not_blamed_on_the_overlay(tmp_path: Path) -> None:
    project = open_project(tmp_path / "project", write_contest(tmp_path / "data"))
    replace_in(project.dataset_root / "train" / "train.csv", {",60,": ",sixty,"})
    write_table(project.workspace.overlay_file, HEADER, ",000002,age,31,asked,me", ",000002,hat,x,asked,me")
    found = fw.check(project, workers=1)
    assert (found.has_errors, found.usable) == (True, False)
    assert {k.code: k.count for k in found.findings if k.level == "error"} == {
        "not-a-number": 1,
        "unusable-correction": 1,
    }
