"""Runs of every kind travel to a teammate's project and work there; a killed import leaves the whole run or nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import polars as pl
import pytest
from crashes import Job, crash_server
from typer.testing import CliRunner

import facetwise as fw
from facetwise.cli.main import app
from facetwise.core.errors import ArtefactError, GateError, InputError
from facetwise.core.files.writing import is_temporary
from facetwise.core.project import Project
from facetwise.core.runs import RunFolder, list_runs
from facetwise.data.manifest import load_manifest
from facetwise.predictors.sources import read_source
from facetwise.upkeep import leftovers

YEARS = 'model.head={ name = "single", attribute = "age", kind = "bins" }'


@pytest.fixture(scope="module")
def sent(finished, tmp_path_factory) -> dict[str, Path]:
    """What -> the pack of such a run, of a teammate who also has folds split by image."""
    ready = finished.copy(tmp_path_factory.mktemp("sender") / "base")
    fw.folds(ready.project, num_folds=3, unsafe_split="image")
    settings = {
        "all": ["folds.plan=none"],
        "unsafe": ["folds.name=unsafe-image"],
        "holdout": ["folds.plan=holdout", YEARS],
        "frozen": ["model.freeze=backbone", "augment=[]", 'model.head={ name = "flat" }'],
    }
    packs = {"plain": ready.base / "plain.pack"}
    fw.predict(ready.project, "1", tta="flip")
    fw.export_run(ready.project, "1", out=packs["plain"])
    for what, changes in settings.items():
        run = fw.fit(ready.project, ready.recipe, settings=["train.length=1ep", *changes])
        packs[what] = ready.base / f"{what}.pack"
        fw.export_run(ready.project, run.id, out=packs[what])
    return packs


@pytest.fixture
def mate(ready_to_fit, tmp_path):
    """The teammate's project, with the same folds and no runs."""
    return ready_to_fit.copy(tmp_path / "mate")


def taken(mate, pack: Path) -> RunFolder:
    return fw.import_run(mate.project, pack).run


def source(mate, reference: str, tta: str = "none"):
    project = Project.open(mate.project)
    return read_source(project, load_manifest(project), reference, tta=tta)


def test_an_imported_run_predicts_what_it_predicted(sent, mate, finished):
    run = taken(mate, sent["plain"])
    kept = source(mate, run.id, "flip")
    shutil.rmtree(run.path / "predictions")
    fw.predict(mate.project, run.id, tta="flip")
    again = source(mate, run.id, "flip")
    for one, two in ((again.oof, kept.oof), (again.test, kept.test)):
        assert one.images.tolist() == two.images.tolist()
        assert {n: b.tobytes() for n, b in one.blocks.items()} == {n: b.tobytes() for n, b in two.blocks.items()}
    folder = fw.predict(mate.project, run.id, images=finished.contest / "eval" / "images")
    assert (folder / "classes.csv").is_file()


@pytest.mark.parametrize("what", ["frozen", "holdout"])
def test_heads_of_every_kind_arrive_and_predict(sent, mate, what):
    run = taken(mate, sent[what])
    fw.predict(mate.project, run.id, tta="flip")
    found = source(mate, run.id)
    assert len(found.oof) == 252
    assert source(mate, run.id, "flip").attributes == found.attributes
    assert run.backbone_file.is_file() == (what == "frozen")
    assert ("age" in found.test.values) == (what == "holdout")
    fw.export_run(mate.project, run.id, out=mate.base / "on.pack", tables_only=True)
    shutil.rmtree(run.path)
    again = taken(mate, mate.base / "on.pack")
    assert again.weights_hashes().keys() == run_keys(what)
    with pytest.raises(ArtefactError, match="tables only"):
        fw.predict(mate.project, again.id, tta="crops")


def run_keys(what: str) -> set[str]:
    return {"0", "1", "2", "backbone"} if what == "frozen" else {"0"}


