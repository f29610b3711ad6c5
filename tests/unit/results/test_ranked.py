"""Whom the gate asks and a plan looks at: the best first, and those of some attributes last."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_records import blend_record
from made_runs import add_run, made_contest

from facetwise.core.project import Project
from facetwise.core.records.base import write_record
from facetwise.core.workspace import mark_done
from facetwise.predictors.blend_folder import SPEC
from facetwise.results.ranked import NUM_BLENDS, rank_predictors


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Runs by number: a weak one, a good one, a specialist, one on everybody, and one that is not finished."""
    project, manifest = made_contest(tmp_path)
    add_run(project, manifest, 1, skill=0.5)
    add_run(project, manifest, 2, skill=4.0)
    add_run(project, manifest, 3, skill=6.0, names=("mask",))
    add_run(project, manifest, 4, skill=6.0, plan="none")
    (add_run(project, manifest, 5, skill=6.0).path / "DONE.json").unlink()
    return project


def add_blend(project: Project, name: str, nested: float) -> None:
    folder = project.workspace.blends / name
    folder.mkdir(parents=True)
    record = blend_record({"manifest": "m", "label_space": "s"}, id=name, scores={"nested": nested})
    write_record(folder / SPEC, record)
    mark_done(folder, {}, hash_files=False)


def test_runs_go_by_their_score_and_specialists_come_last(project: Project) -> None:
    assert rank_predictors(project) == ["02-made", "01-made", "03-made"]


def test_the_best_blends_come_first_and_a_damaged_one_counts_as_nothing(project: Project) -> None:
    for number, nested in enumerate((0.3, 0.5, 0.4), 1):
        add_blend(project, f"b{number:02d}-soft", nested)
    add_blend(project, "b04-odd", 0.9)
    (project.workspace.blends / "b04-odd" / SPEC).write_text("{}", encoding="utf-8")
    assert rank_predictors(project)[:NUM_BLENDS] == ["b02-soft", "b03-soft"]
    assert rank_predictors(project)[NUM_BLENDS:] == ["02-made", "01-made", "03-made"]
