"""A submission is made again to the same bytes, or it is said why not; and what it needs cannot be cleaned away."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest
from made_blend import member, write_blend
from made_records import another_run
from typer.testing import CliRunner

import facetwise as fw
from facetwise.cli.main import app
from facetwise.core.errors import ArtefactError, InputError, MismatchError
from facetwise.core.runs import RunFolder
from facetwise.core.workspace import file_hash, read_json, write_json
from facetwise.submission.folder import SubmissionFolder


def run_of(project: Path, number: int = 1) -> RunFolder:
    (found,) = project.glob(f"runs/{number:02d}-*")
    return RunFolder(found)


def submitted(project: Path, *arguments: str, **options: object) -> SubmissionFolder:
    return fw.submit(project, *arguments, yes=True, **options).folder


def test_the_same_bytes(own_finished, tmp_path):
    project, run = own_finished.project, run_of(own_finished.project)
    write_blend(project, run, decision={"kind": "x"}, shift=1)
    fw.predict(project, run.id, tta="flip")
    made = [submitted(project, run.id), submitted(project, "b1"), submitted(project, run.id, tta="flip")]
    out = tmp_path / "again.csv"
    for folder in made:
        done = fw.replay(project, folder.id, out=out)
        assert out.read_bytes() == folder.read_csv_bytes() == done.data
        assert done.csv_sha256 == hashlib.sha256(done.data).hexdigest()
        assert (done.as_kept, done.gone) == (True, ())
    assert made[0].read_csv_bytes() != made[1].read_csv_bytes()


def test_a_lost_or_changed_csv_comes_back(own_finished, tmp_path):
    project = own_finished.project
    made = submitted(project)
    before = made.read_csv_bytes()
    made.csv_file.write_bytes(before[:-2])
    assert not fw.replay(project).as_kept
    made.csv_file.unlink()
    with pytest.raises(ArtefactError, match="missing") as error:
        made.read_csv_bytes()
    assert "facetwise ledger replay 1 --out FILE" in str(error.value.hint)
    assert fw.replay(project, "1", out=tmp_path / "again.csv").data == before
    with pytest.raises(InputError, match="no such folder"):
        fw.replay(project, "1", out=tmp_path / "none" / "again.csv")


def test_images_that_cannot_be_read_are_filled_in_as_before(own_finished):
    """With records of both versions: the first did not say which class that was."""
    project = own_finished.project
    image = sorted((own_finished.contest / "eval" / "images").iterdir())[0]
    image.write_bytes(b"no image any more")
    fw.check(project, workers=1)
    fw.folds(project, num_folds=3, new=True)
    fw.fit(project, own_finished.recipe)
    made = submitted(project, fill_missing=True)
    assert made.made_from().filled.images == 1
    assert fw.replay(project).as_kept
    path = made.path / "record.json"
    record, said = read_json(path), made.made_from()
    del record["schema_version"]
    record["made_from"] = {
        "run": said.id, "run_fingerprint": said.parts[0].fingerprint, "manifest_hash": said.manifest, "tta": said.tta,
        "test_table_sha256": said.test_sha256, "models": said.parts[0].models,
        "decision": "argmax, 1 unreadable answered with the commonest class",
    }  # fmt: skip
    write_json(path, record)
    assert fw.replay(project).as_kept


def test_what_differs_is_said(own_finished):
    project, run = own_finished.project, run_of(own_finished.project)
    blend = write_blend(project, run)
    made = submitted(project, "b1")
    shutil.rmtree(blend.path)
    write_blend(project, run, decision={"kind": "multipliers"}, shift=1)  # of the same name, and something else
    with pytest.raises(MismatchError) as error:
        fw.replay(project, made.id)
    told = str(error.value)
    assert told.startswith(f"submission `{made.id}` cannot be made again")
    assert "the test predictions of blend `b01-soft-1` are others than it was made from" in told
    assert "classes were decided by {'kind': 'argmax'}, `b01-soft-1` says {'kind': 'multipliers'} now" in told
    num_images = len(made.read_csv_bytes().splitlines()) - 1
    assert f"{num_images} of {num_images} answers differ; the first is image " in told


def test_another_csv_of_the_organisers(own_finished, tmp_path):
    project, template = own_finished.project, own_finished.contest / "eval" / "info.csv"
    submitted(project)
    before = template.read_bytes()
    template.write_bytes(before.replace(b"\n", b",more\n"))
    fw.check(project, workers=1)  # the same images: the same manifest
    with pytest.raises(MismatchError, match="the organisers' csv is another than was filled in"):
        fw.replay(project, out=tmp_path / "again.csv")
    assert not (tmp_path / "again.csv").exists()
    template.write_bytes(before)
    fw.check(project, workers=1)
    assert fw.replay(project).as_kept


def test_other_data_and_lost_tables(own_finished):
    project, run = own_finished.project, run_of(own_finished.project)
    submitted(project)
    table = run.table_file("test")
    kept = table.read_bytes()
    table.unlink()
    with pytest.raises((ArtefactError, InputError), match=r"no predictions of the test side|test\.parquet: missing"):
        fw.replay(project)
    table.write_bytes(kept)
    sorted((own_finished.contest / "eval" / "images").iterdir())[0].write_bytes(b"changed")
    fw.check(project, workers=1)
    with pytest.raises(MismatchError, match="made from another manifest"):
        fw.replay(project)


def test_on_the_command_line(own_finished, tmp_path):
    at = ["--project", str(own_finished.project)]
    made = submitted(own_finished.project)
    out = tmp_path / "again.csv"
    result = CliRunner().invoke(app, [*at, "ledger", "replay", "1", "--out", str(out)], catch_exceptions=False)
    assert result.exit_code == 0
    assert f"submission {made.id}: the same bytes, sha256 {file_hash(out)}" in result.stderr
    assert result.stdout.strip() == str(out)


# ------------------------------------------------------------------------------------ what cleaning must leave


@pytest.fixture
def four(own_finished) -> Path:
    """A project with four finished runs that are alike but for their names: 01 is the best, 04 the newest."""
    (first,) = own_finished.project.glob("runs/[0-9]*")
    for number in (2, 3, 4):
        another_run(first, f"{number:02d}{first.name[2:]}")
    return own_finished.project


def test_runs_in_a_blend_that_was_submitted_stay_whole(four):
    write_blend(four, run_of(four, 1), members=[member(run_of(four, n)) for n in (2, 3)])
    made = submitted(four, "b1")
    done = fw.clean(four, keep=0, stores=True, predictions=True, yes=True)
    why = {k.what: k.why for k in done.kept}
    for number in (2, 3):
        run = run_of(four, number)
        assert not run.missing_weights()
        assert why[f"run `{run.id}`"][0] == f"submission `{made.id}` was made from it, through blend `b01-soft-1`"
    assert run_of(four, 1).missing_weights()  # no submission needs it
    assert fw.replay(four).as_kept


def test_blends_and_tables_stay_and_are_enough(four):
    """A blend that nobody submitted keeps its tables, and can be submitted when its runs lost their weights."""
    write_blend(four, run_of(four, 1), members=[member(run_of(four, n)) for n in (1, 2)])
    before = {p: file_hash(p) for p in (four / "blends").rglob("*") if p.is_file()}
    fw.clean(four, keep=0, stores=True, predictions=True, yes=True)
    assert {p: file_hash(p) for p in (four / "blends").rglob("*") if p.is_file()} == before
    made = submitted(four, "b1")
    assert made.made_from().parts[0].models == run_of(four, 1).weights_hashes()
    assert set(fw.replay(four).gone) == {f"weights of run `{run_of(four, n).id}`" for n in (1, 2)}


def test_predictions_with_test_time_augmentation_stay(four):
    run = run_of(four, 2)
    fw.predict(four, run.id, tta="flip")
    fw.predict(four, run.id, images=four.parent / "contest" / "eval")
    submitted(four, run.id, tta="flip")
    done = fw.clean(four, keep=0, predictions=True, yes=True)
    assert any("predictions `images-" in f.what for f in done.freed)
    assert [p.name for p in (run.path / "predictions").iterdir()] == ["tta-flip"]
    assert fw.replay(four).as_kept
