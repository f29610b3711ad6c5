"""Images that lie beside those which a table lists one by one."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from facetwise.core.files.outside import files_below, is_text
from facetwise.core.text.counting import count
from facetwise.data.findings import Findings, listed
from facetwise.data.images.images import IMAGE_ENDINGS
from facetwise.data.reading.layouts.folder_files import is_hidden
from facetwise.data.reading.tablenames import TableNames


@dataclass(frozen=True)
class Unlisted:
    """Knows what all tables list, so that what is left can be told."""

    root: Path
    findings: Findings
    _folders: dict[str, str] = field(default_factory=dict)
    """Folder of images -> the table that lists them."""
    _named: set[str] = field(default_factory=set)
    """Every path that a table names, of refused rows as well."""

    def listed_by(self, names: TableNames) -> bool:
        """Note what a table has named; whether any of it is there."""
        if found := names.finish():
            self._named.update(names.named)
            self._folders[names.images] = names.table.name
        return found

    def finish(self) -> None:
        """One warning a folder for the images on disk that no table lists."""
        for images, table in self._folders.items():
            found = (p for p in files_below(self.root / images) if p.suffix.lower() in IMAGE_ENDINGS)
            names = sorted(p.relative_to(self.root).as_posix() for p in found if not is_hidden(p.name))
            self.findings.bad_names(name for name in names if not is_text(name))
            if extra := [name for name in names if is_text(name) and name not in self._named]:
                message = f"{count(len(extra), 'image')} not listed in {table}, left out: {listed(extra)}"
                self.findings.warning("unlisted-image", images, message)
