"""A project in which few combinations can occur, through the whole job: nothing else is predicted or scored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from made_project import attribute, photo_project, project_at

import facetwise as fw
from facetwise.core.errors import FacetwiseError, MismatchError
from facetwise.core.project import Project
from facetwise.core.runs import find_run
from facetwise.evaluate.predictions import Predictions
from facetwise.predictors.blend_folder import find_blend

ATTRIBUTES = attribute("crop", "tomato", "potato", "maize") + attribute("disease", "none", "blight", "rust")
OCCUR = (("tomato", "none"), ("tomato", "blight"), ("potato", "blight"), ("maize", "rust"))
RECIPE = """
input = { height = 16, width = 16 }
model = { backbone = "small_resnet", head = { name = "HEAD" }, args = { stem = 8, widths = [8], depths = [1] } }
folds = { plan = 3 }
optimizer = { name = "adamw", lr = 1e-2 }
train = { length = "2ep", batch_size = 8, device = "cpu" }
"""
PEOPLE = 24
EVERYTHING = 'labels = { combinations = "all" }\n'


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """24 people with two photos each, 6 of each of the four combinations; a run of either kind of head."""
    root = tmp_path_factory.mktemp("combinations")
    rows = [f"{i}.png,{i // 2},{','.join(OCCUR[i // 2 % 4])}" for i in range(2 * PEOPLE)]
    photos = [f"photos/{i}.png" for i in range(2 * PEOPLE)]
    table = ["file,person,crop,disease", *rows]
    made = photo_project(root, table, photos, folder="p", attributes=ATTRIBUTES, size=(16, 16))
    fw.check(made)
    fw.folds(made, num_folds=3)
    for head in ("multilabel", "flat"):
        path = made.root / "recipes" / f"{head}.toml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(RECIPE.replace("HEAD", head), encoding="utf-8")
        fw.fit(made, path)
    return made


def test_tables_and_scores_are_of_what_can_occur(project: Project) -> None:
    names = ["/".join(pair) for pair in OCCUR]
    assert sorted(project.space.joint_names) == sorted(names)
    for ref in ("1", "2"):
        run = find_run(project.workspace, ref)
        found = Predictions.read(pl.read_parquet(run.path / "oof.parquet"), project.space)
        assert found.joint.shape == (2 * PEOPLE, 4)
        np.testing.assert_allclose(np.exp(found.joint).sum(axis=1), 1, atol=1e-6)
        assert set(found.classes.tolist()) <= set(range(4))
        assert len(fw.show(project, ref).scorecard.classes) == 4
    flat = pl.read_parquet(find_run(project.workspace, "2").path / "oof.parquet")
    assert [c for c in flat.columns if c.startswith("joint=")] == [f"joint={i}" for i in range(4)]


def test_blends_and_rules_decide_for_what_can_occur(project: Project) -> None:
    for by in ("attribute", "whole"):
        blend = fw.blend(project, ["1", "2"], by=by, bags=3, rounds=5)
        table = read_blend(project, blend.id)
        assert ((table.classes >= 0) & (table.classes < 4)).all()
    kinds = {candidate.rule.kind for candidate in fw.rules(project, "1").choice.candidates}
    assert kinds == {"multipliers", "joint-multipliers"}


def read_blend(project: Project, name: str) -> Predictions:
    table = pl.read_parquet(find_blend(project.workspace, name).path / "oof.parquet")
    return Predictions.read(table, project.space)


def test_a_pack_says_what_can_occur(project: Project, tmp_path: Path) -> None:
    """The same dataset in another project takes the run; where everything can occur it is of another label."""
    packed = tmp_path / "run.pack"
    fw.export_run(project, "2", out=packed)
    text = project.workspace.project_file.read_text(encoding="utf-8").replace("../data", str(project.dataset_root))
    same, other = project_at(tmp_path / "same", text), project_at(tmp_path / "other", EVERYTHING + text)
    for made in (same, other):
        fw.check(made)
    fw.folds(same, num_folds=3)
    assert fw.show(same, fw.import_run(same, packed).run.id).scorecard == fw.show(project, "2").scorecard
    with pytest.raises(MismatchError, match="other combinations of classes can occur"):
        fw.import_run(other, packed)


def test_other_combinations_make_the_runs_those_of_another_label(project: Project) -> None:
    file = project.workspace.project_file
    old = file.read_text(encoding="utf-8")
    try:
        file.write_text(EVERYTHING + old, encoding="utf-8")
        changed = Project.open(project.root)
        fw.check(changed)
        with pytest.raises(FacetwiseError, match="label"):
            fw.blend(changed, ["1", "2"])
    finally:
        file.write_text(old, encoding="utf-8")
        fw.check(project)
    fw.show(project, "1")
