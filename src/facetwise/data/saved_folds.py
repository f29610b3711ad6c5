"""Folds on the disk: made once, with what they were made from, and never silently others."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from facetwise.core.errors import ArtefactError, DamagedError, MismatchError, SettingError
from facetwise.core.labels import LabelSpace
from facetwise.core.records.data import FoldsMadeFrom
from facetwise.core.records.done import read_done, verify_files
from facetwise.core.tables import FOLDS, read_table, write_table
from facetwise.core.text.counting import listed
from facetwise.core.text.spelling import Spellings, normal
from facetwise.core.text.subject import PEOPLE, PERSON
from facetwise.core.workspace import AGAIN, DONE, Workspace, is_done, new_artefact
from facetwise.data.dealing import given_folds, split_folds
from facetwise.data.folds import (
    DEFAULT_FOLDS,
    MAX_FOLDS,
    MIN_FOLDS,
    UNSAFE,
    Folds,
    FoldStats,
    Split,
    making_again,
    making_folds,
)
from facetwise.data.images.copies import Copies
from facetwise.data.manifest import Manifest
from facetwise.recipe.folds import FOLDS_NAME

_TABLE = "folds.parquet"
_COLUMNS: Mapping[Split, Mapping[str, pl.DataType]] = {
    "group": FOLDS,
    "image": {"image": pl.String(), "fold": pl.Int32()},
}


def make_folds(
    workspace: Workspace,
    manifest: Manifest,
    space: LabelSpace,
    *,
    name: str = "default",
    num_folds: int | None = None,
    seed: int = 0,
    split: Split = "group",
    new: bool = False,
    given: str | None = None,
    find_copies: Callable[[], Copies] | None = None,
    join_copies: bool = False,
    features: str | None = None,
) -> Folds:
    """Make and save folds; with the same settings again, existing folds are returned.

    Other folds of the same name are replaced only if `new`; otherwise ArtefactError. `num_folds` defaults to 5, or with
    `given` (as in `split_folds`) to the number of its values. `find_copies` is called when folds are made, and what it
    finds between people is recorded; `join_copies` deals those people together. `features` names the table by which it
    looks, too.

    Raises SettingError for `join_copies` on a given split or on one by image, and unless `num_folds` is `MIN_FOLDS` to
    `MAX_FOLDS`, and `name` begins with `UNSAFE` if and only if the split is by image.
    """
    folder = _folder(workspace, name)
    given = given if split == "group" else None
    num_folds = _number_of_folds(manifest, num_folds, given)
    _check_settings(name, num_folds, split)
    if join_copies and (find_copies is None or given is not None or split == "image"):
        hint = "" if given is None else f", or take `split` out of facetwise.toml: whole {PEOPLE} are dealt then"
        raise SettingError(
            f"copies are joined only where {PEOPLE} are dealt into folds", hint=f"leave `--join-copies` out{hint}"
        )
    made = partial(split_folds, manifest, space, name=name, num_folds=num_folds, seed=seed, split=split, given=given)
    if folder.is_dir() and not new:
        there = load_folds(workspace, manifest, name)
        asked = (num_folds, seed, split, join_copies, features)
        same = (there.num_folds, there.seed, there.split, there.joined, there.features) == asked
        if same and (given is None or made().hash == there.hash):  # the table may give another split by now
            return there
        raise ArtefactError(
            f"folds `{name}` exist; runs made with them could not be compared with runs on others",
            hint="use them, give another `--name`, or replace them with "
            f"`{making_again(name, num_folds, seed, joined=join_copies, features=features)}`",
        )
    folds = made(copies=None if find_copies is None else find_copies(), join_copies=join_copies)
    with new_artefact(folder, _record(folds)) as temporary:
        write_table(folds.table, temporary / _TABLE, _COLUMNS[split])
    return folds


def load_folds(workspace: Workspace, manifest: Manifest, name: str = "default") -> Folds:
    """Read saved folds; ArtefactError when there are none or they are damaged, MismatchError for another manifest."""
    folder = _folder(workspace, name)
    if not folder.is_dir():
        command = shlex.join(["facetwise", *making_folds(name)])
        raise ArtefactError(f"no folds are called `{name}`", hint=f"make them with `{command}`")
    if not is_done(folder):
        raise DamagedError(f"{folder / DONE}: missing", hint=AGAIN)
    verify_files(folder)
    made = read_done(folder, FoldsMadeFrom).made_from
    table = read_table(folder / _TABLE, _COLUMNS[made.split])
    stats = FoldStats(**made.stats.model_dump(include=set(FoldStats.__annotations__)))
    folds = Folds(name, made.split, made.num_folds, made.seed, made.manifest_hash, table, stats, made.copies)
    if folds.manifest_hash != manifest.hash:
        again = making_again(name, folds.num_folds, folds.seed, joined=folds.joined, features=folds.features)
        raise MismatchError(
            f"folds `{name}` were made from another manifest: images, their content or their {PEOPLE} changed",
            hint=f"`{again}` makes them again (old runs will not be comparable)",
        )
    return folds


def list_folds(workspace: Workspace) -> list[str]:
    """Names of all saved folds, including damaged ones."""
    folders = workspace.folds.iterdir() if workspace.folds.is_dir() else ()
    return sorted(p.name for p in folders if p.is_dir() and not p.name.startswith("."))


def _number_of_folds(manifest: Manifest, wanted: int | None, given: str | None) -> int:
    if given is None:
        return DEFAULT_FOLDS if wanted is None else wanted
    values, _ = given_folds(manifest, given)
    if wanted is not None and wanted != len(values):
        raise SettingError(
            f"{wanted} folds, but the given split `{given}` has {len(values)}: {listed(values, 8)}",
            hint="leave the number out, or take `split` out of facetwise.toml",
        )
    return len(values)


def _check_settings(name: str, num_folds: int, split: Split) -> None:
    if not MIN_FOLDS <= num_folds <= MAX_FOLDS:
        raise SettingError(f"{num_folds} folds: expected {MIN_FOLDS} to {MAX_FOLDS}")
    if split == "image" and not name.startswith(UNSAFE):
        raise SettingError(f"folds split by image cannot be called `{name}`", hint=f"`{UNSAFE}{name}` would do")
    if split != "image" and name.startswith(UNSAFE):
        raise SettingError(f"`{name}` names folds split by image, and these are split by {PERSON}", hint="another name")


def _folder(workspace: Workspace, name: str) -> Path:
    name = normal(name)
    if not FOLDS_NAME.fullmatch(name):
        raise SettingError(f"`{name}` cannot name folds", hint="letters, digits, `.`, `_` and `-`, a letter first")
    return workspace.folds / Spellings(list_folds(workspace)).find(name)


def _record(folds: Folds) -> dict[str, Any]:
    return {
        "manifest_hash": folds.manifest_hash,
        "split": folds.split,
        "num_folds": folds.num_folds,
        "seed": folds.seed,
        "stats": asdict(folds.stats),
        "copies": None if folds.copies is None else folds.copies.model_dump(mode="json"),
    }