def test_a_run_trained_on_all_travels_too(sent, mate):
    run = taken(mate, sent["all"])
    found = source(mate, run.id)
    assert (found.oof, found.no_oof) == (None, "was trained on all people: nobody was held out, so it has no score")
    assert run.imported().folds == "none"
    assert fw.submit(mate.project, run.id, yes=True).folder.csv_file.is_file()


def test_folds_split_by_image_keep_their_mark(sent, mate):
    run = taken(mate, sent["unsafe"])
    assert run.imported().other_folds  # the teammate has no such folds
    assert fw.runs(mate.project).runs[0].flags[0] == "UNSAFE image split"
    with pytest.raises(GateError, match="split by image"):
        source(mate, run.id)


def test_folds_split_by_image_on_both_sides(sent, mate):
    fw.folds(mate.project, num_folds=3, unsafe_split="image")
    run = taken(mate, sent["unsafe"])
    assert run.imported().folds == "same"
    with pytest.raises(GateError, match="split by image"):
        fw.submit(mate.project, run.id, yes=True)


def test_the_tables_arrive_bit_for_bit(sent, mate):
    run = taken(mate, sent["holdout"])
    rows = run.oof()
    covered = rows.filter(pl.col("age=<30").is_not_nan())
    assert set(covered["fold"].to_list()) == {0}
    assert fw.show(mate.project, run.id).scorecard.num_covered == covered.height


def test_the_commands(sent, mate, tmp_path):
    def call(*words: object) -> str:
        result = CliRunner().invoke(app, ["--project", str(mate.project), *map(str, words)], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output

    fw.folds(mate.project, num_folds=3, seed=5, new=True)
    told = call("run", "import", sent["plain"], "--name", "alice")
    assert "as 01-alice" in told
    assert "for the test side only" in " ".join(told.split())
    assert '"folds": "none"' in call("run", "import", sent["all"], "--json")
    assert "imported, other folds" in call("runs")
    assert "no score here" in " ".join(call("show", "1").split())
    told = call("run", "export", "1", "--out", tmp_path / "[a] b.pack", "--tables-only")
    assert "packed run 01-alice without its weights" in told
    assert "facetwise run import '[a] b.pack'" in told
    call("doctor")


def test_killed_anywhere_an_import_leaves_the_run_or_nothing(sent, mate):
    with crash_server() as crash:
        fresh = mate.copy(mate.base.with_name("counted"))
        total = crash(Job(str(fresh.project), take=str(sent["plain"]))).operations
        assert total > 20
        for kill_at in range(1, total + 1, 4):
            crash(Job(str(mate.project), take=str(sent["plain"]), kill_at=kill_at))
            runs = list_runs(Project.open(mate.project).workspace)
            assert [r.finished for r in runs] == [True] * len(runs)
            left = [
                p for p in (mate.project / "runs").iterdir() if p.name != ".lock" and p not in {r.path for r in runs}
            ]
            assert all(is_temporary(p) for p in left)
            for run in runs:
                run.verify()
                assert run.missing_weights() == []
                shutil.rmtree(run.path)
    fw.import_run(mate.project, sent["plain"])


def test_what_a_killed_import_left_is_cleaned_only_when_it_is_old(mate, sent, monkeypatch):
    folder = mate.project / "runs" / ".arriving-12345678.tmp-12345678"
    folder.mkdir(parents=True)
    (folder / "oof.parquet").write_bytes(b"x")
    space = Project.open(mate.project).workspace
    assert list(leftovers.leftover_paths(space)) == []
    monkeypatch.setattr(leftovers, "HOUR", -1.0)
    assert [p for p, _ in leftovers.leftover_paths(space)] == [folder]
    fw.import_run(mate.project, sent["plain"])


def test_a_pack_is_no_csv_and_a_csv_no_pack(mate, tmp_path):
    (tmp_path / "x.csv").write_text("ImageID,ans\n", encoding="utf-8")
    with pytest.raises(InputError, match="cut off"):
        fw.import_run(mate.project, tmp_path / "x.csv")
