"""Taking a pack into a project: a run of a teammate becomes a run here, under the next number, or nothing changes.

A run on folds that this project has is a full member. On other folds it is for the test side only: its out-of-fold
table is kept, but never used (`RunFolder.why_no_oof`).
"""

from __future__ import annotations

import re
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facetwise.core.errors import ArtefactError, FacetwiseError, InputError, LeakError, MismatchError, ProblemsError
from facetwise.core.files.disk import told_when_full
from facetwise.core.files.tensorfile import check_tensor_file
from facetwise.core.files.writing import flush_folder
from facetwise.core.people import PEOPLE, people_in
from facetwise.core.project import Project
from facetwise.core.records.artefact import next_number
from facetwise.core.records.base import write_record
from facetwise.core.records.provenance import now
from facetwise.core.records.run import FoldsHere, Imported, RunRecord
from facetwise.core.runs import ARRIVING, BACKBONE, IMPORTED, SIDES, WEIGHTS, RunFolder, list_runs, runs_lock
from facetwise.core.workspace import DONE, mark_done, write_json
from facetwise.data.folds import Folds, list_folds, load_folds
from facetwise.data.manifest import Manifest, load_manifest
from facetwise.recipe import Recipe
from facetwise.sharing.format import EVENTS, TTA_TABLE, Pack, packed_manifest, packed_space
from facetwise.sharing.read import OpenPack, open_pack
from facetwise.sharing.record import (
    check_events,
    check_recipe,
    check_record,
    parse_record,
    plain_json,
    read_recipe,
)
from facetwise.sharing.tables import Wanted, check_tables

_NAME = re.compile(r"[^\W_][\w.-]{0,149}")


@dataclass(frozen=True)
class ImportedRun:
    """A run that came in a pack."""

    run: RunFolder
    origin: Imported
    split: str
    """How its folds were split: `group`, `image` (unsafe) or `none`."""
    same_folds: str | None
    """The command that makes the folds that this project lacks, where it is known."""

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        about = {"run": self.run.id, "path": str(self.run.path), "split": self.split, "same_folds": self.same_folds}
        return {**about, **self.origin.as_dict()}


@dataclass(frozen=True)
class _Arrived:
    """What a pack turned out to hold."""

    record: RunRecord
    folds: Folds | None
    """The project's folds that the run was validated on; None when it has no such folds, or the run had none."""
    origin: Imported


def import_run(project: Project, file: Path, *, name: str | None = None) -> ImportedRun:
    """Take the run in the pack `file` into the project, as a whole or not at all.

    It keeps its name (or is called `name`) behind the next number. Raises InputError when the pack is not one that
    `facetwise run export` wrote, or the run is here already, MismatchError naming what differs when it is of other
    data or another label, LeakError when its weights were trained on people whom it validates.
    """
    if name is not None and not _NAME.fullmatch(name):
        raise InputError(f"`{name}` cannot name a run", hint="letters, digits, `.`, `_`, `-`, not a mark first")
    manifest = load_manifest(project)
    with open_pack(file) as opened:
        _check_same_data(project, manifest, opened)
        _check_new(project, opened.pack)
        with _arriving(project, opened) as folder:
            arrived = _checked(project, manifest, opened, folder)
            with runs_lock(project.workspace):
                _check_new(project, opened.pack)  # once more: another import may have been quicker
                run = _settle(project, folder, opened.pack, arrived, name)
            command = _folds_command(opened.pack) if arrived.origin.other_folds else None
    return ImportedRun(run, arrived.origin, arrived.record.split, command)


def _folds_command(pack: Pack) -> str | None:
    folds = pack.folds
    if folds is None or folds.seed is None or folds.split == "image":
        return None
    return f"facetwise folds --name theirs --folds {folds.num_folds} --seed {folds.seed}"


@contextmanager
def _arriving(project: Project, opened: OpenPack) -> Iterator[Path]:
    """A temporary folder among the runs; nothing is left of it unless it was renamed."""
    runs = project.workspace.runs
    runs.mkdir(parents=True, exist_ok=True)
    if (free := shutil.disk_usage(runs).free) < opened.num_bytes:
        raise FacetwiseError(
            f"{opened.source} holds {opened.num_bytes:,} bytes, {free:,} are free in {runs}",
            hint="free some space (`facetwise clean` shows what may go), or import only its tables",
        )
    folder = runs / f"{ARRIVING}{uuid.uuid4().hex[:8]}.tmp-{uuid.uuid4().hex[:8]}"
    with told_when_full(folder, opened.num_bytes):
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


# ------------------------------------------------------------------------------------------------ is it of this project


