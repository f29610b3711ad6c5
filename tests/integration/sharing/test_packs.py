"""Packs: the same run gives the same bytes, what was packed comes out again, and nothing else gets in."""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import stat
import struct
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_packs import edited, rezip, unzip, with_hashes

import facetwise as fw
from facetwise.core.errors import (
    ArtefactError,
    FacetwiseError,
    InputError,
    LeakError,
    LockedError,
    MismatchError,
)
from facetwise.core.files.outside_tables import check_decodes
from facetwise.core.files.tensorfile import check_tensor_file
from facetwise.core.people import PEOPLE_KEY, people_text, person_hash
from facetwise.core.project import Project
from facetwise.core.runs import RunFolder, find_run, list_runs
from facetwise.core.workspace import content_hash, lock
from facetwise.data.manifest import load_manifest
from facetwise.predictors.sources import read_source
from facetwise.screens.text.runs.run import run_text, runs_text
from facetwise.sharing.read import MAX_FILES, open_pack
from facetwise.sharing.record import event_lines, shorten
from facetwise.upkeep.doctor_project import checks


@pytest.fixture(scope="module")
def pack(finished, tmp_path_factory) -> Path:
    """The whole run of the finished project."""
    path = tmp_path_factory.mktemp("packs") / "run.pack"
    fw.export_run(finished.project, out=path)
    return path


@pytest.fixture(scope="module")
def tables(finished, tmp_path_factory) -> Path:
    """The same without weights."""
    path = tmp_path_factory.mktemp("packs") / "tables.pack"
    fw.export_run(finished.project, out=path, tables_only=True)
    return path


@pytest.fixture
def mate(own) -> Path:
    """A teammate's project: the same dataset and folds, no runs."""
    return own.project


@pytest.fixture(scope="module")
def reader(ready_to_fit, tmp_path_factory) -> Path:
    """A teammate's project that nothing gets into."""
    return ready_to_fit.copy(tmp_path_factory.mktemp("reader") / "base").project


def files_of(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file() and p.name != ".lock"}


def refused(project: Path, file: Path, kind: type[FacetwiseError] = InputError) -> str:
    """What is said of a pack that is not taken; nothing is left of it."""
    with pytest.raises(kind) as error:
        fw.import_run(project, file)
    runs = project / "runs"
    assert not runs.is_dir() or {p.name for p in runs.iterdir()} <= {".lock"}
    return str(error.value)


# --------------------------------------------------------------------------------------------------------- exporting


def test_the_same_run_gives_the_same_bytes(finished, pack, tmp_path):
    made = fw.export_run(finished.project, "1", out=tmp_path / "again.pack")
    assert (tmp_path / "again.pack").read_bytes() == pack.read_bytes()
    assert made.num_bytes == pack.stat().st_size
    moved = finished.copy(tmp_path / "elsewhere")
    for path in moved.project.rglob("*"):
        os.utime(path, (1, 1))
    fw.export_run(moved.project, out=tmp_path / "moved.pack")
    assert (tmp_path / "moved.pack").read_bytes() == pack.read_bytes()


def test_it_is_a_plain_zip_of_what_the_run_has(finished, pack, tables):
    (run,) = list_runs(Project.open(finished.project).workspace)
    files = unzip(pack)
    weights = {f"fold-{k}/model.safetensors" for k in range(3)}
    small = {"pack.json", "recipe.toml", "run.json", "events.jsonl", "oof.parquet", "test.parquet"}
    assert (set(files), next(iter(files))) == (small | weights, "pack.json")
    assert set(unzip(tables)) == small
    for name in set(files) - {"pack.json", "run.json", "events.jsonl"}:
        assert files[name] == (run.path / name).read_bytes()
    assert json.loads(files["run.json"]) == run.record().as_dict()
    assert [json.loads(line) for line in files["events.jsonl"].splitlines()] == run.events()


def test_nothing_of_the_machine_or_its_user_is_in_it(finished, pack):
    text = b"\n".join(unzip(pack).values())
    for word in (
        str(finished.base),
        str(Path.home()),
        f"{Path.home()}/",
        str(finished.base.parent),
    ):
        assert word.encode() not in text


