"""Files of a folder that count: images by their endings, and nothing that a system left behind."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from facetwise.core.files.outside import files_below
from facetwise.data.images.images import IMAGE_ENDINGS


def is_hidden(name: str) -> bool:
    """Whether a file was left behind by the system: hidden, or a cache of thumbnails."""
    return name.startswith(".") or name.lower() in ("thumbs.db", "desktop.ini", "__macosx")


def visible_files(folder: Path) -> list[str]:
    """Sorted paths below `folder` of all files that are not hidden, nor in a hidden folder."""
    paths = (path.relative_to(folder) for path in files_below(folder))
    return sorted(path.as_posix() for path in paths if not any(map(is_hidden, path.parts)))


def images_below(folder: Path) -> list[str]:
    """Those of `visible_files` that have an image's ending; their names may be no text."""
    return [name for name in visible_files(folder) if PurePosixPath(name).suffix.lower() in IMAGE_ENDINGS]
