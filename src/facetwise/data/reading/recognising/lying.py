"""What lies in a dataset: its images and its tables."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from facetwise.core.errors import InputError
from facetwise.core.files.csvform import CsvForm, recognised_form
from facetwise.core.files.csvrecords import DELIMITERS
from facetwise.core.files.csvtable import CsvTable
from facetwise.core.files.filekinds import OTHER_TABLES
from facetwise.core.files.outside import is_text, read_bounded
from facetwise.core.text.spelling import folded
from facetwise.data.findings import Findings, errors
from facetwise.data.images.images import IMAGE_ENDINGS
from facetwise.data.reading.csvfile import read_any_table
from facetwise.data.reading.on_disk.imagefiles import visible_files
from facetwise.data.reading.on_disk.notfound import meant_by

TABLES = (".csv", ".tsv", *OTHER_TABLES)
"""Endings of tables."""
MAX_TABLES = 20
"""Tables of a dataset that are looked into, the ones nearest to its folder first."""
_ENOUGH = 64
"""Cells by which the folder of the images of a column is found."""


@dataclass(frozen=True)
class Lying:
    """The files of a dataset by path, sorted."""

    root: Path
    images: tuple[str, ...]
    tables: tuple[str, ...]
    lists: tuple[str, ...]
    """Text files: what may list a side."""
    into: tuple[Path, ...] = ()
    """Folders that links are followed into."""

    @classmethod
    def below(cls, root: Path, into: tuple[Path, ...] = ()) -> Lying:
        """What lies below `root`; hidden files, and those whose names are no text, are passed over."""
        names = visible_files(root, into)
        by_ending = [(PurePosixPath(name).suffix.lower(), name) for name in names if is_text(name)]
        tables = sorted((name for end, name in by_ending if end in TABLES), key=lambda name: (name.count("/"), name))
        images, lists = ([n for end, n in by_ending if end in kinds] for kinds in (IMAGE_ENDINGS, (".txt", ".lst")))
        return cls(root, tuple(images), tuple(tables[:MAX_TABLES]), tuple(lists[:MAX_TABLES]), into)

    @cached_property
    def _by_name(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for path in self.images:
            found.setdefault(folded(PurePosixPath(path).name), []).append(path)
        return found

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(map(folded, self.images))

    def folder_of(self, cells: Sequence[str], table: str) -> tuple[str, int] | None:
        """The folder below which most cells name images, and how many do; None when fewer than half do.

        Of several it is the one nearest to the `table`, by its place and then by its name.
        """
        named = [cell.removeprefix("./") for cell in cells if cell.strip()]
        bases: Counter[str] = Counter()
        for cell in map(folded, named[:: max(len(named) // _ENOUGH, 1)]):
            for path in self._by_name.get(PurePosixPath(cell).name, ()):
                if f"/{folded(path)}".endswith(f"/{cell}"):
                    bases["/".join(path.split("/")[: -1 - cell.count("/")]) or "."] += 1
        wanted = [folded(cell) for cell in named] if bases else []
        counted = [(base, sum(folded(below(base, cell)) in self._known for cell in wanted)) for base in bases]
        best = max(counted, key=lambda found: (found[1], *_nearness(found[0], table)), default=None)
        return best if best is not None and 2 * best[1] >= len(wanted) else None

    def folder_meant(self, cells: Sequence[str], table: str) -> tuple[str, int] | None:  # noqa: ARG002
        """The same for cells that name images in other words: without endings, with other folders before them."""
        wanted = [cell for cell in dict.fromkeys(cells) if cell.strip()]
        meant = meant_by(wanted, self.root, self.root) if wanted else []
        if not meant or 2 * len(meant) < len(wanted):
            return None
        return common_folder([path.as_posix() for path in meant]), len(meant)


def _nearness(base: str, table: str) -> tuple[int, bool]:
    """How many folders a folder shares with the path of a table, and whether it is called like it."""
    place = PurePosixPath(table)
    shared = len(PurePosixPath(os.path.commonpath(["/" + base, f"/{place.parent}"])).parts)
    return shared, folded(place.stem) in folded(base)


def common_folder(paths: Sequence[str]) -> str:
    """The deepest folder that holds all files at these paths (at least one); `.` is the dataset's own."""
    return os.path.commonpath([path.rpartition("/")[0] for path in paths]) or "."


def below(folder: str, path: str) -> str:
    """The path in the dataset of what lies at `path` in a folder of it."""
    return path if folder == "." else f"{folder}/{path}"


@dataclass(frozen=True)
class FoundTable:
    """A table of a dataset that can be read."""

    path: str
    table: CsvTable
    form: CsvForm

    @property
    def keys(self) -> dict[str, str]:
        """Settings of a side that read it."""
        usual = asdict(CsvForm())
        return {"table": self.path, **{key: value for key, value in asdict(self.form).items() if value != usual[key]}}

    @property
    def written_in(self) -> str:
        """What it is written in, for people; empty where that is as usual."""
        usual = self.form == CsvForm()
        return "" if usual else f"separated by {DELIMITERS[self.form.delimiter]}, in {self.form.encoding}"


def read_found(root: Path, path: str) -> FoundTable:
    """The table at `path` in the dataset, in whatever it is written; raises InputError when it cannot be read."""
    form, findings = CsvForm(), Findings()
    if not path.lower().endswith(OTHER_TABLES):
        form = recognised_form(read_bounded(root / path))
    table = read_any_table(root / path, path, (), findings, delimiter=form.delimiter, encoding=form.encoding)
    if table is None or not table.records:
        told = next(map(str, errors(findings)), f"{path}: no rows")
        raise InputError(told)
    return FoundTable(path, table, form)
