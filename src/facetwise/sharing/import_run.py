"""Importing a pack: a teammate's run becomes a run of this project, under the next number, atomically.

A run on folds of this project can be used like any other. A run on other folds can be used for the test side only: its
out-of-fold table is stored but never used (`RunFolder.why_no_oof`).
"""

from __future__ import annotations

import re
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facetwise.core.errors import ArtefactError, FacetwiseError, InputError, LeakError, MismatchError, ProblemsError
from facetwise.core.files.disk import disk_full_errors
from facetwise.core.files.tensorfile import check_tensor_file, tensor_shapes
from facetwise.core.files.writing import flush_folder
from facetwise.core.people import PEOPLE_KEY, people_in
from facetwise.core.project import Project
from facetwise.core.records.artefact import next_number
from facetwise.core.records.base import write_record
from facetwise.core.records.provenance import now
from facetwise.core.records.run import FoldsHere, ImportRecord, RunRecord
from facetwise.core.runs import ARRIVING, BACKBONE, IMPORTED, SIDES, WEIGHTS, RunFolder, list_runs, runs_lock
from facetwise.core.text.subject import PEOPLE
from facetwise.core.workspace import DONE, mark_done, write_json
from facetwise.data.folds import Folds
from facetwise.data.manifest import Manifest, load_manifest
from facetwise.data.saved_folds import list_folds, load_folds
from facetwise.recipe import Recipe
from facetwise.sharing.format import EVENTS, TTA_TABLE, Pack, PackedAttribute, packed_manifest, packed_space
from facetwise.sharing.read import OpenPack, open_pack
from facetwise.sharing.record import (
    check_events,
    check_recipe,
    check_record,
    parse_record,
    plain_json,
    read_recipe,
)
from facetwise.sharing.tables import ExpectedTables, check_tables

_NAME = re.compile(r"[^\W_][\w.-]{0,149}")


@dataclass(frozen=True)
class ImportedRun:
    """An imported run."""

    run: RunFolder
    origin: ImportRecord
    split: str
    """Split of its folds: `group`, `image` (unsafe) or `none`."""
    same_folds: str | None
    """The command that creates the run's folds in this project, if they are missing and it is known."""

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        about = {"run": self.run.id, "path": str(self.run.path), "split": self.split, "same_folds": self.same_folds}
        return {**about, **self.origin.as_dict()}


@dataclass(frozen=True)
class _CheckedPack:
    """The checked content of a pack."""

    record: RunRecord
    folds: Folds | None
    """The project's folds that the run was validated on; None when the project lacks them or the run had none."""
    origin: ImportRecord


def import_run(project: Project, file: Path, *, name: str | None = None) -> ImportedRun:
    """Import the run in the pack `file`, completely or not at all.

    It gets the next number and keeps its name, or is called `name`. Raises InputError when the file is not a valid pack
    or the run was imported before, MismatchError naming the difference when it has other data or another label space,
    LeakError when weights were trained on people whom their fold validates.
    """
    if name is not None and not _NAME.fullmatch(name):
        raise InputError(
            f"`{name}` cannot name a run",
            hint="use letters, digits, `.`, `_` and `-`, beginning with a letter or digit",
        )
    manifest = load_manifest(project)
    with open_pack(file) as opened:
        _check_same_data(project, manifest, opened)
        _check_new(project, opened.pack)
        with _temporary_run(project, opened) as folder:
            checked_pack = _checked(project, manifest, opened, folder)
            with runs_lock(project.workspace):
                _check_new(project, opened.pack)  # again: another import may have been faster
                run = _store_run(project, folder, opened.pack, checked_pack, name)
            command = _folds_command(opened.pack) if checked_pack.origin.other_folds else None
    return ImportedRun(run, checked_pack.origin, checked_pack.record.split, command)


def _folds_command(pack: Pack) -> str | None:
    folds = pack.folds
    if folds is None or folds.seed is None or folds.split == "image":
        return None
    return f"facetwise folds --name theirs --folds {folds.num_folds} --seed {folds.seed}"