def test_paths_that_lead_out_are_cut(own_finished, tmp_path, reader):
    (run,) = list_runs(Project.open(own_finished.project).workspace)
    record = run.record().as_dict()
    for recipe in (record["recipe"], record["fingerprint_fields"]["recipe"]):
        recipe["model"]["weights"] = "/secret/fold-{fold}.safetensors"
    record["fingerprint"] = content_hash(record["fingerprint_fields"])
    run.record_file.write_text(json.dumps(record), encoding="utf-8")
    text = run.recipe_file.read_text(encoding="utf-8").replace(
        'weights = "none"', f'weights = "{record["recipe"]["model"]["weights"]}"'
    )
    run.recipe_file.write_text(text, encoding="utf-8")
    mark = json.loads((run.path / "DONE.json").read_text(encoding="utf-8"))
    mark["made_from"].update(run.hashes())
    (run.path / "DONE.json").write_text(json.dumps(mark), encoding="utf-8")
    made = fw.export_run(own_finished.project, out=tmp_path / "p.pack")
    assert made.shortened == ("model.weights",)
    assert b"secret" not in (tmp_path / "p.pack").read_bytes()
    with open_pack(tmp_path / "p.pack") as opened:
        assert opened.pack.shortened == ["model.weights"]
    bad = edited(tmp_path / "p.pack", tmp_path / "q.pack", {"recipe.toml": run.recipe_file.read_bytes()})
    assert "paths that are absolute" in refused(reader, bad)


@pytest.mark.parametrize("path", ["/a/b", "../b", "a/../../b", "~/b", "C:\\x\\b", "\\\\host\\b", "..\\b"])
def test_what_leads_out(path):
    short, keys = shorten({"model": {"weights": path, "dropout": 0.1}})
    assert (short["model"], keys) == ({"weights": "b", "dropout": 0.1}, ["model.weights"])
    assert shorten({"model": {"weights": "runs/1/fold-{fold}/w.safetensors"}})[1] == []


def test_a_pack_goes_into_a_pipe_and_to_where_a_link_leads(finished, tmp_path):
    plain = fw.export_run(finished.project, out=tmp_path / "a.pack", tables_only=True)
    (tmp_path / "link").symlink_to(tmp_path / "b.pack")
    linked = fw.export_run(finished.project, out=tmp_path / "link", tables_only=True)
    assert (tmp_path / "b.pack").read_bytes() == plain.path.read_bytes()
    os.mkfifo(pipe := tmp_path / "pipe")
    with ThreadPoolExecutor(1) as reader:
        read = reader.submit(pipe.read_bytes)
        piped = fw.export_run(finished.project, out=pipe, tables_only=True)
        assert read.result() == plain.path.read_bytes()
    assert pipe.is_fifo()
    assert (piped.num_bytes, piped.sha256) == (linked.num_bytes, linked.sha256) == (plain.num_bytes, plain.sha256)


def test_what_cannot_be_exported(own_finished, tmp_path):
    project = own_finished.project
    (run,) = list_runs(Project.open(project).workspace)
    (tmp_path / "there").touch()
    with pytest.raises(InputError, match="is there already"):
        fw.export_run(project, out=tmp_path / "there")
    with pytest.raises(InputError, match="no such folder"):
        fw.export_run(project, out=tmp_path / "no" / "x.pack")
    run.weights_file(1).write_bytes(run.weights_file(1).read_bytes()[:-1] + b"x")
    with pytest.raises(ArtefactError, match="changed since it was made"):
        fw.export_run(project, out=tmp_path / "x.pack")
    run.weights_file(1).unlink()
    with pytest.raises(ArtefactError, match="no weights to pack") as error:
        fw.export_run(project, out=tmp_path / "x.pack")
    assert "--tables-only" in str(error.value.hint)
    fw.export_run(project, out=tmp_path / "t.pack", tables_only=True)
    (run.path / "test.parquet").unlink()
    with pytest.raises(ArtefactError, match="missing"):
        fw.export_run(project, out=tmp_path / "x.pack", tables_only=True)
    (run.path / "DONE.json").unlink()
    with pytest.raises(ArtefactError, match="is not finished"):
        fw.export_run(project, out=tmp_path / "x.pack")
    assert {p.name for p in tmp_path.glob("*.pack")} == {"t.pack"}


def test_a_full_disk_leaves_no_pack(finished, tmp_path, monkeypatch):
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FacetwiseError, match="the disk is full"):
        fw.export_run(finished.project, out=tmp_path / "x.pack")
    assert list(tmp_path.iterdir()) == []


def test_events_that_are_not_known_stay():
    known = {"event": "done", "run": "01-a", "time": "2026-01-01"}
    told = [known, {"event": "secret", "path": "/secret"}, {**known, "path": "/secret"}, {"event": "epoch"}, {}]
    assert [json.loads(line) for line in event_lines(told).splitlines()] == [known, known]


# --------------------------------------------------------------------------------------------------------- importing


