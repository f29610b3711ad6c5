"""Cleaning frees what can be made again, and nothing that a score needs, however it is interrupted."""

import hashlib
import json
import os
from pathlib import Path

import pytest
from made_records import another_run
from typer.testing import CliRunner

import facetwise as fw
from facetwise.cli.main import app
from facetwise.core.errors import ArtefactError, FacetwiseError, LockedError, SettingError
from facetwise.core.files.writing import is_temporary
from facetwise.core.records.base import checked
from facetwise.core.records.study import StudyRecord
from facetwise.core.runs import RunFolder
from facetwise.core.workspace import file_hash, leftovers, lock
from facetwise.recipe import load_recipe
from facetwise.results.runs import RunRow
from facetwise.study.record import StudyFolder, note_pruned
from facetwise.upkeep import clean as cleaning
from facetwise.upkeep.clean import CleanPlan, CleanSpec, plan_clean
from facetwise.upkeep.doctor_project import checks
from facetwise.upkeep.keep import best_runs
from facetwise.upkeep.leftovers import HOUR


class Killed(BaseException):
    """Stands for a kill."""


@pytest.fixture
def four(own_finished) -> Path:
    """A project with four finished runs that are alike but for their names: 01 is the best, 04 the newest."""
    (first,) = own_finished.project.glob("runs/[0-9]*")
    for number in (2, 3, 4):
        another_run(first, f"{number:02d}{first.name[2:]}")
    return own_finished.project


def run_of(project: Path, number: int) -> RunFolder:
    (found,) = project.glob(f"runs/{number:02d}-*")
    return RunFolder(found)


def files(folder: Path) -> dict[str, str]:
    """Path -> content, of all but what is derived, and lock files (which mean nothing)."""
    found = (p for p in folder.rglob("*") if p.is_file() and p.name != ".lock" and ".cache" not in p.parts)
    return {p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in found}


def weights(project: Path) -> list[int]:
    """How many fold weights each run has."""
    return [len(list(p.glob("fold-*/*.safetensors"))) for p in sorted(project.glob("runs/[0-9]*"))]


def delete(project: Path, **options: object) -> CleanPlan:
    return fw.clean(project, yes=True, **options)


# ------------------------------------------------------------------------------------------------- what goes and stays


def test_looking_deletes_nothing(four):
    before = files(four)
    plan = fw.clean(four, keep=0, stores=True, predictions=True)
    assert files(four) == before
    assert not plan.deleted
    assert [f.run for f in plan.freed if f.run] == [run_of(four, n).id for n in (1, 2, 3)]
    assert plan.num_bytes == sum(f.num_bytes for f in plan.freed) > 0
    assert [k.why for k in plan.kept if k.what.startswith("run")] == [("the newest run",)]


def test_what_submissions_need_the_best_and_the_newest_stay(four):
    fw.submit(four, "2", yes=True)
    before = files(four)
    done = delete(four, keep=1)
    assert done.deleted
    assert done.refused == ()
    assert weights(four) == [3, 3, 0, 3]
    gone = {f"runs/{run_of(four, 3).id}/fold-{k}/model.safetensors" for k in range(3)}
    after = files(four)
    assert before.keys() - after.keys() == gone
    assert after.keys() - before.keys() == {f"runs/{run_of(four, 3).id}/cleaned.json"}
    assert all(after[name] == before[name] for name in after.keys() & before.keys())
    why = {k.what: k.why for k in done.kept}
    assert why[f"run `{run_of(four, 1).id}`"][0].startswith("no. 1 of `joint` by out-of-fold macro F1")
    assert why[f"run `{run_of(four, 2).id}`"][0].startswith("submission `01-02-")
    assert delete(four, keep=1).freed == ()


