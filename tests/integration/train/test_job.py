"""The whole job on a made contest, through the Python verbs, and what each step owes to the next."""

import csv
import json
import math
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import facetwise as fw
from facetwise.core.errors import GateError, InputError, SettingError
from facetwise.core.runs import find_run
from facetwise.core.tables import prediction_columns
from facetwise.data.manifest import load_manifest
from facetwise.data.saved_folds import load_folds
from facetwise.inference.own_images import predict_own_images
from facetwise.train.stopping import choose_epochs

QUICK = ("train.length=1ep", "train.ema=0.5")


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def submit_anyway(project: Path, run: str = "last"):
    """Nets this small may predict an odd class mix, which the gate wants confirmed."""
    return fw.submit(project, run, yes=True)


# ------------------------------------------------------------------------------------------------- a finished run


def test_the_run_folder_is_whole(finished):
    run = find_run(fw.open_project(finished.project).workspace, "last")
    assert run.finished
    assert run.id == "01-AdamW-Cosine-CE-v0-multilabel_3fold"
    assert sorted(p.name for p in run.path.iterdir() if not p.name.startswith(".")) == [
        "DONE.json", "events.jsonl", "fold-0", "fold-1", "fold-2", "oof.parquet", "recipe.toml", "run.json",
        "test.parquet",
    ]  # fmt: skip
    epochs = run.epochs()
    assert [(e.fold, e.epoch) for e in epochs] == [(k, e) for k in range(3) for e in (1, 2)]
    assert all(math.isfinite(e.train_loss) and 0 <= e.val_macro_f1 <= 1 for e in epochs)
    record = run.record()
    assert record.setting("schedule", "name") == "cosine"  # a default, written out
    assert str(finished.base) not in json.dumps(record.provenance.as_dict())


def test_out_of_fold_each_image_once_by_the_fold_that_held_it_out(finished):
    project = fw.open_project(finished.project)
    manifest, oof = load_manifest(project), find_run(project.workspace, "last").oof()
    assert oof["image"].to_list() == manifest.train["image"].to_list()
    assert oof["image"].n_unique() == oof.height == 36 * 7
    np.testing.assert_array_equal(oof["fold"], load_folds(project.workspace, manifest).of(manifest.train))
    assert oof["group"].to_list() == manifest.train["group"].to_list()
    for name in project.space.names:
        logs = oof.select(project.space.columns(name)).to_numpy()
        np.testing.assert_allclose(np.exp(logs).sum(axis=1), 1, atol=1e-5)


def test_test_table_each_image_once_a_model(finished):
    project = fw.open_project(finished.project)
    names = load_manifest(project).test["image"].to_list()
    test = find_run(project.workspace, "last").test()
    assert test["image"].to_list() == names * 3
    assert test["fold"].to_list() == [k for k in range(3) for _ in names]
    assert test.select(pl.col(prediction_columns(test)).is_finite().all()).row(0) == (True,) * 8


def test_show_text_json_and_page_have_one_number(finished, tmp_path):
    page = tmp_path / "run.html"
    view = fw.show(finished.project, html=page)
    assert view.scorecard.num_covered == view.scorecard.num_images == 252
    assert view.scorecard.macro_f1_interval.low <= view.scorecard.macro_f1 <= view.scorecard.macro_f1_interval.high
    assert len(view.scorecard.folds) == 3
    told = json.loads(json.dumps(view.as_dict(), allow_nan=False))
    assert told["scorecard"]["macro_f1"] == view.scorecard.macro_f1
    html = page.read_text(encoding="utf-8")
    assert not re.search(r"""<(script|link|img|iframe)[^>]*(src|href)=["']?(https?:|//)""", html)
    assert f"{view.scorecard.macro_f1:.3f}" in html
    assert fw.runs(finished.project).runs[0].score == view.scorecard.macro_f1


def test_submission_in_the_organisers_order_with_the_score_to_expect(own_finished):
    made = submit_anyway(own_finished.project)
    rows, template = rows_of(made.folder.csv_file), rows_of(own_finished.contest / "eval" / "info.csv")
    assert [r["ImageID"] for r in rows] == [r["ImageID"] for r in template]
    assert all(0 <= int(r["ans"]) < 18 for r in rows)
    assert (made.num_images, made.num_people) == (56, 8)
    assert 0 <= made.forecast.interval.low <= made.forecast.expected <= made.forecast.interval.high <= 1
    card = fw.score(own_finished.project, labels=own_finished.labels)
    assert (card.by, card.num_people, card.num_images) == ("person", 8, 56)
    same = fw.score(own_finished.project, made.folder.csv_file, labels=own_finished.labels)
    assert same.macro_f1 == card.macro_f1