def test_a_whole_run_becomes_a_full_member(finished, pack, mate):
    shutil.copytree(mate / "folds" / "default", mate / "folds" / "ours")
    taken = fw.import_run(mate, pack)
    (theirs,) = list_runs(Project.open(finished.project).workspace)
    run = taken.run
    assert run.id == theirs.id
    came = run.imported()
    assert (came.original, came.content, came.folds) == (theirs.id, "whole", "same")
    for name in ("oof.parquet", "test.parquet", "recipe.toml", *(f"fold-{k}/model.safetensors" for k in range(3))):
        assert (run.path / name).read_bytes() == (theirs.path / name).read_bytes()
    assert run.record() == theirs.record()
    assert run.weights_hashes() == theirs.weights_hashes()
    assert fw.show(mate, "1").scorecard == fw.show(finished.project, "1").scorecard
    view = fw.runs(mate)
    assert view.runs[0].flags == ("imported",)
    assert view.runs[0].score == fw.show(finished.project, "1").scorecard.macro_f1
    project, manifest = Project.open(mate), load_manifest(Project.open(mate))
    source = read_source(project, manifest, "1")
    assert (len(source.oof), source.no_oof) == (manifest.train.height, None)
    (line,) = checks(project)["runs"]()
    assert (line.level, line.message.endswith("finished, imported")) == ("ok", True)
    run_text(fw.show(mate, "1"))


def test_it_comes_under_the_next_number_and_keeps_its_name(own_finished, tmp_path, pack):
    project = own_finished.project
    (run,) = list_runs(Project.open(project).workspace)
    run.path.rename(run.path.with_name("07-mine"))
    other = edited(pack, tmp_path / "o.pack", {"test.parquet": rounded(unzip(pack)["test.parquet"])})
    taken = fw.import_run(project, other)
    assert taken.run.id == "08-" + run.id.split("-", 1)[1]
    assert taken.run.record().id == taken.run.id
    third = edited(pack, tmp_path / "t.pack", {"oof.parquet": rounded(unzip(pack)["oof.parquet"])})
    assert fw.import_run(project, third, name="alice.best").run.id == "09-alice.best"
    with pytest.raises(InputError, match="cannot name a run"):
        fw.import_run(project, third, name="../x")


def rounded(data: bytes) -> bytes:
    """A table with the same numbers in other bytes."""
    buffer = io.BytesIO()
    pl.read_parquet(data).write_parquet(buffer, compression="uncompressed")
    return buffer.getvalue()


def test_the_same_run_twice_is_refused_however_it_comes(mate, finished, pack, tables, tmp_path):
    first = fw.import_run(mate, pack).run
    for file in (pack, tables):
        with pytest.raises(InputError, match=f"was already imported: run `{first.id}`"):
            fw.import_run(mate, file)
    with pytest.raises(InputError, match="was already imported"):
        fw.import_run(finished.copy(tmp_path / "theirs").project, pack)
    assert len(list_runs(Project.open(mate).workspace)) == 1


def test_an_imported_run_travels_on(mate, finished, pack, tmp_path):
    fw.import_run(mate, pack)
    fw.export_run(mate, out=tmp_path / "on.pack")
    assert (tmp_path / "on.pack").read_bytes() == pack.read_bytes()
    assert finished.project.is_dir()


def test_tables_only_say_what_to_do_when_weights_are_needed(mate, tables):
    run = fw.import_run(mate, tables).run
    with pytest.raises(ArtefactError, match="imported with its tables only") as error:
        fw.predict(mate, "1", tta="flip")
    assert "--again" in str(error.value.hint)
    with pytest.raises(ArtefactError, match="no weights to pack"):
        fw.export_run(mate, out=mate / "x.pack")
    assert set(run.weights_hashes()) == {"0", "1", "2"}
    assert fw.runs(mate).runs[0].flags == ("imported, tables only",)
    (line,) = checks(Project.open(mate))["runs"]()
    assert line.message.endswith("finished, imported with its tables only")
    assert fw.submit(mate, "1", yes=True).folder.csv_file.is_file()
    plan = fw.clean(mate, keep=0, yes=True)
    assert [item for item in plan.freed if item.run] == []
    assert run.oof() is not None


def test_other_folds_are_for_the_test_side_only_and_it_says_so(mate, pack):
    fw.folds(mate, num_folds=3, seed=99, new=True)
    taken = fw.import_run(mate, pack)
    assert taken.origin.other_folds
    assert taken.run.table_file("oof").is_file()
    assert taken.run.oof() is None
    project, manifest = Project.open(mate), load_manifest(Project.open(mate))
    source = read_source(project, manifest, "1")
    assert (source.oof, len(source.test)) == (None, manifest.test.height)
    assert "on other folds than this project has" in source.no_oof
    (row,) = fw.runs(mate).runs
    assert (row.score, row.flags) == (None, ("imported, other folds: for the test side only",))
    view = fw.show(mate, "1")
    assert view.scorecard is None
    assert "no score here" in view.warnings[0].text
    assert "another project" in view.method[0]
    run_text(view)
    runs_text(fw.runs(mate))
    shutil.copytree(taken.run.path, taken.run.path.with_name("02-b"))
    with pytest.raises(InputError, match="was imported and validated on other folds"):
        fw.compare(mate, "1", "2")
    (line, *_) = checks(project)["runs"]()
    assert line.level == "ok"


