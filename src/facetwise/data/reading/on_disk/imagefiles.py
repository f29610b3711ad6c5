"""Files of a folder that count: images by their endings, and nothing that a system left behind."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from facetwise.core.files.outside import walk
from facetwise.data.images.images import IMAGE_ENDINGS


def is_hidden(name: str) -> bool:
    """Whether a file was left behind by the system: hidden, or a cache of thumbnails."""
    return name.startswith(".") or name.lower() in ("thumbs.db", "desktop.ini", "__macosx")


def visible_files(folder: Path, into: Sequence[Path] = ()) -> list[str]:
    """Sorted paths below `folder` of all files that are not hidden, nor in a hidden folder; links to folders are
    followed `into` others as by `outside.walk`."""
    found: list[str] = []
    for parent, _, names in walk(folder, into):  # files as strings: they are many, and pathlib takes its time
        inner = Path(parent).relative_to(folder).parts
        if not any(map(is_hidden, inner)):
            found += ("/".join([*inner, name]) for name in names if not is_hidden(name))
    return sorted(found)


def images_below(folder: Path, into: Sequence[Path] = ()) -> list[str]:
    """Those of `visible_files` that have an image's ending; their names may be no text."""
    return [name for name in visible_files(folder, into) if ending(name) in IMAGE_ENDINGS]


def ending(name: str) -> str:
    """The ending of a path, in lower case, with its dot; empty where it has none."""
    return os.path.splitext(name)[1].lower()  # noqa: PTH122  # they are many, and pathlib takes its time


def linked_folders(folder: Path) -> list[str]:
    """Sorted paths below `folder` of links to folders, which are not followed."""
    found = (Path(parent, name) for parent, below, _ in walk(folder) for name in below)
    return sorted(path.relative_to(folder).as_posix() for path in found if path.is_symlink())
