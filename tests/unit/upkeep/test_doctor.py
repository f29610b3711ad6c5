"""`facetwise doctor` on projects broken by hand: each damage is named with what to do, and nothing is raised."""

import json
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from made_project import photo_project, replace_in, write_table
from made_records import blend_record, submission_record, write_run_record
from PIL import Image

from facetwise import api
from facetwise.cli.main import main
from facetwise.core.project import Project
from facetwise.core.records.base import write_record
from facetwise.core.runs import RunFolder
from facetwise.core.workspace import file_hash, lock, mark_done
from facetwise.data.images.store import StoreSpec, prepare_store
from facetwise.data.manifest import build_manifest
from facetwise.data.saved_folds import make_folds
from facetwise.upkeep import doctor_machine, doctor_project
from facetwise.upkeep.doctor import Doctor, examine, examine_folder
from facetwise.upkeep.doctor_lines import DoctorLine
from facetwise.upkeep.doctor_machine import device, gpus
from facetwise.upkeep.doctor_submissions import checks

PEOPLE = 8
TABLE = ["person,file,glasses", *(f"{i},{i}.png,{('no', 'yes')[i % 2]}" for i in range(PEOPLE))]


def lines(doctor: Doctor, topic: str) -> list[DoctorLine]:
    return [f for f in doctor.findings if f.topic == topic]


def only(doctor: Doctor, topic: str) -> DoctorLine:
    (line,) = lines(doctor, topic)
    return line


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset, and a project that was checked, split and prepared, with one finished run."""
    project = drawn(folder := tmp_path_factory.mktemp("sound"))
    manifest = build_manifest(project, workers=1)
    make_folds(project.workspace, manifest, project.space, num_folds=2)
    store = prepare_store(project, manifest, StoreSpec(8, 8), workers=1)
    add_run(project, manifest.hash, store.key)
    return folder


@pytest.fixture
def project(sound: Path, tmp_path: Path) -> Project:
    """A copy to damage."""
    return Project.open(shutil.copytree(sound, tmp_path / "copy") / "project")


def drawn(folder: Path) -> Project:
    """A project that was not checked yet."""
    return photo_project(folder, TABLE, [f"photos/{i}.png" for i in range(PEOPLE)], folder="project")


def add_run(project: Project, manifest_hash: str, store_key: str, name: str = "01-run") -> Path:
    """A finished run, as far as the doctor looks into it."""
    folder = project.workspace.runs / name
    fields = {"manifest": manifest_hash, "store": store_key}
    run = RunFolder(folder)
    write_run_record(folder, fingerprint_fields=fields, folds=[])
    mark_done(folder, run.hashes(), hash_files=False)
    return folder


@pytest.fixture(autouse=True)
def no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading torch takes seconds, and only the tests of the device are about it."""
    monkeypatch.setattr(doctor_machine, "device", lambda: iter(()))


class Cuda:
    """Stands for `torch.cuda` of a machine with these GPUs: (name, bytes)."""

    def __init__(self, *gpus: tuple[str, int]) -> None:
        self.gpus = gpus

    def is_available(self) -> bool:
        if not self.gpus:
            warnings.warn("the driver is too old", UserWarning, stacklevel=1)  # as torch does
        return bool(self.gpus)

    def device_count(self) -> int:
        return len(self.gpus)

    def get_device_properties(self, index: int) -> SimpleNamespace:
        name, held = self.gpus[index]
        return SimpleNamespace(name=name, total_memory=held)


def test_a_sound_project_has_no_complaint(project: Project) -> None:
    doctor = examine(project)
    assert [f for f in doctor.findings if f.level != "ok" and f.topic not in {"extras", "weights", "disk"}] == []
    topics = {f.topic for f in doctor.findings}
    assert topics >= {"project", "dataset", "disk", "locks", "manifest", "folds", "stores", "runs"}
    assert not lines(doctor, "leftovers")


def test_as_dict_is_plain_json_with_counts(project: Project) -> None:
    (project.dataset_root / "labels.csv").unlink()
    doctor = examine(project)
    data = json.loads(json.dumps(doctor.as_dict()))
    assert data["num_problems"] == doctor.num_problems == sum(f["level"] == "problem" for f in data["findings"]) > 0
    assert data["num_warnings"] == doctor.num_warnings


def test_every_complaint_says_what_to_do(project: Project) -> None:
    for damage in DAMAGES.values():
        damage(project)
    complaints = [f for f in examine(project).findings if f.level != "ok"]
    assert len({f.topic for f in complaints}) >= 6
    assert [f for f in complaints if not f.hint] == []