def test_the_command_that_is_told_makes_a_full_member_of_it(mate, pack):
    fw.folds(mate, num_folds=3, seed=99, new=True)
    taken = fw.import_run(mate, pack)
    assert taken.same_folds == "facetwise folds --name theirs --folds 3 --seed 0"
    fw.folds(mate, name="theirs", num_folds=3, seed=0)
    shutil.rmtree(taken.run.path)
    again = fw.import_run(mate, pack)
    assert (again.origin.folds, again.origin.folds_name, again.same_folds) == ("same", "theirs", None)
    assert fw.runs(mate).runs[0].score is not None


def test_the_note_of_other_folds_cannot_be_taken_away(mate, pack):
    fw.folds(mate, num_folds=3, seed=99, new=True)
    run = fw.import_run(mate, pack).run
    run.imported_file.unlink()
    with pytest.raises(ArtefactError, match="missing"):
        run.oof()
    run.imported_file.write_text("{}", encoding="utf-8")
    with pytest.raises(ArtefactError, match="damaged"):
        run.oof()
    assert fw.runs(mate).runs[0].flags[0].startswith("damaged")


def test_its_first_weights_are_not_taken_for_ours(own_finished, pack, tmp_path):
    """A path in an imported recipe leads into the project where it was trained."""
    from facetwise.upkeep.keep import weights_of

    (run,) = list_runs(Project.open(own_finished.project).workspace)
    assert weights_of(run) == "none"
    other = edited(pack, tmp_path / "o.pack", {"test.parquet": rounded(unzip(pack)["test.parquet"])})
    assert weights_of(fw.import_run(own_finished.project, other).run) is None


def test_nothing_is_left_of_an_import_that_was_stopped(mate, pack, monkeypatch):
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("facetwise.sharing.import_run.mark_done", stopped)
    with pytest.raises(KeyboardInterrupt):
        fw.import_run(mate, pack)
    assert {p.name for p in (mate / "runs").iterdir()} == {".lock"}


def test_a_full_disk_is_told_and_leaves_nothing(mate, pack, monkeypatch):
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert "the disk is full" in refused(mate, pack, FacetwiseError)


def test_a_disk_that_is_too_small_is_told_before(mate, pack, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(9, 9, 5))
    assert "5 are free" in refused(mate, pack, FacetwiseError)


def test_a_list_of_runs_that_is_locked(mate, pack):
    with lock(mate / "runs" / ".lock", "x"), pytest.raises(LockedError):
        fw.import_run(mate, pack)
    assert {p.name for p in (mate / "runs").iterdir()} == {".lock"}


# ------------------------------------------------------------------------------------------------------ of other data


def test_another_label_space_is_named(own, pack):
    file = own.project / "facetwise.toml"
    file.write_text(
        file.read_text(encoding="utf-8").replace("[30, 60]", "[30, 58]").replace("[30.0, 60.0]", "[30.0, 58.0]"),
        encoding="utf-8",
    )
    assert not fw.check(own.project, workers=1).has_errors
    text = refused(own.project, pack, MismatchError)
    assert "another label space: cuts of `age` are [30.0, 58.0] here, [30.0, 60.0] there" in text


def test_another_manifest_is_named_by_what_differs(own, pack):
    photo = next((own.contest / "eval" / "images").iterdir())
    photo.write_bytes(next((own.contest / "train" / "images").glob("*/*")).read_bytes())
    assert not fw.check(own.project, workers=1).has_errors
    text = refused(own.project, pack, MismatchError)
    assert (
        "another manifest: test image contents differ (here 252 training and 56 test images, there 252 and 56)" in text
    )


# --------------------------------------------------------------------------------------------------------- hostile zips


Change = Callable[[dict[str, bytes]], dict[str, bytes]]


def without(*names: str) -> Change:
    return lambda files: {n: d for n, d in files.items() if n not in names}


