"""Two runs side by side: laws of the differences, what is said in words, and what must not be compared."""

import json
import shutil
from typing import Any

import numpy as np
import polars as pl
import pytest
from rich.console import Console

from facetwise.core.errors import ArtefactError, InputError, MismatchError
from facetwise.core.project import Project
from facetwise.core.records.base import write_record
from facetwise.core.runs import RunFolder, find_run
from facetwise.core.tables import PREDICTIONS, prediction_columns, write_table
from facetwise.core.workspace import mark_done
from facetwise.data.manifest import load_manifest
from facetwise.evaluate.intervals import Interval, PairedInterval
from facetwise.results.runs import build_run_view
from facetwise.results.wording import signed, with_signs
from facetwise.screens.text.study import comparison_text
from facetwise.study import wording
from facetwise.study.compare import Comparison, compare_runs


@pytest.fixture
def project(own_finished: Any) -> Project:
    return Project.open(own_finished.project)


def another(
    project: Project,
    name: str,
    *,
    better: float = 0.0,
    drop: str | None = None,
    only_fold: int | None = None,
    seed: int = 0,
    record: dict[str, Any] | None = None,
    fields: dict[str, Any] | None = None,
    done: bool = True,
) -> RunFolder:
    """A copy of the finished run that gets a share `better` of the images right for sure, or is otherwise changed."""
    source = find_run(project.workspace, "1")
    run = RunFolder(project.workspace.runs / name)
    shutil.copytree(source.path, run.path)
    table, manifest = source.oof(), load_manifest(project)
    assert table is not None
    lucky = np.random.default_rng(seed).random(table.height) < better
    columns = prediction_columns(table)
    values = table.select(columns).to_numpy().copy()
    for a, attribute in enumerate(project.space.names):
        own = [columns.index(c) for c in project.space.columns(attribute)]
        for row in np.flatnonzero(lucky):
            values[row, own] = -9.0
            values[row, own[manifest.codes(project.space)[row, a]]] = np.log1p(-(len(own) - 1) * np.exp(-9.0))
    table = table.with_columns(pl.Series(c, values[:, i]) for i, c in enumerate(columns))
    if drop is not None:
        table = table.drop(project.space.columns(drop))
    if only_fold is not None:
        gone = pl.col("fold") != only_fold
        table = table.with_columns(pl.when(gone).then(float("nan")).otherwise(pl.col(c)).alias(c) for c in columns)
    write_table(table.cast({c: pl.Float32() for c in prediction_columns(table)}), run.path / "oof.parquet", PREDICTIONS)
    was = source.record()
    own = {**was.fingerprint_fields.as_dict(), **(fields or {})}
    write_record(run.record_file, was.changed(id=name, **(record or {}), fingerprint_fields=own))
    (run.path / "DONE.json").unlink()
    if done:
        mark_done(run.path, {"fingerprint": name, **run.hashes()}, hash_files=False)
    return run


def as_text(view: Comparison, width: int = 80) -> str:
    console = Console(width=width, no_color=True, record=True, file=None, quiet=False)
    with console.capture() as captured:
        console.print(comparison_text(view))
    return captured.get()


def said(view: Comparison) -> str:
    return " ".join(f"{n.kind}: {n.text}" for n in view.warnings)


# ------------------------------------------------------------------------------------------------ laws


def test_the_sides_turn_and_the_scores_are_those_of_show(project: Project) -> None:
    a, b = find_run(project.workspace, "1"), another(project, "02-b", better=0.5)
    there, back = compare_runs(project, a, b), compare_runs(project, b, a)
    assert there.main.difference == -back.main.difference > 0
    assert (there.main.better, back.main.better) == ("second", "first")
    assert there.verdict.startswith("B is better by +0.")
    assert back.verdict.startswith("A is better by +0.")
    assert [f.difference for f in there.folds] == [-f.difference for f in back.folds]
    for run, side in ((a, "first"), (b, "second")):
        card = build_run_view(project, run).scorecard
        assert card is not None
        assert getattr(there.main, side) == card.macro_f1
        assert [getattr(d, side) for d in there.attributes] == [s.macro_f1 for s in card.attributes]
        assert [getattr(f, side) for f in there.folds] == [f.macro_f1 for f in card.folds]
    for row in (there.main, *there.attributes):
        assert row.difference == row.second - row.first
        assert row.interval.low <= row.difference <= row.interval.high
    assert sum(f.num_images for f in there.folds) == there.num_images == 36 * 7
    assert sum(f.num_people for f in there.folds) == there.num_people == 36


