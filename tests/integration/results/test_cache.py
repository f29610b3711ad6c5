"""The cache is derived: with it, without it and whatever is in it, the list of runs is the same."""

import json
import shutil
from pathlib import Path

import pytest
from made_records import another_run

import facetwise as fw
from facetwise.core.errors import FacetwiseError
from facetwise.results import cache
from facetwise.results import runs as views


@pytest.fixture
def project(own_finished) -> Path:
    (first,) = own_finished.project.glob("runs/[0-9]*")
    another_run(first, f"02{first.name[2:]}")
    shutil.rmtree(own_finished.project / ".cache", ignore_errors=True)  # other tests may have listed the shared run
    return own_finished.project


@pytest.fixture
def scored(monkeypatch) -> list[int]:
    """Grows by one whenever a table is scored."""
    calls: list[int] = []
    real = views.score_rows

    def score_rows(*arguments: object):
        calls.append(1)
        return real(*arguments)

    monkeypatch.setattr(views, "score_rows", score_rows)
    return calls


def file_of(project: Path) -> Path:
    return project / ".cache" / cache.FILE


def test_a_second_look_scores_nothing(project, scored):
    first = fw.runs(project)
    assert len(scored) == 1  # the two runs have the same table
    before = file_of(project).stat().st_mtime_ns
    assert fw.runs(project) == first
    assert len(scored) == 1
    assert file_of(project).stat().st_mtime_ns == before
    assert fw.show(project, "1").scorecard.macro_f1 == first.runs[0].score  # the page computes it itself


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: b"",
        lambda good: b"\xff" + good,
        lambda good: good[: len(good) // 2],
        lambda _: b"[]",
        lambda _: b'{"sha256": 1}',
        lambda good: good.replace(b'"accuracy": 0.', b'"accuracy": 0.9'),
        lambda _: None,
    ],
    ids=["empty", "garbled", "cut", "list", "half", "altered", "deleted"],
)
def test_a_damaged_cache_is_made_again(project, scored, damage):
    first, good = fw.runs(project), file_of(project).read_bytes()
    bad = damage(good)
    assert bad != good
    file_of(project).unlink() if bad is None else file_of(project).write_bytes(bad)
    assert fw.runs(project) == first
    assert len(scored) == 2
    assert json.loads(file_of(project).read_bytes()) == json.loads(good)


def test_what_changes_a_score_makes_it_stale(project, scored, monkeypatch):
    first = fw.runs(project).runs[0]
    assert len(scored) == 1
    with monkeypatch.context() as patch:
        patch.setattr(cache, "VERSION", cache.VERSION + 1)
        fw.runs(project)
    assert len(scored) == 2
    table = project.parent / "contest" / "train" / "train.csv"
    text = table.read_text(encoding="utf-8")
    table.write_text(
        text.replace(",male,", ",x,").replace(",female,", ",male,").replace(",x,", ",female,"), encoding="utf-8"
    )
    fw.check(project, workers=1)
    swapped = fw.runs(project).runs[0]
    assert len(scored) == 3
    assert swapped.score == fw.show(project, "1").scorecard.macro_f1 != first.score


def test_a_table_that_changed_is_damage_and_not_a_score(project):
    good = fw.runs(project)
    (run,) = project.glob("runs/02-*")
    (run / "oof.parquet").write_bytes((run / "test.parquet").read_bytes())
    rows = fw.runs(project).runs
    assert rows[0] == good.runs[0]
    assert rows[1].score is None
    assert "damaged" in rows[1].flags[0]


def test_a_run_that_is_not_finished_is_computed_each_time(project, scored):
    first, _ = sorted(project.glob("runs/[0-9]*"))
    (first / "DONE.json").unlink()
    fw.runs(project)
    fw.runs(project)
    assert len(scored) == 3


def test_the_cache_does_not_grow_for_ever(project, monkeypatch):
    monkeypatch.setattr(cache, "CAPACITY", 2)
    opened = fw.open_project(project)
    manifest = views.load_manifest(opened)
    for number in range(3):
        answers = cache.ResultCache(opened, manifest)
        answers.get([number], lambda number=number: {"number": number})
        answers.save()
    again = cache.ResultCache(opened, manifest)
    assert [again.get([number], lambda: {"number": "anew"})["number"] for number in range(3)] == ["anew", 1, 2]


def test_a_project_that_cannot_be_written_to_has_a_list_all_the_same(project, monkeypatch):
    first = fw.runs(project)
    for error in (OSError(30, "Read-only file system"), FacetwiseError("the disk is full")):
        file_of(project).unlink(missing_ok=True)

        def fail(*_: object, error: Exception = error) -> None:
            raise error

        monkeypatch.setattr(cache, "write_json", fail)
        assert fw.runs(project) == first
        assert not file_of(project).exists()


def test_two_processes_that_write_at_once_leave_a_whole_cache(project):
    opened = fw.open_project(project)
    manifest = views.load_manifest(opened)
    one, other = cache.ResultCache(opened, manifest), cache.ResultCache(opened, manifest)
    one.get(["first"], lambda: {"number": 1})
    other.get(["second"], lambda: {"number": 2})
    one.save()
    other.save()
    assert cache.ResultCache(opened, manifest).get(["second"], dict) == {"number": 2}
    assert cache.ResultCache(opened, manifest).get(["first"], dict) == {}  # overwritten: computed again