def also(name: str, data: bytes = b"x") -> Change:
    return lambda files: {**files, name: data}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (also("../evil"), "holds '../evil', which is no file of a run"),
        (also("/etc/evil"), "holds '/etc/evil'"),
        (also("fold-0/../../evil"), "no file of a run"),
        (also("fold-0\\evil"), "no file of a run"),
        (also("fold-0/"), "no file of a run"),
        (also("DONE.json"), "no file of a run"),
        (also("imported.json"), "no file of a run"),
        (also("fold-20/model.safetensors"), "no file of a run"),
        (also("predictions/tta-none/oof.parquet"), "no file of a run"),
        (also("cleaned.json"), "no file of a run"),
        (without("pack.json"), "has no `pack.json`"),
        (without("oof.parquet"), "`oof.parquet` is not as `pack.json` says"),
        (also("predictions/tta-flip/oof.parquet"), "is not as `pack.json` says"),
        (lambda files: {**files, "oof.parquet": files["oof.parquet"][:-1]}, "`oof.parquet` is not as"),
        (lambda files: {**files, "oof.parquet": files["oof.parquet"][:-1] + b"x"}, "has changed since it was packed"),
        (lambda files: {**files, "recipe.toml": b" " * (2**20 + 1)}, "at most 1,048,576 are read"),
        (lambda files: {**files, "pack.json": b"[" * 100_000}, "not readable as JSON"),
        (lambda files: {**files, "pack.json": b"{}"}, "schema version None of a pack"),
        (lambda files: {**files, "pack.json": b'{"schema_version": 2, "facetwise": "9.9"}'}, "packed by facetwise 9.9"),
        (lambda files: {**files, "pack.json": b'{"schema_version": 1}'}, "`run`: missing"),
        (lambda files: {**files, "pack.json": b'{"a": 1, "a": 2}'}, "`a` stands there twice"),
    ],
)  # fmt: skip
def test_what_no_pack_holds(pack, reader, tmp_path, change, message):
    assert message in refused(reader, rezip(tmp_path / "bad.pack", change(unzip(pack))))
    assert not list(tmp_path.glob("**/evil"))


def test_links_compressed_and_repeated_files(pack, reader, tmp_path):
    files = unzip(pack)
    link = rezip(tmp_path / "link.pack", files, mode=stat.S_IFLNK | 0o777)
    assert "is no regular file" in refused(reader, link)
    pipe = rezip(tmp_path / "pipe.pack", files, mode=stat.S_IFIFO | 0o644)
    assert "is no regular file" in refused(reader, pipe)
    bomb = rezip(tmp_path / "bomb.pack", {**files, "events.jsonl": b"\0" * 10**7}, compress=zipfile.ZIP_DEFLATED)
    assert "is compressed or encrypted" in refused(reader, bomb)
    twice = rezip(tmp_path / "twice.pack", files)
    with zipfile.ZipFile(twice, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("run.json", b"{}")
    assert "holds 'run.json' twice" in refused(reader, twice)


def test_sizes_that_are_declared_and_not_there(pack, reader, tmp_path):
    data = bytearray(pack.read_bytes())
    place = data.rindex(b"PK\x01\x02")
    for offset in (20, 24):  # compressed and uncompressed size of the last file in the list
        struct.pack_into("<L", data, place + offset, 2**31)
    (tmp_path / "huge.pack").write_bytes(data)
    assert "its files have 2,14" in refused(reader, tmp_path / "huge.pack")


def test_an_endless_list_of_files(reader, tmp_path):
    rezip(tmp_path / "many.pack", {f"f{i}": b"" for i in range(MAX_FILES + 1)})
    assert "lists 129 files" in refused(reader, tmp_path / "many.pack")
    data = bytearray(pack_end(count=3, length=2**31))
    (tmp_path / "long.pack").write_bytes(b"PK" + data)
    assert "2,147,483,648 bytes" in refused(reader, tmp_path / "long.pack")
    end64 = b"PK\x06\x06" + struct.pack("<QHHLLQQQQ", 44, 45, 45, 0, 0, 10**9, 10**9, 10**12, 0)
    locator = b"PK\x06\x07" + struct.pack("<LQL", 0, 2, 1)
    (tmp_path / "zip64.pack").write_bytes(b"PK" + end64 + locator + pack_end(count=3, length=99))
    assert "lists 1,000,000,000 files" in refused(reader, tmp_path / "zip64.pack")


def pack_end(count: int, length: int) -> bytes:
    return b"PK\x05\x06" + struct.pack("<HHHHLLH", 0, 0, count, count, length, 0, 0)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.9, 0.999])
def test_packs_that_were_cut_off(pack, reader, tmp_path, share):
    data = pack.read_bytes()
    (tmp_path / "cut.pack").write_bytes(data[: int(len(data) * share)])
    assert "cut off" in refused(reader, tmp_path / "cut.pack")


@given(st.integers(0, 10**9), st.integers(0, 255))
@settings(max_examples=25)
def test_any_changed_byte_is_noticed_or_means_nothing(pack, tmp_path_factory, place, value):
    data = bytearray(pack.read_bytes())
    data[place % len(data)] = value
    path = tmp_path_factory.mktemp("bytes") / "x.pack"
    path.write_bytes(data)
    try:
        with open_pack(path) as opened:
            opened.unpack(tmp := tmp_path_factory.mktemp("out"))
        assert files_of(tmp) == set(unzip(pack)) - {"pack.json"}
    except InputError:
        pass


