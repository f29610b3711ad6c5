"""Guarded access to the file system: paths that are not regular files, huge files, and names that are not text."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

from facetwise.core.errors import InputError
from facetwise.core.files.filekinds import KIND_BYTES, LFS, other_kind

MAX_BYTES = 64 * 2**20
"""Most bytes that are read of one file, an image or a table."""


@contextmanager
def opened_regular(path: Path) -> Iterator[BufferedReader]:
    """A regular file opened for reading; raises InputError for anything else (a pipe, a folder)."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"{path}: cannot be read ({reason})") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise InputError(f"{path}: not a regular file")
    with os.fdopen(descriptor, "rb") as file:
        yield file


def read_bounded(path: Path, most: int = MAX_BYTES) -> bytes:
    """All bytes of a regular file of at most `most`; raises InputError for anything else."""
    with opened_regular(path) as file:
        check_size(os.fstat(file.fileno()).st_size, str(path), most)
        try:
            data = file.read(most + 1)
            if data is None:  # a file of the system that has nothing to read now
                raise BlockingIOError(errno.EAGAIN, "nothing to read")
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    check_size(len(data), str(path), most)  # it may have grown, and some systems' files have no size
    if data.startswith(LFS):
        raise InputError(f"{path}: {other_kind(data[:KIND_BYTES])}")
    return data


def check_size(size: int, name: str, most: int = MAX_BYTES) -> None:
    """Raise InputError when a file of `size` bytes is more than is read."""
    if size > most:
        raise InputError(f"{name}: {size:,} bytes, at most {most:,} are read")


def exists(path: Path) -> bool:
    """Whether something exists at the path; False for circular links and names that are too long."""
    return _mode(path) is not None


def is_folder(path: Path) -> bool:
    """Whether `path` is a folder; False for whatever the system refuses to look at."""
    return stat.S_ISDIR(_mode(path) or 0)


def require_folder(path: Path, hint: str | None = None) -> None:
    """Raise InputError, saying what it is instead, unless `path` is a folder."""
    if is_folder(path):
        return
    what = "no such folder"
    if is_regular(path):
        with path.open("rb") as file:
            what = other_kind(file.read(KIND_BYTES)) or "a file, expected a folder"
    raise InputError(f"{path}: {what}", hint=hint)


def is_regular(path: Path) -> bool:
    """Whether `path` is a regular file; False for whatever the system refuses to look at."""
    return stat.S_ISREG(_mode(path) or 0)


def is_loop(path: Path) -> bool:
    """Whether `path` is, or goes through, a link that leads back to itself."""
    try:
        path.stat()
    except OSError as error:
        return error.errno == errno.ELOOP
    except ValueError:
        return False
    return False


def resolved(path: Path) -> Path:
    """`path` absolute and without links; raises InputError where links lead in a circle."""
    try:
        return path.resolve()
    except (OSError, RuntimeError):
        raise InputError(f"{path}: a link that leads back to itself") from None


def names_in(folder: Path) -> list[str]:
    """Names in `folder`, sorted; none when it cannot be listed."""
    try:
        return sorted(p.name for p in folder.iterdir())
    except (OSError, ValueError):
        return []


def files_below(folder: Path) -> Iterator[Path]:
    """Everything below `folder` except folders, including links; folders that cannot be listed are skipped."""
    for parent, _, names in os.walk(folder):
        yield from (Path(parent, name) for name in names)


def walk(folder: Path, into: Sequence[Path] = ()) -> Iterator[tuple[str, list[str], list[str]]]:
    """As `os.walk`. Links to folders are not followed; with `into`, folders without links, all are, that lead into one
    of them. Raises InputError for a link that leads elsewhere, or to a folder that holds it."""
    return _walked(folder, into, frozenset([resolved(folder)])) if into else os.walk(folder)


def _walked(folder: Path, into: Sequence[Path], held: frozenset[Path]) -> Iterator[tuple[str, list[str], list[str]]]:
    """`held` are the folders that links on the way here led to."""
    for parent, below, names in os.walk(folder):
        yield parent, below, names
        for path in (Path(parent, name) for name in below):
            if not path.is_symlink():
                continue
            target = resolved(path)
            if not any(target.is_relative_to(root) for root in into):
                allowed = " and ".join(map(str, dict.fromkeys(into)))
                raise InputError(
                    f"{path}: a link that leads to {target}, and links are followed into {allowed} alone",
                    hint="take it away, or name a folder that holds what it leads to as `links_root` in `[dataset]`",
                )
            if target in held or resolved(Path(parent)).is_relative_to(target):
                raise InputError(f"{path}: a link that leads back to a folder that holds it", hint="take it away")
            yield from _walked(path, into, held | {target})


def _mode(path: Path) -> int | None:
    try:
        return path.stat().st_mode
    except (OSError, ValueError):
        return None


def is_text(name: str) -> bool:
    """Whether a name from the file system is UTF-8; others cannot be in a table."""
    return printable(name) == name


def printable(name: str) -> str:
    r"""A name from the file system as text, with bytes that are not UTF-8 escaped, such as `caf\xe9.jpg`."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