def test_the_same_predictions_cannot_be_told_apart(project: Project) -> None:
    view = compare_runs(project, find_run(project.workspace, "1"), another(project, "02-b"))
    assert view.main.difference == view.main.interval.low == view.main.interval.high == 0
    assert view.verdict == "cannot be told apart on 36 people (difference 0.000 [0.000, 0.000])"
    assert view.changes == ()
    assert "The recipes are the same" in as_text(view)


def test_text_and_json_say_the_same_and_fit(project: Project) -> None:
    view = compare_runs(project, find_run(project.workspace, "1"), another(project, "02-b", better=0.3))
    text, data = as_text(view), json.loads(json.dumps(view.as_dict(), allow_nan=False))
    assert max(map(len, text.splitlines())) <= 80
    assert data["verdict"] == view.verdict
    assert view.verdict in text
    assert data["main"]["difference"] == view.main.difference
    assert with_signs(view.main.difference, view.main.interval) in text
    assert len(data["folds"]) == 3


# ------------------------------------------------------------------------------------------------ what is compared


def test_specialists_are_compared_on_what_both_predict(project: Project) -> None:
    first, *_, last = project.space.names
    whole, part = another(project, "02-b", better=0.4), another(project, "03-c", drop=first)
    view = compare_runs(project, whole, part)
    assert view.what == "/".join(project.space.names[1:])
    assert [d.name for d in view.attributes] == list(project.space.names[1:])
    only = another(project, "04-d", drop=last)
    assert compare_runs(project, part, only).what == project.space.names[1]
    assert compare_runs(project, part, only).attributes == ()


def test_a_hold_out_is_compared_on_what_it_covers(project: Project) -> None:
    held = another(project, "02-b", only_fold=0)
    view = compare_runs(project, find_run(project.workspace, "1"), held)
    assert view.num_images < 36 * 7
    assert view.main.difference == 0
    assert [f.fold for f in view.folds] == [0]
    assert f"the {view.num_images:,} of 252 images that both predicted" in said(view)
    with pytest.raises(InputError, match="no held-out image in common"):
        compare_runs(project, held, another(project, "03-c", only_fold=1))


def test_other_folds_are_told_and_have_no_differences(project: Project) -> None:
    other = another(project, "02-b", better=0.2, fields={"folds": "x"})
    view = compare_runs(project, find_run(project.workspace, "1"), other)
    assert view.folds == ()
    assert "caution: The runs were validated on different folds" in said(view)
    assert view.num_people == 36


def test_an_image_split_gets_no_verdict(project: Project) -> None:
    unsafe = another(project, "02-b", better=0.9, record={"split": "image"})
    view = compare_runs(project, find_run(project.workspace, "1"), unsafe)
    assert view.verdict == "no verdict: B was validated on people that the models had seen"
    assert "unsafe: UNSAFE: the folds of run B" in said(view)
    assert {d.better for d in (view.main, *view.attributes)} == {None}
    both = compare_runs(project, unsafe, another(project, "03-c", record={"split": "image"}))
    assert both.verdict.startswith("no verdict: both runs")


def test_what_changed_besides_is_told(project: Project) -> None:
    recipe = find_run(project.workspace, "1").record().recipe
    changed = {**recipe, "train": {**recipe["train"], "seed": 5, "ema": 0.5}}
    other = another(project, "02-b", record={"recipe": changed}, fields={"labels": "x", "recipe": changed})
    view = compare_runs(project, find_run(project.workspace, "1"), other)
    assert [c.key for c in view.changes] == ["train.seed", "train.ema"]
    assert "2 things changed" in said(view)
    assert "Besides the recipe, `labels` changed" in said(view)
    boxes = another(project, "03-c", fields={"store": "x"})
    assert "`store` changed" in said(compare_runs(project, find_run(project.workspace, "1"), boxes))
    taller = {**recipe, "input": {**recipe["input"], "height": 99}}
    sized = another(project, "04-d", record={"recipe": taller}, fields={"store": "x", "recipe": taller})
    assert "`store`" not in said(compare_runs(project, find_run(project.workspace, "1"), sized))
    assert "0 → 5" in as_text(view)


