"""What `facetwise doctor` looks at in a project: where things are, what is stale, unfinished, locked or left over."""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from functools import cached_property, partial
from pathlib import Path
from shlex import quote

from facetwise.core.errors import ArtefactError, FacetwiseError
from facetwise.core.files.outside import exists
from facetwise.core.project import Project
from facetwise.core.records.dataset import TestSide, TrainSide
from facetwise.core.runs import RunFolder, list_runs
from facetwise.core.text.counting import in_bytes
from facetwise.core.text.subject import PEOPLE, PERSON
from facetwise.core.workspace import is_locked, leftovers
from facetwise.data.images.store import StoreInfo, list_stores
from facetwise.data.manifest import Manifest, load_manifest
from facetwise.data.saved_folds import list_folds, load_folds
from facetwise.predictors.external import list_external
from facetwise.study.record import list_studies
from facetwise.study.show import open_trials
from facetwise.submission.folder import list_submissions
from facetwise.upkeep.doctor_lines import Check, DoctorLine, Level, refused, unusable

LOW_DISK, NO_DISK = 2 * 2**30, 2**28
"""Bytes free below which a project is warned, and below which training is likely to stop."""


def checks(project: Project) -> dict[str, Check]:
    """Topic -> check, in the order of the report."""
    state = _ProjectState(project)
    parts = {
        "project": _project,
        "dataset": _dataset,
        "disk": _disk,
        "locks": _locks,
        "manifest": _manifest,
        "folds": _folds,
        "stores": _stores,
        "runs": _runs,
        "foreign": _external,
        "submissions": _submissions,
        "studies": _studies,
        "leftovers": _leftovers,
    }
    return {topic: partial(check, state) for topic, check in parts.items()}


