"""Freeing disk space: what can be deleted and why, what is kept and why, and deletion that is safe to interrupt.

Deleted are weights of finished runs without a reason to keep them (`keep`), folds of pruned trials, leftovers of
crashes and, on request, image stores and predictions of other photos. A run without its weights keeps its tables and
records the deletion (`cleaned.json`, written before the first file is deleted). Folders are renamed to a temporary name
before they are deleted. Links are never followed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from facetwise.core.errors import FacetwiseError, SettingError
from facetwise.core.files.writing import flush_folder, is_temporary
from facetwise.core.project import Project
from facetwise.core.records.provenance import now
from facetwise.core.runs import RunFolder, list_runs
from facetwise.core.workspace import Workspace, discard, is_locked, lock, write_json
from facetwise.data.images.store import LOCK_FILE, list_stores
from facetwise.data.manifest import Manifest, load_manifest
from facetwise.results.runs import RunRow, build_runs_view
from facetwise.study.record import pruned_by
from facetwise.upkeep.keep import Reasons, is_unsafe, runs_to_keep, stores_to_keep
from facetwise.upkeep.leftovers import features_lock, is_own, leftover_paths, lock_of, num_bytes


@dataclass(frozen=True)
class CleanSpec:
    """Settings of `clean`; raises SettingError for a negative `keep`."""

    keep: int = 5
    """Number of best finished runs of each kind (`joint`, or a specialist's attributes) that keep their weights."""
    stores: bool = False
    """Also delete features, and image stores that no kept run was trained on and no recipe of the project reads."""
    predictions: bool = False
    """Also delete predictions of other photos; those of the project's own images are always kept."""

    def __post_init__(self) -> None:
        if self.keep < 0:
            raise SettingError(f"`keep` is {self.keep}: expected 0 or more")


@dataclass(frozen=True)
class FreedItem:
    """Something that can be deleted."""

    what: str
    why: str
    num_bytes: int
    """Size on disk."""
    paths: tuple[str, ...]
    """Files and folders, relative to the project."""
    run: str | None = None
    """The run that the weights belong to."""


@dataclass(frozen=True)
class KeptItem:
    """A run's weights, or an image store, that is kept."""

    what: str
    why: tuple[str, ...]
    num_bytes: int


@dataclass(frozen=True)
class CleanPlan:
    """What is (or was) deleted and what is kept, in the order of deletion and listing."""

    project: str
    spec: CleanSpec
    freed: tuple[FreedItem, ...]
    kept: tuple[KeptItem, ...]
    num_runs: int
    """Number of runs in the project; tables, recipe and record of each are kept."""
    deleted: bool = False
    """Whether `freed` was deleted; otherwise nothing was changed."""
    refused: tuple[str, ...] = ()
    """What could not be deleted, with the reason."""

    @property
    def num_bytes(self) -> int:
        """Total size of `freed` on disk."""
        return sum(item.num_bytes for item in self.freed)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {**asdict(self), "num_bytes": self.num_bytes}


def plan_clean(project: Project, spec: CleanSpec | None = None) -> CleanPlan:
    """What cleaning would delete; deletes nothing.

    Raises ArtefactError when a submission's record does not name the run it needs.
    """
    return _plan(project, spec or CleanSpec(), frozenset())


def clean(project: Project, shown: CleanPlan) -> CleanPlan:
    """Carry out a plan where it is still valid; returns what was deleted and what was not.

    Changes since the plan was made (a new submission, a run in training) are checked again, under locks that exclude
    new runs and submissions. Raises LockedError while either is being made.
    """
    space = project.workspace
    outer = (space.runs / ".lock", space.submissions / ".lock")
    allowed = {path for item in shown.freed for path in item.paths}
    with lock(outer[0], "the list of runs"), lock(outer[1], "submissions"):
        plan = _plan(project, shown.spec, frozenset(outer))
        todo = [item for item in plan.freed if allowed.issuperset(item.paths)]
        freed, refused = [], []
        for item in todo:
            try:
                _delete(space, item, frozenset(outer))
                freed.append(item)
            except (OSError, FacetwiseError) as error:
                refused.append(f"{item.what}: {error}")
    return replace(plan, freed=tuple(freed), deleted=True, refused=(*plan.refused, *refused))


def _plan(project: Project, spec: CleanSpec, held: frozenset[Path]) -> CleanPlan:
    """`held`: lock files that this process holds itself."""
    runs = list_runs(project.workspace)
    manifest = load_manifest(project) if runs or spec.stores else None
    rows = build_runs_view(project, manifest).runs
    reasons = runs_to_keep(project, rows, spec.keep)
    freed = [*_leftovers(project.workspace, held), *_states(runs)]
    freed += _predictions(runs) if spec.predictions else []
    kept, weights = _weights(runs, {row.id: row for row in rows}, reasons)
    if spec.stores and manifest is not None:
        stays, goes = _stores(project, manifest, reasons)
        kept, freed = kept + stays, freed + goes + _features(project.workspace)
    found = [*freed, *weights]
    linked = [f for f in found if not all(is_own(project.root, project.root / p) for p in f.paths)]
    return CleanPlan(
        project=project.file.name,
        spec=spec,
        freed=tuple(f for f in found if f not in linked),
        kept=tuple(kept),
        num_runs=len(runs),
        refused=tuple(f"{f.what}: reached by a link, and links are not followed" for f in linked),
    )


def _weights(
    runs: list[RunFolder], rows: dict[str, RunRow], reasons: Reasons
) -> tuple[list[KeptItem], list[FreedItem]]:
    kept, freed = [], []
    for run in runs:
        files = [p for p in (*sorted(run.path.glob("fold-*/*.safetensors")), run.backbone_file) if p.is_file()]
        why = reasons.get(run.id)
        if not why and run.id in rows and pruned_by(run):
            freed += _pruned(run)
        elif why and (files or not run.finished):
            kept.append(KeptItem(f"run `{run.id}`", why, sum(map(num_bytes, [*files, run.path / "state"]))))
        elif why:
            continue
        elif files and run.id in rows:
            freed.append(_item(run, f"weights of `{run.id}`", _why_weights(rows[run.id]), files, run=run.id))
    return kept, freed


def _pruned(run: RunFolder) -> list[FreedItem]:
    """The training state of a pruned trial, completely, or a later run would take its folds for finished."""
    paths = [*sorted(run.path.glob("fold-*/")), run.backbone_file, run.path / "state"]
    number = run.id.split("-")[0]
    why = (
        f"search `{pruned_by(run)}` stopped it; lost are its folds: `facetwise fit --resume {number}` would begin anew"
    )
    there = [path for path in paths if path.exists()]
    return [_item(run, f"folds and training state of `{run.id}`", why, there)] if there else []


def _why_weights(row: RunRow) -> str:
    if is_unsafe(row):
        return "its folds were split by image: it is not ranked"
    return f"`{row.what}` {row.score:.3f}: not one of the best, no submission needs it"


def _states(runs: list[RunFolder]) -> list[FreedItem]:
    """Training state of finished runs, left when a process was killed at its very end."""
    found = [run for run in runs if run.finished and (run.path / "state").is_dir() and not is_locked(run.lock_file)]
    why = "the run is finished and needs it no more"
    return [_item(run, f"training state of run `{run.id}`", why, [run.path / "state"]) for run in found]


def _predictions(runs: list[RunFolder]) -> list[FreedItem]:
    """Predictions of other photos; those of the project's own images may be what a submission was made from."""
    folders = [(run, p) for run in runs for p in sorted(run.path.glob("predictions/images-*/"))]
    return [
        _item(run, f"predictions `{folder.name}` of run `{run.id}`", _why_predictions(run), [folder])
        for run, folder in folders
    ]


def _why_predictions(run: RunFolder) -> str:
    return f"asked for; `facetwise predict {run.id} --images DIR` makes them again while the run has its weights"


def _stores(project: Project, manifest: Manifest, reasons: Reasons) -> tuple[list[KeptItem], list[FreedItem]]:
    stores = list_stores(project.workspace)
    needed = stores_to_keep(project, stores, manifest, reasons)
    kept, freed = [], []
    for store in stores:
        what = f"image store `{store.path.name}` ({store.spec.get('height')}x{store.spec.get('width')})"
        why = ("is being filled",) if is_locked(store.path / LOCK_FILE) else needed[store.key]
        if why:
            kept.append(KeptItem(what, why, store.num_bytes))
        else:
            reason = "no kept run and no recipe reads it; `facetwise prepare RECIPE` makes it again"
            paths = (store.path.relative_to(project.root).as_posix(),)
            freed.append(FreedItem(what, reason, store.num_bytes, paths))
    return kept, freed


def _features(space: Workspace) -> list[FreedItem]:
    """Features of frozen backbones; runs do not need them, as they have their own copy of the weights."""
    folders = sorted(p for p in space.features.glob("[!.]*/") if not is_locked(features_lock(p)))
    why = "derived; the next run that needs them computes them again"
    names = [(p.relative_to(space.root).as_posix(), p) for p in folders]
    return [FreedItem(f"features `{path.name}`", why, num_bytes(path), (name,)) for name, path in names]


def _leftovers(space: Workspace, held: frozenset[Path]) -> Iterator[FreedItem]:
    for path, why in leftover_paths(space, held):
        name = path.relative_to(space.root).as_posix()
        yield FreedItem(f"left over `{name}`", why, num_bytes(path), (name,))


def _delete(space: Workspace, item: FreedItem, held: frozenset[Path]) -> None:
    paths = [space.root / p for p in item.paths]
    if outside := [p for p in paths if not is_own(space.root, p)]:
        raise FacetwiseError(f"{outside[0]} is reached by a link, and links are not followed")
    holder = _holder(space, paths[0])
    if holder is None or holder in held:
        _remove(space, item, paths)
        return
    with lock(holder, item.what):
        _remove(space, item, paths)


def _holder(space: Workspace, path: Path) -> Path | None:
    """The lock of the run or store to hold while `path` is deleted, so that no process starts to use it."""
    if is_temporary(path):
        return lock_of(space, path)
    if path.parent == space.stores:
        return path / LOCK_FILE
    if path.parent == space.features:
        return features_lock(path)
    return RunFolder(space.runs / path.relative_to(space.runs).parts[0]).lock_file


def _remove(space: Workspace, item: FreedItem, paths: list[Path]) -> None:
    if item.run is not None:
        _note_cleaned(RunFolder(space.runs / item.run))
    for path in paths:
        discard(path)
        flush_folder(path.parent)


def _note_cleaned(run: RunFolder) -> None:
    """Record in the run that its weights were deleted; on a full disk an empty file is enough."""
    with suppress(FacetwiseError):
        write_json(run.cleaned_file, {"cleaned": now(), "weights": run.weights_hashes()})
    if not run.cleaned_file.is_file():
        run.cleaned_file.touch()


def _item(folder: RunFolder, what: str, why: str, paths: list[Path], *, run: str | None = None) -> FreedItem:
    root = folder.path.parent.parent
    names = tuple(p.relative_to(root).as_posix() for p in paths)
    return FreedItem(what, why, sum(map(num_bytes, paths)), names, run)
