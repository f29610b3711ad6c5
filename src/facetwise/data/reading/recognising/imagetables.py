"""Tables with a row an image: their column of images, and the folder that the images lie in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from facetwise.core.errors import InputError, SettingError, did_you_mean
from facetwise.core.records.dataset import Side
from facetwise.core.text.counting import listed
from facetwise.data.reading.partedtables import one_below_another
from facetwise.data.reading.recognising.columns import NO_PART, PART, Column, PartName, columns_of, is_labelled
from facetwise.data.reading.recognising.joins import FoundJoin, joins_of
from facetwise.data.reading.recognising.lying import FoundTable, Lying, Place
from facetwise.data.reading.recognising.proposal import Ask, OpenQuestion, TableChoices, decided

_IMAGE = frozenset({"file", "files", "filename", "filepath", "image", "images", "img", "photo", "picture", "path"})
_CALLED = _IMAGE | {"name", "id"}
"""Words in the names of columns of images."""


@dataclass(frozen=True)
class ImageTable:
    """A table whose column `image` names images."""

    found: FoundTable
    columns: Mapping[str, Column]
    image: str
    places: tuple[Place, ...]
    """Where the images may lie, the likeliest first."""
    headless: bool = False
    """Whether the name of the column is that of an image itself: then there is no header."""
    called: PartName = NO_PART
    joins: tuple[FoundJoin, ...] = ()
    """Tables that share a key with it."""
    unjoined: tuple[str, ...] = ()
    """Why others share none."""
    joined: bool = False
    """Whether they are joined, so that their columns are among its own."""
    parts: Mapping[str, Any] = field(default_factory=dict)
    """Settings of a side that reads it, where it is several tables, one below another."""

    @property
    def place(self) -> Place:
        """Where the images lie."""
        return self.places[0]

    @property
    def part(self) -> str:
        """Which part of a given split it is called as: `train`, `val`, `test`, or none."""
        return self.called.part

    @cached_property
    def paths(self) -> frozenset[str]:
        """The images that it names, by path in the dataset."""
        return frozenset(path for path in self.place.paths if path is not None)

    @property
    def sure(self) -> int:
        """How sure it is that its rows are images: 4 if they are named as on the disk; else by what the column is
        called, 3 as images are, 2 as anything may be, 1 otherwise, and 0 as a group."""
        column = self.columns[self.image]
        if self.place.exact or any(place.exact for place in self.places):
            return 4
        words = column.words
        return 3 if words & _IMAGE else 0 if column.names_a_group else 2 if words & _CALLED else 1

    @property
    def labelled(self) -> bool:
        """Whether it has a column of labels."""
        return is_labelled(self.columns.values(), self.image)

    def with_joins(self, tables: Sequence[FoundTable]) -> ImageTable:
        """The same with what shares a key with it among `tables` without images."""
        path, tell_all = self.found.path, not self.labelled
        joins, unjoined = joins_of(self.columns, self.image, path, tables, tell_all=tell_all)
        keys = {join.on for join in joins if join.is_of_groups}
        columns = {name: replace(column, is_key_of_groups=name in keys) for name, column in self.columns.items()}
        return replace(self, columns=columns, joins=tuple(joins), unjoined=tuple(unjoined))

    def check_header(self) -> None:
        """Raise InputError when there is none."""
        if self.headless:
            raise InputError(
                f"{self.found.path}:1: no header: its first line names the image `{self.image}`",
                hint="write a line with the names of the columns above it, such as `file,label`",
            )

    def settled(self, images: str | None, ask: Ask) -> ImageTable:
        """The same with the one folder of its images: the chosen one, the likeliest, or the answer where several are as
        likely."""
        first, *others = self.places
        if images is not None:
            folders = [place.folder for place in self.places]
            if images.rstrip("/") not in folders:
                message = f"`{self.image}` of `{self.found.path}` names no images below `{images}`"
                raise SettingError(message, hint=f"it names some below {listed((f'`{f}`' for f in folders), 8)}")
            return replace(self, places=(self.places[folders.index(images.rstrip("/"))],))
        rivals = [first, *first.rivals(others)]
        if len(rivals) == 1:
            return self
        twice = (k for k, two in enumerate(zip(*(r.paths for r in rivals), strict=True)) if len({*two} - {None}) > 1)
        row = next(twice, 0)
        told = " and ".join(f"`{path}`" for rival in rivals if (path := rival.paths[row]) is not None)
        cell, line = self.columns[self.image].cells[row], self.found.table.lines[row]
        text = f"{self.found.path}:{line}: `{cell}` fits {told}: the images may lie in several folders"
        (folder,) = decided(OpenQuestion(text, tuple(rival.folder for rival in rivals), "--images"), ask)
        return replace(self, places=tuple(place for place in rivals if place.folder == folder))


def surest(tables: Sequence[ImageTable]) -> list[ImageTable]:
    """Those whose rows are images: an exact name beats one in other words, which a number may be by chance."""
    most = max((table.sure for table in tables), default=0)
    return [table for table in tables if table.sure >= min(most, 3)]


def with_images(lying: Lying, found: FoundTable, choices: TableChoices, ask: Ask) -> ImageTable | None:
    """The table with its column of images; None when there is none."""
    columns = columns_of(found.table)
    if choices.image is not None:
        if choices.image not in columns:
            if choices.table is None:
                return None
            raise SettingError(f"no column is called `{choices.image}`", hint=did_you_mean(choices.image, columns))
        tried = {choices.image: columns[choices.image]}
    else:
        tried = {name: c for name, c in columns.items() if len(set(c.cells)) > 1 or len(c.cells) == 1}
    for exact in (True, False):
        look = lying.named if exact else lying.meant
        places = {name: found_at for name, c in tried.items() if (found_at := look(c.cells, found.path))}
        if not exact and choices.image is None:
            places = _likely(places, columns)
        most = max((at[0].number for at in places.values()), default=0)
        best = [name for name, at in places.items() if at[0].number == most]
        if len(best) > 1:
            question = OpenQuestion(f"several columns of `{found.path}` name images", tuple(best), "--image")
            best = decided(question, ask)
        if best:
            headless = bool(lying.named(best, found.path))
            return ImageTable(found, columns, best[0], tuple(places[best[0]]), headless)
    return None


def _likely(places: dict[str, list[Place]], columns: Mapping[str, Column]) -> dict[str, list[Place]]:
    """The one column that most likely names images in other words: a number may mean one by chance."""
    once = {name: at for name, at in places.items() if len(set(columns[name].cells)) == len(columns[name].cells)}
    by_words = [{n: at for n, at in once.items() if columns[n].words & words} for words in (_IMAGE, _CALLED)]
    by_words.append({name: at for name, at in once.items() if not columns[name].names_a_group})
    return dict([*next(filter(None, by_words), once).items()][:1])


def one_below(table: ImageTable, tables: Iterable[ImageTable]) -> tuple[ImageTable, list[ImageTable]]:
    """The training `table` with the rows of those that are called as its parts to validate on, and what was added: the
    tables have the same columns of images, and are called the same but for the word of the part."""
    added = [other for other in tables if other.part == "val" and _is_alike(table, other)]
    if table.part != "train" or not added or table.joined or PART in table.columns:
        return table, []
    side = Side(table=table.called.pattern, images=_images(table))
    rows = one_below_another({t.found.path: t.found.table for t in (table, *added)}, side, table.image)
    found = replace(table.found, path=rows.name, table=rows)
    columns = {name: column for name, column in columns_of(rows).items() if name != PART}
    paths = tuple(path for t in (table, *added) for path in t.place.paths)
    place = Place(side.images_base, paths, exact=all(t.place.exact for t in (table, *added)))
    words = [t.called.word for t in (table, *added)]
    parts = {"images": side.images, "where": {PART: words}, "split": PART}
    return replace(table, found=found, columns=columns, places=(place,), parts=parts), added


def _is_alike(table: ImageTable, other: ImageTable) -> bool:
    return (table.called.pattern, table.image, table.found.form, _images(table)) == (
        (other.called.pattern, other.image, other.found.form, _images(other))
    )


def _images(table: ImageTable) -> str:
    """The folder of its images, with `{part}` in the place of a folder that is called as the table is."""
    parts = [f"{{{PART}}}" if part == table.called.word else part for part in table.place.folder.split("/")]
    return "/".join(parts)