def test_a_cleaned_run_is_whole_but_for_predicting(four):
    hashes = run_of(four, 3).weights_hashes()
    shown = fw.show(four, "3").as_dict()
    delete(four, keep=1)
    assert fw.show(four, "3").as_dict() == shown
    made = fw.submit(four, "3", yes=True)
    assert made.folder.made_from().parts[0].models == hashes
    found = {topic: list(check()) for topic, check in checks(fw.open_project(four)).items() if topic == "runs"}
    assert {line.level for line in found["runs"]} == {"ok"}
    assert sum("weights were cleaned away" in line.message for line in found["runs"]) == 2
    for options in ({"tta": "flip"}, {"images": four.parent / "contest" / "eval"}):
        with pytest.raises(ArtefactError, match="its weights were cleaned away") as error:
            fw.predict(four, "3", **options)
        assert "recipe.toml --again` trains it again" in str(error.value.hint)
    (run_of(four, 4).weights_file(1)).unlink()  # by hand: nobody said so
    with pytest.raises(ArtefactError, match=r"model\.safetensors: missing") as error:
        fw.predict(four, "4", tta="flip")
    assert "put the file back" in str(error.value.hint)


def test_runs_that_are_not_finished_stay_whole(four):
    run = run_of(four, 2)
    (run.path / "DONE.json").unlink()
    (run.path / "state").mkdir()
    (run.path / "state" / "x").write_bytes(b"x")
    before = files(run.path)
    plan = delete(four, keep=0)
    assert files(run.path) == before
    assert any("`facetwise fit --resume 02` goes on with it" in why for k in plan.kept for why in k.why)
    with lock(run.lock_file, "test"):
        assert any("is being trained" in k.why for k in fw.clean(four, keep=0).kept)


def test_a_run_that_is_in_use_is_left_alone(four):
    plan = fw.clean(four, keep=0)
    with lock(run_of(four, 1).lock_file, "test"):
        done = cleaning.clean(fw.open_project(four), plan)
    assert weights(four) == [3, 0, 0, 3]
    assert len(done.refused) == 1
    assert "another facetwise process is working on it" in done.refused[0]
    with lock(four / "runs" / ".lock", "test"), pytest.raises(LockedError):
        cleaning.clean(fw.open_project(four), plan)


def test_what_is_needed_since_the_plan_was_shown_stays(four):
    plan = fw.clean(four, keep=0)
    fw.submit(four, "1", yes=True)
    done = cleaning.clean(fw.open_project(four), plan)
    assert weights(four) == [3, 0, 0, 3]
    assert [f.run for f in done.freed] == [run_of(four, n).id for n in (2, 3)]


def test_only_what_was_shown_is_deleted(four):
    plan = fw.clean(four, keep=2)
    another_run(run_of(four, 4).path, "05-later")
    cleaning.clean(fw.open_project(four), plan)
    assert weights(four) == [3, 3, 0, 3, 3]


def test_a_submission_that_does_not_say_its_run_stops_everything(four):
    made = fw.submit(four, "1", yes=True).folder
    (made.path / "record.json").write_text("{", encoding="utf-8")
    assert "submission" in fw.clean(four, keep=0).kept[0].why[0]  # its mark says it too
    (made.path / "DONE.json").unlink()
    with pytest.raises(ArtefactError, match="so nothing is cleaned"):
        delete(four, keep=0)
    assert weights(four) == [3, 3, 3, 3]


def start_from(run: RunFolder, weights: str) -> None:
    """Make it look as if this run had started from these weights."""
    record = json.loads(run.record_file.read_text(encoding="utf-8"))
    record["recipe"]["model"]["weights"] = weights
    run.record_file.write_text(json.dumps(record), encoding="utf-8")
    done = json.loads((run.path / "DONE.json").read_text(encoding="utf-8"))
    done["made_from"]["record_file"] = file_hash(run.record_file)
    (run.path / "DONE.json").write_text(json.dumps(done), encoding="utf-8")


