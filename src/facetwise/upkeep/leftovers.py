"""Leftovers of killed processes in a project's folders, and checks before anything is deleted there."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from facetwise.core.files.jsonlines import lock_file
from facetwise.core.files.writing import is_temporary
from facetwise.core.runs import ARRIVING, RunFolder
from facetwise.core.workspace import Workspace, is_locked
from facetwise.data.images.store import LOCK_FILE

HOUR = 3600.0
"""Seconds without a change after which a temporary file whose writer holds no lock counts as a leftover."""


def leftover_paths(space: Workspace, held: frozenset[Path] = frozenset()) -> Iterator[tuple[Path, str]]:
    """Temporary files and folders of killed processes, each with the reason why it can be deleted.

    Those that may belong to a running process are left out: while a process other than this one holds the writer's lock
    (`held`: lock files that this process holds), or, without a lock, until they have not changed for an hour.
    """
    for path in _temporaries(space):
        holder = lock_of(space, path)
        if holder is None:
            over, why = time.time() - _changed(path) > HOUR, "unfinished, and unchanged for an hour"
        else:
            over, why = holder in held or not is_locked(holder), "unfinished, and no process is at work on it"
        if over:
            yield path, why


def _temporaries(space: Workspace) -> Iterator[Path]:
    """Temporary files and folders in the project and its own folders, without the contents of such folders."""
    yield from sorted(p for p in space.root.iterdir() if is_temporary(p))
    artefacts = (space.manifest, space.folds, space.stores, space.features, space.runs, space.submissions)
    for top in (*artefacts, space.studies, space.blends, space.external, space.cache):
        for folder, names, files in os.walk(top) if not top.is_symlink() else ():
            found = sorted(Path(folder, n) for n in (*names, *files) if is_temporary(Path(n)))
            names[:] = [n for n in names if not is_temporary(Path(n))]
            yield from found


def lock_of(space: Workspace, path: Path) -> Path | None:
    """The lock held by the writer of this temporary file; None if writers hold none."""
    kind, *rest = path.relative_to(space.root).parts
    if path.name.startswith(ARRIVING):
        return None
    if not rest:
        stores = (space.ledger_file, space.notes_file)
        return next((lock_file(s) for s in stores if path.name.startswith(f".{s.name}.")), None)
    if kind in (space.runs.name, space.submissions.name, space.blends.name) and len(rest) == 1:
        return space.root / kind / ".lock"
    if kind == space.stores.name and len(rest) > 1:
        return space.stores / rest[0] / LOCK_FILE
    if kind == space.features.name and len(rest) == 1:
        return features_lock(path)
    if kind == space.runs.name and rest[1:2] != ["predictions"]:
        return RunFolder(space.runs / rest[0]).lock_file
    return None


def features_lock(folder: Path) -> Path:
    """The lock held while these features, or their temporary folder, are computed."""
    name = folder.name.removeprefix(".").split(".tmp-")[0]
    return folder.with_name(f".{name}.lock")


def is_own(root: Path, path: Path) -> bool:
    """Whether `path` is inside `root` without any link on the way."""
    parts = path.relative_to(root).parts
    steps = [root.joinpath(*parts[: i + 1]) for i in range(len(parts))]
    return bool(steps) and ".." not in parts and not any(step.is_symlink() for step in steps)


def num_bytes(path: Path) -> int:
    """Size on disk of a file, or of all files below a folder, in bytes."""
    return sum(found.st_blocks * 512 for found in _stats(path))


def _changed(path: Path) -> float:
    """Modification time of its newest file, seconds since the epoch; now if it is gone."""
    return max((found.st_mtime for found in _stats(path)), default=time.time())


def _stats(path: Path) -> Iterator[os.stat_result]:
    """Status of the path and everything below it; other processes may be deleting files."""
    below = path.rglob("*") if path.is_dir() and not path.is_symlink() else ()
    for found in (path, *below):
        with suppress(FileNotFoundError):
            yield found.lstat()