def test_what_is_no_file(reader, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "none"):
        refused(reader, path)


# ----------------------------------------------------------------------------------- packs whose hashes were made right


def set_key(*path: Any, to: Any) -> Callable[[Any], None]:
    def change(value: Any) -> None:
        for part in path[:-1]:
            value = value[part]
        value[path[-1]] = to

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (set_key("attributes", to=["mask", "gender", "size"]), "attributes that are not of the label"),
        (set_key("attributes", to=["mask", "gender"]), "does not predict the attributes"),
        (set_key("split", to="image"), "not those that the pack tells of"),
        (set_key("split", to="none"), "not those that the pack tells of"),
        (set_key("folds", to=[0, 1]), "recipe.toml plans folds `3`, run.json has 2"),
        (set_key("folds", to=[2, 1, 0]), "its folds are not 0, 1, ..."),
        (set_key("num_folds", to=7), "number of folds"),
        (set_key("fingerprint", to="0" * 64), "its fingerprint is not that of its fields"),
        (set_key("fingerprint_fields", "store", to="x"), "its fingerprint is not that of its fields"),
        (set_key("recipe", "train", "batch_size", to=31), "its recipe is not that of its fingerprint"),
        (set_key("id", to="../../evil"), "`id`"),
        (set_key("id", to="02-other"), "of another run"),
        (set_key("choices", to=[1, 2]), "`choices`"),
        (set_key("choices", "device", to={"value": {"a": 1}, "reason": "x"}), "`choices"),
        (set_key("provenance", "made", to=12), "`provenance.made`"),
        (set_key("provenance", "machine", to={"user": "\x1b[31m"}), "`provenance.machine"),
        (set_key("grids", to={"age": [float("1e300")]}), "`grids"),
        (set_key("more", to=1), "`more`: unknown key"),
        (set_key("schema_version", to=2), "`schema_version`"),
        (set_key("recipe", to=None), "`recipe`"),
    ],
)  # fmt: skip
def test_strange_records(pack, reader, tmp_path, change, message):
    assert message in refused(reader, edited(pack, tmp_path / "bad.pack", {"run.json": change}))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"event": "epoch", "fold": 0}\n', "not an event"),
        (b'{"event": "epoch", "fold": "a", "epoch": 1}\n', "not an event"),
        (b'{"event": "surprise"}\n', "not an event"),
        (b"[]\n", "not an event"),
        (b"[" * 50_000 + b"\n", "not an event"),
        (b'{"event": "done", "run": "01-a", "more": 1}\n', "not an event"),
        (b'{"event": "done", "run": "01-a"}', "without an end"),
        (b" " * (2**20 + 2), "longer than"),
        (b"\xff\n", "not an event"),
    ],
)
def test_strange_events(pack, reader, tmp_path, line, message):
    assert message in refused(reader, edited(pack, tmp_path / "bad.pack", {"events.jsonl": line}))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"x = [[[", "not a recipe"),
        (b"x = " + b"[" * 5000, "not a recipe"),
        (b"\xff", "not a recipe"),
        (b"[train]\nlength = '1ep'\n", "`input`: missing"),
    ],
)
def test_strange_recipes(pack, reader, tmp_path, text, message):
    assert message in refused(reader, edited(pack, tmp_path / "bad.pack", {"recipe.toml": text}))


def table(pack: Path, change: Callable[[pl.DataFrame], pl.DataFrame], name: str = "oof.parquet") -> dict[str, bytes]:
    buffer = io.BytesIO()
    change(pl.read_parquet(unzip(pack)[name])).write_parquet(buffer)
    return {name: buffer.getvalue()}


