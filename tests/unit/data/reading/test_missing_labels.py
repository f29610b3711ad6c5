"""Cells that say nothing: read as not known, counted, and no fault of the row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from made_project import GLASSES, attribute, photo_project

from facetwise.core.errors import SettingError
from facetwise.core.labels import LabelSpace
from facetwise.core.project import Project
from facetwise.data.dealing import split_folds
from facetwise.data.images.copies import find_copies
from facetwise.data.labels.overlay import Correction, Overlay, apply
from facetwise.data.labels.views import training_view
from facetwise.data.manifest import Manifest, build_manifest
from facetwise.recipe.labels import LabelsSpec

TWO = GLASSES + attribute("age", "young", "old", cuts=[50], valid=[0, 120])
PHOTOS = [f"photos/{i}.png" for i in range(6)]


def made(root: Path, cells: list[str], more: str = "") -> tuple[Manifest, LabelSpace]:
    """The manifest of six photos of three people with these `glasses,age` cells."""
    rows = [f"{i}.png,{i // 2},{both}" for i, both in enumerate(cells)]
    project = photo_project(root, ["file,person,glasses,age", *rows], PHOTOS, attributes=TWO, more=more)
    return build_manifest(project), project.space


def found(manifest: Manifest, level: str) -> list[tuple[str, str]]:
    return [(f.code, f.message) for f in manifest.findings if f.level == level]


CELLS = ["no,20", "yes,", ",60", "yes,70", "no,80", " ,  "]


def test_an_empty_cell_is_a_class_that_is_not_known(tmp_path: Path) -> None:
    manifest, space = made(tmp_path, CELLS)
    assert manifest.errors == ()
    assert manifest.codes(space).tolist() == [[0, 0], [1, -1], [-1, 1], [1, 1], [0, 1], [-1, -1]]
    assert manifest.values("age").tolist()[0] == 20
    assert np.isnan(manifest.values("age")[[1, 5]]).all()
    assert found(manifest, "info") == [
        ("missing-label", "`age` is empty in 2 of 6 rows: not known there; what is known counts"),
        ("missing-label", "`glasses` is empty in 2 of 6 rows: not known there; what is known counts"),
    ]


def test_a_project_names_its_own_words(tmp_path: Path) -> None:
    more = 'unknown = ["", "todo", "n/a"]'
    manifest, space = made(tmp_path, ["no,n/a", "todo,30", ",40", "yes,70", "no,80", "yes,90"], more)
    assert manifest.codes(space)[:3].tolist() == [[0, -1], [-1, 0], [-1, 0]]
    assert (
        "missing-label",
        "`age` is empty, `todo`, `n/a` in 1 of 6 rows: not known there; what is known counts",
    ) in (found(manifest, "info"))


def test_without_a_word_for_it_an_empty_cell_is_an_error(tmp_path: Path) -> None:
    manifest, _ = made(tmp_path, CELLS, "unknown = []")
    assert [code for code, _ in found(manifest, "error")] == ["not-a-number"] * 2 + ["unknown-class"] * 2


def test_an_attribute_that_no_row_has_is_an_error(tmp_path: Path) -> None:
    manifest, _ = made(tmp_path, ["no,", "yes,", "no,", "yes,", "no,", "no,"])
    assert found(manifest, "error") == [("no-labels", "`age` is empty in all 6 rows: no class is known")]


def test_a_class_is_no_word_for_what_is_not_known(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="`unknown` has 'no', which is a class of `glasses`"):
        made(tmp_path, CELLS, 'unknown = ["no"]')


def test_folds_deal_what_is_known_in_part_as_a_class_of_its_own(tmp_path: Path) -> None:
    """Of eight people four are known in part: each of two folds holds two of them."""
    photos = [f"photos/{i}.png" for i in range(8)]
    rows = [f"{i}.png,{i},no,{'20' if i % 2 else ''}" for i in range(8)]
    project = photo_project(tmp_path, ["file,person,glasses,age", *rows], photos, attributes=TWO)
    manifest = build_manifest(project)
    folds = split_folds(manifest, project.space, name="default", num_folds=2, seed=0)
    lacking = manifest.codes(project.space)[:, 1] == -1
    assert np.bincount(folds.of(manifest.train)[lacking]).tolist() == [2, 2]
    assert folds.stats.num_images == (4, 4)
    assert folds.stats.missing == ()


def test_a_training_view_knows_nothing_where_the_label_is_missing(tmp_path: Path) -> None:
    manifest, space = made(tmp_path, CELLS)
    spec = LabelsSpec(soften={"age": 5.0})
    view = training_view(manifest, space, spec, Overlay())
    assert view.known.tolist() == (manifest.codes(space) != -1).tolist()
    assert not view.classes[1][[1, 5]].any()
    np.testing.assert_allclose(view.classes[1][[0, 2, 3, 4]].sum(axis=1), 1, atol=1e-6)
    assert (view.codes == manifest.codes(space)).all()


def test_a_correction_fills_in_what_is_missing(tmp_path: Path) -> None:
    manifest, space = made(tmp_path, CELLS)
    overlay = Overlay((Correction("photos/5.png", "", "age", "66", "seen", "me"),))
    codes, values = apply(overlay, manifest, space)
    assert codes[5].tolist() == [-1, 1]
    assert values["age"][5] == 66


def test_what_is_not_known_contradicts_no_copy(tmp_path: Path) -> None:
    manifest, space = made(tmp_path, CELLS)
    table = manifest.table.with_columns(sha256=pl.lit("same"))
    pairs = find_copies(Project.open(tmp_path), Manifest.of(table), manifest.codes(space)).pairs
    differ = {(pair.first, pair.second): pair.labels_differ for pair in pairs}
    assert differ["photos/0.png", "photos/5.png"] is False
    assert differ["photos/0.png", "photos/3.png"] is True


def test_words_hold_in_any_case_unless_a_class_is_spelt_so(tmp_path: Path) -> None:
    manifest, space = made(
        tmp_path, ["TODO,20", "no,Todo", "NO,30", "yes,70", "no,80", "yes,90"], 'unknown = ["todo", "NO"]'
    )
    assert manifest.errors == ()
    assert manifest.codes(space)[:3].tolist() == [[-1, 0], [0, -1], [-1, 0]]