def test_the_runs_that_kept_ones_started_from_stay_too(four):
    start_from(run_of(four, 4), f"./runs/{run_of(four, 2).id}/fold-{{fold}}/model.safetensors")
    start_from(run_of(four, 2), str(run_of(four, 1).weights_file(0)))
    start_from(run_of(four, 1), f"runs/{run_of(four, 2).id}/fold-0/model.safetensors")  # a circle must not hang it
    assert weights_kept(fw.clean(four, keep=0)) == [1, 2, 4]
    start_from(run_of(four, 4), "elsewhere/model.safetensors")
    assert weights_kept(fw.clean(four, keep=0)) == [4]
    recipe = four / "recipes" / "tuned.toml"
    text = (four / "recipes" / "tiny.toml").read_text(encoding="utf-8")
    recipe.write_text(
        text.replace("[model]", f'[model]\nweights = "runs/{run_of(four, 3).id}/x.safetensors"'), encoding="utf-8"
    )
    assert weights_kept(fw.clean(four, keep=0)) == [3, 4]


def test_parents_behind_a_link_and_in_studies_stay_too(four, tmp_path):
    (tmp_path / "best").symlink_to(run_of(four, 1).path)
    start_from(run_of(four, 4), str(tmp_path / "best" / "fold-0" / "model.safetensors"))
    assert weights_kept(fw.clean(four, keep=0)) == [1, 4]
    base = load_recipe(four / "recipes" / "tiny.toml").as_dict()
    own = [f"runs/{run_of(four, n).id}/fold-{{fold}}/model.safetensors" for n in (2, 3)]
    identities = ({"recipe": base}, {"recipe": base, "space": {"model.weights": {"choices": ["none", own[1]]}}})
    for number, identity in enumerate(identities):
        folder = StudyFolder(four / "studies" / f"s{number}")
        folder.path.mkdir(parents=True)
        folder.save(checked(StudyRecord, {"kind": "ablation", "identity": identity}))
    assert weights_kept(fw.clean(four, keep=0)) == [1, 3, 4]
    folder = StudyFolder(four / "studies" / "s0")
    change = {"change": f'model.weights="{own[0]}"', "fingerprint": "f"}
    folder.save(folder.record().changed(changes=[change]))
    assert weights_kept(fw.clean(four, keep=0)) == [1, 2, 3, 4]
    (folder.path / "study.json").unlink()
    text = (four / "recipes" / "tiny.toml").read_text(encoding="utf-8")
    (four / "studies" / "s1" / "best.toml").write_text(
        text.replace("[model]", f'[model]\nweights = "{own[0]}"'), encoding="utf-8"
    )
    assert weights_kept(fw.clean(four, keep=0)) == [1, 2, 3, 4]


def test_what_cannot_be_read_keeps_the_weights_that_it_may_start_from(four):
    assert weights_kept(fw.clean(four, keep=0)) == [4]
    names = f'weights = "runs/{run_of(four, 2).id}/fold-{{fold}}/model.safetensors"\n'
    broken = four / "recipes" / "broken.toml"
    broken.write_text(f"[model\n{names}", encoding="utf-8")
    assert weights_kept(plan := fw.clean(four, keep=0)) == [2, 4]
    assert ("`recipes/broken.toml` cannot be read, and names it",) in [k.why for k in plan.kept]
    run = run_of(four, 3)
    run.recipe_file.write_text(names.replace(run_of(four, 2).id, run_of(four, 1).id), encoding="utf-8")
    run.record_file.write_text("{", encoding="utf-8")
    assert weights_kept(fw.clean(four, keep=0)) == [1, 2, 3, 4]


@pytest.mark.parametrize("file", ["study.json", "best.toml"])
def test_a_damaged_study_keeps_all_weights_and_is_named(four, file):
    identity = {"recipe": load_recipe(four / "recipes" / "tiny.toml").as_dict()}
    folder = StudyFolder(four / "studies" / "age")
    folder.path.mkdir(parents=True)
    folder.save(checked(StudyRecord, {"kind": "search", "identity": identity}))
    assert weights_kept(fw.clean(four, keep=0)) == [4]
    (folder.path / file).write_text("{", encoding="utf-8")
    plan = fw.clean(four, keep=0)
    assert weights_kept(plan) == [1, 2, 3, 4]
    assert all(
        "study `age` is damaged: what it starts from is not known" in why[-1] for k in plan.kept if (why := k.why)
    )


