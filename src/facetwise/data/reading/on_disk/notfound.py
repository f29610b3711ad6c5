"""Why names in a table are not on the disk: the one cause that explains most of them, and what would match.

Each name is paired with the one file that its last part can mean. How the two differ (`differences`) is then the same
for most pairs, and that is told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from facetwise.core.files.outside import is_folder
from facetwise.core.text.counting import listed
from facetwise.data.reading.on_disk.differences import Entries, Parts, differences


@dataclass(frozen=True)
class Cause:
    """`message`: what one of the names probably means, and how it differs; `hint`: what to do with all of them."""

    message: str
    hint: str


def why_not_found(cells: Sequence[str], root: Path, images: str, *, folders: bool = False) -> Cause | None:
    """Why `cells` (at least one) name no files, or with `folders` no folders, below `root / images`.

    None if fewer than half of them can be paired with something on the disk.
    """
    for base in (root / images, root):
        pairs = _pairs(cells, Entries.below(root, base, folders=folders))
        if 2 * len(pairs) >= len(cells):
            return _cause(pairs, images)
    return None


def nothing_alike(cell: str, root: Path, images: str, *, folders: bool = False) -> Cause:
    """The message when there is no such cause: what `cell` is, and what is there instead."""
    there = ["/".join(path) for path in Entries.below(root, root / images, folders=folders)]
    if not is_folder(root / images):
        has = "which is no folder of the dataset"
    else:
        has = f"which has {listed(f'`{name}`' for name in sorted(there))}" if there else "which is empty"
    return Cause(f"`{cell}` is not in `{images}`, {has}", "set `images` in facetwise.toml, or mend the table")


def _pairs(cells: Sequence[str], entries: Entries) -> list[tuple[str, Parts]]:
    """Each cell with the path of the only entry that it can mean."""
    found = [(cell, entries.meant_by(cell)) for cell in cells]
    return [(cell, meant[0]) for cell, meant in found if len(meant) == 1]


def _cause(pairs: Sequence[tuple[str, Parts]], images: str) -> Cause:
    all_found = [differences(cell, path, PurePosixPath(images).parts) for cell, path in pairs]
    usual = Counter(tuple(d.ways for d in found) for found in all_found).most_common(1)[0][0]
    alike = [k for k, found in enumerate(all_found) if tuple(d.ways for d in found) == usual]
    (cell, path), first = pairs[alike[0]], all_found[alike[0]]
    if not first:
        there = "/".join(path)
        message = f"`{there}` is there, but is no file of the dataset: a link that leads out of it, or a folder"
        return Cause(message, "set `follow_links = true` and `links_root` under [dataset], or copy the images there")
    same = [len({all_found[k][i].way for k in alike}) == 1 for i in range(len(first))]
    ways = [d.way or d.ways if one else d.ways for d, one in zip(first, same, strict=True)]
    texts = " and ".join(d.text for d in first)
    return Cause(f"`{cell}` seems to be `{'/'.join(path)}`: it {texts}", " and ".join(ways))
