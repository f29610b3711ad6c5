"""The project folder, and writing artefacts so that an unfinished one is never taken for a finished one."""

from __future__ import annotations

import ctypes
import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from facetwise.core.errors import DamagedError, InputError, LockedError
from facetwise.core.files.disk import disk_full_errors
from facetwise.core.files.outside import exists, read_bounded, resolved
from facetwise.core.files.parsing import parse_json
from facetwise.core.files.writing import flush_folder, is_temporary, temporary_name, write_atomic

PROJECT_FILE = "facetwise.toml"
DONE = "DONE.json"
"""Written last into every artefact folder: schema version, what it was made from, and a hash a file."""
AGAIN = "put it back from a copy, or make it again"
"""What to do about a file that only this project can make."""
LOCK_TRIES, LOCK_PAUSE = 25, 0.02
"""How often, and how many seconds apart, `lock` tries to take a lock."""


@dataclass(frozen=True)
class Workspace:
    """A project folder: `facetwise.toml` and one folder per kind of artefact."""

    root: Path

    @classmethod
    def find(cls, start: Path) -> Workspace:
        """The project that `start` is in (itself or the nearest parent with a `facetwise.toml`)."""
        start = resolved(start)
        for folder in (start, *start.parents):
            if exists(folder / PROJECT_FILE):
                return cls(folder)
        raise InputError(
            f"{start}: no {PROJECT_FILE} here or in a folder above",
            hint="make a project with `facetwise init DIR --dataset PATH`, or name one with `--project DIR`",
        )

    @property
    def project_file(self) -> Path:
        return self.root / PROJECT_FILE

    @property
    def overlay_file(self) -> Path:
        """The csv of label corrections; need not exist."""
        return self.root / "labels" / "overlay.csv"

    @property
    def manifest(self) -> Path:
        return self.root / "manifest"

    @property
    def folds(self) -> Path:
        return self.root / "folds"

    @property
    def stores(self) -> Path:
        return self.root / "stores"

    @property
    def features(self) -> Path:
        """Features of frozen backbones; derived, may be deleted at any time."""
        return self.root / "features"

    @property
    def runs(self) -> Path:
        return self.root / "runs"

    @property
    def submissions(self) -> Path:
        return self.root / "submissions"

    @property
    def studies(self) -> Path:
        """Ablations and searches, each over several runs."""
        return self.root / "studies"

    @property
    def blends(self) -> Path:
        """Blends of several predictors."""
        return self.root / "blends"

    @property
    def external(self) -> Path:
        """Imported predictions of the test side."""
        return self.root / "foreign"

    @property
    def ledger_file(self) -> Path:
        """The ledger of submissions and scores, one JSON object per line."""
        return self.root / "ledger.jsonl"

    @property
    def notes_file(self) -> Path:
        """Notes on runs, blends and submissions, one JSON object per line."""
        return self.root / "notes.jsonl"

    @property
    def journal(self) -> Path:
        """The journal, one Markdown file per day."""
        return self.root / "journal"

    @property
    def cache(self) -> Path:
        """Derived data for speed; may be deleted at any time."""
        return self.root / ".cache"


def canonical_json(value: Any) -> str:
    """Canonical JSON: sorted keys, no spaces, Unicode unescaped."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def content_hash(value: Any) -> str:
    """sha256 (hex) of plain data."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def file_hash(path: Path) -> str:
    """sha256 (hex) of a file, read in chunks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_json(path: Path, value: Any) -> None:
    """Write plain data as indented JSON, atomically."""
    write_atomic(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Plain data of a JSON file; raises DamagedError naming it when it is missing or damaged."""
    if not exists(path):
        raise DamagedError(f"{path}: missing", hint=AGAIN)
    try:
        return parse_json(read_bounded(path))
    except ValueError as error:
        raise DamagedError(f"{path}: {error}", hint=AGAIN) from None