def test_what_a_search_stopped_goes_until_somebody_trains_it_further(four):
    run = run_of(four, 2)
    (run.path / "DONE.json").unlink()
    (run.path / "state").mkdir()
    (run.path / "state" / "x").write_bytes(b"x")
    note_pruned(run, "lr", 7)
    with run.events_file.open("a", encoding="utf-8") as file:
        file.write('{"event": "epoch", "fold": 2, "epoch": 99}\n')
    assert any("goes on with it" in why for k in fw.clean(four).kept for why in k.why)
    note_pruned(run, "lr", 7)
    (freed,) = fw.clean(four).freed
    assert freed.what == f"folds and training state of `{run.id}`"
    assert "search `lr` stopped it; lost are its folds: `facetwise fit --resume 02` would begin anew" in freed.why
    before = files(run.path)
    delete(four)
    left = files(run.path)
    assert left.keys() == {name for name in before if not name.startswith(("fold-", "state"))}
    assert delete(four).freed == ()


def weights_kept(plan: CleanPlan) -> list[int]:
    return [int(k.what.removeprefix("run `")[:2]) for k in plan.kept]


def test_what_folds_share_goes_with_their_weights(four):
    run = run_of(four, 1)
    run.backbone_file.write_bytes(b"x" * 5000)
    delete(four, keep=0)
    assert not run.backbone_file.exists()


def test_features_go_with_the_stores(four):
    for name in ("0badc0de", "0badcafe"):
        (four / "features" / name).mkdir(parents=True)
        (four / "features" / name / "features.npy").write_bytes(b"x")
    with lock(four / "features" / ".0badcafe.lock", "test"):
        assert not any("features" in f.what for f in fw.clean(four).freed)
        done = delete(four, stores=True)
    assert [f.paths for f in done.freed if "features" in f.what] == [("features/0badc0de",)]
    assert [p.name for p in (four / "features").glob("[!.]*")] == ["0badcafe"]


def row(name: str, score: float | None, **more: object) -> RunRow:
    fields = {"state": "finished", "what": "joint", "score_interval": None, "accuracy": None, "num_covered": 1}
    fields |= {"folds_done": 1, "num_folds": 1, "epochs": 1, "minutes": 0.0, "made": None, "flags": ()}
    return RunRow(id=name, score=score, **{**fields, **more})


def test_each_kind_has_its_best():
    rows = [
        row("a", 0.5),
        row("b", 0.7, flags=("UNSAFE image split",)),
        row("c", 0.6),
        row("d", 0.9, what="age"),
        row("e", 0.5),
        row("f", 0.99, state="unfinished"),
        row("g", None),
    ]
    assert {keep: sorted(best_runs(rows, keep)) for keep in (0, 1, 2, 9)} == {
        0: [],
        1: ["c", "d"],
        2: ["a", "c", "d"],
        9: ["a", "c", "d", "e"],
    }


def test_a_negative_number_to_keep_is_refused(own):
    with pytest.raises(SettingError, match="`keep` is -1"):
        fw.clean(own.project, keep=-1)


# --------------------------------------------------------------------------------------------- kills, links, full disks


def test_a_kill_at_any_deletion_leaves_nothing_that_looks_whole(four, monkeypatch):
    (run_of(four, 1).path / "state").mkdir()
    (run_of(four, 1).path / "state" / "x").write_bytes(b"x")
    real = cleaning.discard
    for _ in range(9):  # of ten deletions
        left = [1]

        def discard(path: Path, left: list[int] = left) -> None:
            if not left:
                raise Killed
            left.pop()
            real(path)

        monkeypatch.setattr(cleaning, "discard", discard)
        with pytest.raises(Killed):
            delete(four, keep=0)
        for number in (1, 2, 3, 4):
            run = run_of(four, number)
            assert run.cleaned_file.is_file() or not run.missing_weights()
            assert fw.show(four, str(number)).scorecard is not None
    monkeypatch.setattr(cleaning, "discard", real)
    assert len(delete(four, keep=0).freed) == 1
    assert weights(four) == [0, 0, 0, 3]