def test_answers_are_the_mean_of_the_models(own_finished):
    project = fw.open_project(own_finished.project)
    test = find_run(project.workspace, "last").test()
    columns = prediction_columns(test)
    mean = test.with_columns(pl.col(columns).exp()).group_by("image").agg(pl.col(columns).mean())
    decided = {}
    for row in mean.iter_rows(named=True):
        codes = [np.argmax([row[c] for c in project.space.columns(name)]) for name in project.space.names]
        decided[Path(row["image"]).name] = int(project.space.encode(codes))
    rows = rows_of(submit_anyway(own_finished.project).folder.csv_file)
    assert {r["ImageID"]: int(r["ans"]) for r in rows} == decided


def test_the_same_is_not_trained_twice_unless_asked(own_finished):
    heard = []
    run = fw.fit(own_finished.project, own_finished.recipe, listener=heard.append)
    assert run.id.startswith("01-")
    assert heard == []
    assert fw.fit(own_finished.project, resume="last", listener=heard.append).id == run.id
    assert heard == []
    second = fw.fit(own_finished.project, own_finished.recipe, again=True)
    assert second.id == "02-AdamW-Cosine-CE-v1-multilabel_3fold"
    assert second.oof().equals(run.oof())
    assert second.test().equals(run.test())


# ------------------------------------------------------------------------------------------------------ predicting


def test_own_images_again_with_the_mirror_image(own_finished):
    project = fw.open_project(own_finished.project)
    run = find_run(project.workspace, "last")
    with pytest.raises(SettingError, match=r"nothing to predict: run .* has the predictions of its own images"):
        fw.predict(project)
    plain = predict_own_images(project, run, tta="none")
    for name, before in (("oof", run.oof()), ("test", run.test())):
        again = pl.read_parquet(plain / f"{name}.parquet")
        assert again.select("image", "fold").equals(before.select("image", "fold"))
        columns = prediction_columns(before)
        np.testing.assert_allclose(again.select(columns).to_numpy(), before.select(columns).to_numpy(), atol=1e-5)
    folder = fw.predict(project, tta="flip")
    flipped = pl.read_parquet(folder / "oof.parquet")
    assert flipped["image"].to_list() == run.oof()["image"].to_list()
    assert not flipped.equals(run.oof())
    assert fw.submit(project, tta="flip", yes=True).num_images == 56


def test_a_folder_of_photos_and_another_dataset(own_finished):
    project = fw.open_project(own_finished.project)
    test = find_run(project.workspace, "last").test()
    photos = own_finished.base / "holiday photos"
    photos.mkdir()
    source = sorted((own_finished.contest / "eval" / "images").iterdir())[:3]
    for path in source:
        (photos / path.name).write_bytes(path.read_bytes())
    (photos / "broken.jpg").write_bytes(b"no image")
    folder = fw.predict(project, images=photos)
    assert folder.name.startswith("images-holiday_photos-")
    told = rows_of(folder / "classes.csv")
    assert [r["image"] for r in told] == sorted(p.name for p in photos.iterdir())
    assert told[[r["image"] for r in told].index("broken.jpg")]["mask"] == ""
    assert all(r["gender"] in ("male", "female") for r in told if r["image"] != "broken.jpg")
    table = pl.read_parquet(folder / "images.parquet")
    assert table.height == 4 * 3
    columns = prediction_columns(test)
    for path in source:
        here = table.filter(image=path.name).select(columns).to_numpy()
        there = test.filter(image=f"eval/images/{path.name}").select(columns).to_numpy()
        np.testing.assert_allclose(here, there, atol=1e-5)
    other = fw.predict(project, dataset=own_finished.contest)
    assert rows_of(other / "classes.csv")[0]["image"].startswith("train/")
    with pytest.raises(SettingError, match="not both"):
        fw.predict(project, images=photos, dataset=photos)
    (own_finished.base / "empty").mkdir()
    with pytest.raises(InputError, match="no images"):
        fw.predict(project, images=own_finished.base / "empty")


# ---------------------------------------------------------------------------------------------- other plans, heads


def test_a_hold_out_run_covers_fold_0_only(own):
    run = fw.fit(own.project, own.recipe, settings=[*QUICK, "folds.plan=holdout"])
    oof = run.oof()
    columns = prediction_columns(oof)
    held_out = (oof["fold"] == 0).to_numpy()
    finite = np.isfinite(oof.select(columns).to_numpy())
    assert finite[held_out].all()
    assert not finite[~held_out].any()
    assert run.test().height == 56
    card = fw.show(own.project).scorecard
    assert (card.num_covered, card.num_images) == (held_out.sum(), 252)
    made = submit_anyway(own.project)
    assert made.forecast is not None
    assert made.num_people == 8


