"""A table that lies in the project folder, while the photos lie elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_project import photo_project, replace_in

from facetwise.core.errors import MismatchError
from facetwise.core.project import Project
from facetwise.data.manifest import build_manifest, describe_other, load_manifest
from facetwise.data.reading.readers import read_dataset

ROWS = ["file,person,glasses", "a.png,a,no", "b.png,b,yes"]


def made(root: Path, table: str = "labels.csv") -> Project:
    """A project whose table lies beside `facetwise.toml`, called `table` there."""
    project = photo_project(root, ROWS, ["photos/a.png", "photos/b.png"], folder="project")
    (root / "data" / "labels.csv").rename(project.root / "labels.csv")
    replace_in(project.workspace.project_file, {'table = "labels.csv"': f'table = "{table}"'})
    return Project.open(project.root)


@pytest.mark.parametrize("way", ["labels.csv", "../project/labels.csv", "absolute"])
def test_it_is_found_by_its_path_from_the_dataset_or_the_project(tmp_path: Path, way: str) -> None:
    project = made(tmp_path, str(tmp_path / "project" / "labels.csv") if way == "absolute" else way)
    manifest = build_manifest(project)
    (told,) = manifest.findings
    assert (told.level, told.code) == ("info", "table-in-project")
    assert told.message == f"read from the project folder: {tmp_path / 'project' / 'labels.csv'}"
    assert manifest.train["image"].to_list() == ["photos/a.png", "photos/b.png"]


def test_a_change_of_it_makes_the_manifest_old(tmp_path: Path) -> None:
    project = made(tmp_path)
    build_manifest(project)
    load_manifest(project)
    replace_in(project.root / "labels.csv", {"b.png,b,yes": "b.png,b,no"})
    with pytest.raises(MismatchError, match=r"labels\.csv changed since the last check"):
        load_manifest(project)
    (project.root / "labels.csv").unlink()
    with pytest.raises(MismatchError, match=r"labels\.csv changed since the last check"):
        load_manifest(project)


def test_the_datasets_own_table_comes_first_and_the_other_is_told(tmp_path: Path) -> None:
    project = made(tmp_path)
    (tmp_path / "data" / "labels.csv").write_text("\n".join(ROWS[:2]), encoding="utf-8")
    listing = read_dataset(project)
    assert listing.table.height == 1
    (told,) = [f for f in listing.findings if f.code == "table-in-project"]
    assert told.message.endswith('write `table = "../project/labels.csv"`')


@pytest.mark.parametrize("way", ["linked", "../labels.csv", "../project/../labels.csv"])
def test_a_table_anywhere_else_is_refused_with_the_way_out(tmp_path: Path, way: str) -> None:
    project = made(tmp_path, "labels.csv" if way == "linked" else way)
    (project.root / "labels.csv").rename(tmp_path / "labels.csv")
    if way == "linked":
        (project.root / "labels.csv").symlink_to(tmp_path / "labels.csv")
    (found,) = read_dataset(project).findings
    assert found.code == ("missing-csv" if way == "linked" else "leaves-dataset")
    assert way == "linked" or f'set `path = "{tmp_path}"`' in str(found.hint)


def test_it_says_nothing_of_another_dataset(tmp_path: Path) -> None:
    project = made(tmp_path)
    other = photo_project(tmp_path / "other", ROWS, ["photos/a.png"]).dataset_root
    (other / "labels.csv").unlink()
    manifest = describe_other(project, other)
    assert manifest.table.is_empty()
    assert [f.code for f in manifest.findings] == ["no-train-side"]
