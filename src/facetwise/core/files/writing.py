"""Writing files atomically, and never in place of anything that is not a plain file."""

from __future__ import annotations

import errno
import os
import re
import stat
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from facetwise.core.errors import InputError
from facetwise.core.files.disk import disk_full_errors
from facetwise.core.files.outside import resolved

STDOUT = Path("-")
"""What a user gives as a file to have it on standard output."""


def write_output(path: Path, data: bytes | str) -> None:
    """Write an output of a command: `write_atomic`, or standard output for `-`."""
    if path != STDOUT:
        write_atomic(path, data)
        return
    sys.stdout.flush()
    sys.stdout.buffer.write(data.encode() if isinstance(data, str) else data)
    sys.stdout.buffer.flush()


def write_atomic(path: Path, data: bytes | str) -> None:
    """Write a file atomically; see `whole_file` for links, devices and modes.

    Raises FacetwiseError naming the file and its size when the disk is full; the previous file is then kept.
    """
    content = data.encode() if isinstance(data, str) else data
    with disk_full_errors(path, len(content)), whole_file(path) as file:
        file.write(content)


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """A file to fill, which takes its place when the block ends; until then, and after an error, nothing changes.

    It is filled under a temporary name in the same folder, flushed to the disk, then renamed. A link stays a link: its
    target is replaced. An existing file keeps its mode and, if allowed, its owner. A device or a named pipe is written
    to as it is, and so is the file that is this process's standard output. Missing folders are made, but for what a
    link leads to. Raises InputError where no file can be.
    """
    status = check_target(path)
    if status is not None and not stat.S_ISREG(status.st_mode):
        with path.open("wb") as file:
            yield file
    elif status is not None and _is_stdout(status):
        sys.stdout.flush()
        with os.fdopen(os.dup(1), "wb") as file:
            yield file
    else:
        with _exchanged(path, status) as file:
            yield file


def check_target(path: Path) -> os.stat_result | None:
    """What exists where a file is to be written, or None; raises InputError where no file can be."""
    try:
        status = path.stat()
    except FileNotFoundError:
        if path.is_symlink() and not resolved(path).parent.is_dir():
            hint = "mend the link, or take it away"
            raise InputError(f"{path}: leads to {resolved(path)}, whose folder is not there", hint=hint) from None
        return None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"{path}: cannot be written ({reason})") from None
    if stat.S_ISDIR(status.st_mode) or stat.S_ISSOCK(status.st_mode):
        what = "a folder" if stat.S_ISDIR(status.st_mode) else "a socket"
        raise InputError(f"{path}: is {what}, expected a file to write")
    return status


def temporary_name(path: Path) -> Path:
    """A new temporary name in the folder of `path`."""
    return path.with_name(f".{path.name}.tmp-{uuid.uuid4().hex[:8]}")


def is_temporary(path: Path) -> bool:
    """Whether this is the temporary name of something being written (or left by a killed process)."""
    return re.fullmatch(r"\..+\.tmp-\w+", path.name) is not None


def flush_folder(folder: Path) -> None:
    """Flush the entries of a folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_stdout(status: os.stat_result) -> bool:
    try:
        return os.path.samestat(status, os.fstat(1))
    except OSError:  # it is closed
        return False


@contextmanager
def _exchanged(path: Path, before: os.stat_result | None) -> Iterator[IO[bytes]]:
    real = resolved(path)
    if before is not None and not os.access(real, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    real.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_name(real)
    try:
        with temporary.open("xb") as file:
            yield file
            if before is not None:
                _keep_rights(file.fileno(), before)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(real)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    flush_folder(real.parent)


def _keep_rights(descriptor: int, before: os.stat_result) -> None:
    for owner, group in ((-1, before.st_gid), (before.st_uid, -1)):
        with suppress(OSError):  # only root gives a file away
            os.fchown(descriptor, owner, group)
    os.fchmod(descriptor, stat.S_IMODE(before.st_mode))
