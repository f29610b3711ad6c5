"""Names that mean one thing and are written differently: Unicode normal forms, upper and lower case."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from facetwise.core.outside import exists, names_in


def normal(name: str) -> str:
    """A name in the normal form NFC: tables mostly have it, disks of some systems do not."""
    return unicodedata.normalize("NFC", name)


def folded(name: str) -> str:
    """A name without the difference of normal form and of upper and lower case."""
    return normal(normal(name).casefold())


@dataclass(frozen=True)
class DiskNames:
    """Finds the paths below `root` that a table writes in another normal form than the disk."""

    root: Path
    _entries: dict[str, dict[str, list[str]]] = field(default_factory=dict)

    def find(self, relative: str) -> str:
        """`relative` as the disk writes it; unchanged when it exists, or when not exactly one entry is meant."""
        if exists(self.root / relative):
            return relative
        found = PurePosixPath()
        for part in PurePosixPath(relative).parts:
            found /= part if exists(self.root / found / part) else self._entry(found.as_posix(), part)
        return found.as_posix() if exists(self.root / found) else relative

    def _entry(self, folder: str, name: str) -> str:
        if folder not in self._entries:
            entries = self._entries[folder] = {}
            for entry in names_in(self.root / folder):
                entries.setdefault(normal(entry), []).append(entry)
        meant = self._entries[folder].get(normal(name), [])
        return meant[0] if len(meant) == 1 else name