def move_dataset(project: Project) -> None:
    project.dataset_root.rename(project.root / "data")


def lose_table(project: Project) -> None:
    (project.dataset_root / "labels.csv").unlink(missing_ok=True)


def damage_manifest(project: Project) -> None:
    next(project.workspace.manifest.glob("manifest.parquet")).write_bytes(b"not parquet")


def damage_folds(project: Project) -> None:
    next(project.workspace.folds.glob("*/folds.parquet")).write_bytes(b"not parquet")


def cut_store(project: Project) -> None:
    (images,) = project.workspace.stores.glob("*/images.npy")
    images.write_bytes(images.read_bytes()[:-1])


def lose_store_mark(project: Project) -> None:
    next(project.workspace.stores.glob("*/DONE.json")).unlink()


def lose_store_record(project: Project) -> None:
    (project.workspace.stores / "strange").mkdir(parents=True)


def lose_run_mark(project: Project) -> None:
    (project.workspace.runs / "01-run" / "DONE.json").unlink()


def cut_run_record(project: Project) -> None:
    (add_run(project, "", "", "02-cut") / "run.json").write_text('{"fingerp', encoding="utf-8")


def change_run_table(project: Project) -> None:
    folder = add_run(project, "", "", "03-changed")
    mark_done(folder, {**RunFolder(folder).hashes(), "tables": {"oof": "0" * 64}}, hash_files=False)


def finished_fold(project: Project, name: str) -> RunFolder:
    """A finished run with the weights of one fold."""
    run = RunFolder(project.workspace.runs / name)
    write_run_record(run.path, folds=[0])
    run.fold(0).mkdir()
    run.weights_file(0).write_bytes(b"weights")
    mark_done(run.fold(0), {})
    mark_done(run.path, run.hashes(), hash_files=False)
    return run


def lose_weights(project: Project) -> None:
    """Of a run that is finished: they were neither cleaned away nor left out of a pack."""
    finished_fold(project, "04-lost").weights_file(0).unlink()


def change_weights(project: Project) -> None:
    finished_fold(project, "05-changed").weights_file(0).write_bytes(b"Weights")


def leave_submission(project: Project) -> None:
    (project.workspace.submissions / "01").mkdir(parents=True)


def leave_temporary(project: Project) -> None:
    (project.workspace.runs / ".04-run.tmp-00c0ffee").mkdir()


DAMAGES: dict[tuple[str, str], Callable[[Project], None]] = {
    ("folds", "changed since it was made"): damage_folds,
    ("stores", "unfinished or damaged"): lose_store_mark,
    ("stores", ": unfinished or damaged"): cut_store,
    ("stores", "not a store"): lose_store_record,
    ("runs", "`01-run`: unfinished"): lose_run_mark,
    ("runs", "`02-cut`: damaged"): cut_run_record,
    ("runs", "oof.parquet: missing"): change_run_table,
    ("runs", "model.safetensors: missing"): lose_weights,
    ("runs", "model.safetensors: changed since it was made"): change_weights,
    ("submissions", "`01`: damaged: "): leave_submission,
    ("leftovers", "1 temporary files or folders"): leave_temporary,
    ("manifest", "changed since it was made"): damage_manifest,
    ("dataset", "lacks `labels.csv`"): lose_table,
}


def leave_blend(project: Project) -> None:
    (project.workspace.blends / "b01-soft-2").mkdir(parents=True)


def change_blend(project: Project) -> None:
    folder = project.workspace.blends / "b01-soft-2"
    folder.mkdir(parents=True)
    record = blend_record({"manifest": "m", "label_space": "s"})
    write_record(folder / "blend.json", record)
    mark_done(folder, {})
    write_record(folder / "blend.json", record.changed(name="another"))


def lose_member(project: Project) -> None:
    folder = project.workspace.blends / "b01-soft-2"
    folder.mkdir(parents=True)
    members = [{"kind": "run", "id": name, "weights": {"joint": 0.5}} for name in ("01-run", "07-gone")]
    write_record(folder / "blend.json", blend_record({"manifest": "m", "label_space": "s", "members": members}))
    mark_done(folder, {})


def damage_ledger(project: Project) -> None:
    project.workspace.ledger_file.write_text("one\ntwo\n", encoding="utf-8")


def cut_ledger(project: Project) -> None:
    project.workspace.ledger_file.write_text('{"event": "sen', encoding="utf-8")