class _ProjectState:
    """The project, and what several checks read of it."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.root = project.root
        self.space = project.workspace

    @cached_property
    def manifest(self) -> Manifest | None:
        """None when there is none that can be used; the check `manifest` reports why."""
        try:
            return load_manifest(self.project)
        except (FacetwiseError, OSError, KeyError, TypeError, ValueError):
            return None

    @cached_property
    def runs(self) -> list[RunFolder]:
        return list_runs(self.space)

    @cached_property
    def locked(self) -> list[Path]:
        """Lock files that a process holds now."""
        files = [*self.root.glob(".*lock"), *self.root.glob("*/.lock"), *self.root.glob("*/*/.lock")]
        return sorted(f for f in files if is_locked(f))


def _project(state: _ProjectState) -> Iterator[DoctorLine]:
    attributes = " x ".join(f"{a.name} ({a.size})" for a in state.project.space.attributes)
    yield DoctorLine("project", "ok", f"`{state.project.file.name}` in {state.root}: {attributes}")


def _dataset(state: _ProjectState) -> Iterator[DoctorLine]:
    dataset, folder = state.project.file.dataset, state.project.dataset_root
    if not folder.is_dir():
        yield DoctorLine("dataset", "problem", f"{folder}: no such folder{_read_from(dataset.path)}", _moved(state))
        return
    sides: list[TrainSide | TestSide] = [dataset.train, *([dataset.test] if dataset.test else [])]
    tables = {table: path for side in sides for table, path in state.project.tables_of(side).items()}
    places = tables | {side.images_base: folder / side.images_base for side in sides}
    if lacking := [name for name, place in places.items() if place is None or not exists(place)]:
        hint = "put it back, or edit `dataset` in facetwise.toml"
        yield DoctorLine("dataset", "problem", f"{folder}: lacks {', '.join(f'`{n}`' for n in lacking)}", hint)
    else:
        yield DoctorLine("dataset", "ok", f"{folder} is there")


def _read_from(path: str) -> str:
    return "" if Path(path).is_absolute() else f" (`dataset.path` is `{path}`, read from the project folder)"


def _moved(state: _ProjectState) -> str:
    """What to edit when the project or its dataset went to another place."""
    name = Path(state.project.file.dataset.path).name
    near = next((p for p in (state.root / name, state.root.parent / name) if name and p.is_dir()), None)
    found = f"there is one of that name at {near}; " if near else ""
    return (
        f"was the dataset or the project moved? {found}set `dataset.path` in {state.space.project_file}, then run "
        "`facetwise check`; unchanged images keep their folds, stores and runs"
    )


def _disk(state: _ProjectState) -> Iterator[DoctorLine]:
    free = shutil.disk_usage(state.root).free
    used = {kind.name: folder_bytes(kind) for kind in (state.space.stores, state.space.runs) if kind.is_dir()}
    parts = ", ".join(f"{name} {in_bytes(held)}" for name, held in used.items())
    message = f"{in_bytes(free)} free" + (f"; this project holds {parts}" if parts else "")
    if free >= LOW_DISK:
        yield DoctorLine("disk", "ok", message)
    else:
        hint = "free some space; stores can be deleted at any time, `facetwise prepare RECIPE` makes them again"
        yield DoctorLine("disk", "problem" if free < NO_DISK else "warning", message, hint)


def folder_bytes(folder: Path) -> int:
    """Bytes that the files below `folder` take on the disk."""
    return sum(p.lstat().st_blocks * 512 for p in folder.rglob("*"))


def _locks(state: _ProjectState) -> Iterator[DoctorLine]:
    if not locks_work(state.root):
        message = f"{state.root}: file locks do not work here, so two processes could train the same run"
        yield DoctorLine("locks", "problem", message, "keep the project on a local disk, or mount NFS with locking")
        return
    for path in state.locked:
        yield DoctorLine("locks", "ok", f"{path.relative_to(state.root)} is held: a facetwise process is at work")
    if not state.locked:
        yield DoctorLine("locks", "ok", "file locks work; none is held")


def locks_work(folder: Path) -> bool:
    """Whether `flock` in `folder` keeps a second holder out; raises OSError when the folder is not writable."""
    with (
        tempfile.NamedTemporaryFile(dir=folder, prefix=".facetwise.tmp-") as first,
        Path(first.name).open("rb") as second,
    ):
        try:
            fcntl.flock(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        try:
            fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _manifest(state: _ProjectState) -> Iterator[DoctorLine]:
    if not state.space.manifest.is_dir():
        yield DoctorLine("manifest", "warning", "the dataset was not checked yet", "run `facetwise check`")
        return
    manifest = load_manifest(state.project)
    counts = dict(manifest.table.group_by("status").len().iter_rows())
    bad = "".join(f", {counts[status]} {status}" for status in ("damaged", "missing") if counts.get(status))
    hint = "`facetwise check` names them" if bad else None
    yield DoctorLine("manifest", "warning" if bad else "ok", f"{len(manifest.table):,} images{bad}", hint)
    if manifest.each_its_own:
        what = f"each image is taken as its own {PERSON}: scores are too high if several images show one"
        how = "name the column that says whose an image is: `dataset.train.group` in facetwise.toml"
        yield DoctorLine("manifest", "warning", what, how)


def _folds(state: _ProjectState) -> Iterator[DoctorLine]:
    names = list_folds(state.space)
    if not names:
        yield DoctorLine("folds", "warning", "there are no folds yet", "make them with `facetwise folds`")
    if state.manifest is None:
        return
    for name in names:
        try:
            folds = load_folds(state.space, state.manifest, name)
        except FacetwiseError as error:
            yield refused("folds", error)
            continue
        unsafe = folds.split == "image"
        note = ", split by image: scores on them are too high" if unsafe else ""
        note += f"; {folds.copies_note}" if folds.copies_note else ""
        level: Level = "warning" if unsafe or folds.parts_copies else "ok"
        yield DoctorLine("folds", level, f"`{name}`: {folds.num_folds} folds{note}")


def _stores(state: _ProjectState) -> Iterator[DoctorLine]:
    stores = list_stores(state.space)
    used = _stores_of_runs(state.runs)
    for store in stores:
        yield _store(state, store, used)
    strange = {p for p in state.space.stores.glob("[!.]*") if p.is_dir()} - {s.path for s in stores}
    for path in sorted(strange):
        yield DoctorLine(
            "stores",
            "warning",
            f"{path}: not a store, or its record is damaged",
            f"delete it: rm -r {quote(str(path))}",
        )


def _stores_of_runs(runs: list[RunFolder]) -> set[str]:
    """Keys of the stores that runs were trained on; a damaged run is reported elsewhere."""
    keys = set()
    for run in runs:
        with suppress(ArtefactError):
            keys.add(run.record().fingerprint_fields.store)
    return keys


def _store(state: _ProjectState, store: StoreInfo, used: set[str]) -> DoctorLine:
    spec = store.spec
    what = f"{store.path.name} ({spec.get('height')}x{spec.get('width')}, {in_bytes(store.num_bytes)})"
    if store.finished and (store.key in used or spec.get("fit") == "letterbox"):
        return DoctorLine("stores", "ok", what)
    if store.finished:
        return DoctorLine(
            "stores", "ok", f"{what}: no run uses it", f"to free the space: rm -r {quote(str(store.path))}"
        )
    if store.path / ".lock" in state.locked:
        return DoctorLine("stores", "ok", f"{what}: being filled now")
    hint = f"`facetwise prepare RECIPE` goes on with it; or: rm -r {quote(str(store.path))}"
    return DoctorLine("stores", "warning", f"{what}: unfinished or damaged", hint)


def _runs(state: _ProjectState) -> Iterator[DoctorLine]:
    for run in state.runs:
        try:
            yield _run(state, run)
        except ArtefactError as error:
            yield unusable("runs", run.id, error)


def _run(state: _ProjectState, run: RunFolder) -> DoctorLine:
    made_from = run.record().fingerprint_fields.manifest
    if run.lock_file in state.locked:
        return DoctorLine("runs", "ok", f"`{run.id}`: training now")
    if not run.finished:
        return DoctorLine("runs", "warning", f"`{run.id}`: unfinished", f"go on with `facetwise fit --resume {run.id}`")
    run.check_all()
    if state.manifest is not None and made_from != state.manifest.hash:
        message = f"`{run.id}`: made from other images or {PEOPLE} than the manifest has now"
        return DoctorLine("runs", "warning", message, "put the data back, or train it again")
    return DoctorLine("runs", "ok", f"`{run.id}`: finished{_without_weights(run)}")


def _without_weights(run: RunFolder) -> str:
    """Why a finished run has no weights, where that is as it should be."""
    came = run.imported()
    if not run.missing_weights():
        return "" if came is None else ", imported"
    if run.cleaned_file.is_file():
        return ", its weights were cleaned away"
    return ", imported with its tables only" if came is not None and came.content == "tables" else ""


def _external(state: _ProjectState) -> Iterator[DoctorLine]:
    for folder in list_external(state.space):
        try:
            made_from = folder.record().made_from
        except ArtefactError as error:
            yield unusable("foreign", f"foreign:{folder.name}", error)
            continue
        if state.manifest is not None and made_from.manifest != state.manifest.hash:
            message = f"`foreign:{folder.name}`: of other images or {PEOPLE} than the manifest has now"
            yield DoctorLine("foreign", "warning", message, "put the data back, or import its csv again")
        else:
            yield DoctorLine("foreign", "ok", f"`foreign:{folder.name}`: imported predictions")


def _submissions(state: _ProjectState) -> Iterator[DoctorLine]:
    for folder in list_submissions(state.space):
        try:
            folder.record()
            folder.read_csv_bytes()
            folder.check_whole()
        except ArtefactError as error:
            yield unusable("submissions", folder.id, error)


def _studies(state: _ProjectState) -> Iterator[DoctorLine]:
    for folder in list_studies(state.space):
        try:
            if folder.record().kind == "search" and folder.trials_file.is_file():
                open_trials(folder)
        except ArtefactError as error:
            yield unusable("studies", folder.id, error)
        except FacetwiseError as error:  # no optuna to look with, or keys of another version
            yield DoctorLine("studies", "warning", f"`{folder.id}`: {error}", error.hint)


def _leftovers(state: _ProjectState) -> Iterator[DoctorLine]:
    """What killed processes left behind; while any process is at work, its own temporary files are among them."""
    folders = (state.root, *(p for depth in ("*", "*/*", "*/*/*") for p in state.root.glob(f"{depth}/")))
    found = [path for folder in folders for path in leftovers(folder)]
    if not found:
        return
    held = sum(folder_bytes(p) if p.is_dir() else p.lstat().st_blocks * 512 for p in found)
    message = f"{len(found)} temporary files or folders of processes that were killed ({in_bytes(held)})"
    when = "when no facetwise process is at work, " if state.locked else ""
    yield DoctorLine("leftovers", "warning", message, f"{when}delete: {' '.join(str(p) for p in found)}")
