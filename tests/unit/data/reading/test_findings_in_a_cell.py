"""Several findings in one cell: an attribute a finding, of the classes no and yes."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_project import photo_project

from facetwise.core.errors import SettingError
from facetwise.core.project import Project
from facetwise.data.manifest import build_manifest

FINDINGS = """
[[attributes]]
name = "finding"
classes = ["Pneumonia", "Covid 19"]
column = "finding"
split = "/"
"""
PHOTOS = [f"photos/{i}.png" for i in range(5)]


def project_with(root: Path, cells: list[str], attributes: str = FINDINGS, more: str = "") -> Project:
    rows = [f"{i}.png,{i},{cell}" for i, cell in enumerate(cells)]
    return photo_project(root, ["file,person,finding", *rows], PHOTOS, attributes=attributes, more=more)


def test_each_class_is_an_attribute(tmp_path: Path) -> None:
    project = project_with(tmp_path, ["Pneumonia/Covid 19", "Covid  19", "Pneumonia / ", "none of these", ""])
    assert project.space.names == ("Pneumonia", "Covid 19")
    assert {a.classes for a in project.space.attributes} == {("no", "yes")}
    manifest = build_manifest(project)
    assert manifest.errors == ()
    assert manifest.codes(project.space).tolist() == [[1, 1], [0, 1], [1, 0], [0, 0], [-1, -1]]
    found = {f.code: f.message for f in manifest.findings}
    assert found["unlisted-finding"].endswith("are not predicted: `none of these` (1 rows)")
    assert "`finding` is empty in 1 of 5 rows" in found["missing-label"]


def test_one_finding_may_be_an_attribute_with_its_own_words(tmp_path: Path) -> None:
    one = FINDINGS.replace('["Pneumonia", "Covid 19"]', '["clear", "ill"]') + 'item = "Pneumonia"\n'
    project = project_with(tmp_path, ["Pneumonia", "x", "x/Pneumonia", "y", "Pneumonias"], one)
    assert [(a.name, a.classes) for a in project.space.attributes] == [("finding", ("clear", "ill"))]
    assert build_manifest(project).codes(project.space)[:, 0].tolist() == [1, 0, 1, 0, 0]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('split = "/"', 'item = "Pneumonia"', "give both"),
        ('split = "/"', 'split = ""', "split"),
        ('split = "/"', 'split = "/"\ncuts = [3]', "no `cuts` or `values`"),
        ('"Covid 19"]', '"Covid 19", "Pneumonia"]', "must differ"),
    ],
)
def test_what_cannot_be_split(tmp_path: Path, old: str, new: str, words: str) -> None:
    with pytest.raises(SettingError, match=words):
        project_with(tmp_path, ["Pneumonia"] * 5, FINDINGS.replace(old, new))


@pytest.mark.parametrize(
    ("cell", "way"),
    [
        ("Pneumonia/Covid 19", 'with `split = "/"`'),
        ("Pneumonia;x", 'with `split = ";"`'),
        ("TODO", '`unknown = ["", "TODO"]`'),
    ],
)
def test_without_it_the_way_is_told(tmp_path: Path, cell: str, way: str) -> None:
    plain = FINDINGS.replace('split = "/"', "")
    project = project_with(tmp_path, ["Pneumonia", "Covid 19", cell, "Pneumonia", "Covid 19"], plain)
    [error] = build_manifest(project).errors
    assert error.code == "unknown-class"
    assert way in str(error.hint)
