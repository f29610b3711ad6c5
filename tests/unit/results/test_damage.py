"""What is damaged is listed by its name, with the way out, and counts nowhere else."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from made_records import blend_record
from made_runs import add_run, made_contest

from facetwise.blending.members import read_members
from facetwise.blending.spec import BlendSpec
from facetwise.core.errors import ArtefactError, DamagedError
from facetwise.core.project import Project
from facetwise.core.records.artefact import next_number
from facetwise.core.records.base import write_record
from facetwise.core.runs import RunFolder, list_runs
from facetwise.core.workspace import mark_done
from facetwise.data.manifest import Manifest, load_manifest
from facetwise.jobs.errors import error_as_data, error_from_data
from facetwise.predictors.blend_folder import BlendFolder, list_blends
from facetwise.results.runs import build_run_view, build_runs_view


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Manifest]:
    project, manifest = made_contest(tmp_path_factory.mktemp("made"))
    add_run(project, manifest, 1)
    add_run(project, manifest, 2)
    return project, manifest


@pytest.fixture
def project(made: tuple[Project, Manifest], tmp_path: Path) -> Project:
    """A copy of its own."""
    shutil.copytree(made[0].root.parent, tmp_path / "own", symlinks=True)
    return Project.open(tmp_path / "own" / "project")


def change_mark(run: RunFolder, mark: object) -> None:
    (run.path / "DONE.json").write_text(json.dumps(mark), encoding="utf-8")


def cut_events(run: RunFolder) -> None:
    run.events_file.write_bytes(run.events_file.read_bytes()[:100])


DAMAGES: dict[str, tuple[Callable[[RunFolder], object], str]] = {
    "no record": (lambda run: run.record_file.unlink(), "run.json: missing"),
    "a record of nothing": (lambda run: run.record_file.write_text("{}", encoding="utf-8"), "`id`: missing"),
    "half a record": (lambda run: run.record_file.write_text('{"id": ', encoding="utf-8"), "run.json: not JSON"),
    "no recipe": (lambda run: run.recipe_file.unlink(), "recipe.toml: missing"),
    "an empty table": (lambda run: run.table_file("oof").write_bytes(b""), "oof.parquet: changed since it was made"),
    "no test table": (lambda run: run.table_file("test").unlink(), "test.parquet: missing"),
    "no weights": (lambda run: run.weights_file(3).unlink(), "model.safetensors: missing"),
    "no mark of a fold": (lambda run: (run.fold(3) / "DONE.json").unlink(), "DONE.json: missing"),
    "a mark of a fold that is null": (
        lambda run: (run.fold(3) / "DONE.json").write_text("null", encoding="utf-8"),
        "DONE.json: not an object",
    ),
    "cut events": (cut_events, "events.jsonl: cut off"),
    "no events": (lambda run: run.events_file.unlink(), "events.jsonl: missing"),
    "a mark that is a list": (lambda run: change_mark(run, []), "DONE.json: not an object"),
    "a mark that says nothing": (lambda run: change_mark(run, {}), "`made_from`: missing"),
    "tables that are a list": (
        lambda run: change_mark(run, {"schema_version": 1, "files": {}, "made_from": {"tables": []}}),
        "`made_from.tables`: ",
    ),
}


@pytest.mark.parametrize(("damage", "told"), DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_run_is_listed_with_the_way_out(
    project: Project, damage: Callable[[RunFolder], object], told: str
) -> None:
    first, second = list_runs(project.workspace)
    damage(second)
    rows = build_runs_view(project).runs
    assert [row.id for row in rows] == [first.id, second.id]
    assert [row.damaged is None for row in rows] == [True, False]
    assert told in str(rows[1].damaged)
    assert "put the file back from a copy" in str(rows[1].damaged)
    assert next_number(project.workspace.runs, RunFolder) == 3


@pytest.mark.parametrize(("damage", "told"), DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_run_is_shown_with_the_same_words(
    project: Project, damage: Callable[[RunFolder], object], told: str
) -> None:
    run = list_runs(project.workspace)[1]
    damage(run)
    try:
        words = [notice.text for notice in build_run_view(project, run).warnings]
    except DamagedError as error:
        words = [error.summary]
    assert any(told in word and "put the file back from a copy" in word for word in words)


def test_a_copied_run_is_no_second_member(project: Project) -> None:
    first, second = list_runs(project.workspace)
    copy = RunFolder(second.path.with_name("02-made copy"))
    shutil.copytree(second.path, copy.path)
    assert "a copy of `02-made`" in str(copy.damage)
    assert second.damage is None
    assert [row.damaged is None for row in build_runs_view(project).runs] == [True, True, False]
    members = read_members(project, load_manifest(project), BlendSpec())
    assert members.ids == (first.id, second.id)
    assert [name for name, _ in members.left_out] == [copy.id]


def test_a_renamed_run_is_the_run(project: Project) -> None:
    *_, second = list_runs(project.workspace)
    renamed = second.path.rename(second.path.with_name("07-mine"))
    assert RunFolder(renamed).damage is None
    assert next_number(project.workspace.runs, RunFolder) == 8


def test_blends_that_lack_a_file_or_are_copies_are_listed(project: Project) -> None:
    made = project.workspace.blends / "b01-soft-0"
    made.mkdir(parents=True)
    record = blend_record({"manifest": "m", "label_space": "s"}, id=made.name)
    write_record(made / "blend.json", record)
    mark_done(made, {})
    for name in ("b02-copy", "b05-unmarked"):
        shutil.copytree(made, made.with_name(name))
    (made.with_name("b05-unmarked") / "DONE.json").unlink()
    told = {blend.id: str(blend.damage) for blend in list_blends(project.workspace)}
    assert told["b01-soft-0"] == "None"
    assert "a copy of `b01-soft-0`" in told["b02-copy"]
    assert "DONE.json: missing" in told["b05-unmarked"]
    assert next_number(project.workspace.blends, BlendFolder) == 6


def test_a_later_version_is_told_and_what_it_added_is_kept(project: Project) -> None:
    run = list_runs(project.workspace)[0]
    record = {**json.loads(run.record_file.read_text(encoding="utf-8")), "later": {"a": 1}}
    run.record_file.write_text(json.dumps(record), encoding="utf-8")
    assert run.record().as_dict()["later"] == {"a": 1}
    run.record_file.write_text(json.dumps({**record, "schema_version": 2}), encoding="utf-8")
    with pytest.raises(ArtefactError, match="schema version 2, this facetwise reads 1"):
        run.record()


def test_errors_and_lists_use_the_one_word() -> None:
    error = DamagedError("runs/01/run.json: missing", hint="put it back")
    assert str(error) == "damaged: runs/01/run.json: missing"
    assert error.summary == "damaged: runs/01/run.json: missing (put it back)"
    assert str(error_from_data(error_as_data(error))) == str(error)
