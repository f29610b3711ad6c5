"""A project whose labels are known in part, through the whole job: each step counts what it leaves out."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from made_project import attribute, photo_project

import facetwise as fw
from facetwise.core.project import Project
from facetwise.data.manifest import load_manifest
from facetwise.screens.kit import Printer
from facetwise.screens.text.runs.run import run_text

ATTRIBUTES = attribute("colour", "red", "blue") + attribute("mark", "x", "y")
RECIPE = """
input = { height = 16, width = 16 }
model = { backbone = "small_resnet", head = { name = "HEAD" }, args = { stem = 8, widths = [8], depths = [1] } }
folds = { plan = 3 }
optimizer = { name = "adamw", lr = 1e-2 }
train = { length = "2ep", batch_size = 8, device = "cpu" }
"""
PEOPLE, LACKING = 18, 9


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """18 people with two photos each, 9 of these without a `mark` and 3 without a `colour`."""
    root = tmp_path_factory.mktemp("missing")
    rows, random = ["file,person,colour,mark"], np.random.default_rng(2)
    for i in range(2 * PEOPLE):
        colour = "" if i in (1, 13, 25) else ("red", "blue")[random.integers(2)]
        rows.append(f"{i}.png,{i // 2},{colour},{'' if i % 4 == 0 else ('x', 'y')[random.integers(2)]}")
    photos = [f"photos/{i}.png" for i in range(2 * PEOPLE)]
    made = photo_project(
        root,
        rows,
        photos,
        folder="p",
        attributes=ATTRIBUTES,
        size=(16, 16),
    )
    fw.check(made)
    fw.folds(made, num_folds=3)
    for head in ("multilabel", "flat"):
        path = made.root / "recipes" / f"{head}.toml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(RECIPE.replace("HEAD", head), encoding="utf-8")
        fw.fit(made, path)
    return made


@pytest.mark.parametrize("run", [1, 2])
def test_a_run_is_scored_on_what_is_known(project: Project, run: int) -> None:
    view = fw.show(project, run)
    card = view.scorecard
    assert card is not None
    assert (card.num_covered, card.num_unknown, card.num_images) == (24, 12, 36)
    assert {a.name: a.num_images for a in card.attributes} == {"colour": 33, "mark": 27}
    assert any("12 of 36 images lack the class of an attribute" in w.text for w in view.warnings)
    assert not any("the other folds are missing" in w.text for w in view.warnings)
    assert all(loss is not None for curve in view.curves for loss in curve.val_loss)


def test_two_runs_are_compared_on_what_is_known(project: Project) -> None:
    found = fw.compare(project, 1, 2)
    assert found.num_images == 24


def test_a_blend_is_chosen_by_what_is_known_whole(project: Project) -> None:
    view = fw.blend(project)
    assert (view.num_images, view.num_left_out) == (24, 12)
    assert view.scorecard.num_covered == 24


def test_only_recorded_labels_are_suspects(project: Project) -> None:
    view = fw.suspects(project, "1")
    assert {a.name: a.num_labels for a in view.attributes} == {"colour": 33, "mark": 27}
    codes = load_manifest(project).codes(project.space)
    images = load_manifest(project).train["image"].to_list()
    lacking = {images[i] for i in np.flatnonzero(codes[:, 1] == -1)}
    assert len(lacking) == LACKING
    assert lacking.isdisjoint(row.suspect.image for row in view.rows if row.suspect.attribute == "mark")


def test_rules_and_temperatures_are_fitted_on_what_is_known(project: Project) -> None:
    assert fw.rules(project, "1").choice.num_images == 24
    assert fw.calibration(project, "1").check.num_left_out == 12


def test_where_no_image_is_known_whole_each_attribute_is_scored_and_it_is_said(tmp_path: Path) -> None:
    rows = [f"{i}.png,{i},{('red', 'blue', '', '')[i % 4]},{('', '', 'x', 'y')[i % 4]}" for i in range(24)]
    photos = [f"photos/{i}.png" for i in range(24)]
    made = photo_project(
        tmp_path, ["file,person,colour,mark", *rows], photos, folder="p", attributes=ATTRIBUTES, size=(16, 16)
    )
    fw.check(made)
    fw.folds(made, num_folds=3)
    path = made.root / "short.toml"
    path.write_text(RECIPE.replace("HEAD", "multilabel").replace("2ep", "1ep"), encoding="utf-8")
    fw.fit(made, path)
    view = fw.show(made, "last", html=tmp_path / "run.html")
    assert view.scorecard is None
    assert {a.name: a.num_images for a in view.alone} == {"colour": 12, "mark": 12}
    (said,) = (w.text for w in view.warnings if "known class of every attribute" in w.text)
    assert '`head = { name = "single", attribute = "colour" }`' in said
    console = Printer(io.StringIO())
    console.print(run_text(view))
    for text in (console.file.getvalue(), (tmp_path / "run.html").read_text(encoding="utf-8")):  # type: ignore[attr-defined]
        assert all(f"{a.score:.3f}" in text for a in view.alone)