def _check_same_data(project: Project, manifest: Manifest, opened: OpenPack) -> None:
    """Raise MismatchError, naming what differs, unless the pack is of this label space and these images."""
    pack = opened.pack
    if pack.label_space != project.space_hash:
        ours, theirs = packed_space(project.space), [a.model_dump(mode="json") for a in pack.space]
        raise MismatchError(
            f"{opened.source}: run `{pack.run}` is of another label: {_other_space(ours, theirs)}",
            hint="`attributes` in facetwise.toml must be the same on both sides",
        )
    here, there = packed_manifest(manifest), pack.manifest
    if there.hash != here.hash:
        differ = [name for name, value in here.parts.items() if there.parts.get(name) != value]
        counts = (
            f"here {here.num_train:,} training and {here.num_test:,} test images, "
            f"there {there.num_train:,} and {there.num_test:,}"
        )
        raise MismatchError(
            f"{opened.source}: run `{pack.run}` was made from another manifest: "
            f"{', '.join(differ) or 'columns'} differ ({counts})",
            hint="both sides need the same dataset: compare the copies, `facetwise check` on both, then export again",
        )


def _other_space(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> str:
    names = [[a["name"] for a in side] for side in (ours, theirs)]
    if names[0] != names[1]:
        return f"attributes here {', '.join(names[0])}, there {', '.join(names[1])}"
    changed = [
        f"{key} of `{one['name']}` are {one[key]} here, {other[key]} there"
        for one, other in zip(ours, theirs, strict=True)
        for key in ("classes", "cuts")
        if one[key] != other[key]
    ]
    return "; ".join(changed)[:500]


def _check_new(project: Project, pack: Pack) -> None:
    """Raise InputError when a finished run of the project has the very tables of the pack."""
    if run := _same_tables(project, pack):
        raise InputError(
            f"run `{pack.run}` of the pack is here already: it is run `{run.id}`, with the same predictions",
            hint="a second copy would count twice in a blend; to import it again, move that run away first",
        )


def _same_tables(project: Project, pack: Pack) -> RunFolder | None:
    tables = {side: pack.files[f"{side}.parquet"].sha256 for side in SIDES if f"{side}.parquet" in pack.files}
    for run in list_runs(project.workspace):
        with suppress(ArtefactError):  # a damaged run is shown in every list
            if run.finished and {side: run.table_hash(side) for side in tables} == tables:
                return run
    return None


def _known_folds(project: Project, manifest: Manifest, wanted: str) -> Folds | None:
    """The project's folds with this hash."""
    for name in list_folds(project.workspace):
        with suppress(FacetwiseError):  # folds that are damaged, or of another manifest, are not those
            folds = load_folds(project.workspace, manifest, name)
            if folds.hash == wanted:
                return folds
    return None


# --------------------------------------------------------------------------------------------------------- is it sound


def _checked(project: Project, manifest: Manifest, opened: OpenPack, folder: Path) -> _Arrived:
    """Unpack into `folder` and check every file; raises as `import_run`."""
    pack, source = opened.pack, opened.source
    record = parse_record(plain_json(opened.read("run.json"), f"{source}: run.json"), f"{source}: run.json")
    recipe = read_recipe(opened.read("recipe.toml"), f"{source}: recipe.toml")
    problems = [*check_record(record, pack.folds, project.space.names), *check_recipe(recipe, record)]
    if record.id != pack.run or record.fingerprint_fields.manifest != pack.manifest.hash:
        problems.append("run.json is of another run or manifest than pack.json says")
    if record.fingerprint_fields.space != pack.label_space:
        problems.append("run.json is of another label space than pack.json says")
    if {*map(str, record.folds)} != pack.weights.keys() - {"backbone"}:
        problems.append("pack.json does not tell the weights of each fold")
    tables = [name for name in pack.files if name.endswith(".parquet")]
    problems += _lacking(tables, recipe, manifest)
    if problems:
        raise ProblemsError(f"{source}: run `{pack.run}` contradicts itself", problems)
    folds = None if pack.folds is None else _known_folds(project, manifest, pack.folds.hash)
    if folds is not None and folds.split != record.split:
        raise InputError(f"{source}: its folds are split by {folds.split}, it says by {record.split}")
    opened.unpack(folder)
    with _said_of(source):
        check_events(folder / EVENTS)
        check_tables(folder, tables, _wanted(project, manifest, recipe, record, folds))
        _check_weights(folder, opened, manifest, folds)
    return _Arrived(record, folds, _origin(opened, record, folds))


@contextmanager
def _said_of(source: str) -> Iterator[None]:
    """Put the name of the pack before what is wrong with a file in it."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{source}: {error}", hint=error.hint or "nothing was imported") from None


def _lacking(tables: list[str], recipe: Recipe, manifest: Manifest) -> list[str]:
    """Tables that the run must have, or cannot have."""
    sides = {"oof": recipe.folds.plan != "none", "test": not manifest.test.is_empty()}
    found = [f"it has no `{side}.parquet`" for side, has in sides.items() if has and f"{side}.parquet" not in tables]
    ttas = {match.group(1) for name in tables if (match := TTA_TABLE.fullmatch(name))}
    found += [
        f"it has no `{path}`"
        for tta in sorted(ttas)
        for side, has in sides.items()
        if has and (path := f"predictions/tta-{tta}/{side}.parquet") not in tables
    ]
    extra = [name for name in tables for side, has in sides.items() if not has and name.endswith(f"{side}.parquet")]
    return found + [f"it has `{name}`, which such a run has not" for name in extra]


def _wanted(project: Project, manifest: Manifest, recipe: Recipe, record: RunRecord, folds: Folds | None) -> Wanted:
    return Wanted(
        space=project.space,
        manifest=manifest,
        attributes=tuple(record.attributes),
        folds=tuple(record.folds),
        num_folds=record.num_folds,
        by_image=record.split == "image",
        own_folds=folds,
        holdout=recipe.folds.plan == "holdout",
    )


def _check_weights(folder: Path, opened: OpenPack, manifest: Manifest, folds: Folds | None) -> None:
    """Check the weights' files, and that no fold's weights have seen people whom that fold validates."""
    if opened.pack.content != "whole":
        return
    fold_of_row = None if folds is None or folds.split != "group" else folds.of(manifest.train)
    groups, hashes = manifest.train["group"].to_numpy(), manifest.people_hashes
    for key, expected in opened.pack.weights.items():
        path = folder / (BACKBONE if key == "backbone" else f"fold-{key}/{WEIGHTS}")
        if opened.pack.files[path.relative_to(folder).as_posix()].sha256 != expected:
            raise InputError(f"the weights of {key} are not those that were noted when the run was finished")
        metadata = check_tensor_file(path)
        if key == "backbone":
            continue
        try:
            seen = people_in(metadata.get(PEOPLE, ""))
        except ValueError:
            seen = frozenset()
        if not seen:
            raise InputError(f"the weights of fold {key} do not say on which people they were trained")
        held_out = set() if fold_of_row is None else set(groups[fold_of_row == int(key)])
        if leaked := [name for name in held_out if hashes[name] & seen]:
            raise LeakError(
                f"{opened.source}: the weights of fold {key} were trained on {len(leaked)} people whom it holds out",
                hint="its out-of-fold score is not to be trusted: have the run trained again",
            )


def _origin(opened: OpenPack, record: RunRecord, folds: Folds | None) -> Imported:
    theirs = opened.pack.folds
    here: FoldsHere = "none" if theirs is None else "other" if folds is None else "same"
    return Imported(
        original=opened.pack.run,
        content=opened.pack.content,
        folds=here,
        folds_name=folds.name if folds else theirs.name if theirs else None,
        pack_sha256=opened.sha256,
        imported=now(),
        facetwise=opened.pack.facetwise,
        commit=record.provenance.commit,
    )


# ----------------------------------------------------------------------------------------------------- a run of its own


def _settle(project: Project, folder: Path, pack: Pack, arrived: _Arrived, name: str | None) -> RunFolder:
    """Give the checked files their marks and their place. The list of runs is locked by the caller."""
    rest = name or pack.run.partition("-")[2]
    run_id = f"{next_number(project.workspace.runs, RunFolder):02d}-{rest}"
    run = RunFolder(folder)
    write_record(run.record_file, arrived.record.changed(id=run_id))
    write_record(folder / IMPORTED, arrived.origin)
    for fold in arrived.record.folds:
        run.fold(fold).mkdir(exist_ok=True)
        _mark(run.fold(fold), {"fold": fold}, {WEIGHTS: pack.weights[str(fold)]})
    for tables in sorted(folder.glob("predictions/tta-*")):
        tta = tables.name.removeprefix("tta-")
        mark_done(tables, {"run": run_id, "tta": tta, "fingerprint": arrived.record.fingerprint})
    backbone = {"backbone_file": pack.weights["backbone"]} if "backbone" in pack.weights else {}
    made_from = {"fingerprint": arrived.record.fingerprint, **run.hashes(), **backbone}
    mark_done(folder, made_from, hash_files=False)
    settled = RunFolder(folder.rename(project.workspace.runs / run_id))
    flush_folder(project.workspace.runs)
    return settled


def _mark(folder: Path, made_from: Mapping[str, Any], files: Mapping[str, str]) -> None:
    """A DONE mark with hashes that are known already; the files themselves need not be there."""
    write_json(folder / DONE, {"schema_version": 1, "made_from": made_from, "files": files})
