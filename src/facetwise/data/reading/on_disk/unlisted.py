"""Images beside those in a table, which no table lists."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from facetwise.core.files.csvtable import CsvRow
from facetwise.core.files.outside import is_text
from facetwise.core.text.counting import count, listed
from facetwise.data.findings import Findings
from facetwise.data.reading.on_disk.imagefiles import images_below, linked_folders
from facetwise.data.reading.on_disk.tablenames import TableNames


@dataclass(frozen=True)
class Unlisted:
    """Collects what all tables list, to report the remaining images."""

    root: Path
    findings: Findings
    into: Sequence[Path]
    """Folders that links are followed into."""
    _folders: dict[str, str] = field(default_factory=dict)
    """Folder of images -> the table that lists them."""
    _named: set[str] = field(default_factory=set)
    """Every path that a table names, including refused rows."""
    _passed: dict[str, str] = field(default_factory=dict)
    """Path -> table, for rows that are not of the side being read."""

    def listed_by(self, names: TableNames) -> bool:
        """Add what a table names; returns whether any of it exists."""
        if found := names.finish():
            self._named.update(names.named)
            self._folders[names.images] = names.table.name
        return found

    def pass_over(self, names: TableNames, others: Iterable[CsvRow]) -> None:
        """Add the images of rows that are not of the side, so that they do not count as unlisted."""
        for row in others:
            self._passed.setdefault(names.written(row), names.table.name)

    def finish(self) -> None:
        """Add a warning per folder for images that no table lists, and one per table for images of neither side."""
        neither = Counter(table for path, table in self._passed.items() if path not in self._named)
        for table, number in neither.items():
            message = f"{count(number, 'row')} of neither side by `where`, left out"
            self.findings.warning("rows-left-out", table, message)
        self._named.update(self._passed)
        for images, table in self._folders.items():
            front = "" if images == "." else f"{PurePosixPath(images)}/"
            names = [front + name for name in images_below(self.root / images, self.into)]
            self.findings.bad_names(name for name in names if not is_text(name))
            if extra := [name for name in names if name not in self._named and is_text(name)]:
                message = f"{count(len(extra), 'image')} not listed in {table}, left out: {listed(extra)}"
                self.findings.warning("unlisted-image", images, message)
            if not self.into:
                self._tell_links(images)

    def _tell_links(self, images: str) -> None:
        """Warn of links to folders below `images` of which no image is named."""
        paths = [PurePosixPath(images, link).as_posix() for link in linked_folders(self.root / images)]
        if passed := [path for path in paths if not any(name.startswith(f"{path}/") for name in self._named)]:
            message = f"{count(len(passed), 'link')} to folders, not followed: {listed(passed)}"
            hint = (
                "to follow them, set `follow_links = true` in `[dataset]`, and `links_root` where they lead out of it"
            )
            self.findings.warning("links-not-followed", images, message, hint)
