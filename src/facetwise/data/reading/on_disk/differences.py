r"""What a name in a table can mean on the disk, whatever folder, ending, blanks and zeros stand around it.

`C:\photos\7` can mean `img/007.png`: how the two differ is a list of `NameDifference`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Literal

from facetwise.core.files.outside import is_text, walk
from facetwise.core.text.counting import listed
from facetwise.core.text.spelling import folded
from facetwise.data.images.images import IMAGE_ENDINGS

_PART = re.compile(r"[^\\/]+")
_NUMBER = re.compile(r"0*([0-9]+)(?:\.0+)?")

Parts = tuple[str, ...]
"""The parts of a path relative to the dataset."""
Kind = Literal["blanks", "slashes", "front", "folder", "ending", "number"]


@dataclass(frozen=True)
class NameDifference:
    """One way in which a name differs from the path that it means."""

    kind: Kind
    text: str
    """A phrase to follow "it "."""
    ways: str
    """What to change in the table."""
    way: str = ""
    """The same, or what to set in the project file, in the words of this name; empty where they are those for all."""


@dataclass(frozen=True)
class Entries:
    """What names can mean: the paths of images, or of folders."""

    paths: Callable[[], Iterable[Parts]]

    @classmethod
    def below(cls, root: Path, base: Path, *, folders: bool = False, into: Sequence[Path] = ()) -> Entries:
        """What lies below `base`, a folder in the dataset `root`: images, or with `folders` folders; links to folders
        are followed `into` others as by `outside.walk`."""
        return cls(lambda: _entries(root, walk(base, into), folders=folders))

    def __iter__(self) -> Iterator[Parts]:
        return iter(self.paths())

    def meant_by(self, cell: str) -> list[Parts]:
        """The entries that `cell` can mean: of those with its last part the ones that share most folders before it."""
        parts = [place.group() for place in _places(cell.strip())]
        meant = self._by_key.get(_key(parts[-1]), []) if parts else []
        shared = [_shared(parts, path) for path in meant]
        return [path for path, much in zip(meant, shared, strict=True) if much == max(shared)]

    def told(self, cell: str) -> str:
        """What a name may mean that is none of the entries, to follow "no such image"; empty where it means nothing."""
        meant = [f"`{'/'.join(path)}`" for path in self.meant_by(cell)]
        if len(meant) > 1:
            return f"; it fits {len(meant)} alike: {listed(meant, 2)}"
        return f"; it may mean {meant[0]}" if meant else ""

    @cached_property
    def _by_key(self) -> dict[str, list[Parts]]:
        known: dict[str, list[Parts]] = {}
        for entry in self:
            known.setdefault(_key(entry[-1]), []).append(entry)
        return known


def _entries(root: Path, walked: Iterable[tuple[str, list[str], list[str]]], *, folders: bool) -> Iterator[Parts]:
    for parent, below, files in walked:
        names = below if folders else (name for name in files if split_ending(name)[1])
        folder = PurePosixPath(os.path.relpath(parent, root)).parts
        yield from ((*folder, name) for name in names if is_text(name))


def split_ending(name: str) -> tuple[str, str]:
    """A name without an image's ending, and the ending, "" if it has none."""
    stem, dot, ending = name.rpartition(".")
    return (stem, dot + ending) if f".{ending}".lower() in IMAGE_ENDINGS and stem else (name, "")


def whole_number(cell: str) -> str | None:
    """The digits, zeros in front included, if a name without folders and ending is a whole number; None otherwise."""
    places = _places(cell.strip())
    stem = split_ending(places[-1].group())[0] if places else ""
    return stem.partition(".")[0] if _NUMBER.fullmatch(stem) else None


def differences(cell: str, path: Parts, images: Parts) -> list[NameDifference]:
    """How a cell, which should be a path below `images`, differs from the path that it probably means."""
    plain = cell.strip()
    places = _places(plain)
    parts = [place.group() for place in places]
    same = shared = _shared(parts, path)
    if path[: len(images)] == images:
        same = min(shared, len(path) - len(images))
    start = places[-same].start()
    before, folder = path[: len(path) - shared], path[: len(path) - same]
    (stem, ending), (true_stem, true_ending) = split_ending(parts[-1]), split_ending(path[-1])
    found = []
    if plain != cell:
        found.append(NameDifference("blanks", "has blanks around it", "take the blanks off the names"))
    if "\\" in plain[start:]:
        found.append(NameDifference("slashes", "has back slashes", "write `/` for `\\` in the names"))
    if front := plain[:start].removeprefix("./"):
        way = f"take `{front}` off the front of the names"
        if shared == len(parts) and "\\" not in front:
            way += f', or set `images = "{"/".join(before) or "."}"` in facetwise.toml'
        ways = "take the folders off the front of the names"
        found.append(NameDifference("front", f"begins with `{front}`", ways, way))
    if folder != images:
        text = f"lies in `{'/'.join(folder)}`" if folder else "lies in the dataset's own folder"
        named = "/".join(images) or "."
        way = f'set `images = "{"/".join(folder) or "."}"` in facetwise.toml'
        found.append(NameDifference("folder", f"{text}, not in `{named}`", f"write the path from `{named}` on", way))
    if ending.lower() != true_ending.lower():
        text, way = f"ends in `{ending}`", f"write `{true_ending}` for `{ending}`"
        if not ending:
            text, way = "has no ending", f"add `{true_ending}` to the names"
        found.append(NameDifference("ending", text, "give each name the ending that its file has", way))
    if stem != true_stem and folded(stem) != folded(true_stem):
        found.append(
            NameDifference("number", f"writes `{stem}` for `{true_stem}`", "write the numbers as the files do")
        )
    return found


def _key(name: str) -> str:
    """A key that two names of one image share: without blanks, ending, case and zeros around a number."""
    stem, _ = split_ending(name.strip())
    number = _NUMBER.fullmatch(stem)
    return number[1] if number else folded(stem)


def _shared(parts: Sequence[str], others: Sequence[str]) -> int:
    """How many trailing parts two paths share; the very last one need only have the same key."""
    before = zip(reversed(parts[:-1]), reversed(others[:-1]), strict=False)
    return 1 + next(
        (k for k, (a, b) in enumerate(before) if a != b and folded(a) != folded(b)), min(len(parts), len(others)) - 1
    )


def _places(plain: str) -> list[re.Match[str]]:
    return [place for place in _PART.finditer(plain) if place.group() != "."]