def test_what_cannot_be_compared(project: Project) -> None:
    run = find_run(project.workspace, "1")
    with pytest.raises(InputError, match="compared with itself"):
        compare_runs(project, run, run)
    with pytest.raises(ArtefactError, match="no predictions with `--tta flip`"):
        compare_runs(project, run, run, tta=("none", "flip"))
    with pytest.raises(MismatchError, match="`manifest` differs"):
        compare_runs(project, run, another(project, "02-b", fields={"manifest": "x"}))
    with pytest.raises(ArtefactError, match="is not finished"):
        compare_runs(project, run, another(project, "03-c", done=False))
    with pytest.raises(MismatchError, match="other attributes"):
        compare_runs(project, run, another(project, "04-d", fields={"label space": "x"}))
    alone = another(project, "05-e", done=False)
    (alone.path / "oof.parquet").unlink()
    mark_done(alone.path, {"fingerprint": "e", **alone.hashes()}, hash_files=False)
    with pytest.raises(InputError, match="trained on all people"):
        compare_runs(project, run, alone)


# ------------------------------------------------------------------------------------------------ words


@pytest.mark.parametrize(
    ("difference", "low", "high", "words"),
    [
        (0.012, 0.003, 0.021, "B is better by +0.012 [+0.003, +0.021]"),
        (-0.012, -0.021, -0.003, "A is better by +0.012 [+0.003, +0.021]"),
        (0.004, -0.006, 0.014, "cannot be told apart on 800 people (difference +0.004 [-0.006, +0.014])"),
        (-0.0001, -0.0002, 0.0, "cannot be told apart on 800 people (difference 0.000 [0.000, 0.000])"),
    ],
)
def test_verdicts(difference: float, low: float, high: float, words: str) -> None:
    assert wording.verdict(difference, Interval(low, high, 0.95), 800) == words


@pytest.mark.parametrize(
    ("own", "widened", "words"),
    [
        ((0.1, 0.3), (0.05, 0.4), "better"),
        ((0.1, 0.3), (-0.05, 0.4), "perhaps better"),
        ((-0.3, -0.1), (-0.4, -0.05), "worse"),
        ((-0.3, -0.1), (-0.4, 0.05), "perhaps worse"),
        ((-0.1, 0.3), (-0.2, 0.4), "cannot be told apart"),
    ],
)
def test_standings(own: tuple[float, float], widened: tuple[float, float], words: str) -> None:
    assert wording.standing(Interval(*own, 0.95), PairedInterval(*widened, 0.99)) == words


def test_what_the_resamples_do_not_resolve_makes_nothing_sure() -> None:
    own, sure = Interval(0.1, 0.3, 0.95), PairedInterval(0.05, 0.4, 0.99)
    blurred = PairedInterval(0.05, 0.4, 0.99, resolved=False)
    assert wording.standing(own, sure) == "better"
    assert wording.standing(own, blurred) == "perhaps better"
    assert wording.unresolved([sure, None]) is None
    assert "some changes are not called" in str(wording.unresolved([sure, blurred]))
    assert "no change is called" in str(wording.unresolved([blurred]))


def test_several_comparisons_are_widened_and_said() -> None:
    assert wording.bonferroni(1) == pytest.approx(0.95)
    assert wording.bonferroni(5) == pytest.approx(0.99)
    assert wording.many_comparisons(1) is None
    assert "23 %" in str(wording.many_comparisons(5))
    assert [signed(v) for v in (0.0123, -0.0123, 0.0, -0.0004)] == ["+0.012", "-0.012", "0.000", "0.000"]
