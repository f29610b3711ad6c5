"""What lies in a dataset: its images and its tables."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path, PurePosixPath

from facetwise.core.choices import Encoding
from facetwise.core.errors import InputError
from facetwise.core.files.csvform import CsvForm, recognised_form
from facetwise.core.files.csvrecords import DELIMITERS
from facetwise.core.files.csvtable import CsvTable
from facetwise.core.files.filekinds import OTHER_TABLES
from facetwise.core.files.outside import is_text, read_bounded
from facetwise.core.text.counting import listed
from facetwise.core.text.spelling import folded
from facetwise.data.findings import Findings, errors
from facetwise.data.images.images import IMAGE_ENDINGS
from facetwise.data.reading.csvfile import read_any_table
from facetwise.data.reading.on_disk.differences import Entries
from facetwise.data.reading.on_disk.imagefiles import ending, visible_files
from facetwise.data.reading.recognising.columns import part_of

TABLES = (".csv", ".tsv", *OTHER_TABLES)
"""Endings of tables."""
TEXTS = (".txt", ".lst")
"""Endings of what may be a table as well, if it has several columns."""
UNREAD = {
    "save {} as `CSV UTF-8`, which is read": (".xlsx", ".xls", ".xlsm", ".ods", ".numbers"),
    "unpack {}": (".zip", ".tar", ".gz", ".tgz", ".7z", ".rar", ".bz2", ".xz"),
    "save {} as PNG of 16 bits, which is read": (".dcm", ".dicom"),
}
"""What may hold tables or images and is not read, by its endings, and what to do with it."""
MAX_TABLES = 20
"""Tables of a dataset that are looked into, the ones nearest to its folder first."""
MAX_FOLDERS = 20
"""Folders in which the images of a column are looked for."""
_ENOUGH = 64
"""Cells by which they are found."""


@dataclass(frozen=True)
class Lying:
    """The files of a dataset by path, sorted."""

    root: Path
    images: tuple[str, ...]
    tables: tuple[str, ...]
    lists: tuple[str, ...]
    """Text files: what may list a side, or be a table."""
    unread: tuple[tuple[str, str], ...] = ()
    """Other files that may hold tables or images, and what to do with each."""
    into: tuple[Path, ...] = ()
    """Folders that links are followed into."""
    encoding: Encoding | None = None
    """What tables are written in by choice, as `read_found` has it."""

    @classmethod
    def below(cls, root: Path, into: tuple[Path, ...] = (), encoding: Encoding | None = None) -> Lying:
        """What lies below `root`; hidden files, and those whose names are no text, are passed over."""
        names = visible_files(root, into)
        by_ending = [(ending(name), name) for name in names if is_text(name)]
        tables = sorted((name for end, name in by_ending if end in TABLES), key=lambda name: (name.count("/"), name))
        images, lists = (tuple(name for end, name in by_ending if end in kind) for kind in (IMAGE_ENDINGS, TEXTS))
        unread = tuple((name, way) for end, name in by_ending for way, ends in UNREAD.items() if end in ends)
        return cls(root, images, tuple(tables[:MAX_TABLES]), lists[:MAX_TABLES], unread, into, encoding)

    def readable(self, paths: Iterable[str]) -> Iterator[FoundTable]:
        """The tables at these paths that can be read; of text files those with several columns."""
        for path in paths:
            try:
                found = self.read(path)
            except InputError:
                continue
            if ending(path) not in TEXTS or len(found.table.names) > 1:
                yield found

    def read(self, path: str, called: str | None = None) -> FoundTable:
        """The table at `path`, or `called` otherwise; raises InputError when it cannot be read."""
        if path not in self._read:
            try:
                self._read[path] = read_found(self.root, path, called, self.encoding)
            except InputError as error:
                self._read[path] = error
        found = self._read[path]
        if isinstance(found, InputError):
            raise found
        return found

    @cached_property
    def _read(self) -> dict[str, FoundTable | InputError]:
        return {}

    def unreadable(self, paths: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Those of these tables that cannot be read, and why."""
        for path in paths:
            try:
                self.read(path)
            except InputError as error:
                yield path, f"{error}{f'; {error.hint}' if error.hint else ''}"

    @cached_property
    def _known(self) -> dict[str, str]:
        """The images by their paths in one spelling."""
        return {folded(path): path for path in self.images}

    @cached_property
    def _by_name(self) -> dict[str, list[str]]:
        """Those spellings by the last part."""
        found: dict[str, list[str]] = {}
        for path in self._known:
            found.setdefault(path.rpartition("/")[2], []).append(path)
        return found

    @cached_property
    def _entries(self) -> Entries:
        parts = [tuple(path.split("/")) for path in self.images]
        return Entries(lambda: parts)

    def named(self, cells: Sequence[str], table: str) -> list[Place]:
        """The folders below which at least half of the cells are the paths of images, the likeliest first: the one that
        the `table` lies in or is called like, then of most cells, then nearest to it.

        Where several folders share the cells among them, and none has all, the first is the one that holds them all.
        """
        wanted = [folded(cell.removeprefix("./")) for cell in cells]
        found = [
            Place(base, tuple(self._known.get(below(folded(base), cell)) for cell in wanted), _nearness(base, table))
            for base in self._bases([cell for cell in wanted if cell])
        ]
        half = sum(map(bool, wanted)) / 2
        found.sort(key=lambda p: (p.is_called_so and p.number >= half, p.number, p.near), reverse=True)
        of_each = [list(filter(None, paths)) for paths in zip(*(place.paths for place in found), strict=True)]
        if len(found) > 1 and max(map(len, of_each)) == 1:
            together = tuple(next(iter(paths), None) for paths in of_each)
            folder = common_folder([path for path in together if path is not None])
            place = Place(folder, together, exact=False)
            if place.number > found[0].number and (folder == found[0].folder or not found[0].is_called_so):
                found.insert(0, place)
        return found if found and found[0].number >= half else []

    def _bases(self, wanted: Sequence[str]) -> list[str]:
        """The folders below which some of these cells, in one spelling, name images."""
        bases: Counter[str] = Counter()
        for cell in wanted[:: max(len(wanted) // _ENOUGH, 1)]:
            for path in self._by_name.get(cell.rpartition("/")[2], ()):
                if f"/{path}".endswith(f"/{cell}"):
                    bases["/".join(self._known[path].split("/")[: -1 - cell.count("/")]) or "."] += 1
        return [base for base, _ in bases.most_common(MAX_FOLDERS)]

    def most_named(self, table: FoundTable) -> tuple[str, int]:
        """The column of a table whose cells name most images, and how many do."""
        columns = {name: table.table.column(name) for name in dict.fromkeys(table.table.columns) if name}
        named = {name: sum(self._meant_by(cell) is not None for cell in cells) for name, cells in columns.items()}
        return max(named.items(), key=lambda one: one[1], default=("", 0))

    def meant(self, cells: Sequence[str], table: str) -> list[Place]:  # noqa: ARG002
        """The folder of the images that cells name in other words: without endings, with other folders before them."""
        by_cell = {cell: self._meant_by(cell) for cell in dict.fromkeys(cells)}
        found = [path for path in by_cell.values() if path is not None]
        if not found or 2 * len(found) < sum(bool(cell.strip()) for cell in by_cell):
            return []
        return [Place(common_folder(found), tuple(by_cell[cell] for cell in cells), exact=False)]

    def _meant_by(self, cell: str) -> str | None:
        meant = self._entries.meant_by(cell) if cell.strip() else []
        return "/".join(meant[0]) if len(meant) == 1 else None


@dataclass(frozen=True)
class Place:
    """A folder, and what the cells of a column name below it."""

    folder: str
    paths: tuple[str | None, ...]
    """The image of each cell, by its path in the dataset; None where it names none."""
    near: tuple[int, int, bool, bool] = (0, 0, False, False)
    """How near it is to the table, as `_nearness` has it."""
    exact: bool = True
    """Whether the cells are paths from this folder on, as the disk has them."""

    @cached_property
    def number(self) -> int:
        """Of cells that name an image."""
        return len(self.paths) - self.paths.count(None)

    @property
    def is_called_so(self) -> bool:
        """Whether the table lies in it, below the dataset's own, or is called like it."""
        own, _, *called = self.near
        return (own > 1 and self.folder != ".") or any(called)

    def rivals(self, others: Sequence[Place]) -> list[Place]:
        """Those of other places that as likely as this one are meant: as many cells name images there, or some that
        name none here."""
        if not self.exact:
            return []
        alike = (self.number, self.near)
        more = () if self.is_called_so else filter(self._lacks, others)
        return [*dict.fromkeys([*(other for other in others if (other.number, other.near) == alike), *more])]

    def _lacks(self, other: Place) -> bool:
        """Whether some cells name images there and none here."""
        return any(a is None and b is not None for a, b in zip(self.paths, other.paths, strict=True))


def _nearness(base: str, table: str) -> tuple[int, int, bool, bool]:
    """Whether a folder is the one of a table (2) or the dataset's own (1), how many folders it shares with its path,
    and whether it is called as the same part, or like the table."""
    place = PurePosixPath(table)
    shared = len(PurePosixPath(os.path.commonpath(["/" + base, f"/{place.parent}"])).parts)
    part = part_of(place.stem)
    same_part = bool(part) and part == part_of(PurePosixPath(base).name)
    own = 2 if base == str(place.parent) else int(base == ".")
    return own, shared, same_part, folded(place.stem) in folded(base)


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
        told = "" if usual else f"separated by {DELIMITERS[self.form.delimiter]}, in {self.form.encoding}"
        cells = (cell for _, record in self.table.records for cell in record if not cell.isascii())
        words = [*dict.fromkeys(islice(cells, 20))]
        return f"{told} ({listed(f'`{word}`' for word in words)})" if told and words else told


def read_found(root: Path, path: str, called: str | None = None, encoding: Encoding | None = None) -> FoundTable:
    """The table at `path` in the dataset, or `called` otherwise, in an `encoding` where it is not UTF-8 or UTF-16.

    Raises InputError when it cannot be read.
    """
    form, findings, name = CsvForm(), Findings(), called or path
    if not path.lower().endswith(OTHER_TABLES):
        form = recognised_form(read_bounded(root / path), encoding)
    table = read_any_table(root / path, name, (), findings, delimiter=form.delimiter, encoding=form.encoding)
    if table is None or not table.records:
        fault = next(iter(errors(findings)), None)
        if fault is None:
            raise InputError(f"{name}: no rows")
        way = "; or say what it is written in, such as `--encoding cp1250`" if fault.code == "not-utf8" else ""
        raise InputError(str(fault), hint=f"{fault.hint or ''}{way}" or None)
    return FoundTable(name, table, form)