@contextmanager
def new_artefact(folder: Path, made_from: dict[str, Any]) -> Iterator[Path]:
    """Make an artefact folder: yields a temporary folder to fill, marks it done and renames it when the block ends.

    When the block raises, nothing is left behind. An older artefact of the same name is exchanged for the new one in
    one step, so that a killed process leaves either the old or the new one. (On a file system that cannot exchange
    folders this takes two steps: a process killed between them leaves both as `leftovers`.)
    """
    temporary = temporary_name(folder)
    folder = resolved(folder) if folder.is_symlink() else folder  # a link stays one
    with disk_full_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary.mkdir()
        try:
            yield temporary
            mark_done(temporary, made_from)
            retired = _swap(temporary, folder)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        flush_folder(folder.parent)
    if retired is not None:
        shutil.rmtree(retired, ignore_errors=True)


def discard(path: Path) -> None:
    """Delete a file or a folder so that a kill leaves it whole or among the `leftovers`; links are not followed.

    Raises OSError.
    """
    if not path.is_dir() or path.is_symlink():
        path.unlink(missing_ok=True)
        return
    temporary = path if is_temporary(path) else path.rename(temporary_name(path))
    shutil.rmtree(temporary)


def mark_done(folder: Path, made_from: dict[str, Any], *, schema_version: int = 1, hash_files: bool = True) -> None:
    """Write the DONE mark of an artefact, with the sha256 of each of its files."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != DONE)
    hashes = {p.relative_to(folder).as_posix(): file_hash(p) for p in files} if hash_files else {}
    write_json(folder / DONE, {"schema_version": schema_version, "made_from": made_from, "files": hashes})


def is_done(folder: Path) -> bool:
    """Whether the artefact in `folder` is finished."""
    return (folder / DONE).is_file()


@contextmanager
def lock(path: Path, what: str) -> Iterator[None]:
    """Hold an exclusive `flock` on `path` (made if missing); raises LockedError when another process holds it.

    It retries for half a second, because `is_locked` holds the lock for a moment.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        for _ in range(LOCK_TRIES):
            if _flock(file, fcntl.LOCK_EX):
                break
            time.sleep(LOCK_PAUSE)
        else:
            raise LockedError(
                f"{what}: another facetwise process is working on it", hint="wait for it to end, or stop it"
            )
        yield


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock file `path` now; needs no write access, and may be called concurrently."""
    try:
        with path.open("rb") as file:
            return not _flock(file, fcntl.LOCK_SH)
    except FileNotFoundError:
        return False


def leftovers(folder: Path) -> list[Path]:
    """Temporary files and folders of killed processes directly in `folder`."""
    return sorted(p for p in folder.iterdir() if is_temporary(p)) if folder.is_dir() else []


def inside(root: Path, relative: str, into: Sequence[Path] = ()) -> Path | None:
    """`root / relative`, or None when that path would leave `root` (absolute, `..`, or a link that leads out).

    Links may lead `into` other folders, which have no links in their paths.
    """
    if not relative or "\0" in relative or Path(relative).is_absolute():
        return None
    try:
        path = (root / relative).resolve()
    except (OSError, RuntimeError):
        return None
    stays = any(path.is_relative_to(folder) for folder in (root.resolve(), *into))
    return root / relative if stays else None


def _flock(file: IO[Any], kind: int) -> bool:
    """Try to lock an open file; whether it worked."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _swap(new: Path, old: Path) -> Path | None:
    """Put the folder `new` in the place of `old`; returns where the older one lies now, if there was one."""
    if not old.exists():
        new.rename(old)
        return None
    if _exchange(new, old):
        return new
    retired = temporary_name(old)
    old.rename(retired)
    try:
        new.rename(old)
    except BaseException:
        retired.rename(old)
        raise
    return retired


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two folders in one step (`renameat2` of Linux); False where system or file system cannot."""
    try:
        renameat2 = ctypes.CDLL(None).renameat2
    except (AttributeError, OSError):
        return False
    here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE in <fcntl.h> and <linux/fs.h>
    return bool(renameat2(here, os.fsencode(one), here, os.fsencode(other), ctypes.c_uint(exchange)) == 0)
