"""The page of a day on disk: generated parts are replaced, and what people wrote is preserved byte for byte.

Each generated part is enclosed in two comments, the first of which has a checksum of the text between them:

    <!-- facetwise:begin runs 5d41402a -->
    ...
    <!-- facetwise:end runs -->

Everything outside belongs to the users, and so does the order of the parts; a part that was deleted with both of its
comments is not restored. When somebody edited the text *inside* a part, the old page is backed up beside the new one
before the part is replaced. A page with unpaired comments is not changed at all.
"""

from __future__ import annotations

import hashlib
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from facetwise.core.errors import InputError, ProblemsError
from facetwise.core.files.outside import read_bounded, resolved
from facetwise.core.files.writing import check_target, write_atomic

FREE = {"Thoughts": "open", "Tomorrow": None}
"""Sections for the users on a new page, and the part that each precedes; None: at the end."""
_HINT = "<!-- Parts between facetwise's comments are made again. Everything else is yours and stays as it is. -->"
_MARK = re.compile(r"\ufeff?[ \t]*<!--\s*facetwise:(begin|end)\s+([a-z]+)(?:\s+([0-9a-f]{8}))?\s*-->\s*")
_LIKE_A_MARK = re.compile(r"(?<!\\)<!--\s*facetwise:", re.IGNORECASE)
"""After a backslash it is a user's text."""


@dataclass(frozen=True)
class Merged:
    """A page with its generated parts replaced."""

    text: str
    edited: tuple[str, ...]
    """Parts whose text was edited."""


@dataclass(frozen=True)
class Written:
    """A page that was written, and the backup of the previous one if its parts were edited."""

    path: Path
    text: str
    backup: Path | None
    edited: tuple[str, ...]


@dataclass(frozen=True)
class _Part:
    """A generated part: lines `begin` to `end` of the page, both comments included."""

    name: str
    begin: int
    end: int
    checksum: str | None


def write_page(path: Path, day: date, parts: Mapping[str, str]) -> Written:
    """Write the page of a day, or replace its generated parts, atomically. The caller holds the journal's lock.

    Raises ProblemsError naming the lines of unpaired comments, InputError for a file that is not a journal page.
    """
    old = _read(path)
    merged = Merged(new_page(day, parts), ()) if old is None else merge(old, parts, str(path))
    backup = None
    if merged.edited and old is not None:
        backup = _free_name(resolved(path))
        write_atomic(backup, old.encode())
    if merged.text != old:
        write_atomic(path, merged.text)
    return Written(path, merged.text, backup, merged.edited)


def new_page(day: date, parts: Mapping[str, str]) -> str:
    """A page with all parts, empty ones included, and sections for the users' own text."""
    before = {part: title for title, part in FREE.items() if part}
    lines = [f"# {day.isoformat()}, {day:%A}", "", _HINT, ""]
    for name, text in parts.items():
        lines += [f"## {before[name]}", "", ""] if name in before else []
        lines += [*_block(name, text), ""]
    for title in (t for t, part in FREE.items() if part is None):
        lines += [f"## {title}", ""]
    return "\n".join([*lines, ""])


def merge(old: str, parts: Mapping[str, str], name: str = "the page") -> Merged:
    """The page `old` with its generated parts replaced; everything else is preserved byte for byte.

    Raises ProblemsError for unpaired comments, InputError when there are none at all.
    """
    lines = old.split("\n")
    blocks = _blocks(lines, name)
    if not blocks:
        hint = "it was not written by facetwise, or all of its parts were deleted: move it away, or use `--out`"
        raise InputError(f"{name}: has no part that can be replaced", hint=hint)
    edited = tuple(b.name for b in blocks if b.name in parts and _is_edited(b, lines))
    for block in reversed(blocks):
        if block.name in parts:
            ending = "\r" if lines[block.begin].endswith("\r") else ""
            last = lines[block.end][len(lines[block.end].rstrip("\r")) :]
            made = [f"{line}{ending}" for line in _block(block.name, parts[block.name])]
            made[-1] = made[-1].rstrip("\r") + last
            lines[block.begin : block.end + 1] = made
    return Merged("\n".join(lines), edited)


def readable(page: str) -> str:
    """A page for the terminal: without facetwise's comments, and with at most one empty line in a row."""
    lines = [line.rstrip() for line in page.removeprefix("\ufeff").split("\n")]
    text = "\n".join(line for line in lines if not _MARK.fullmatch(line) and line != _HINT)
    return re.sub(r"\n{3,}", "\n\n", text).strip("\n")


def _block(name: str, text: str) -> list[str]:
    body = ["", *text.split("\n"), ""] if text else []
    return [f"<!-- facetwise:begin {name} {_checksum(body)} -->", *body, f"<!-- facetwise:end {name} -->"]


def _is_edited(block: _Part, lines: list[str]) -> bool:
    body = lines[block.begin + 1 : block.end]
    return block.checksum != _checksum(body)


def _checksum(body: list[str]) -> str:
    """Checksum of the visible text: editors may change line endings and strip trailing space."""
    visible = "\n".join(line.rstrip() for line in body).strip("\n")
    return hashlib.sha256(visible.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def _blocks(lines: list[str], name: str) -> list[_Part]:
    """The generated parts of a page, in its order."""
    blocks: list[_Part] = []
    problems: list[str] = []
    opened: _Part | None = None
    for number, line in enumerate(lines):
        found = _MARK.fullmatch(line)
        if not found:
            if _LIKE_A_MARK.search(line):
                problems.append(f"line {number + 1}: one of facetwise's comments was changed: {line.strip()[:80]}")
            continue
        kind, part, checksum = found.groups()
        if kind == "begin":
            if opened:
                problems.append(_lacks_end(opened))
            opened = _Part(part, number, number, checksum)
        elif opened is None or opened.name != part:
            problems.append(f"line {number + 1}: ends the part `{part}`, which was not started")
        else:
            blocks.append(_Part(part, opened.begin, number, opened.checksum))
            opened = None
    if opened:
        problems.append(_lacks_end(opened))
    problems += [f"line {b.begin + 1}: the part `{b.name}` is there twice" for b in _repeated(blocks)]
    if problems:
        hint = "put the comments back as they were; or move the file away, and copy your words into the new one"
        raise ProblemsError(f"{name}: not updated, the page is unchanged", problems, hint=hint)
    return blocks


def _lacks_end(block: _Part) -> str:
    return f"line {block.begin + 1}: the part `{block.name}` lacks its end, `<!-- facetwise:end {block.name} -->`"


def _repeated(blocks: list[_Part]) -> list[_Part]:
    names = [b.name for b in blocks]
    return [b for i, b in enumerate(blocks) if b.name in names[:i]]


def _read(path: Path) -> str | None:
    """The text of a page; None for a missing or empty file, or a device."""
    status = check_target(path)
    data = read_bounded(path) if status is not None and stat.S_ISREG(status.st_mode) else b""
    try:
        return data.decode() if data.strip() else None
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}, line {line}: not UTF-8 text", hint="save it as UTF-8, or move it away") from None


def _free_name(path: Path) -> Path:
    """`2026-11-25.edited-1.md`, with the first free number."""
    number = 1
    while (found := path.with_name(f"{path.stem}.edited-{number}{path.suffix}")).exists():
        number += 1
    return found
