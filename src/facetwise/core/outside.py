"""What the file system gives: files that may be no files, or endless, and names that may not be text."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from facetwise.core.errors import InputError

MAX_BYTES = 64 * 2**20
"""Most bytes that are read of one file, an image or a table."""


def read_bounded(path: Path) -> bytes:
    """All bytes of a regular file of at most `MAX_BYTES`; raises InputError for anything else (a pipe, a folder)."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"{path}: cannot be read ({reason})") from None
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise InputError(f"{path}: not a regular file")
    with os.fdopen(descriptor, "rb") as file:
        check_size(status.st_size, str(path))
        data = file.read(MAX_BYTES + 1)
    check_size(len(data), str(path))  # it may have grown, and some systems' files have no size
    return data


def check_size(size: int, name: str) -> None:
    """Raise InputError when a file of `size` bytes is more than is read."""
    if size > MAX_BYTES:
        raise InputError(f"{name}: {size:,} bytes, at most {MAX_BYTES:,} are read")


def is_text(name: str) -> bool:
    """Whether a name from the file system is UTF-8: others cannot be written to a table, nor named by one."""
    return printable(name) == name


def printable(name: str) -> str:
    r"""A name from the file system as text: bytes that are not UTF-8 are written out, such as `caf\xe9.jpg`."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
