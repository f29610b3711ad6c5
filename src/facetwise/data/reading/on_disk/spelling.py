"""Paths that are spelt differently in a table than on the disk."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from facetwise.core.files.outside import exists, names_in
from facetwise.core.text.spelling import Spellings, folded


@dataclass(frozen=True)
class DiskNames:
    """Finds paths below `root` that a table spells in another normal form or case, or with other blanks."""

    root: Path
    _entries: dict[str, tuple[Spellings, Spellings]] = field(default_factory=dict)

    def find(self, relative: str) -> str:
        """`relative` as spelt on the disk; unchanged if it exists, or if it does not match exactly one entry."""
        if os.path.exists(os.path.join(self.root, relative)):  # noqa: PTH110, PTH118  # as below
            return relative
        found = ""
        for part in PurePosixPath(relative).parts:
            found = os.path.join(found, self._entry(found, part))  # noqa: PTH118  # many, and pathlib takes its time
        return found if exists(self.root / found) else relative

    def _entry(self, folder: str, name: str) -> str:
        if folder not in self._entries:
            entries = names_in(self.root / folder)
            self._entries[folder] = Spellings(entries), Spellings(entries, folded)
        exact, any_case = self._entries[folder]
        found = exact.find(name)
        return any_case.find(name) if found == name else found
