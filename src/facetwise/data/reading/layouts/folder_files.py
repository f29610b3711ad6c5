"""The files of a group's folder: images of the dataset, missing ones, and other files."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from facetwise.core.files.outside import is_text
from facetwise.core.records.project_file import AttributeSpec
from facetwise.core.text.counting import count, listed
from facetwise.core.text.spelling import folded
from facetwise.data.findings import Findings
from facetwise.data.images.images import IMAGE_ENDINGS
from facetwise.data.reading.on_disk.imagefiles import is_hidden


@dataclass(frozen=True)
class FolderFiles:
    """Finds the images of group folders; `finish` adds summaries of other files."""

    root: Path
    specs: Sequence[AttributeSpec]
    findings: Findings
    _extra: list[str] = field(default_factory=list)
    _hidden: list[str] = field(default_factory=list)
    _respelt: list[str] = field(default_factory=list)

    @property
    def stems(self) -> list[str]:
        """File stems of images, in the project's order; empty if every image file counts."""
        return next((list(s.files) for s in self.specs if s.files), [])  # all attributes name the same

    def images(self, folder: str) -> list[dict[str, Any]]:
        """`image` and the `label:` cells that come from file names, for each image in `folder`, in order."""
        entries = self._entries(folder)
        if entries is None:
            return []
        by_stem = self._by_stem(folder, entries)
        stems = self.stems or sorted(by_stem)
        self._extra.extend(f"{folder}/{n}" for stem, names in by_stem.items() if stem not in stems for n in names)
        if not any(stem in by_stem for stem in stems):
            expected = f"{listed(stems, 8)}" if stems else "image files"
            message = f"none of its images is in it; expected {expected}"
            self.findings.error("no-images", folder, message, "put the images back, or take the row out of the table")
            return []
        twice = {stem: by_stem[stem] for stem in stems if len(by_stem.get(stem, ())) > 1}
        for names in twice.values():
            message = f"{' and '.join(names)}: only one can be that image"
            self.findings.error("same-stem", folder, message, "move the wrong one away")
        if missing := [stem for stem in stems if stem not in by_stem]:
            message = f"{len(stems) - len(missing)} of {len(stems)} images; missing: {listed(missing, 8)}"
            self.findings.warning("missing-file", folder, message)
        found = [(stem, by_stem[stem][0]) for stem in stems if stem in by_stem and stem not in twice]
        self._respelt.extend(f"`{folder}/{name}` is `{stem}`" for stem, name in found if Path(name).stem != stem)
        return [{"image": f"{folder}/{name}", **self._labels(stem)} for stem, name in found]

    def finish(self, images: str, folders: Collection[str], table: str) -> None:
        """Add one finding for each kind of file that is no image of the dataset, and for folders that no row lists."""
        used = {f.removeprefix(f"{images}/").split("/")[0] for f in folders}
        unused = []
        for entry in self._entries(images) or ():
            if _is(entry.is_dir) and not is_hidden(entry.name):
                unused += [] if entry.name in used else [entry.name]
            else:
                (self._hidden if is_hidden(entry.name) else self._extra).append(f"{images}/{entry.name}")
        if unused:
            message = f"{count(len(unused), 'folder')} not listed in {table}, left out: {listed(unused)}"
            self.findings.warning("folder-without-row", images, message)
        if self._extra:
            message = f"{count(len(self._extra), 'file')} left out, no images of the dataset: {listed(self._extra)}"
            self.findings.warning("extra-file", images, message)
        if self._respelt:
            message = f"{count(len(self._respelt), 'file')} with names written otherwise: {listed(self._respelt)}"
            self.findings.info("respelt-name", images, message)
        if self._hidden:
            message = f"{count(len(self._hidden), 'hidden file')} left out: {listed(self._hidden)}"
            self.findings.info("hidden-file", images, message)

    def _by_stem(self, folder: str, entries: Sequence[os.DirEntry[str]]) -> dict[str, list[str]]:
        """Stem -> name of each image file in `folder`; other files are remembered for the summaries.

        Stems are spelt as in the project file, whatever their case and normal form on the disk.
        """
        by_stem: dict[str, list[str]] = {}
        written = {folded(stem): stem for stem in self.stems}
        if len(written) < len(self.stems):  # the project tells stems apart by case
            written = {}
        for entry in entries:
            stem, ending = Path(entry.name).stem, Path(entry.name).suffix
            if is_hidden(entry.name):
                self._hidden.append(f"{folder}/{entry.name}")
            elif ending.lower() in IMAGE_ENDINGS and _is(entry.is_file):
                by_stem.setdefault(written.get(folded(stem), stem), []).append(entry.name)
            else:
                self._extra.append(f"{folder}/{entry.name}")
        return by_stem

    def _entries(self, folder: str) -> list[os.DirEntry[str]] | None:
        """The entries of `folder`, by name; None (and an error) if it cannot be listed."""
        try:
            with os.scandir(self.root / folder) as entries:
                found = sorted(entries, key=lambda e: e.name)
        except OSError as error:
            self.findings.error("unreadable-folder", folder, f"cannot be read ({error.strerror})")
            return None
        self.findings.bad_names(f"{folder}/{e.name}" for e in found if not is_text(e.name))
        return [e for e in found if is_text(e.name)]

    def _labels(self, stem: str) -> dict[str, int]:
        return {f"label:{s.name}": s.classes.index(s.files[stem]) for s in self.specs if s.files}


def _is(question: Callable[[], bool]) -> bool:
    """The answer of `question`; False if the system refuses it, as for a link to itself."""
    try:
        return question()
    except OSError:
        return False
