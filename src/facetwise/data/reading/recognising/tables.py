"""Recognises a table with a row an image: of csv, JSON lines or Parquet, with a column of image paths."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from facetwise.core.errors import InputError, SettingError, did_you_mean
from facetwise.core.files.annotations.formats import AnnotationTable
from facetwise.core.files.outside import resolved
from facetwise.core.records.dataset import NO_GROUP
from facetwise.core.text.counting import count, listed
from facetwise.core.workspace import inside
from facetwise.data.reading.recognising.columns import Column, columns_of, is_labelled, part_of
from facetwise.data.reading.recognising.joins import FoundJoin, joins_of
from facetwise.data.reading.recognising.lying import FoundTable, Lying, below, read_found
from facetwise.data.reading.recognising.prefixes import groups_in_names
from facetwise.data.reading.recognising.proposal import (
    Ask,
    MadeProposal,
    OpenQuestion,
    TableChoices,
    decided,
    toml_value,
)
from facetwise.data.reading.recognising.roles import Roles, roles_of
from facetwise.data.reading.recognising.splits import sides_by, sides_by_lists

_ANSWER = "answer"
_CALLED = frozenset({"file", "filename", "image", "img", "photo", "picture", "path", "name", "id"})
"""Words in the names of columns of images."""


@dataclass(frozen=True)
class ImageTable:
    """A table whose column `image` names images in the folder `images`."""

    found: FoundTable
    columns: Mapping[str, Column]
    image: str
    images: str
    number: int
    """Of cells that name an image."""
    exact: bool
    """Whether they name them as the disk does."""
    headless: bool = False
    """Whether the name of the column is that of an image itself: then there is no header."""
    joins: tuple[FoundJoin, ...] = ()
    """Tables that share a key with it."""
    joined: bool = False
    """Whether they are joined, so that their columns are among its own."""

    @property
    def part(self) -> str:
        """Which part of a given split it is called as: `train`, `val`, `test`, or none."""
        path = PurePosixPath(self.found.path)
        return next((part for word in (path.stem, path.parent.name) if (part := part_of(word))), "")

    def check_header(self) -> None:
        """Raise InputError when there is none."""
        if self.headless:
            raise InputError(
                f"{self.found.path}:1: no header: its first line names the image `{self.image}`",
                hint="write a line with the names of the columns above it, such as `file,label`",
            )

    @property
    def labelled(self) -> bool:
        """Whether it has a column of labels."""
        return is_labelled(self.columns.values(), self.image)


def recognise_table(lying: Lying, choices: TableChoices, ask: Ask, *, labelled: bool = True) -> MadeProposal | None:
    """The project file for a table of image paths; None when the dataset has none with labels, or not `labelled` ones.

    Raises InputError for what cannot be decided or read although it was chosen.
    """
    tables = _with_joins(lying, list(_image_tables(lying, choices, ask)), choices)
    sure = choices.table is not None or bool(choices.attributes) or not labelled
    found = [t for t in tables if (sure or t.labelled) and not t.headless]
    if not found:
        for table in tables:
            table.check_header()
    found = [t for t in found if not isinstance(t.found.table, AnnotationTable)] or found
    chosen = [t for t in found if t.part == "train"] if len(found) > 1 else found
    chosen = chosen if len(chosen) == 1 else [t for t in found if not t.part] or found
    if not chosen:
        return None
    if len(chosen) > 1:
        question = OpenQuestion("several tables have labels", tuple(t.found.path for t in chosen), "--table")
        (path,) = decided(question, ask)
        chosen = [t for t in chosen if t.found.path == path]
    (table,) = chosen
    tables = tables if choices.table is None else list(_others(lying, table))
    others = [t for t in tables if t is not table and not t.headless]
    return _proposal(lying, table, others, roles_of(table.columns, table.image, table.found.path, choices, ask))


def _image_tables(lying: Lying, choices: TableChoices, ask: Ask) -> Iterable[ImageTable]:
    if choices.table is not None:
        if choices.table not in lying.tables and not (lying.root / choices.table).is_file():
            hint = did_you_mean(choices.table, lying.tables) if lying.tables else None
            raise SettingError(f"the dataset has no table `{choices.table}`", hint=hint)
        if inside(lying.root, choices.table) is None:
            raise _out_of_dataset(lying.root, choices.table)
        found = read_found(lying.root, choices.table)
        table = _with_images(lying, found, choices, ask)
        if table is None:
            raise InputError(f"{choices.table}: no column of it names images of the dataset{_shown(found, lying)}")
        yield table
        return
    for found in _readable(lying.root, lying.tables):
        table = _with_images(lying, found, choices, ask)
        if table is not None:
            yield table


def _out_of_dataset(root: Path, table: str) -> InputError:
    """A table that lies elsewhere, and the folder that holds both."""
    place = resolved(root / table)
    common = os.path.commonpath([root, place])
    way = shlex.join(["--dataset", common, "--table", os.path.relpath(place, common)])
    return InputError(f"`{table}` leads out of the dataset {root}", hint=f"give the folder that holds both: `{way}`")


def _with_joins(lying: Lying, tables: list[ImageTable], choices: TableChoices) -> list[ImageTable]:
    """The tables with what shares a key with each: joined where none of them has labels, or lacks a chosen column."""
    paths = [path for path in lying.tables if path not in {table.found.path for table in tables}]
    plain = list(_readable(lying.root, paths)) if tables else []
    found = [replace(t, joins=tuple(joins_of(t.columns, t.image, plain))) for t in tables]
    chosen = {text.partition("=")[0] for text in (*choices.attributes, choices.group or "")}

    def joined(table: ImageTable) -> ImageTable:
        added = {name: column for join in table.joins for name, column in join.added.items()}
        lacking = chosen & (added.keys() - table.columns.keys())
        taken = bool(lacking) or not any(t.labelled for t in tables)
        return replace(table, columns={**table.columns, **added}, joined=True) if added and taken else table

    return [joined(table) for table in found]


def _readable(root: Path, paths: Iterable[str]) -> Iterable[FoundTable]:
    for path in paths:
        try:
            yield read_found(root, path)
        except InputError:
            continue


def _others(lying: Lying, chosen: ImageTable) -> Iterable[ImageTable]:
    none = TableChoices()
    return (t for t in _image_tables(lying, none, lambda q: q.answers[:1]) if t.found.path != chosen.found.path)


def _shown(found: FoundTable, lying: Lying) -> str:
    return f" (columns: {listed(found.table.columns, 8)}; {count(len(lying.images), 'image')}: {listed(lying.images)})"


def _with_images(lying: Lying, found: FoundTable, choices: TableChoices, ask: Ask) -> ImageTable | None:
    """The table with its column of images; None when there is none."""
    columns = columns_of(found.table)
    if choices.image is not None:
        if choices.image not in columns:
            if choices.table is None:
                return None
            raise SettingError(f"no column is called `{choices.image}`", hint=did_you_mean(choices.image, columns))
        columns_tried = {choices.image: columns[choices.image]}
    else:
        columns_tried = {name: c for name, c in columns.items() if len(set(c.cells)) > 1 or len(c.cells) == 1}
    for exact in (True, False):
        look = lying.folder_of if exact else lying.folder_meant
        places = {name: place for name, c in columns_tried.items() if (place := look(c.cells, found.path)) is not None}
        if not exact and choices.image is None:
            places = _likely(places, columns)
        best = [name for name in places if places[name][1] == max(number for _, number in places.values())]
        if len(best) > 1:
            question = OpenQuestion(f"several columns of `{found.path}` name images", tuple(best), "--image")
            best = decided(question, ask)
        if best:
            headless = lying.folder_of(best, found.path) is not None
            return ImageTable(found, columns, best[0], *places[best[0]], exact, headless)
    return None


def _likely(places: dict[str, tuple[str, int]], columns: Mapping[str, Column]) -> dict[str, tuple[str, int]]:
    """The one column that most likely names images in other words: a number may mean one by chance."""
    once = {name: at for name, at in places.items() if len(set(columns[name].cells)) == len(columns[name].cells)}
    called = {name: at for name, at in once.items() if columns[name].words & _CALLED}
    return dict([*(called or once).items()][:1])


def _proposal(lying: Lying, table: ImageTable, others: list[ImageTable], roles: Roles) -> MadeProposal:
    keys = {**table.found.keys, **({"join": [join.setting for join in table.joins]} if table.joined else {})}
    train: dict[str, Any] = {**keys, "images": table.images, "image": table.image, **roles.keys}
    notes = list(_table_notes(table))
    sides = {**keys, "images": table.images, "image": table.image, "answer": _answer(table)}
    if roles.split is not None:
        test = sides_by(roles.split, train, sides, notes)
    else:
        test = sides_by_lists(lying, table.columns[table.image].cells, train, sides, notes)
    if test is None:
        test = _test_table(table, others, notes)
    elif others:
        notes.append(f"other tables left out: {listed(t.found.path for t in others)}; `--table PATH` takes another")
    title = f"a table with a row an image, `{table.found.path}`"
    return MadeProposal(
        title, "images", train, roles.attributes, test, (*notes, *roles.notes, *_groups_told(table, roles))
    )


def _groups_told(table: ImageTable, roles: Roles) -> Iterable[str]:
    """A note on groups that names seem to tell, where no column does and names are as on the disk."""
    names = table.columns[table.image].cells
    if roles.group != NO_GROUP or not table.exact or len(set(names)) < len(names):
        return
    classes = zip(*(table.columns[attribute["column"]].cells for attribute in roles.attributes), strict=True)
    if (found := groups_in_names(names, list(classes))) is not None:
        yield found.told(f"`group = {toml_value(found.pattern)}` or `--group {shlex.quote(found.pattern)}`")


def _table_notes(table: ImageTable) -> Iterable[str]:
    rows = len(table.found.table.records)
    if isinstance(table.found.table, AnnotationTable) and table.found.table.left_out:
        yield f"of `{table.found.path}` left out: {listed(table.found.table.left_out, 8)}"
    for join in table.joins:
        line = f"join = {toml_value([join.setting])}"
        yield f"{join.told}: joined, `{line}`" if table.joined else f"{join.told}: `{line}` adds them"
    if table.found.written_in:
        yield f"`{table.found.path}` is {table.found.written_in}: `delimiter`, `encoding`"
    if not table.exact:
        yield (
            f"`{table.image}` names images in other words than the disk: {table.number} of {count(rows, 'row')} seem "
            f"to mean one in `{table.images}`, the check says what differs"
        )
    elif table.number < rows:
        yield f"`{table.image}`: {rows - table.number} of {count(rows, 'row')} name no image in `{table.images}`"


def _answer(table: ImageTable) -> str:
    """A column for the answers that the table does not have."""
    return _ANSWER if _ANSWER not in table.columns else "predicted"


def _test_table(table: ImageTable, others: list[ImageTable], notes: list[str]) -> dict[str, Any] | None:
    """The side to predict: the one other table of it, or of images without labels."""
    named = [t for t in others if t.part == "test"] or [t for t in others if not t.labelled and not t.part]
    named = [t for t in named if not _images(t) & _images(table)]
    left = [t.found.path for t in others if len(named) != 1 or t is not named[0]]
    if left:
        notes.append(f"other tables left out: {listed(left)}; `--table PATH` takes another in the place of this one")
    if len(named) != 1:
        return None
    (test,) = named
    if test.labelled:
        notes.append(f"`{test.found.path}` is the test side: its labels are never read")
    free = [name for name in test.columns if name != test.image]
    answer = free[0] if len(free) == 1 and not test.labelled else _answer(test)
    return {**test.found.keys, "images": test.images, "image": test.image, "answer": answer}


def _images(table: ImageTable) -> set[str]:
    return {below(table.images, cell) for cell in table.columns[table.image].cells}
