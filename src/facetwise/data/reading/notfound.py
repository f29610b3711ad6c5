r"""Why names in a table are not on the disk: the one cause that explains most of them, and what would match.

Each name is paired with the one file that its last part can mean, whatever folder, ending, blanks and zeros stand
around it: `C:\photos\7` with `img/007.png`. How the two differ is then the same for most pairs, and that is told.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from facetwise.core.files.outside import is_folder, is_text
from facetwise.core.text.counting import listed
from facetwise.core.text.spelling import folded
from facetwise.data.images.images import IMAGE_ENDINGS

_PART = re.compile(r"[^\\/]+")
_NUMBER = re.compile(r"0*([0-9]+)(?:\.0+)?")


@dataclass(frozen=True)
class Cause:
    """`message`: what one of the names probably means, and how it differs; `hint`: what to do with all of them."""

    message: str
    hint: str


@dataclass(frozen=True)
class _Difference:
    text: str
    """A phrase to follow "it "."""
    way: str
    """What to change in the table, or in `images` of the project file."""
    ways: str
    """The same where it is not one way for all names; also the kind of difference."""


def why_not_found(cells: Sequence[str], root: Path, images: str, *, folders: bool = False) -> Cause | None:
    """Why `cells` (at least one) name no files, or with `folders` no folders, below `root / images`.

    None if fewer than half of them can be paired with something on the disk.
    """
    for base in (root / images, root):
        pairs = _pairs(cells, root, base, folders)
        if 2 * len(pairs) >= len(cells):
            return _cause(pairs, images)
    return None


def meant_by(cells: Sequence[str], root: Path, base: Path) -> list[PurePosixPath]:
    """What the cells seem to mean: of each that can mean one image below `base` its path, relative to `root`."""
    return [path for _, path in _pairs(cells, root, base, folders=False)]


def nothing_alike(cell: str, root: Path, images: str, *, folders: bool = False) -> Cause:
    """The message when there is no such cause: what `cell` is, and what is there instead."""
    there = [p.relative_to(root).as_posix() for p in _entries(root / images, folders)]
    if not is_folder(root / images):
        has = "which is no folder of the dataset"
    else:
        has = f"which has {listed(f'`{name}`' for name in sorted(there))}" if there else "which is empty"
    return Cause(f"`{cell}` is not in `{images}`, {has}", "set `images` in facetwise.toml, or mend the table")


def _entries(base: Path, folders: bool) -> Iterable[Path]:
    """Folders below `base`, or files there with image endings."""
    for parent, below, files in os.walk(base):
        images = (name for name in files if _split(name)[1])
        yield from (Path(parent, name) for name in (below if folders else images) if is_text(name))


def _pairs(cells: Sequence[str], root: Path, base: Path, folders: bool) -> list[tuple[str, PurePosixPath]]:
    """Each cell with the path, relative to `root`, of the only entry below `base` that it can mean."""
    known: dict[str, list[PurePosixPath]] = {}
    for entry in _entries(base, folders):
        known.setdefault(_key(entry.name), []).append(PurePosixPath(entry.relative_to(root).as_posix()))
    found = []
    for cell in cells:
        parts = [place.group() for place in _places(cell.strip())]
        meant = known.get(_key(parts[-1]), []) if parts else []
        shared = [_shared(parts, path.parts) for path in meant]
        if shared and shared.count(max(shared)) == 1:
            found.append((cell, meant[shared.index(max(shared))]))
    return found


def _key(name: str) -> str:
    """A key that two names of one image share: without blanks, ending, case and zeros around a number."""
    stem, _ = _split(name.strip())
    number = _NUMBER.fullmatch(stem)
    return number[1] if number else folded(stem)


def _split(name: str) -> tuple[str, str]:
    stem, dot, ending = name.rpartition(".")
    return (stem, dot + ending) if f".{ending}".lower() in IMAGE_ENDINGS and stem else (name, "")


def _shared(parts: Sequence[str], others: Sequence[str]) -> int:
    """How many trailing parts two paths share; the very last one need only have the same key."""
    before = zip(reversed(parts[:-1]), reversed(others[:-1]), strict=False)
    return 1 + next((k for k, (a, b) in enumerate(before) if folded(a) != folded(b)), min(len(parts), len(others)) - 1)


def _cause(pairs: Sequence[tuple[str, PurePosixPath]], images: str) -> Cause:
    differences = [_differences(cell, path, PurePosixPath(images)) for cell, path in pairs]
    usual = Counter(tuple(d.ways for d in found) for found in differences).most_common(1)[0][0]
    alike = [k for k, found in enumerate(differences) if tuple(d.ways for d in found) == usual]
    (cell, path), first = pairs[alike[0]], differences[alike[0]]
    ways = [d.way if len({differences[k][i].way for k in alike}) == 1 else d.ways for i, d in enumerate(first)]
    texts = " and ".join(d.text for d in first)
    return Cause(f"`{cell}` seems to be `{path}`: it {texts}", " and ".join(ways))


def _differences(cell: str, path: PurePosixPath, images: PurePosixPath) -> list[_Difference]:
    """How a cell differs from the path, relative to the dataset, that it probably means."""
    plain = cell.strip()
    places = _places(plain)
    parts = [place.group() for place in places]
    same = shared = _shared(parts, path.parts)
    if path.is_relative_to(images):
        same = min(shared, len(path.parts) - len(images.parts))
    start = places[-same].start()
    folder = PurePosixPath(*path.parts[: len(path.parts) - same])
    (stem, ending), (true_stem, true_ending) = _split(parts[-1]), _split(path.name)
    found = []
    if plain != cell:
        found.append(_Difference("has blanks around it", *["take the blanks off the names"] * 2))
    if "\\" in plain[start:]:
        found.append(_Difference("has back slashes", *["write `/` for `\\` in the names"] * 2))
    if front := plain[:start].removeprefix("./"):
        way = f"take `{front}` off the front of the names"
        if shared == len(parts) and "\\" not in front:
            way += f', or set `images = "{PurePosixPath(*path.parts[: len(path.parts) - shared])}"` in facetwise.toml'
        found.append(_Difference(f"begins with `{front}`", way, "take the folders off the front of the names"))
    if folder != images:
        text = f"lies in `{folder}`" if folder.parts else "lies in the dataset's own folder"
        way = f'set `images = "{folder}"` in facetwise.toml'
        found.append(_Difference(f"{text}, not in `{images}`", way, f"write the path from `{images}` on"))
    if ending.lower() != true_ending.lower():
        text, way = f"ends in `{ending}`", f"write `{true_ending}` for `{ending}`"
        if not ending:
            text, way = "has no ending", f"add `{true_ending}` to the names"
        found.append(_Difference(text, way, "give each name the ending that its file has"))
    if folded(stem) != folded(true_stem):
        text = f"writes `{stem}` for `{true_stem}`"
        found.append(_Difference(text, *["write the numbers as the files do"] * 2))
    return found


def _places(plain: str) -> list[re.Match[str]]:
    return [place for place in _PART.finditer(plain) if place.group() != "."]
