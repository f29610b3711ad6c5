"""`facetwise cuts`: the same numbers in text, in JSON and from Python; and what to train when no cut can move."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from made_project import open_project, write_contest
from made_records import write_run_record
from rich.cells import cell_len
from rich.console import Console
from typer.testing import CliRunner

import facetwise as fw
from facetwise.cli.main import app
from facetwise.core.errors import InputError, SettingError
from facetwise.core.project import Project
from facetwise.core.runs import RunFolder, find_run
from facetwise.core.tables import PREDICTIONS, write_table, year_columns
from facetwise.core.workspace import mark_done
from facetwise.data.manifest import Manifest, build_manifest
from facetwise.evaluate.compose import log_normalised, log_sums
from facetwise.evaluate.intervals import Interval
from facetwise.recipe import load_recipe
from facetwise.results.cuts import CutsView, build_cuts_view, numbers, verdict
from facetwise.screens.text.decisions.cuts import cuts_text

GRID = tuple(float(v) for v in range(18, 71))
AGES = (22, 25, 28, 29, 31, 35, 44, 52, 57, 58, 59, 60, 62, 66)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Manifest]:
    """A project of fourteen people, its manifest made; it has no run yet."""
    root = tmp_path_factory.mktemp("cuts")
    people = tuple(f"{i:06d},{'male' if i % 2 else 'female'},Asian,{a},{i:06d}_x_Asian_{a}" for i, a in enumerate(AGES))
    project = open_project(root / "project", write_contest(root / "contest", people))
    return project, build_manifest(project, workers=1)


def values_of_age(manifest: Manifest, early: float) -> pl.DataFrame:
    """A years head that takes everybody for `early` years younger."""
    rng, ages = np.random.default_rng(0), manifest.train["value:age"].to_numpy()
    taken_for = ages - early + rng.normal(0, 1, len(ages))
    logs = log_normalised(-((taken_for[:, None] - np.array(GRID)) ** 2) / 8)
    classes = log_sums(logs, [0, *np.searchsorted(GRID, (30, 60)).tolist(), len(GRID)])
    columns = ["age=<30", "age=30-59", "age=>=60", *year_columns("age", GRID)]
    return pl.DataFrame(np.hstack([classes, logs]).astype(np.float32), schema=columns, orient="row")


def right(manifest: Manifest, project: Project, name: str) -> pl.DataFrame:
    """A softmax of an attribute that is always right."""
    logs = log_normalised(np.log(0.1 + 0.8 * np.eye(project.space.attribute(name).size)))
    codes = manifest.codes(project.space)[:, project.space.index(name)]
    return pl.DataFrame(logs[codes].astype(np.float32), schema=list(project.space.columns(name)), orient="row")


def write_run(project: Project, manifest: Manifest, name: str, *blocks: pl.DataFrame, **more: Any) -> str:
    """A finished run with these predictions."""
    run = project.workspace.runs / name
    run.mkdir(parents=True, exist_ok=True)
    fields = {"manifest": manifest.hash, "labels": manifest.labels_hash, "label space": project.space_hash}
    write_run_record(run, fingerprint_fields=fields, folds=[], **more)
    fold, repeat = pl.lit(0, dtype=pl.Int32).alias("fold"), pl.lit(0, dtype=pl.Int32).alias("repeat")
    table = manifest.train.select("image", "group").with_columns(fold, repeat)
    for block in blocks:
        table = table.hstack(block)
    if blocks:
        write_table(table, run / "oof.parquet", PREDICTIONS)
    mark_done(run, {"fingerprint": "f", **RunFolder(run).hashes()}, hash_files=False)
    return name


def text_of(view: CutsView) -> str:
    console = Console(width=80, color_system=None)
    with console.capture() as capture:
        console.print(cuts_text(view))
    return capture.get()


def call(project: Project, *arguments: str) -> str:
    found = CliRunner().invoke(app, ["--project", str(project.root), "cuts", *arguments], catch_exceptions=False)
    assert found.exit_code == 0
    return found.stdout


def test_a_specialist_that_takes_everybody_for_younger(drawn):
    project, manifest = drawn
    run = write_run(project, manifest, "01-younger", values_of_age(manifest, 4))
    view = fw.cuts(project, run)
    (choice,) = view.choices
    assert (choice.aim, choice.kind, choice.used_cuts) == ("age", "years", (30, 60))
    assert choice.worth_it
    np.testing.assert_allclose(choice.chosen, (26, 56), atol=2)
    assert json.loads(call(project, run, "--json", "--attribute", "age")) == json.loads(json.dumps(view.as_dict()))
    shown = text_of(view)
    assert call(project, run).split() == shown.split()
    for words in ("as trained", "(30, 60)", numbers(choice.chosen), f"{choice.nested:.3f}", f"{choice.optimistic:.3f}"):
        assert words in shown
    assert "14 people, 98 images." in shown
    assert max(cell_len(line) for line in shown.splitlines()) <= 80


def test_a_run_with_all_attributes_is_cut_for_the_joint_too(drawn):
    project, manifest = drawn
    blocks = (right(manifest, project, n) for n in ("mask", "gender"))
    run = write_run(project, manifest, "02-all", *blocks, values_of_age(manifest, 0))
    view = build_cuts_view(project, find_run(project.workspace, run), manifest)
    assert [c.aim for c in view.choices] == ["age", "joint"]
    assert {c["verdict"] for c in view.as_dict()["choices"]} == {verdict(c) for c in view.choices}
    assert "the joint classes" in text_of(view)


def test_warnings_come_first(drawn):
    project, manifest = drawn
    run = write_run(project, manifest, "03-lie", values_of_age(manifest, 0), split="image")
    assert "UNSAFE" in text_of(fw.cuts(project, run)).split("Cuts of")[0]


def test_an_image_split_gets_no_verdict(drawn):
    project, manifest = drawn
    view = fw.cuts(project, write_run(project, manifest, "07-lie", values_of_age(manifest, 4), split="image"))
    assert view.choices[0].worth_it
    assert [c["worth_it"] for c in view.as_dict()["choices"]] == [None]
    assert view.as_dict()["choices"][0]["verdict"].startswith("No verdict: the run was validated on people")
    assert "Better by" not in text_of(view)
    assert "No verdict" in text_of(view)


def test_differences_have_signs_and_no_minus_before_nothing(drawn):
    project, manifest = drawn
    choice = fw.cuts(project, write_run(project, manifest, "08-off", values_of_age(manifest, 4))).choices[0]
    nothing = replace(choice, difference=0.012, difference_interval=Interval(-0.0001, 0.021, 0.95))
    assert "+0.012 [0.000, +0.021]" in verdict(nothing)


def test_what_each_outcome_is_called(drawn):
    project, manifest = drawn
    exact = fw.cuts(project, write_run(project, manifest, "04-off", values_of_age(manifest, 4))).choices[0]
    worse = replace(exact, nested=exact.plain - 0.01, difference=-0.01)
    unsure = replace(exact, difference_interval=Interval(-0.01, 0.02, 0.95))
    same = replace(exact, num_changed=0)
    better = replace(exact, difference_interval=Interval(0.01, 0.02, 0.95))
    for choice, words in (
        (worse, "Not to be used"),
        (unsure, "cannot be told apart"),
        (same, "Leave the cuts"),
        (better, "Better by"),
    ):
        assert words in verdict(choice)
    assert numbers((29.0, 59.5, 0.123456)) == "(29, 59.5, 0.123)"


def test_runs_whose_cuts_cannot_move_say_what_to_train(drawn):
    project, manifest = drawn
    run = write_run(project, manifest, "05-mask", right(manifest, project, "mask"))
    with pytest.raises(InputError, match="did not predict the values of `age`") as told:
        fw.cuts(project, run)
    assert told.value.hint is not None
    assert 'model.head={name="single",attribute="age",kind="bins"}' in told.value.hint
    with pytest.raises(InputError, match="the classes of `mask` are not made from numbers"):
        fw.cuts(project, run, attribute="mask")
    with pytest.raises(SettingError, match="no attribute is called `ages`"):
        fw.cuts(project, run, attribute="ages")
    with pytest.raises(InputError, match="no out-of-fold predictions"):
        fw.cuts(project, write_run(project, manifest, "06-none"))


def test_the_hint_is_a_head_that_a_recipe_takes():
    recipe = load_recipe("cpu-tiny", ['model.head={name="single",attribute="age",kind="bins"}'])
    assert recipe.model.head.kind == "bins"