def test_a_kill_while_a_folder_is_deleted_leaves_a_leftover(four, monkeypatch):
    state = run_of(four, 1).path / "state"
    state.mkdir()

    def killed(_path: Path) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("facetwise.core.workspace.shutil.rmtree", killed)
        with pytest.raises(Killed):
            delete(four)
    assert not state.exists()
    (left,) = leftovers(state.parent)
    assert is_temporary(left)
    assert [f.what for f in delete(four).freed] == [f"left over `{left.relative_to(four).as_posix()}`"]
    assert leftovers(state.parent) == []


def test_links_are_not_followed(four, tmp_path):
    away = tmp_path / "away"
    run_of(four, 1).fold(0).rename(away)
    run_of(four, 1).fold(0).symlink_to(away)
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "x").write_text("x", encoding="utf-8")
    (four / "runs" / ".x.tmp-00000000").symlink_to(tmp_path / "precious")
    before = files(tmp_path / "precious"), files(away)
    done = delete(four, keep=0)
    assert (files(tmp_path / "precious"), files(away)) == before
    assert weights(four) == [3, 0, 0, 3]  # not even the part that is here
    assert len(done.refused) == 2
    assert all("links are not followed" in line for line in done.refused)


def test_runs_on_another_disk_behind_a_link_are_left_alone(four, tmp_path):
    (four / "runs").rename(tmp_path / "runs")
    (four / "runs").symlink_to(tmp_path / "runs")
    before = files(tmp_path / "runs")
    assert delete(four, keep=0).freed == ()
    assert files(tmp_path / "runs") == before


def test_a_disk_too_full_for_a_note_can_be_cleaned(four, monkeypatch):
    def full(*_: object) -> None:
        raise FacetwiseError("the disk is full")

    monkeypatch.setattr(cleaning, "write_json", full)
    assert delete(four, keep=1).refused == ()
    assert weights(four) == [3, 0, 0, 3]
    with pytest.raises(ArtefactError, match="cleaned away"):
        run_of(four, 2).check_weights()


# ----------------------------------------------------------------------------------------------------------- leftovers


def old(path: Path, seconds: float = 2 * HOUR) -> Path:
    for part in (path, *path.rglob("*")):
        changed = part.stat().st_mtime - seconds
        os.utime(part, (changed, changed))
    return path


def test_leftovers_go_when_no_process_can_be_writing_them(own_finished):
    project = own_finished.project
    (run,) = project.glob("runs/[0-9]*")
    (store,) = project.glob("stores/[0-9a-f]*")
    theirs = [run / "fold-0" / ".x.tmp-0badc0de", store / ".x.tmp-0badc0de", project / "runs" / ".01-x.tmp-new"]
    for path in theirs:
        path.mkdir()
        (path / "x").write_bytes(b"x" * 5000)
    unlocked = [project / "folds" / ".default.tmp-0badc0de", run / "predictions" / ".p.tmp-0badc0de"]
    for path in unlocked:
        path.mkdir(parents=True)
    mine = [project / "recipes" / ".x.tmp-0badc0de", project / ".x.tmp", project / "runs" / "x.tmp-0badc0de"]
    for path in mine:
        path.write_bytes(b"x")
        old(path)
    with lock(run / ".lock", "t"), lock(store / ".lock", "t"), lock(project / "runs" / ".lock", "t"):
        assert fw.clean(project).freed == ()
    assert {f.paths[0] for f in fw.clean(project).freed} == {p.relative_to(project).as_posix() for p in theirs}
    for path in unlocked:
        old(path)
    done = delete(project)
    assert {f.paths[0] for f in done.freed} == {p.relative_to(project).as_posix() for p in (*theirs, *unlocked)}
    assert not any(p.exists() for p in (*theirs, *unlocked))
    assert all(p.exists() for p in mine)
    assert done.num_bytes >= 15_000


