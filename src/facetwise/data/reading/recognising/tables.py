"""Recognises a table with a row an image: of csv, JSON lines or Parquet, with a column of image paths."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from facetwise.core.errors import InputError, SettingError, did_you_mean
from facetwise.core.files.annotations.formats import AnnotationTable
from facetwise.core.records.dataset import NO_GROUP
from facetwise.core.text.counting import count, listed
from facetwise.data.reading.recognising.columns import parts_of
from facetwise.data.reading.recognising.imagetables import ImageTable, one_below, surest, with_images
from facetwise.data.reading.recognising.lying import FoundTable, Lying
from facetwise.data.reading.recognising.prefixes import groups_in_names
from facetwise.data.reading.recognising.proposal import (
    Ask,
    MadeProposal,
    OpenQuestion,
    TableChoices,
    decided,
    toml_value,
)
from facetwise.data.reading.recognising.roles import Roles, check_repeated, roles_of
from facetwise.data.reading.recognising.splits import sides_by, sides_by_lists

_ANSWER = "answer"


def recognise_table(lying: Lying, choices: TableChoices, ask: Ask, *, labelled: bool = True) -> MadeProposal | None:
    """The project file for a table of image paths; None when the dataset has none with labels, or not `labelled` ones.

    Raises InputError for what cannot be decided or read although it was chosen.
    """
    called = parts_of((*lying.tables, *lying.lists))
    seen = [replace(t, called=called.get(t.found.path, t.called)) for t in _image_tables(lying, choices, ask)]
    tables = _with_joins(lying, surest(seen), choices)
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
    alone = chosen[0].settled(choices.images, ask)
    table, added = one_below(alone, found)
    tables = tables if choices.table is None else list(_others(lying, table))
    used = {alone.found.path, *(t.found.path for t in added)}
    others = [t for t in tables if t.found.path not in used and not t.headless]
    roles = _roles(table, choices, ask)
    together = listed(f"`{path}`" for path in sorted(used))
    notes = [f"{together} are read one below another, and are the folds: `table`, `split`"] if added else []
    if choices.table_file is not None:
        notes.append(f"{choices.table_file} is read in the project, as `{choices.table}`: corrections count there")
    return _proposal(lying, table, others, roles, notes, ask)


def _roles(table: ImageTable, choices: TableChoices, ask: Ask) -> Roles:
    """The roles of its columns; where there are no labels among them, the error says why no other table is joined."""
    try:
        roles = roles_of(table.columns, table.image, table.found.path, choices, ask)
    except InputError as error:
        if table.labelled or not table.unjoined:
            raise
        raise InputError(f"{error}. {'. '.join(table.unjoined)}", hint=error.hint) from None
    check_repeated(table.found, [table.image, *roles.columns])
    return roles


def _image_tables(lying: Lying, choices: TableChoices, ask: Ask) -> Iterable[ImageTable]:
    if choices.table is not None:
        path = choices.table_file or choices.table
        if not (lying.root / path).is_file():
            hint = did_you_mean(choices.table, lying.tables) if lying.tables else None
            raise SettingError(f"the dataset has no table `{choices.table}`", hint=hint)
        found = lying.read(path, choices.table)
        table = with_images(lying, found, choices, ask)
        if table is None:
            raise InputError(f"{choices.table}: no column of it names images of the dataset{_shown(found, lying)}")
        yield table
        return
    for found in lying.readable((*lying.tables, *lying.lists)):
        table = with_images(lying, found, choices, ask)
        if table is not None:
            yield table


def _with_joins(lying: Lying, tables: list[ImageTable], choices: TableChoices) -> list[ImageTable]:
    """The tables with what shares a key with each: joined where none of them has labels, or lacks a chosen column."""
    known = (*lying.tables, *lying.lists)
    paths = [path for path in known if path not in {table.found.path for table in tables}]
    plain = list(lying.readable(paths)) if tables else []
    found = [t.with_joins(plain) for t in tables]
    chosen = {text.partition("=")[0] for text in (*choices.attributes, choices.group or "")}

    def joined(table: ImageTable) -> ImageTable:
        added = {name: column for join in table.joins for name, column in join.added.items()}
        lacking = chosen & (added.keys() - table.columns.keys())
        taken = bool(lacking) or not any(t.labelled for t in found)
        return replace(table, columns={**table.columns, **added}, joined=True) if added and taken else table

    return [joined(table) for table in found]


def _others(lying: Lying, chosen: ImageTable) -> Iterable[ImageTable]:
    found = surest([*_image_tables(lying, TableChoices(), lambda q: q.answers[:1])])
    return (t for t in found if t.found.path != chosen.found.path)


def _shown(found: FoundTable, lying: Lying) -> str:
    return f" (columns: {listed(found.table.columns, 8)}; {count(len(lying.images), 'image')}: {listed(lying.images)})"


def _proposal(
    lying: Lying, table: ImageTable, others: list[ImageTable], roles: Roles, notes: Sequence[str], ask: Ask
) -> MadeProposal:
    keys = {**table.found.keys, **({"join": [join.setting for join in table.joins]} if table.joined else {})}
    keys |= {"images": table.place.folder, "image": table.image}
    train: dict[str, Any] = {**keys, **table.parts, **roles.keys}
    told = [*notes, *_table_notes(table)]
    test: dict[str, Any] | None = None
    if not table.parts:
        sides = {**keys, "answer": _answer(table)}
        if roles.split is not None:
            test = sides_by(roles.split, train, sides, told)
        else:
            test = sides_by_lists(lying, table.columns[table.image].cells, train, sides, told)
    if test is None:
        test = _test_table(table, others, told, ask)
    elif others:
        told.append(f"other tables left out: {listed(t.found.path for t in others)}; `--table PATH` takes another")
    title = f"a table with a row an image, `{table.found.path}`"
    return MadeProposal(
        title, "images", train, roles.attributes, test, (*told, *roles.notes, *_groups_told(table, roles))
    )


def _groups_told(table: ImageTable, roles: Roles) -> Iterable[str]:
    """A note on groups that names seem to tell, where no column does and names are as on the disk."""
    names = table.columns[table.image].cells
    if roles.group != NO_GROUP or not table.place.exact or len(set(names)) < len(names):
        return
    classes = zip(*(table.columns[attribute["column"]].cells for attribute in roles.attributes), strict=True)
    if (found := groups_in_names(names, list(classes))) is not None:
        yield found.told(f"`group = {toml_value(found.pattern)}` or `--group {shlex.quote(found.pattern)}`")


def _table_notes(table: ImageTable) -> Iterable[str]:
    rows = len(table.found.table.records)
    if isinstance(table.found.table, AnnotationTable) and table.found.table.left_out:
        yield f"of `{table.found.path}` left out: {listed(table.found.table.left_out, 8)}"
    yield from table.unjoined
    for join in table.joins:
        line = f"join = {toml_value([join.setting])}"
        yield f"{join.told}: joined, `{line}`" if table.joined else f"{join.told}: `{line}` adds them"
    if table.found.written_in:
        yield f"`{table.found.path}` is {table.found.written_in}: `delimiter`, `encoding`"
    place, (first, *more) = table.place, table.places
    if not place.exact:
        yield (
            f"`{table.image}` names images in other words than the disk: {place.number} of {count(rows, 'row')} seem "
            f"to mean one in `{place.folder}`, the check says what differs"
        )
    elif place.number < rows:
        yield f"`{table.image}`: {rows - place.number} of {count(rows, 'row')} name no image in `{place.folder}`"
    if first.exact and more:
        told = listed(f"`{other.folder}` ({other.number:,})" for other in more)
        yield f"images are those in `{place.folder}`; some of their names are also in {told}: `--images DIR`"


def _answer(table: ImageTable) -> str:
    """A column for the answers that the table does not have."""
    return _ANSWER if _ANSWER not in table.columns else "predicted"


def _test_table(table: ImageTable, others: list[ImageTable], notes: list[str], ask: Ask) -> dict[str, Any] | None:
    """The side to predict: the one other table of it, or of images without labels."""
    named = [t for t in others if t.part == "test"] or [t for t in others if not t.labelled and not t.part]
    named = [t for t in named if not t.paths & table.paths]
    left = [t.found.path for t in others if len(named) != 1 or t is not named[0]]
    if left:
        notes.append(f"other tables left out: {listed(left)}; `--table PATH` takes another in the place of this one")
    if len(named) != 1:
        return None
    test = named[0].settled(None, ask)
    if test.labelled:
        notes.append(f"`{test.found.path}` is the test side: its labels are never read")
    free = [name for name in test.columns if name != test.image]
    answer = free[0] if len(free) == 1 and not test.labelled else _answer(test)
    return {**test.found.keys, "images": test.place.folder, "image": test.image, "answer": answer}
