"""Packing a finished run into one file. See `sharing.format` for what that is."""

from __future__ import annotations

import hashlib
import json
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from facetwise.core.errors import ArtefactError, FacetwiseError, InputError
from facetwise.core.files.disk import disk_full_errors
from facetwise.core.files.writing import whole_file
from facetwise.core.project import Project
from facetwise.core.records.done import verify_file
from facetwise.core.records.provenance import versions
from facetwise.core.records.run import Content, RunRecord
from facetwise.core.runs import BACKBONE, SIDES, WEIGHTS, RunFolder
from facetwise.core.workspace import content_hash, file_hash
from facetwise.data.manifest import Manifest, load_manifest
from facetwise.data.saved_folds import list_folds, load_folds
from facetwise.recipe import load_recipe, recipe_toml
from facetwise.recipe.load import Recipe
from facetwise.sharing.format import (
    EVENTS,
    PACK,
    SCHEMA_VERSION,
    Pack,
    PackedFile,
    PackedFolds,
    packed_combinations,
    packed_folds,
    packed_manifest,
    packed_space,
)
from facetwise.sharing.record import event_lines, parse_record, shorten

EPOCH = (1980, 1, 1, 0, 0, 0)
"""Modification time of every file in a pack: the earliest that zip can store."""
_BLOCK = 2**20

Member = Path | bytes
"""A file to pack, or its content."""


@dataclass(frozen=True)
class Exported:
    """A written pack."""

    path: Path
    run: str
    content: Content
    num_bytes: int
    sha256: str
    shortened: tuple[str, ...]
    """Keys of the recipe whose paths led out of the project; only the file names are packed."""

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        fields = {"run": self.run, "content": self.content, "num_bytes": self.num_bytes, "sha256": self.sha256}
        return {"path": str(self.path), **fields, "shortened": list(self.shortened)}


def export_run(project: Project, run: RunFolder, out: Path, *, tables_only: bool = False) -> Exported:
    """Pack a finished run into the new file `out`, a pipe or a device; whole or not at all, the same bytes each time.

    With `tables_only` weights are left out. Raises ArtefactError when the run is not finished, is damaged or lacks its
    weights, MismatchError when it was made from other data or labels than the project has now, InputError when `out`
    exists or its folder does not.
    """
    _check_target(out)
    record = _checked_record(project, run, manifest := load_manifest(project))
    content: Content = "tables" if tables_only else "whole"
    recipe, record, shortened = _without_paths(load_recipe(run.recipe_file), record)
    members = _members(run, recipe, record) | ({} if tables_only else _weights(run))
    pack = Pack(
        schema_version=SCHEMA_VERSION,
        content=content,
        run=run.id,
        facetwise=versions().get("facetwise", "unknown"),
        space=packed_space(project.space),
        **packed_combinations(project.space),
        label_space=project.space_hash,
        manifest=packed_manifest(manifest),
        folds=_folds(project, manifest, record),
        weights=run.weights_hashes(),
        shortened=shortened,
        files={name: _described(member) for name, member in sorted(members.items())},
    )
    files = {PACK: _json(pack.model_dump(mode="json", exclude_unset=True)), **dict(sorted(members.items()))}
    return Exported(out, run.id, content, *_write(out, files, pack), tuple(shortened))


def _check_target(out: Path) -> None:
    if out.is_file():
        raise InputError(f"{out}: is there already", hint="give the pack another name, or move that file away")
    if not out.parent.is_dir():
        raise InputError(f"{out.parent}: no such folder to write the pack to")


def _checked_record(project: Project, run: RunFolder, manifest: Manifest) -> RunRecord:
    run.require_finished()
    run.check_labels(project.space_hash)
    record = parse_record(run.record().as_dict(), str(run.record_file))
    run.check_manifest(manifest.hash)
    return record


def _without_paths(recipe: Recipe, record: RunRecord) -> tuple[str, RunRecord, list[str]]:
    """The recipe as text, the record, and the keys whose paths were shortened, which changes the fingerprint."""
    plain, keys = shorten(record.recipe)
    if not keys:
        return recipe_toml(recipe), record, keys
    fields = {**record.fingerprint_fields.as_dict(), "recipe": plain}
    short = Recipe.model_validate(shorten(recipe.as_dict())[0])
    changed = record.changed(recipe=plain, fingerprint_fields=fields, fingerprint=content_hash(fields))
    return recipe_toml(short), changed, keys


