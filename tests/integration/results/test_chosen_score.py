"""`[score] metric`: what blends, rules, cuts, comparisons, forecasts and lists go by and are called."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from made_runs import add_run, made_contest
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from typer.testing import CliRunner

import facetwise as fw
from facetwise.cli.main import app
from facetwise.core.errors import SettingError
from facetwise.core.project import Project
from facetwise.core.runs import find_run
from facetwise.core.text.scored import NAMES, score_by
from facetwise.data.manifest import Manifest, load_manifest
from facetwise.evaluate.metrics import score_of
from facetwise.evaluate.prediction_columns import DECIDED
from facetwise.evaluate.predictions import Predictions
from facetwise.evaluate.rows import ScoredRows
from facetwise.predictors.blend_folder import find_blend
from facetwise.predictors.sources import manifest_truth
from facetwise.results.ranked import best_blends
from facetwise.results.runs import scored_rows

OTHERS = ("accuracy", "balanced_accuracy")


@pytest.fixture(autouse=True)
def _usual_words():
    yield
    score_by("macro_f1")


@pytest.fixture
def contest(tmp_path: Path) -> tuple[Project, Manifest]:
    project, manifest = made_contest(tmp_path)
    for number, skill in ((1, 0.7), (2, 1.2)):
        add_run(project, manifest, number, skill=skill, joint=number == 2)
    return project, manifest


def going_by(project: Project, metric: str) -> Project:
    file = project.workspace.project_file
    file.write_text(file.read_text("utf-8") + f'\n[score]\nmetric = "{metric}"\n', encoding="utf-8")
    return Project.open(project.root)


def said(project: Project, *arguments: object) -> str:
    result = CliRunner().invoke(app, ["--project", str(project.root), *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return " ".join(result.stdout.split())


@pytest.mark.parametrize("metric", OTHERS)
def test_scores_are_those_of_the_metric_and_are_called_by_its_name(contest, metric, tmp_path) -> None:
    project = going_by(contest[0], metric)
    name, manifest = NAMES[metric], load_manifest(project)
    found = scored_rows(find_run(project.workspace, "2"), manifest, project)
    assert found is not None
    value = score_of(metric, found.truth.classes, found.predictions.classes, project.space.num_joint)
    view, page = fw.show(project, 2), tmp_path / "page.html"
    assert (view.scorecard.metric, view.scorecard.score) == (metric, pytest.approx(value))
    assert view.scorecard.score_interval.low < value < view.scorecard.score_interval.high
    assert fw.runs(project).runs[1].score == pytest.approx(value)
    fw.show(project, 2, html=page)
    assert f"<title>{view.id}: {name} {value:.3f}" in page.read_text("utf-8")
    rules = fw.rules(project, 2).choice
    assert rules.plain == pytest.approx(value)
    compared = fw.compare(project, "1", "2")
    assert compared.main.second == pytest.approx(value)
    blend = fw.blend(project, ["1", "2"])
    assert (blend.metric, blend.best_member.score) == (metric, pytest.approx(value))
    assert blend.scorecard.score == pytest.approx(blend.nested)
    shown = said(project, "show", "2")
    assert shown.index(name.capitalize()) < shown.index("Macro F1" if metric == "accuracy" else "Accuracy")
    fw.show(project, blend.id, html=page)
    text = page.read_text("utf-8")
    assert text.count("<dt>Accuracy</dt>") == (metric != "accuracy")
    assert f"{'The score' if metric == 'macro_f1' else 'Macro F1'} is the plain mean" in text
    lines = ("runs", "rules 2", "compare 1 2", "show b1", "blends", "forecast 2")
    texts = {line: said(project, *line.split()) for line in lines}
    for command, text in texts.items():
        assert name in text, command
        assert "macro F1" not in text, command


def test_a_project_that_names_no_score_goes_by_macro_f1_and_keeps_its_hashes(contest) -> None:
    project, manifest = contest
    assert project.file.score.metric == "macro_f1"
    made = fw.blend(project, ["1", "2"])
    named = going_by(project, "macro_f1")
    again = fw.blend(named, ["1", "2"])
    assert (named.space_hash, load_manifest(named).hash) == (project.space_hash, manifest.hash)
    assert (again.id, again.new) == (made.id, False)
    assert "macro F1" in said(named, "runs")
    assert fw.show(named, 2).scorecard.score == fw.show(named, 2).scorecard.macro_f1


def test_another_score_makes_another_blend_and_the_old_one_says_by_what_it_was_chosen(contest) -> None:
    project = contest[0]
    made = fw.blend(project, ["1", "2"])
    other = going_by(project, "accuracy")
    assert fw.blend(other, ["1", "2"]).id != made.id
    old = fw.show(other, made.id)
    assert old.metric == "macro_f1"
    assert any("Chosen by macro F1, and the project goes by accuracy now" in n.text for n in old.warnings)
    assert not any("Chosen by" in n.text for n in fw.show(other, "b2").warnings)
    assert [blend.id for blend in best_blends(other)] == [fw.show(other, "b2").id, made.id]
    assert "] macro F1" in said(other, "blends")
    assert "age, nested accuracy" in said(other, "show", "b1")


def test_lists_are_ranked_and_cached_by_the_score(contest) -> None:
    project = contest[0]
    before = [row.score for row in fw.runs(project).runs]
    after = [row.score for row in fw.runs(going_by(project, "accuracy")).runs]
    assert before != after
    assert after == [row.accuracy for row in fw.runs(project.root).runs]


def test_a_score_that_is_none_is_refused(contest) -> None:
    with pytest.raises(SettingError, match=r"score\.metric"):
        going_by(contest[0], "auroc")


def test_data_for_programs_names_the_score(contest) -> None:
    project = going_by(contest[0], "accuracy")
    data = json.loads(CliRunner().invoke(app, ["--project", str(project.root), "show", "2", "--json"]).stdout)
    assert data["scorecard"]["metric"] == "accuracy"
    assert data["scorecard"]["score"] == data["scorecard"]["accuracy"]


def test_further_scores_are_of_the_nested_predictions(contest, tmp_path: Path) -> None:
    project, manifest = contest
    view = fw.blend(project, ["1", "2"], html=tmp_path / "page.html", rounds=6, bags=2, rules=["argmax"])
    oof = find_blend(project.workspace, view.id).table("oof")
    assert oof is not None
    assert view.further is not None
    by_name = {s.name: s for s in view.further.scores}
    assert list(by_name) == ["joint", "mask", "gender", "age"]
    codes = manifest.codes(project.space)
    chosen = project.space.decode(oof[DECIDED].to_numpy())
    for i, name in enumerate(project.space.names):
        expected = balanced_accuracy_score(codes[:, i], chosen[:, i])
        assert by_name[name].balanced_accuracy.value == pytest.approx(expected)
    rows = ScoredRows.matched(Predictions.read(oof, project.space), manifest_truth(project, manifest))
    shares = rows.predictions.marginals["gender"]
    assert by_name["gender"].auroc.value == pytest.approx(roc_auc_score(codes[:, 1], shares[:, 1] - shares[:, 0]))
    assert by_name["age"].kappa is not None
    assert by_name["age"].absolute_error is None
    assert '<section id="further">' in (tmp_path / "page.html").read_text("utf-8")
    assert fw.blends(project).blends[0].further is None
    shown = said(project, "show", view.id)
    assert "Further scores" in shown
    assert "sensitivity" in shown
