"""Combinations that cannot occur, beside a test table whose answers number every combination."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import made_runs
import numpy as np
import pytest
from made_runs import add_run, made_contest
from typer.testing import CliRunner

import facetwise as fw
from facetwise.cli.main import app
from facetwise.core.errors import ProblemsError
from facetwise.core.project import Project
from facetwise.data.manifest import Manifest, build_manifest
from facetwise.predictors.sources import read_source
from facetwise.submission.answers import read_answers
from facetwise.submission.folder import find_submission
from facetwise.submission.replay import replay

SEEN = [0, 4, 6, 10, 12, 16]
"""Of 18: men are below 30 here, and women from 30 to 59."""
IMPOSSIBLE = 1


@pytest.fixture(scope="module")
def contest(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Manifest]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(made_runs, "AGES", (22, 31) * 5)
        project, _ = made_contest(tmp_path_factory.mktemp("occurring"), 20)
    file = project.workspace.project_file
    file.write_text(f'{file.read_text("utf-8")}\n[labels]\ncombinations = "seen"\n', encoding="utf-8")
    project = Project.open(project.root)
    manifest = build_manifest(project, workers=1)
    assert project.space.combinations == tuple(SEEN)
    add_run(project, manifest, 1)
    add_run(project, manifest, 2, joint=True)
    return project, manifest


def written(path: Path) -> dict[str, int]:
    with path.open(encoding="utf-8", newline="") as file:
        return {row["ImageID"]: int(row["ans"]) for row in csv.DictReader(file)}


def answers(path: Path, numbers: dict[str, int]) -> Path:
    path.write_text("ImageID,ans\n" + "".join(f"{n},{a}\n" for n, a in numbers.items()), encoding="utf-8")
    return path


@pytest.mark.parametrize("run", ["1", "2"])
def test_answers_are_numbered_among_all_combinations_and_read_back(contest, run) -> None:
    project, manifest = contest
    made = fw.submit(project, run, yes=True, against_others=True).folder
    decided = read_source(project, manifest, run).test
    assert decided is not None
    sent = written(made.csv_file)
    assert list(sent.values()) == [SEEN[k] for k in decided.classes]
    read = read_answers(project, manifest, made.csv_file)
    np.testing.assert_array_equal(read.joint, decided.classes)
    np.testing.assert_array_equal(read.codes, decided.codes)
    assert replay(project, find_submission(project.workspace, made.id)).as_kept
    assert not fw.gate(project, made.csv_file).errors
    assert fw.score(project, made.csv_file, labels=made.csv_file).accuracy == 1.0


def test_numbers_among_all_combinations_and_back(contest) -> None:
    space = contest[0].space
    np.testing.assert_array_equal(space.answer_of(np.array([-1, 0, 5])), [-1, 0, 16])
    np.testing.assert_array_equal(space.joint_of_answer(np.array([-1, 0, IMPOSSIBLE, 16])), [-1, 0, -1, 5])
    assert space.product.answer_of(np.array([7])).tolist() == [7]


def test_answers_that_cannot_occur_are_told_and_have_no_score(contest, tmp_path) -> None:
    project, manifest = contest
    good = dict.fromkeys(manifest.test["name"], 16)
    odd = {**good, "t003.jpg": IMPOSSIBLE}
    path, labels = answers(tmp_path / "odd.csv", odd), answers(tmp_path / "labels.csv", good)
    (found,) = [f for f in fw.gate(project, path).findings if f.code == "impossible"]
    assert re.match(r"1 answer with a combination that cannot occur .*: image 't003.jpg' has .*30-59", found.message)
    assert not [f for f in fw.gate(project, labels).findings if f.code == "impossible"]
    for file, true in ((path, labels), (labels, path)):
        with pytest.raises(ProblemsError, match=r"t003.jpg': .* cannot occur by `labels.combinations`"):
            fw.score(project, file, labels=true)


def test_answers_from_elsewhere_are_told_and_give_way_where_they_cannot_occur(contest, tmp_path) -> None:
    project, manifest = contest
    sent = answers(tmp_path / "sent.csv", {**dict.fromkeys(manifest.test["name"], 16), "t003.jpg": IMPOSSIBLE})
    command = ["--project", str(project.root), "run", "import", str(sent), "--name", "bob"]
    result = CliRunner().invoke(app, command, catch_exceptions=False)
    assert "1 answer with a combination that cannot occur: the most alike one that can was taken" in result.output
    test = read_source(project, manifest, "foreign:bob").test
    assert test is not None
    alike = test.classes[manifest.test["name"].to_list().index("t003.jpg")]
    assert (test.codes[3] == project.space.product.decode(IMPOSSIBLE)).sum() == 2
    assert sorted(set(test.classes.tolist())) == sorted({int(alike), 5})
    fw.blend(project, ["1", "2", "foreign:bob"], weights=["foreign:bob=0.3"], bags=0, rounds=3)


def test_joint_probabilities_from_elsewhere_have_a_column_a_combination(contest, tmp_path) -> None:
    project, manifest = contest
    shares = np.random.default_rng(0).dirichlet(np.ones(18), manifest.test.height)
    shares[0] = np.eye(18)[IMPOSSIBLE]
    rows = [f"{n},{','.join(map(repr, map(float, row)))}" for n, row in zip(manifest.test["name"], shares, strict=True)]
    path = tmp_path / "probabilities.csv"
    path.write_text("\n".join(["ImageID," + ",".join(map(str, range(18))), *rows]) + "\n", encoding="utf-8")
    fw.import_predictions(project, path, name="eve")
    test = read_source(project, manifest, "foreign:eve").test
    assert test is not None
    kept = shares[1:, SEEN]
    np.testing.assert_allclose(np.exp(test.joint)[1:], kept / kept.sum(axis=1, keepdims=True), rtol=1e-5)
    np.testing.assert_allclose(np.exp(test.joint)[0], 1 / 6, rtol=1e-5)