def test_a_run_on_everybody_has_no_estimate_and_submits_all_the_same(own):
    run = fw.fit(own.project, own.recipe, settings=[*QUICK, "folds.plan=none", "model.head=flat"])
    assert run.oof() is None
    assert run.epochs()[0].val_macro_f1 is None
    view = fw.show(own.project)
    assert view.scorecard is None
    assert submit_anyway(own.project).forecast is None
    with pytest.raises(SettingError, match="needs folds"):
        fw.fit(own.project, own.recipe, settings=["folds.plan=none", "train.select=best"])


def test_a_specialist_is_scored_by_its_attribute_and_cannot_be_submitted(own):
    head = 'model.head={ name = "single", attribute = "age" }'
    run = fw.fit(own.project, own.recipe, settings=[*QUICK, head])
    assert run.id.endswith("-age_3fold")
    assert prediction_columns(run.oof()) == ["age=<30", "age=30-59", "age=>=60"]
    card = fw.show(own.project).scorecard
    assert card.what == "age"
    assert [a.name for a in card.attributes] == ["age"]
    assert card.macro_f1 == card.attributes[0].macro_f1
    with pytest.raises(InputError, match="lacks `mask`, `gender`"):
        submit_anyway(own.project)


def test_a_flat_head_keeps_the_joint_and_its_marginals(own):
    run = fw.fit(own.project, own.recipe, settings=[*QUICK, "model.head=flat"])
    space = fw.open_project(own.project).space
    joint = np.exp(run.oof().select(space.joint_columns).to_numpy()).reshape(-1, *space.sizes)
    gender = np.exp(run.oof().select(space.columns("gender")).to_numpy())
    np.testing.assert_allclose(joint.sum(axis=(1, 3)), gender, atol=1e-5)


def test_folds_by_image_mark_the_run_and_are_never_submitted(own):
    fw.folds(own.project, name="unsafe-lie", num_folds=3, unsafe_split="image")
    fw.fit(own.project, own.recipe, settings=[*QUICK, "folds.name=unsafe-lie"])
    assert fw.runs(own.project).runs[0].flags == ("UNSAFE image split",)
    assert any("image" in w.text for w in fw.show(own.project).warnings)
    with pytest.raises(GateError, match="split by image"):
        submit_anyway(own.project)
    assert not (own.project / "submissions").exists()


def test_select_best_uses_the_chosen_epochs_and_patience_those_of_the_same_training(own):
    best = ["train.length=5ep", "train.select=best", "optimizer.lr=3e-2"]
    whole = fw.fit(own.project, own.recipe, settings=best)
    curves: dict[int, list[float]] = {}
    for event in whole.epochs():
        curves.setdefault(event.fold, []).append(event.val_macro_f1)
    assert epochs_used(whole) == choose_epochs(curves)
    assert not (whole.path / "state").exists()

    def stop(event):
        if event["event"] == "epoch" and (event["fold"], event["epoch"]) == (1, 2):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fw.fit(own.project, own.recipe, settings=[*best, "train.patience=1"], listener=stop)
    early = fw.fit(own.project, resume="last")
    chosen = choose_epochs(curves, 1)
    last = max(chosen.values()) + 1
    assert epochs_used(early) == chosen
    expected = {(e.fold, e.epoch): e.val_macro_f1 for e in whole.epochs() if e.epoch <= last}
    assert {(e.fold, e.epoch): e.val_macro_f1 for e in early.epochs()} == expected
    told = [e["epoch"] for e in early.events() if e["event"] == "stopped_early"]
    assert told == [last] * (last < 5)


def epochs_used(run) -> dict[int, int]:
    return {e["fold"]: e["epoch"] for e in run.events() if e["event"] == "fold_done"}


def test_the_best_epoch_of_a_hold_out_and_an_end_that_nobody_sees_are_refused(own):
    with pytest.raises(SettingError, match="a hold-out run has none") as refused:
        fw.fit(own.project, own.recipe, settings=["folds.plan=holdout", "train.select=best", "train.patience=1"])
    assert "without `train.patience`" in refused.value.hint
    with pytest.raises(SettingError, match=r'`patience` stops by the scores of the other folds.*`select = "best"`'):
        fw.fit(own.project, own.recipe, settings=["train.patience=1"])