def damage_notes(project: Project) -> None:
    project.workspace.notes_file.write_text("one\ntwo\n", encoding="utf-8")


def cut_notes(project: Project) -> None:
    project.workspace.notes_file.write_text('{"kind": "ru', encoding="utf-8")


SENDING: dict[tuple[str, str], Callable[[Project], None]] = {
    ("blends", "`b01-soft-2`: damaged: "): leave_blend,
    ("blends", "changed since it was made"): change_blend,
    ("blends", "`b01-soft-2`: member `07-gone` is gone"): lose_member,
    ("ledger", "2 lines not of a ledger"): damage_ledger,
    ("ledger", "the last line was cut off"): cut_ledger,
    ("notes", "2 lines are no notes"): damage_notes,
    ("notes", "the last line was cut off"): cut_notes,
}


def test_a_line_that_was_cut_off_is_told_by_what_passes_it_over(
    project: Project, capsys: Any, monkeypatch: Any
) -> None:
    cut_ledger(project)
    cut_notes(project)
    assert "ledger.jsonl: the last line was cut off" in api.ledger(project).odd[0]
    monkeypatch.setattr("sys.argv", ["facetwise", "--project", str(project.root), "notes"])
    with pytest.raises(SystemExit) as end:
        main()
    assert not end.value.code
    told = capsys.readouterr()
    assert told.out.startswith("no notes yet")
    assert "notes.jsonl: the last line was cut off" in told.err


@pytest.mark.parametrize(("topic", "message"), SENDING, ids=[f.__name__ for f in SENDING.values()])
def test_a_damage_to_what_was_sent_is_named(project: Project, topic: str, message: str) -> None:
    assert lines(examine(project, checks), topic) == []
    SENDING[topic, message](project)
    complaints = [f for f in lines(examine(project, checks), topic) if f.level != "ok"]
    assert [message in f.message for f in complaints] == [True]


def test_a_changed_csv_can_be_made_again(project: Project) -> None:
    folder = project.workspace.submissions / "01-run"
    folder.mkdir(parents=True)
    csv = folder / "submission.csv"
    csv.write_text("a,b\n", encoding="utf-8")
    made_from = {
        "kind": "run", "id": "01-run", "tta": "none", "parts": [], "test_sha256": "t", "manifest": "m",
        "label_space": None, "template_sha256": None,
    }  # fmt: skip
    write_record(folder / "record.json", submission_record(made_from, file_hash(csv)))
    mark_done(folder, {})
    (folder / "submission.csv").write_text("a,c\n", encoding="utf-8")
    line = only(examine(project), "submissions")
    assert (line.level, "changed since it was made" in line.message) == ("problem", True)
    assert "ledger replay 1 " in str(line.hint)


@pytest.mark.parametrize(("topic", "message"), DAMAGES, ids=[f.__name__ for f in DAMAGES.values()])
def test_a_damage_is_named(project: Project, topic: str, message: str) -> None:
    DAMAGES[topic, message](project)
    complaints = [f for f in lines(examine(project), topic) if f.level != "ok"]
    assert [message in f.message for f in complaints] == [True]


def test_a_moved_dataset_is_found_and_the_key_named(project: Project) -> None:
    was = project.dataset_root
    move_dataset(project)
    line = only(examine(project), "dataset")
    assert line.level == "problem"
    assert f"{was}: no such folder" in line.message
    assert "`dataset.path` is `../data`" in line.message
    assert line.hint is not None
    assert f"there is one of that name at {project.root / 'data'}" in line.hint
    assert "`dataset.path`" in line.hint


def test_a_dataset_without_groups_is_named(project: Project) -> None:
    replace_in(project.workspace.project_file, {'group = "person"': 'group = "none"'})
    build_manifest(Project.open(project.root), workers=1)
    images, line = lines(examine(Project.open(project.root)), "manifest")
    assert (images.level, line.level) == ("ok", "warning")
    assert line.message == "each image is taken as its own subject: scores are too high if several images show one"
    assert "`dataset.train.group`" in str(line.hint)


def test_stale_manifest_folds_and_run_are_named(project: Project) -> None:
    Image.new("RGB", (16, 16)).save(project.dataset_root / "photos" / "0.png")
    with (project.dataset_root / "labels.csv").open("a", encoding="utf-8") as file:
        file.write("9,0.png,no\n")
    line = only(examine(project), "manifest")
    assert (line.level, line.hint) == ("problem", "run `facetwise check`")
    lose_table(project)
    write_table(project.dataset_root / "labels.csv", *TABLE)
    build_manifest(project, workers=1)
    doctor = examine(project)
    assert "other images or people" in only(doctor, "runs").message
    assert "from another manifest" in only(doctor, "folds").message