def first(column: str, value: Any) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """Another value in the first row."""

    def change(t: pl.DataFrame) -> pl.DataFrame:
        series = t[column].to_list()
        return t.with_columns(pl.Series(column, [value, *series[1:]], dtype=t.schema[column]))

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.reverse(), "not the training images of this project, in their order"),
        (lambda t: t.head(10), "10 rows, the images of this project make 252"),
        (first("group", "nobody"), "not the training images"),
        (lambda t: t.with_columns((pl.col("fold") + 1) % 3), "held out by other folds than its record says"),
        (lambda t: t.with_columns(fold=pl.lit(None, pl.Int32)), "its folds are not 0 to 2"),
        (lambda t: t.with_columns(repeat=pl.lit(1, pl.Int32)), "its folds are not"),
        (lambda t: t.drop("age=<30"), "`age=<30` is missing"),
        (lambda t: t.with_columns(pl.lit("x").alias("label:age")), "is none of a table of predictions"),
        (lambda t: t.with_columns(pl.col("age=<30").cast(pl.Float64)), "expected Float32"),
        (lambda t: t.with_columns(pl.lit(0.5, pl.Float32).alias("size=big")), "`size=big` is not of this label space"),
        (first("age=<30", 3.0), "`age` is no distribution"),
        (first("age=<30", float("nan")), "`age` is not a number (1 such row)"),
        (first("age=<30", float("inf")), "its probabilities sum to inf (1 such row)"),
        (first("age=<30", None), "`age` is not a number (1 such row)"),
        (lambda t: t.with_columns(pl.lit(float("inf"), pl.Float32).alias("age:score")), "`age:score` is inf"),
        (lambda t: t.with_columns(pl.col("image").cast(pl.Binary)), "`image` is Binary"),
    ],
)  # fmt: skip
def test_strange_tables(pack, reader, tmp_path, change, message):
    assert message in refused(reader, edited(pack, tmp_path / "bad.pack", table(pack, change)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.reverse(), "not the test images of this project in order"),
        (lambda t: t.with_columns(fold=pl.lit(0, pl.Int32)), "its models are not those of the run's folds"),
        (first("group", "x"), "not the test images"),
        (first("mask=wear", 5.0), "`mask` is no distribution"),
    ],
)
def test_strange_test_tables(pack, reader, tmp_path, change, message):
    assert message in refused(reader, edited(pack, tmp_path / "bad.pack", table(pack, change, "test.parquet")))


def test_what_is_not_parquet_or_more_than_the_memory_holds(pack, reader, tmp_path):
    assert "are damaged" in refused(reader, edited(pack, tmp_path / "bad.pack", {"oof.parquet": b"PAR1" * 9}))
    part, whole = tmp_path / "part.parquet", tmp_path / "whole.parquet"
    pl.DataFrame({"image": pl.zeros(10**7, dtype=pl.Int64, eager=True)}).write_parquet(part)
    pl.scan_parquet([part] * 10).sink_parquet(whole)  # 800 MB of zeros
    assert whole.stat().st_size < 10**6
    bomb = {"oof.parquet": whole.read_bytes()}
    assert "are damaged, or need more than" in refused(reader, edited(pack, tmp_path / "bomb.pack", bomb))


def test_tables_that_are_there_and_should_not_be_or_the_other_way(pack, reader, tmp_path):
    assert "has no `test.parquet`" in refused(reader, edited(pack, tmp_path / "a.pack", {"test.parquet": None}))
    half = {"predictions/tta-flip/oof.parquet": unzip(pack)["oof.parquet"]}
    text = refused(reader, edited(pack, tmp_path / "b.pack", half))
    assert "has no `predictions/tta-flip/test.parquet`" in text


def test_a_score_claimed_on_folds_by_image(finished, pack, reader, tmp_path):
    """Who calls folds by image folds by person is found out by people that stand in several of them."""
    scattered = table(pack, lambda t: t.with_columns(fold=(pl.int_range(pl.len()) % 3).cast(pl.Int32)))
    fields = json.loads(unzip(pack)["run.json"])["fingerprint_fields"] | {"folds": "1" * 64}

    def other(record: Any) -> None:
        record |= {"fingerprint_fields": fields, "fingerprint": content_hash(fields)}

    changes = {**scattered, "run.json": other, "pack.json": set_key("folds", "hash", to="1" * 64)}
    assert "people are in several folds" in refused(reader, edited(pack, tmp_path / "bad.pack", changes))
    assert finished.project.is_dir()


# --------------------------------------------------------------------------------------------------------- the weights


def tensors(metadata: dict[str, str], *, header: dict[str, Any] | None = None, data: bytes = b"\0" * 4) -> bytes:
    told = header or {"x": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}
    text = json.dumps({"__metadata__": metadata, **told}).encode()
    return struct.pack("<Q", len(text)) + text + data


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (pickle.dumps({"x": 1}), "a pickle under another name?"),
        (b"", "not a safetensors file"),
        (struct.pack("<Q", 2**40) + b"{}", "not a safetensors file"),
        (struct.pack("<Q", 4) + b"[1]]", "its header is no JSON object"),
        (struct.pack("<Q", 2) + b"{}", "0 bytes of tensors"),
        (tensors({}, header={"x": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}), "do not fit together"),
        (tensors({}, header={"x": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}), "do not fit together"),
        (tensors({}, header={"x": {"dtype": "OBJ", "shape": [1], "data_offsets": [0, 4]}}), "do not fit together"),
        (tensors({}, header={"x": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}}), "leave a gap"),
        (tensors({}, data=b"\0" * 8), "8 bytes of tensors, its header tells of 4"),
        (tensors({"a": 1}), "not texts"),  # type: ignore[dict-item]
    ],
)
def test_what_is_no_safetensors_file(tmp_path, data, message):
    (tmp_path / "w.safetensors").write_bytes(data)
    with pytest.raises(InputError) as error:
        check_tensor_file(tmp_path / "w.safetensors")
    assert message in str(error.value)