@pytest.mark.parametrize("name", ["ledger", "notes"])
def test_what_a_kill_left_of_ledger_and_notes_goes_when_nobody_writes_them(own_finished, name):
    project = own_finished.project
    left = project / f".{name}.jsonl.tmp-0badc0de"
    left.write_bytes(b"x")
    with lock(project / f".{name}.lock", "t"):
        assert fw.clean(project).freed == ()
    assert [f.paths for f in delete(project).freed] == [(left.name,)]
    assert not left.exists()


def test_the_dataset_is_never_touched(own_finished):
    project = own_finished.project
    inside = project / "data"
    own_finished.contest.rename(inside)
    text = (project / "facetwise.toml").read_text(encoding="utf-8").replace("../contest", "data")
    (project / "facetwise.toml").write_text(text, encoding="utf-8")
    fw.check(project, workers=1)
    (inside / ".x.tmp-0badc0de").write_bytes(b"x")
    old(inside / ".x.tmp-0badc0de")
    before = files(inside)
    assert delete(project, keep=0, stores=True, predictions=True).freed == ()
    assert files(inside) == before


# ------------------------------------------------------------------------------------------------ stores, predictions


def test_stores_go_that_nothing_reads(own_finished):
    project = own_finished.project
    fw.prepare(project, workers=1)  # for pages
    spare = fw.prepare(project, "recipes/tiny.toml", settings=["input.height=16"], workers=1)
    for recipe in project.glob("recipes/*.toml"):
        if recipe.name != "tiny.toml":
            recipe.unlink()
    assert fw.clean(project).freed == ()
    plan = fw.clean(project, stores=True)
    assert [f.paths for f in plan.freed] == [(f"stores/{spare.path.name}",)]
    assert {k.why for k in plan.kept if "store" in k.what} >= {("pages and pictures read it",)}
    with lock(spare.path / ".lock", "test"):
        assert fw.clean(project, stores=True).freed == ()
    del spare
    delete(project, stores=True)
    assert len(list(project.glob("stores/[0-9a-f]*"))) == 2
    (project / "recipes" / "tiny.toml").unlink()
    assert fw.clean(project, stores=True).freed == ()  # the run was trained on it


def test_predictions_of_other_photos_go_when_asked(own_finished):
    project = own_finished.project
    run = run_of(project, 1)
    for name in ("tta-flip", "images-holiday-0badc0de"):
        (run.path / "predictions" / name).mkdir(parents=True)
        (run.path / "predictions" / name / "DONE.json").write_text("{}", encoding="utf-8")
    assert fw.clean(project).freed == ()
    delete(project, predictions=True)
    assert [p.name for p in (run.path / "predictions").iterdir()] == ["tta-flip"]


# ------------------------------------------------------------------------------------------------------------- command


def test_the_command_shows_first_and_deletes_when_told(four):
    before = files(four)
    shown = CliRunner().invoke(app, ["--project", str(four), "clean", "--keep", "0"])
    assert shown.exit_code == 0, shown.output
    assert files(four) == before
    assert "weights of" in shown.stdout
    assert f"`{run_of(four, 1).id}`" in shown.stdout
    assert "the newest run" in shown.stdout
    assert "nothing was deleted; `--yes` deletes it" in shown.stderr
    data = json.loads(CliRunner().invoke(app, ["-p", str(four), "clean", "--keep=0", "--json"]).stdout)
    assert (data["deleted"], len(data["freed"]), data["num_bytes"] > 0) == (False, 3, True)
    assert files(four) == before
    done = CliRunner().invoke(app, ["--project", str(four), "clean", "--keep", "0", "--yes"])
    assert "freed " in done.stderr
    assert weights(four) == [0, 0, 0, 3]
    again = CliRunner().invoke(app, ["--project", str(four), "clean", "--yes"])
    assert "there is nothing to clean" in again.stdout


def test_a_project_without_runs(own):
    plan = plan_clean(fw.open_project(own.project), CleanSpec(stores=True))
    assert plan.freed == ()
    assert delete(own.project).freed == ()