def test_a_locked_run_is_training_not_broken(project: Project) -> None:
    lose_run_mark(project)
    leave_temporary(project)
    with lock(project.workspace.runs / "01-run" / ".lock", "test"):
        doctor = examine(project)
    assert (only(doctor, "runs").level, only(doctor, "runs").message) == ("ok", "`01-run`: training now")
    assert "runs/01-run/.lock is held" in only(doctor, "locks").message
    assert str(only(doctor, "leftovers").hint).startswith("when no facetwise process is at work")


def test_locks_that_do_not_lock_are_noticed(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor_project.locks_work(project.root)
    monkeypatch.setattr("fcntl.flock", lambda *_: None)  # as on a network disk without locking
    assert not doctor_project.locks_work(project.root)
    assert only(examine(project), "locks").level == "problem"
    assert list(project.root.glob(".facetwise.tmp-*")) == []


def test_a_full_disk_is_a_problem(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=10 * 2**20))
    line = only(examine(project), "disk")
    assert line.level == "problem"
    assert line.message.startswith("10.0 MiB free; this project holds stores")


def test_a_check_that_cannot_look_becomes_a_finding(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> None:
        raise PermissionError(13, "Permission denied", "some/file")

    monkeypatch.setattr(doctor_project, "list_folds", refuse)
    line = only(examine(project), "folds")
    assert (line.level, line.message) == ("problem", "some/file: Permission denied")


def test_a_folder_without_project_is_no_problem(tmp_path: Path) -> None:
    doctor = examine_folder(tmp_path)
    line = only(doctor, "project")
    assert line.level == "ok"
    assert "facetwise init" in str(line.hint)


def test_a_project_file_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "facetwise.toml").write_text("name = ", encoding="utf-8")
    line = only(examine_folder(tmp_path), "project")
    assert line.level == "problem"
    assert "facetwise.toml: not valid TOML" in line.message


def test_an_empty_project_says_what_comes_next(tmp_path: Path) -> None:
    doctor = examine_folder(drawn(tmp_path).workspace.root)
    assert only(doctor, "manifest").hint == "run `facetwise check`"
    assert doctor.num_problems == 0


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    return tmp_path / "hub"


def test_weights(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "need the network once" in only(examine(None), "weights").message
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert only(examine(None), "weights").level == "warning"
    blob = cache / "models--timm--tiny" / "blobs" / "0"
    blob.parent.mkdir(parents=True)
    blob.write_bytes(bytes(2**20))
    first, second = lines(examine(None), "weights")
    assert first.message.startswith("1 cached models")
    assert first.message.endswith("(1.0 MiB)")
    assert "only cached models" in second.message


def test_a_missing_extra_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {"safetensors", "timm", "torch", "torchvision"} <= set(doctor_machine.packages_of("train"))
    monkeypatch.setattr(doctor_machine, "is_installed", lambda package: package != "timm")
    line = only(examine(None), "extras")
    assert line.level == "warning"
    assert "lacks timm" in line.message
    assert line.hint == "install it with `pip install 'facetwise[train]'`"


def test_torch_that_does_not_load_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    cores, torch = device()
    assert " cores, " in cores.message
    assert torch.level == "problem"
    assert "does not load" in torch.message


def test_without_torch_only_the_extra_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_machine, "is_installed", lambda _: False)
    assert [f.level for f in device()] == ["ok"]


def test_gpus_are_listed() -> None:
    torch = SimpleNamespace(cuda=Cuda(("A", 2**30), ("B", 3 * 2**29)))
    assert [f.message for f in gpus(torch)] == ["GPU 0: A, 1.0 GiB", "GPU 1: B, 1.5 GiB"]


def test_a_gpu_that_torch_cannot_use_is_named_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = SimpleNamespace(cuda=Cuda())
    monkeypatch.setattr(doctor_machine, "GPU_FILE", Path("no/such/file"))
    assert [f.level for f in gpus(torch)] == ["ok"]
    monkeypatch.setattr(doctor_machine, "GPU_FILE", Path(__file__))
    (line,) = gpus(torch)
    assert line.level == "warning"
    assert line.message.endswith("the driver is too old")