@pytest.mark.parametrize("kind", ["float16", "float32", "float64", "bfloat16"])
@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_weights_that_are_no_numbers_are_named(tmp_path, kind, value):
    import torch
    from safetensors.torch import save_file

    largest = torch.finfo(getattr(torch, kind)).max
    good = torch.tensor([0.0, -largest, largest], dtype=getattr(torch, kind))
    save_file({"a": good, "count": torch.tensor([-1])}, tmp_path / "w.safetensors")
    assert check_tensor_file(tmp_path / "w.safetensors") == {}
    save_file({"a": good, "b": good + float(value)}, tmp_path / "w.safetensors")
    with pytest.raises(InputError, match=r"w\.safetensors: tensor `b` holds numbers that are NaN or infinite"):
        check_tensor_file(tmp_path / "w.safetensors")


def test_what_torch_writes_is_one(finished):
    (run,) = list_runs(Project.open(finished.project).workspace)
    assert set(check_tensor_file(run.weights_file(0))) == {"fold", "epoch", PEOPLE_KEY}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (pickle.dumps({"x": 1}), "a pickle under another name?"),
        (tensors({}), "do not record which people"),
        (tensors({PEOPLE_KEY: "[]"}), "do not record which people"),
        (tensors({PEOPLE_KEY: "[" * 9000}), "do not record which people"),
        (tensors({PEOPLE_KEY: '["../x"]'}), "do not record which people"),
    ],
)
def test_weights_that_are_none(pack, reader, tmp_path, data, message):
    assert message in refused(reader, edited(pack, tmp_path / "bad.pack", {"fold-1/model.safetensors": data}))


def test_weights_that_have_seen_whom_they_validate(pack, reader, tmp_path):
    oof = pl.read_parquet(unzip(pack)["oof.parquet"]).filter(pl.col("fold") == 1)
    leaked = tensors({PEOPLE_KEY: people_text({person_hash(oof["group"][0])})})
    text = refused(reader, edited(pack, tmp_path / "bad.pack", {"fold-1/model.safetensors": leaked}), LeakError)
    assert "fold 1 were trained on 1 people whom it holds out" in text


def test_weights_of_two_networks_are_refused(pack, reader, tmp_path):
    theirs = tensors({PEOPLE_KEY: people_text({person_hash("somebody")})})
    text = refused(reader, edited(pack, tmp_path / "bad.pack", {"fold-1/model.safetensors": theirs}))
    assert "the weights of its folds are not of one network: tensor `" in text
    assert "` is missing in fold 1, and of shape (" in text


def test_weights_of_another_network_are_told_when_they_are_used(pack, mate, tmp_path):
    theirs = tensors({PEOPLE_KEY: people_text({person_hash("somebody")})})
    of_all = {f"fold-{fold}/model.safetensors": theirs for fold in range(3)}
    fw.import_run(mate, edited(pack, tmp_path / "bad.pack", of_all))
    with pytest.raises(ArtefactError, match="not weights of the run's network"):
        fw.predict(mate, "1", tta="flip")


def test_weights_that_a_pack_of_tables_brings_or_that_a_whole_one_lacks(pack, tables, reader, tmp_path):
    more = edited(tables, tmp_path / "a.pack", {"fold-0/model.safetensors": tensors({})})
    assert "not those of a pack with `content` tables" in refused(reader, more)
    less = edited(pack, tmp_path / "b.pack", {"fold-0/model.safetensors": None})
    assert "not those of a pack with `content` whole" in refused(reader, less)
    text = with_hashes(unzip(pack))
    assert set(text) == set(unzip(pack))


def test_decoding_is_tried_by_a_process_of_its_own(tmp_path):
    pl.DataFrame({"x": np.zeros(10)}).write_parquet(tmp_path / "x.parquet")
    check_decodes([tmp_path / "x.parquet"], 2**20)
    check_decodes([], 0)
    with pytest.raises(InputError, match="are damaged, or need more"):
        check_decodes([tmp_path / "none.parquet"], 2**20)


def test_references_lead_to_the_imported_run(mate, pack):
    run = fw.import_run(mate, pack, name="alice").run
    assert isinstance(run, RunFolder)
    assert find_run(Project.open(mate).workspace, "1").id == "01-alice"
