"""Runs that were interrupted, changed data, and what is refused because of it."""

from pathlib import Path

import polars as pl
import pytest

import facetwise as fw
from facetwise.core.errors import ArtefactError, InputError, LockedError, MismatchError, SettingError
from facetwise.core.runs import find_run, list_runs
from facetwise.core.workspace import lock
from facetwise.model.tensors import load_tensors, save_tensors
from facetwise.recipe import load_recipe

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
    head, first, *rest = table.read_text(encoding="utf-8").splitlines()
    person, gender, race, age, path = first.split(",")
    other = "female" if gender == "male" else "male"
    table.write_text("\n".join([head, ",".join([person, other, race, age, path]), *rest]) + "\n", encoding="utf-8")
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
    overlay.write_text("\n".join(["image,group,attribute,value,reason,author", *lines]) + "\n", encoding="utf-8")
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


def test_folds_of_unequal_epochs_cannot_choose_each_others_best(own):
    fw.folds(own.project, num_folds=5, name="five")  # of 36 people: one fold has more than the others
    five = ["folds.plan=5", "folds.name=five"]
    steps = steps_of(own, [*five, "train.batch_size=7"])
    assert len(set(steps)) > 1
    settings = [*five, "train.batch_size=7", "train.select=best", f"train.length={max(steps)}st"]
    with pytest.raises(SettingError, match=r"compares folds after equal epochs, but `train\.length` of \d+st"):
        fw.fit(own.project, own.recipe, settings=settings)
    assert not list((own.project / "runs").glob("[0-9]*"))


def steps_of(own, settings: list[str]) -> list[int]:
    """Steps an epoch of each fold."""
    from facetwise.core.project import Project
    from facetwise.train.fold.loop import steps_per_epoch
    from facetwise.train.planning.plan import make_plan

    recipe = load_recipe(own.recipe, settings)
    plan = make_plan(Project.open(own.project), recipe)
    return [steps_per_epoch(recipe, plan.task(fold).pool) for fold in plan.fold_numbers]


def test_predicting_asks_for_nothing_that_only_training_needs(own):
    """First weights may be gone: what a finished run predicts with is its own."""
    first = fw.fit(own.project, own.recipe, settings=["folds.plan=none"])
    elsewhere = own.base / "first.safetensors"
    tensors, metadata = load_tensors(first.weights_file(0))
    save_tensors(tensors, elsewhere, {**metadata, "people": "[]"})
    run = fw.fit(own.project, own.recipe, settings=[f'model.weights="{elsewhere}"'])
    elsewhere.unlink()
    folder = fw.predict(own.project, run.id, tta="flip")
    assert (folder / "oof.parquet").is_file()
    with pytest.raises(InputError, match=r"is not a \.safetensors file"):
        fw.fit(own.project, own.recipe, settings=[f'model.weights="{elsewhere}"', "train.seed=1"])


def test_the_same_recipe_twice_is_one_run(own):
    from facetwise.core.project import Project
    from facetwise.train import crossval

    recipe = load_recipe(own.recipe, ["train.length=1ep", "folds.plan=holdout"])
    runs = crossval.fit_all(Project.open(own.project), [recipe, recipe])
    assert runs[0] == runs[1]
    assert runs[0].finished


def test_settings_from_python_are_a_list_or_one(own):
    assert load_recipe(own.recipe, "train.seed=5").train.seed == 5
    with pytest.raises(SettingError, match="`3` is not a setting"):
        load_recipe(own.recipe, [3])
