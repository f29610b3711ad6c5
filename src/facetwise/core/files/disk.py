"""The error for a full disk: which file, bytes needed, bytes free."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from facetwise.core.errors import FacetwiseError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""No space on the device, the user's quota is used up, larger than a file may be."""
FREE_SOME = "free some space (`facetwise clean` shows what may go), then give the same command again"


@contextmanager
def disk_full_errors(path: Path, num_bytes: int | None = None, *, hint: str = FREE_SOME) -> Iterator[None]:
    """Turn the errors of a full disk into a FacetwiseError that names `path`; other errors pass through.

    `num_bytes`: bytes to be written, if known.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        size = "" if num_bytes is None else f" {num_bytes:,} bytes were to be written,"
        message = f"{path}: the disk is full ({error.strerror});{size} {_free(path)}; what was finished is kept"
        raise FacetwiseError(message, hint=hint) from None


def _free(path: Path) -> str:
    """Bytes free where `path` is, or was to be."""
    folder = next((p for p in (path, *path.parents) if p.is_dir()), Path())
    try:
        return f"{shutil.disk_usage(folder).free:,} are free"
    except OSError:
        return "how many are free is not known"
