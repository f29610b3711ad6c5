"""Runs that were interrupted, changed data, and what is refused because of it."""

from pathlib import Path

import polars as pl
import pytest

import facetwise as fw
from facetwise.core.errors import ArtefactError, LockedError, MismatchError, SettingError
from facetwise.core.runs import find_run, list_runs
from facetwise.core.workspace import lock

QUICK = ("train.length=1ep", "train.ema=0.5")


class KilledError(Exception):
    """Stands for a kill, at an event."""


def interrupt(project: Path, recipe: Path, fold: int = 1) -> None:
    def listen(event):
        if event["event"] == "step" and event["fold"] == fold:
            raise KilledError

    with pytest.raises(KilledError):
        fw.fit(project, recipe, settings=QUICK, listener=listen)


def test_the_verb_submit_stays_a_verb_when_the_subpackage_is_imported():
    import facetwise.submission.make  # noqa: F401

    assert callable(fw.submit)
    assert all(callable(getattr(fw, name)) for name in fw.__all__ if name != "__version__")


def test_resume_refuses_when_a_label_was_changed_and_names_it(own):
    interrupt(own.project, own.recipe)
    with pytest.raises(ArtefactError, match="is not finished"):
        fw.submit(own.project)
    table = own.contest / "train" / "train.csv"
    head, first, *rest = table.read_text().splitlines()
    person, gender, race, age, path = first.split(",")
    other = "female" if gender == "male" else "male"
    table.write_text("\n".join([head, ",".join([person, other, race, age, path]), *rest]) + "\n")
    with pytest.raises(MismatchError, match=r"train\.csv changed since the last check"):
        fw.fit(own.project, resume="last")
    fw.check(own.project, workers=1)
    with pytest.raises(MismatchError, match="cannot go on: `labels` changed"):
        fw.fit(own.project, resume="last")
    with pytest.raises(SettingError, match="keeps its recipe"):
        fw.fit(own.project, resume="last", settings=["train.seed=1"])


def test_a_finished_fold_is_not_trained_again(own):
    interrupt(own.project, own.recipe)
    heard = []
    run = fw.fit(own.project, own.recipe, settings=QUICK, listener=heard.append)  # the same recipe continues it
    assert len(list_runs(fw.open_project(own.project).workspace)) == 1
    assert {e["fold"] for e in heard if e["event"] == "epoch"} == {1, 2}
    assert run.finished


def test_a_run_that_another_process_trains_is_refused(own):
    interrupt(own.project, own.recipe)
    run = find_run(fw.open_project(own.project).workspace, "last")
    with lock(run.lock_file, "test"), pytest.raises(LockedError, match="another facetwise process"):
        fw.fit(own.project, resume="last")
    assert fw.runs(own.project).runs[0].state == "unfinished"


def test_folds_of_another_number_than_the_recipe_says(own):
    with pytest.raises(SettingError, match=r"`folds\.plan` is 5, but folds `default` are 3"):
        fw.fit(own.project, own.recipe, settings=["folds.plan=5"])
    with pytest.raises(SettingError, match=r"a step takes 500 images .* an epoch of a fold has"):
        fw.fit(own.project, own.recipe, settings=["train.batch_size=500"])


def test_a_label_corrected_in_the_overlay_changes_training_but_not_the_scored_labels(own_finished):
    before = fw.show(own_finished.project).scorecard
    people = pl.read_csv(own_finished.contest / "train" / "train.csv", infer_schema=False).to_dicts()
    overlay = own_finished.project / "labels" / "overlay.csv"
    overlay.parent.mkdir()
    lines = [f",{p['id']},gender,{'male' if p['gender'] == 'female' else 'female'},test,me" for p in people]
    overlay.write_text("\n".join(["image,group,attribute,value,reason,author", *lines]) + "\n")
    run = fw.fit(own_finished.project, own_finished.recipe)
    assert run.id.startswith("02-")
    assert [c.support for c in fw.show(own_finished.project, "2").scorecard.classes] == [
        c.support for c in before.classes
    ]
    assert fw.show(own_finished.project, "1").scorecard == before
    without = fw.fit(own_finished.project, own_finished.recipe, settings=["labels.overlay=false"])
    assert without.oof().equals(find_run(fw.open_project(own_finished.project).workspace, "1").oof())


def test_a_run_whose_recipe_or_table_was_edited_is_refused(own_finished):
    run = find_run(fw.open_project(own_finished.project).workspace, "last")
    for path, verb in ((run.recipe_file, fw.show), (run.path / "test.parquet", fw.submit)):
        good = path.read_bytes()
        path.write_bytes(good + b"\n")
        with pytest.raises(ArtefactError, match="changed since"):
            verb(own_finished.project)
        path.write_bytes(good)
    assert fw.show(own_finished.project).scorecard is not None


def test_predictions_with_tta_are_made_only_on_the_folds_of_the_run(own_finished):
    fw.folds(own_finished.project, num_folds=3, seed=7, new=True)
    with pytest.raises(MismatchError, match="`folds` changed"):
        fw.predict(own_finished.project, tta="flip")


def test_a_run_of_another_label_space_is_refused(own_finished):
    toml = own_finished.project / "facetwise.toml"
    text = toml.read_text(encoding="utf-8")
    assert '["male", "female"]' in text
    toml.write_text(text.replace('["male", "female"]', '["female", "male"]'), encoding="utf-8")
    fw.check(own_finished.project)
    for verb in (fw.show, fw.submit):
        with pytest.raises(MismatchError, match="other attributes, classes or cuts"):
            verb(own_finished.project)
    assert "other attributes" in fw.runs(own_finished.project).runs[0].flags[0]