def _members(run: RunFolder, recipe: str, record: RunRecord) -> dict[str, Member]:
    """Contents of the pack: name -> file or bytes. Tables are verified against their recorded hashes."""
    found: dict[str, Member] = {
        "recipe.toml": recipe.encode(),
        "run.json": _json(record.as_dict()),
        EVENTS: event_lines(run.events()),
    }
    for tta in run.kept_ttas():
        for side in SIDES:
            path = run.table_file(side, tta)
            run.verify_table(side, tta)
            if path.is_file():
                found[path.relative_to(run.path).as_posix()] = path
    return found


def _weights(run: RunFolder) -> dict[str, Member]:
    """The weights, verified against the hashes recorded when the run finished."""
    if lacking := run.missing_weights():
        hint = "export it with `--tables-only`"
        raise ArtefactError(f"run `{run.id}` has no weights to pack: {lacking[0]} is missing", hint=hint)
    found: dict[str, Member] = {}
    for key, recorded in run.weights_hashes().items():
        path = run.backbone_file if key == "backbone" else run.weights_file(int(key))
        verify_file(path, recorded, run.way_out)
        found[BACKBONE if key == "backbone" else f"fold-{key}/{WEIGHTS}"] = path
    return found


def _folds(project: Project, manifest: Manifest, record: RunRecord) -> PackedFolds | None:
    """The folds that the run was validated on; from its record when the project no longer has them."""
    if record.fingerprint_fields.folds is None or record.split == "none":
        return None
    name = record.fold_name or "default"
    for known in list_folds(project.workspace):
        try:
            folds = load_folds(project.workspace, manifest, known)
        except FacetwiseError:  # damaged or of another manifest: not the run's folds
            continue
        if folds.hash == record.fingerprint_fields.folds:
            return packed_folds(folds, name)
    return PackedFolds(
        name=name, hash=record.fingerprint_fields.folds, split=record.split, num_folds=record.num_folds, seed=None
    )


def _described(member: Member) -> PackedFile:
    if isinstance(member, bytes):
        return PackedFile(sha256=hashlib.sha256(member).hexdigest(), bytes=len(member))
    return PackedFile(sha256=file_hash(member), bytes=member.stat().st_size)


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n").encode()


# ------------------------------------------------------------------------------------------------------ the zip itself


def _write(out: Path, members: Mapping[str, Member], pack: Pack) -> tuple[int, str]:
    """Write the zip; returns its size in bytes and its sha256."""
    if out.exists() and not out.is_file():  # a pipe or a device: nobody goes back in it, or reads it again
        with tempfile.TemporaryDirectory() as folder:
            written = _write(made := Path(folder) / PACK, members, pack)
            with made.open("rb") as source, whole_file(out) as file:
                shutil.copyfileobj(source, file, _BLOCK)
        return written
    total = sum(described.bytes for described in pack.files.values())
    full = disk_full_errors(out, total, hint="free some space, or write the pack to another disk")
    with full, whole_file(out) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, member in members.items():
            _add(archive, name, member, pack.files.get(name))
    return out.stat().st_size, file_hash(out)


def _add(archive: zipfile.ZipFile, name: str, member: Member, described: PackedFile | None) -> None:
    info = zipfile.ZipInfo(name, EPOCH)
    info.create_system, info.external_attr = 3, (stat.S_IFREG | 0o644) << 16
    info.file_size = len(member) if isinstance(member, bytes) else member.stat().st_size  # decides about zip64
    if isinstance(member, bytes):
        with archive.open(info, "w") as target:
            target.write(member)
        return
    with member.open("rb") as source, archive.open(info, "w") as target:
        hashed = _Hashing(target)
        shutil.copyfileobj(source, hashed, _BLOCK)
    if described is not None and hashed.digest.hexdigest() != described.sha256:
        raise ArtefactError(f"{member}: changed while being packed", hint="export the run again")


class _Hashing:
    """A stream that hashes what is written through it."""

    def __init__(self, target: IO[bytes]) -> None:
        self.target, self.digest = target, hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        return self.target.write(data)