@contextmanager
def _temporary_run(project: Project, opened: OpenPack) -> Iterator[Path]:
    """A temporary folder beside the runs, deleted unless it was renamed."""
    runs = project.workspace.runs
    runs.mkdir(parents=True, exist_ok=True)
    if (free := shutil.disk_usage(runs).free) < opened.num_bytes:
        raise FacetwiseError(
            f"{opened.source} holds {opened.num_bytes:,} bytes, {free:,} are free in {runs}",
            hint="free some space (`facetwise clean` shows what may go), or import only its tables",
        )
    folder = runs / f"{ARRIVING}{uuid.uuid4().hex[:8]}.tmp-{uuid.uuid4().hex[:8]}"
    with disk_full_errors(folder, opened.num_bytes):
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


# -------------------------------------------------------------------------------------- does it belong to this project


def _check_same_data(project: Project, manifest: Manifest, opened: OpenPack) -> None:
    """Raise MismatchError naming the difference unless the pack has this label space and these images."""
    pack = opened.pack
    if pack.label_space != project.space_hash:
        ours, theirs = packed_space(project.space), pack.space
        raise MismatchError(
            f"{opened.source}: run `{pack.run}` has another label space: {_space_difference(ours, theirs)}",
            hint="`attributes` and `labels` in facetwise.toml must be the same on both sides",
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


def _space_difference(ours: Sequence[PackedAttribute], theirs: Sequence[PackedAttribute]) -> str:
    names = [[a.name for a in side] for side in (ours, theirs)]
    if names[0] != names[1]:
        return f"attributes here {', '.join(names[0])}, there {', '.join(names[1])}"
    changed = [
        f"{key} of `{one.name}` are {here} here, {there} there"
        for one, other in zip(ours, theirs, strict=True)
        for key in ("classes", "cuts")
        if (here := getattr(one, key)) != (there := getattr(other, key))
    ]
    return "; ".join(changed)[:500] or "other combinations of classes can occur"


def _check_new(project: Project, pack: Pack) -> None:
    """Raise InputError when a finished run of the project has the same tables as the pack."""
    if run := _same_tables(project, pack):
        raise InputError(
            f"run `{pack.run}` was already imported: run `{run.id}` has the same predictions",
            hint="a second copy would count twice in a blend; to import it again, move that run away first",
        )


def _same_tables(project: Project, pack: Pack) -> RunFolder | None:
    tables = {side: pack.files[f"{side}.parquet"].sha256 for side in SIDES if f"{side}.parquet" in pack.files}
    for run in list_runs(project.workspace):
        with suppress(ArtefactError):  # a damaged run is reported by every list
            if run.finished and {side: run.table_hash(side) for side in tables} == tables:
                return run
    return None


def _matching_folds(project: Project, manifest: Manifest, expected: str) -> Folds | None:
    """The project's folds with this hash."""
    for name in list_folds(project.workspace):
        with suppress(FacetwiseError):  # damaged folds, or of another manifest, are not the ones
            folds = load_folds(project.workspace, manifest, name)
            if folds.hash == expected:
                return folds
    return None


# --------------------------------------------------------------------------------------------------- is it consistent


def _checked(project: Project, manifest: Manifest, opened: OpenPack, folder: Path) -> _CheckedPack:
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
    folds = None if pack.folds is None else _matching_folds(project, manifest, pack.folds.hash)
    if folds is not None and folds.split != record.split:
        raise InputError(f"{source}: its folds are split by {folds.split}, but its record says by {record.split}")
    opened.unpack(folder)
    with _naming_pack(source):
        check_events(folder / EVENTS)
        check_tables(folder, tables, _expected_tables(project, manifest, recipe, record, folds))
        _check_weights(folder, opened, manifest, folds)
    return _CheckedPack(record, folds, _origin(opened, record, folds))


@contextmanager
def _naming_pack(source: str) -> Iterator[None]:
    """Prefix errors about a file in the pack with the pack's name."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{source}: {error}", hint=error.hint or "nothing was imported") from None


def _lacking(tables: list[str], recipe: Recipe, manifest: Manifest) -> list[str]:
    """Tables that the run lacks, or should not have."""
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


def _expected_tables(
    project: Project, manifest: Manifest, recipe: Recipe, record: RunRecord, folds: Folds | None
) -> ExpectedTables:
    return ExpectedTables(
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
    """Check the weight files, and that no weights were trained on people whom their fold validates."""
    if opened.pack.content != "whole":
        return
    fold_of_row = None if folds is None or folds.split != "group" else folds.of(manifest.train)
    groups, hashes = manifest.train["group"].to_numpy(), manifest.people_hashes
    for key, expected in opened.pack.weights.items():
        path = folder / (BACKBONE if key == "backbone" else f"fold-{key}/{WEIGHTS}")
        if opened.pack.files[path.relative_to(folder).as_posix()].sha256 != expected:
            raise InputError(f"the weights of {key} differ from those recorded when the run finished")
        metadata = check_tensor_file(path)
        if key == "backbone":
            continue
        try:
            seen = people_in(metadata.get(PEOPLE_KEY, ""))
        except ValueError:
            seen = frozenset()
        if not seen:
            raise InputError(f"the weights of fold {key} do not record which {PEOPLE} they were trained on")
        held_out = set() if fold_of_row is None else set(groups[fold_of_row == int(key)])
        if leaked := [name for name in held_out if hashes[name] & seen]:
            raise LeakError(
                f"{opened.source}: the weights of fold {key} were trained on {len(leaked)} {PEOPLE} whom it holds out",
                hint="its out-of-fold score is too high: have the run trained again",
            )
    _check_alike({key: folder / f"fold-{key}/{WEIGHTS}" for key in opened.pack.weights if key != "backbone"})


def _check_alike(weights: Mapping[str, Path]) -> None:
    """Raise InputError unless the weights of all folds are of one network: the same tensors of the same shapes."""
    shapes = {key: tensor_shapes(path) for key, path in weights.items()}
    first = next(iter(shapes))
    for key, found in shapes.items():
        expected = shapes[first]
        for name in sorted(expected.keys() | found.keys()):
            if found.get(name) != expected.get(name):
                here, there = (f"of shape {s[name]}" if name in s else "missing" for s in (found, expected))
                told = f"tensor `{name[:100]}` is {here} in fold {key}, and {there} in fold {first}"
                raise InputError(f"the weights of its folds are not of one network: {told}")


def _origin(opened: OpenPack, record: RunRecord, folds: Folds | None) -> ImportRecord:
    theirs = opened.pack.folds
    here: FoldsHere = "none" if theirs is None else "other" if folds is None else "same"
    return ImportRecord(
        original=opened.pack.run,
        content=opened.pack.content,
        folds=here,
        folds_name=folds.name if folds else theirs.name if theirs else None,
        pack_sha256=opened.sha256,
        imported=now(),
        facetwise=opened.pack.facetwise,
        commit=record.provenance.commit,
    )


# -------------------------------------------------------------------------------------------------- storing the new run


def _store_run(project: Project, folder: Path, pack: Pack, checked_pack: _CheckedPack, name: str | None) -> RunFolder:
    """Write the marks of the checked files and move them into place. The caller holds the lock of the runs."""
    rest = name or pack.run.partition("-")[2]
    run_id = f"{next_number(project.workspace.runs, RunFolder):02d}-{rest}"
    run = RunFolder(folder)
    write_record(run.record_file, checked_pack.record.changed(id=run_id))
    write_record(folder / IMPORTED, checked_pack.origin)
    for fold in checked_pack.record.folds:
        run.fold(fold).mkdir(exist_ok=True)
        _mark(run.fold(fold), {"fold": fold}, {WEIGHTS: pack.weights[str(fold)]})
    for tables in sorted(folder.glob("predictions/tta-*")):
        tta = tables.name.removeprefix("tta-")
        mark_done(tables, {"run": run_id, "tta": tta, "fingerprint": checked_pack.record.fingerprint})
    backbone = {"backbone_file": pack.weights["backbone"]} if "backbone" in pack.weights else {}
    made_from = {"fingerprint": checked_pack.record.fingerprint, **run.hashes(), **backbone}
    mark_done(folder, made_from, hash_files=False)
    settled = RunFolder(folder.rename(project.workspace.runs / run_id))
    flush_folder(project.workspace.runs)
    return settled


def _mark(folder: Path, made_from: Mapping[str, Any], files: Mapping[str, str]) -> None:
    """Write `DONE.json` with the known hashes; the files themselves need not exist."""
    write_json(folder / DONE, {"schema_version": 1, "made_from": made_from, "files": files})
