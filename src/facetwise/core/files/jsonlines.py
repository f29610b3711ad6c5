"""Stores with one JSON object per line: append-only, sometimes edited by hand, never half-written.

What editors do to such a file is accepted: a byte order mark, CRLF or CR, blank lines, a last line without a line
break. A last line with an incomplete object was cut off (by a full disk, or when another program was killed) and is
ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facetwise.core.errors import InputError
from facetwise.core.files.outside import exists, read_bounded, resolved
from facetwise.core.files.parsing import parse_json
from facetwise.core.files.writing import write_atomic
from facetwise.core.workspace import lock

BOM = b"\xef\xbb\xbf"
"""What some editors put before UTF-8 text."""
_ENDS = (b"\n", b"\r")


@dataclass(frozen=True)
class TextLine:
    """A non-blank line."""

    number: int
    """From 1, as an editor counts."""
    text: str
    """Without space around it; bytes that are not UTF-8 are kept as lone surrogates."""
    ended: bool
    """Whether a line break follows."""


def lock_file(path: Path) -> Path:
    """The file to lock while the store at `path` is read and appended to: `.ledger.lock` for `ledger.jsonl`.

    For a link it lies beside the target, so that all projects that share a store take turns.
    """
    real = resolved(path)
    return real.with_name(f".{real.stem}.lock")


@contextmanager
def adding_to(path: Path, what: str) -> Iterator[None]:
    """Held while a store is read and appended to; raises LockedError when another process appends to it."""
    with lock(lock_file(path), what):
        yield


def text_lines(path: Path, what: str) -> Iterator[TextLine]:
    """The lines of a store in order; empty without a file. `what` names it in the error when it is a folder."""
    if path.is_dir():
        raise InputError(f"{path}: is a folder, expected {what}", hint="move it away")
    if path.is_symlink() and not path.exists():
        hint = "is its disk there? Else make the file, or take the link away"
        raise InputError(f"{path}: leads to {resolved(path)}, which is not there", hint=hint)
    for number, line in enumerate(_bytes(path).removeprefix(BOM).splitlines(keepends=True), start=1):
        if line.strip():
            yield TextLine(number, line.decode(errors="surrogateescape").strip(), line.endswith(_ENDS))


def parsed_object(text: str) -> dict[str, Any]:
    """The object on a line; raises ValueError saying what it is instead."""
    if any("\udc80" <= c <= "\udcff" for c in text):
        raise ValueError("not UTF-8 text")
    found = parse_json(text, strict=True)
    if not isinstance(found, dict):
        raise ValueError(f"expected an object in braces, got {text[:40]}")
    return found


def last_line_cut(path: Path, what: str) -> bool:
    """Whether the last line was cut off, and so counts for nothing."""
    return any(not line.ended and is_cut(line.text) for line in text_lines(path, what))


def is_cut(text: str) -> bool:
    """Whether a line without its end is no whole object."""
    try:
        parsed_object(text)
    except ValueError:
        return True
    return False


def append_lines(path: Path, lines: Sequence[str], mend: Callable[[str], str]) -> None:
    """Append lines (without line breaks) atomically; the caller holds the lock.

    Existing lines are preserved byte for byte. `mend`: turns a last line without a line break into a complete one; it
    may raise.
    """
    there = _bytes(path)
    tail = b"" if not there or there.endswith(_ENDS) else there.splitlines(keepends=True)[-1]
    new = "".join(f"{line}\n" for line in lines)
    write_atomic(path, there.removesuffix(tail) + _ended(tail, mend) + new.encode())


def _ended(tail: bytes, mend: Callable[[str], str]) -> bytes:
    text = tail.removeprefix(BOM).decode(errors="surrogateescape").strip()
    if not text:
        return tail
    mended = mend(text)
    return tail + b"\n" if mended == text else f"{mended}\n".encode()


def _bytes(path: Path) -> bytes:
    return read_bounded(path) if exists(path) else b""
