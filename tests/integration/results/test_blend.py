"""Blends as people ask for them: who is in, which weights, what it is worth, and what is kept."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import polars as pl
import pytest
from made_runs import add_run, made_contest
from sklearn.metrics import f1_score
from typer.testing import CliRunner

import facetwise as fw
from facetwise.cli.main import app
from facetwise.core.errors import ArtefactError, FacetwiseError, GateError, InputError, SettingError
from facetwise.core.project import Project
from facetwise.core.runs import find_run
from facetwise.data.manifest import Manifest
from facetwise.evaluate.prediction_columns import DECIDED
from facetwise.predictors.blend_folder import find_blend, list_blends
from facetwise.predictors.sources import read_source
from facetwise.results.blends import build_blends_view

Drawn = tuple[Project, Manifest]
FAST: dict[str, Any] = {"rounds": 6, "bags": 2, "rules": ["argmax"]}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Drawn:
    """Seven runs: 1 multi-label, 2 joint, 3 to 5 specialists, 6 a hold-out, 7 trained on all beside 1, 8 by image."""
    project, manifest = made_contest(tmp_path_factory.mktemp("blend"))
    add_run(project, manifest, 1)
    add_run(project, manifest, 2, joint=True, skill=3.0)
    for number, name in ((3, "mask"), (4, "gender"), (5, "age")):
        add_run(project, manifest, number, names=(name,), skill=3.0)
    add_run(project, manifest, 6, plan="holdout")
    add_run(project, manifest, 7, plan="none", backbone=1)
    add_run(project, manifest, 8, split="image")
    return project, manifest


def tables(project: Project, blend: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    folder = find_blend(project.workspace, blend)
    oof, test = folder.table("oof"), folder.table("test")
    assert oof is not None
    assert test is not None
    return oof, test


def test_the_nested_estimate_is_the_score_of_what_is_kept(drawn: Drawn) -> None:
    project, manifest = drawn
    view = fw.blend(project, ["1", "2"], **FAST)
    oof, _ = tables(project, view.id)
    truth = project.space.encode(manifest.codes(project.space))
    labels = list(range(project.space.num_joint))
    expected = f1_score(truth, oof[DECIDED].to_numpy(), labels=labels, average="macro", zero_division=0)
    assert view.nested == pytest.approx(expected)
    assert view.scorecard.macro_f1 == view.nested
    assert view.num_left_out == 0
    assert {w.by for w in view.ways} == {"whole", "attribute"}
    assert view.by == max(view.ways, key=lambda w: w.nested).by


def test_people_are_decided_without_themselves(drawn: Drawn) -> None:
    project, _ = drawn
    oof, _ = tables(project, fw.blend(project, ["1", "2"], **FAST).id)
    assert oof.group_by("group").agg(pl.col("fold").n_unique())["fold"].to_list() == [1] * 30
    assert sorted(oof["fold"].unique()) == [0, 1, 2, 3, 4]


def test_one_member_is_itself(drawn: Drawn) -> None:
    project, manifest = drawn
    view = fw.blend(project, ["2"], by="whole", **FAST)
    oof, test = tables(project, view.id)
    alone = read_source(project, manifest, "2")
    assert alone.oof is not None
    assert oof[DECIDED].to_list() == alone.oof.classes.tolist()
    assert alone.test is not None
    np.testing.assert_allclose(test.select("joint=0", "joint=5").to_numpy(), alone.test.joint[:, [0, 5]], atol=1e-5)
    assert (view.best_member.difference, view.optimistic) == (0.0, view.nested)


def test_specialists_make_one_submission_together(drawn: Drawn) -> None:
    project, manifest = drawn
    view = fw.blend(project, ["3", "4", "5"], weighting="equal", rules=["argmax"])
    oof, _ = tables(project, view.id)
    for number, name in ((3, "mask"), (4, "gender"), (5, "age")):
        alone = read_source(project, manifest, str(number)).oof
        assert alone is not None
        columns = list(project.space.columns(name))
        np.testing.assert_allclose(oof.select(columns).to_numpy(), alone.marginals[name], atol=1e-5)
    assert view.best_member is None
    assert view.by == "attribute"
    assert "single one" in view.verdict


def test_given_weights_are_used_as_they_are(drawn: Drawn) -> None:
    project, manifest = drawn
    view = fw.blend(project, ["1", "5"], weights=["5=3", "age:1=1", "gender:1=2"], rules=["argmax"])
    weights = {m.name.split("-")[0]: m.weights for m in view.members}
    assert weights == {
        "01": {"mask": 1.0, "gender": 1.0, "age": 0.25},
        "05": {"mask": 0.0, "gender": 0.0, "age": 0.75},
    }
    one, two = (read_source(project, manifest, n).oof for n in ("1", "5"))
    assert one is not None
    assert two is not None
    columns = list(project.space.columns("age"))
    mean = 0.25 * np.exp(one.marginals["age"]) + 0.75 * np.exp(two.marginals["age"])
    np.testing.assert_allclose(np.exp(tables(project, view.id)[0].select(columns).to_numpy()), mean, atol=1e-5)


def test_a_run_trained_on_all_takes_the_weight_of_its_sibling(drawn: Drawn) -> None:
    project, manifest = drawn
    view = fw.blend(project, ["1", "7"], weighting="equal", by="attribute", rules=["argmax"])
    assert [m.weights["age"] for m in view.members] == [0.5, 0.5]
    assert view.members[1].role.startswith("trained on everybody")
    test = tables(project, view.id)[1]
    sides = [read_source(project, manifest, n).test for n in ("1", "7")]
    columns = list(project.space.columns("age"))
    mean = np.mean([np.exp(s.marginals["age"]) for s in sides if s is not None], axis=0)
    np.testing.assert_allclose(np.exp(test.select(columns).to_numpy()), mean, atol=1e-5)
    with pytest.raises(InputError, match="test side only"):
        fw.blend(project, ["2", "7"], **FAST)


def test_rows_that_a_member_lacks_are_left_out_openly(drawn: Drawn) -> None:
    project, _ = drawn
    view = fw.blend(project, ["1", "6"], **FAST)
    assert (view.num_images, view.num_left_out, view.num_people) == (42, 168, 6)
    oof, _ = tables(project, view.id)
    assert oof[DECIDED].null_count() == 168
    assert oof.filter(pl.col(DECIDED).is_null()).select(pl.col("^.*=.*$").is_nan().all()).row(0) == (True,) * (
        sum("=" in c for c in oof.columns)
    )


def test_the_same_question_is_not_asked_twice(drawn: Drawn) -> None:
    project, _ = drawn
    first = fw.blend(project, ["1", "2"], method="geometric", **FAST)
    number = len(list_blends(project.workspace))
    again = fw.blend(project, ["01-made", "2"], method="geometric", **FAST)
    assert (again.id, again.new, len(list_blends(project.workspace))) == (first.id, False, number)
    other = fw.blend(project, ["1", "2"], method="hard", **FAST)
    assert other.id != first.id


@pytest.mark.parametrize("method", ["soft", "geometric", "hard", "rank"])
def test_every_method_predicts_both_sides(drawn: Drawn, method: Any) -> None:
    project, _ = drawn
    oof, test = tables(project, fw.blend(project, ["1", "2", "5"], method=method, **FAST).id)
    assert oof[DECIDED].null_count() == test[DECIDED].null_count() == 0


def test_limits_hold(drawn: Drawn) -> None:
    project, _ = drawn
    view = fw.blend(project, ["1", "2", "5"], max_models=1, **FAST)
    assert sum(m.used for m in view.members) == 1
    cheap = fw.blend(project, ["1", "2"], max_cost=1.0, **FAST)
    assert [m.used for m in cheap.members] == [False, True]  # run 2 trained twice as fast


def test_all_runs_are_taken_when_none_is_named(drawn: Drawn) -> None:
    project, _ = drawn
    view = fw.blend(project, **FAST)
    assert [m.name for m in view.members] == [f"0{i}-made" for i in range(1, 6)]


@pytest.mark.parametrize(
    ("members", "options", "error", "words"),
    [
        (["8", "1"], {}, GateError, "split by image"),
        (["1", "01-made"], {}, InputError, "twice"),
        (["7"], {}, InputError, "has out-of-fold predictions"),
        (["3", "4"], {}, InputError, "no member predicts `age`"),
        (["9"], {}, InputError, "no run is called"),
        (["1", "2"], {"weights": ["3=1"]}, InputError, "not in the blend"),
        (["1", "2"], {"weights": ["1=2", "1=3"]}, InputError, "there are two weights for `1`"),
        (["1", "2"], {"weights": ["1=2", "01-made=3"]}, InputError, "there are two weights for `01-made`"),
        (["1", "2"], {"weights": ["age:1=2", "age:1=2"]}, InputError, "there are two weights for `1` for `age`"),
        (["1", "3"], {"weights": ["age:3=1"]}, InputError, "which does not predict it"),
        (["1", "2"], {"weights": ["1=x"]}, SettingError, "MEMBER=NUMBER"),
        (["1", "2"], {"weights": ["1=-1"]}, SettingError, "MEMBER=NUMBER"),
        (["1", "2"], {"weights": ["1=0", "2=0"]}, InputError, "is 0"),
        (["1", "2"], {"weights": ["age:1=2"], "by": "whole"}, InputError, "by attribute"),
        (["1", "2"], {"method": "mean"}, SettingError, "`method` is 'mean', expected soft"),
        (["1", "2"], {"max_models": 0}, SettingError, "max_models"),
    ],
)
def test_what_cannot_be_blended_says_why(
    drawn: Drawn, members: list[str], options: dict[str, Any], error: type[FacetwiseError], words: str
) -> None:
    project, _ = drawn
    before = len(list_blends(project.workspace))
    with pytest.raises(error, match=words):
        fw.blend(project, members, **{**FAST, **options})
    assert len(list_blends(project.workspace)) == before


def test_a_blend_is_a_source_like_any_other(drawn: Drawn) -> None:
    project, manifest = drawn
    view = fw.blend(project, ["1", "2"], **FAST)
    source = read_source(project, manifest, view.id.split("-")[0])
    assert (source.kind, source.id, source.attributes) == ("blend", view.id, project.space.names)
    with pytest.raises(InputError, match="is a blend"):
        fw.blend(project, [view.id, "1"], **FAST)


def test_a_changed_blend_is_refused(drawn: Drawn) -> None:
    project, manifest = drawn
    view = fw.blend(project, ["1", "2", "3"], **FAST)
    folder = find_blend(project.workspace, view.id)
    file = folder.path / "blend.json"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace('"by"', '"by "'), encoding="utf-8")
    with pytest.raises(ArtefactError, match="changed since"):
        read_source(project, manifest, view.id)
    file.write_text(text, encoding="utf-8")


def call(project: Project, *arguments: str) -> str:
    found = CliRunner().invoke(app, ["--project", str(project.root), *arguments], catch_exceptions=False)
    assert found.exit_code == 0
    return found.stdout


def test_text_and_json_tell_the_same(drawn: Drawn) -> None:
    project, _ = drawn
    options = ("blend", "1", "2", "--rounds", "6", "--bags", "2", "--rules", "argmax")
    data = json.loads(call(project, *options, "--json"))
    text = call(project, *options, "--explain")
    for words in (data["id"], f"{data['nested']:.3f}", f"{data['optimistic']:.3f}, too high", "paired by person"):
        assert words in text or words == "paired by person"
    assert " ".join(data["verdict"].split()) in " ".join(text.split())
    listed = json.loads(call(project, "blends", "--json"))["blends"]
    assert data["id"] in {b["id"] for b in listed}
    assert data["id"] in call(project, "blends")


def test_fold_models_are_averaged_on_the_test_side(drawn: Drawn) -> None:
    project, manifest = drawn
    table = pl.read_parquet(project.workspace.runs / "01-made" / "test.parquet")
    source = read_source(project, manifest, "1")
    assert source.test is not None
    mean = table.group_by("image").agg(pl.col(c).exp().mean().log() for c in table.columns if "=" in c)
    mean = manifest.test.select("image").join(mean, on="image", maintain_order="left")
    for name, logs in source.test.marginals.items():
        np.testing.assert_allclose(logs, mean.select(project.space.columns(name)).to_numpy(), atol=1e-5)


def test_a_damaged_or_stale_blend_neither_blocks_nor_breaks_the_list(tmp_path) -> None:
    project, manifest = made_contest(tmp_path)
    add_run(project, manifest, 1)
    add_run(project, manifest, 2, joint=True)
    damaged, stale = (fw.blend(project, [n], **FAST).id for n in ("1", "2"))
    file = find_blend(project.workspace, damaged).path / "blend.json"
    file.write_text(file.read_text(encoding="utf-8") + " ", encoding="utf-8")
    fresh = fw.blend(project, ["1", "2"], **FAST)
    assert [b.id for b in fw.blends(project).blends] == [stale, fresh.id]
    assert "changed since" in fw.blends(project).unusable[damaged]
    member = find_run(project.workspace, "1")
    whole = member.table_file("oof").read_bytes()
    member.table_file("oof").write_bytes(b"")
    told = {b.id: [w.text for w in b.warnings] for b in fw.blends(project).blends}
    assert told[stale] == []
    assert told[fresh.id][0].startswith(f"member `{member.id}`: ")
    member.table_file("oof").write_bytes(whole)
    row = manifest.table[0].with_columns(pl.lit("0" * 64).alias("sha256"))
    other = Manifest.of(pl.concat([row, manifest.table[1:]]))
    listed = build_blends_view(project, other)
    assert listed.blends == ()
    assert "another manifest" in listed.unusable[stale]


def test_a_share_of_guests_leaves_nothing_to_forecast_by(drawn: Drawn) -> None:
    project, manifest = drawn
    names = manifest.test["name"].to_list()
    csv = project.root / "theirs.csv"
    csv.write_text("ImageID,ans\n" + "".join(f"{n},{i % 18}\n" for i, n in enumerate(names)), encoding="utf-8")
    fw.import_predictions(project, csv, name="theirs")
    view = fw.blend(project, ["1", "foreign:theirs"], weights=["foreign:theirs=0.4"], **FAST)
    assert [sum(m.weights.values()) / len(m.weights) for m in view.members] == pytest.approx([0.6, 0.4])
    source = read_source(project, manifest, view.id)
    assert source.oof is None
    with pytest.raises(InputError, match="without out-of-fold predictions"):
        source.require_oof()
    with pytest.raises(InputError, match="between 0 and 1"):
        fw.blend(project, ["1", "foreign:theirs"], weights=["foreign:theirs=1"], **FAST)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"weighting": "equal", "max_models": 1}, "limits on models"),
        ({"seed": -1}, "0 or more"),
        ({"max_cost": float("inf")}, "max_cost"),
        ({"weights": ["1=1e308", "2=1e308"]}, "weights must be"),
        ({"rounds": 10**8}, "expected 1 to 1,000"),
        ({"rules": ["multiplier"]}, "multiplier"),
    ],
)
def test_what_could_not_be_kept_is_refused_first(drawn: Drawn, options: dict[str, Any], words: str) -> None:
    with pytest.raises(FacetwiseError, match=words):
        fw.blend(drawn[0], ["1", "2"], **{**FAST, **options})


@pytest.mark.parametrize("side", ["oof", "test"])
def test_a_table_that_went_away_is_missing_not_never_there(tmp_path, side: str) -> None:
    project, manifest = made_contest(tmp_path)
    add_run(project, manifest, 1)
    (add_run(project, manifest, 2).path / f"{side}.parquet").unlink()
    with pytest.raises(ArtefactError, match=f"{side}.parquet: missing"):
        fw.blend(project, ["1", "2"], **FAST)
    assert f"{side}.parquet: missing" in fw.blend(project, **FAST).not_in_it["02-made"]


@pytest.mark.parametrize(
    "out",
    ["facetwise.toml", "ledger.jsonl", "runs/01-made/oof.parquet", "submissions/x.csv", "../contest/eval/info.csv"],
)
def test_records_and_the_dataset_are_not_written_over(tmp_path, out: str) -> None:
    project, manifest = made_contest(tmp_path)
    add_run(project, manifest, 1)
    project.workspace.submissions.mkdir()
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    for write in (lambda o: fw.show(project, "1", html=o), lambda o: fw.leaderboard(project, html=o)):
        with pytest.raises(InputError, match="not written over"):
            write(project.root / out)
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file() and p in before} == before
