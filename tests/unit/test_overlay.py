"""Label corrections: applied to copies, checked line by line, added whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made_data import open_project, write_contest, write_table

from facetwise.core.errors import ProblemsError
from facetwise.core.project import Project
from facetwise.data.manifest import Manifest, build_manifest
from facetwise.data.overlay import Correction, Overlay, append_correction, apply, read_overlay

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


def test_adding_keeps_what_is_there(tmp_path: Path, opened: tuple[Project, Manifest]) -> None:
    project, manifest = opened
    path = tmp_path / "labels" / "overlay.csv"
    first = Correction(IMAGE, "", "mask", "wear", 'said "no",\nthen yes', "김")
    append_correction(path, first, project.space, manifest)
    text = path.read_text(encoding="utf-8")
    path.write_text(text.rstrip("\n"), encoding="utf-8")
    added = append_correction(path, Correction("", "000002", "age", "31", "asked", "me"), project.space, manifest)
    assert read_overlay(path, project.space, manifest).hash == added.hash
    assert path.read_text(encoding="utf-8").startswith(text.rstrip("\n"))
    before = path.read_bytes()
    for wrong in (Correction(IMAGE, "", "mask", "normal", "r", "a"), Correction(IMAGE, "", "mask", "wear", "", "a")):
        with pytest.raises(ProblemsError, match="not taken"):
            append_correction(path, wrong, project.space, manifest)
    assert path.read_bytes() == before
