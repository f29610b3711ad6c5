"""Tables from outside in JSON lines, Parquet or the JSON of annotation tools, read as a `CsvTable`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from facetwise.core.errors import InputError
from facetwise.core.files.annotations.annotated import SEVERAL
from facetwise.core.files.annotations.formats import FORMATS, annotation_table, read_annotations
from facetwise.core.files.csvrecords import CsvFault, Record
from facetwise.core.files.csvtable import CsvTable, look_at_records
from facetwise.core.files.filekinds import ANNOTATIONS, PARQUET
from facetwise.core.files.jsonlines import BOM, parsed_object
from facetwise.core.files.outside import read_bounded
from facetwise.core.files.outside_tables import check_decodes
from facetwise.core.files.parsing import cell_text, parse_json

MAX_DECODED = 2**29
"""Most bytes that a Parquet file may take in memory."""


def look_at_other_table(
    path: Path, name: str, needed: Sequence[str] = (), *, may_be_empty: bool = False
) -> tuple[CsvTable | None, list[CsvFault]]:
    """The table in a file with one of `filekinds.OTHER_TABLES`, and all its faults; as `csvtable.look_at_csv`.

    Cells are text: numbers as they are written (`1`, `1.0`), `true` and `false`, what is missing empty. What stands in
    a section is a column `section.name`, and a list of single values one cell, `a|b`; other lists and bytes are left
    out. Lines are those of a file of JSON lines, and else the numbers of rows. JSON (`.json`) is annotations, an
    `AnnotationTable`, or where it looks like no tool's the objects in it.
    """
    try:
        data = read_bounded(path)
        if path.suffix.lower() in ANNOTATIONS:
            try:
                return annotation_table(read_annotations(data), data, name, needed)
            except InputError:
                if (rows := _objects(data)) is None:
                    raise
            read = _records([*enumerate(rows, 1)])
        else:
            read = _parquet(path) if path.suffix.lower() in PARQUET else _json_lines(data)
    except InputError as error:
        return None, [CsvFault("unreadable-table", None, str(error).removeprefix(f"{path}: "), error.hint)]
    sha256 = hashlib.sha256(data).hexdigest()
    return look_at_records(read, name, needed, sha256=sha256, may_be_empty=may_be_empty)


def _json_lines(data: bytes) -> list[Record]:
    found: list[tuple[int, dict[str, Any]]] = []
    for number, line in enumerate(data.removeprefix(BOM).splitlines(), 1):
        if not line.strip():
            continue
        try:
            found.append((number, parsed_object(line.decode(errors="surrogateescape"))))
        except ValueError as error:
            raise InputError(f"line {number}: {error}") from None
    return _records(found)


def _objects(data: bytes) -> list[dict[str, Any]] | None:
    """The objects that a JSON file lists: by itself, in its one section that is such a list, or by name; where names
    have single values, an `image` and its `label`. None for anything else."""
    try:
        content = parse_json(data.removeprefix(BOM))
    except ValueError:
        return None
    if any(form.fits(content) for form in FORMATS.values()):
        return None
    if isinstance(content, dict):
        lists = [value for value in content.values() if _is_list_of_objects(value)]
        if len(lists) == 1:
            return list(lists[0])
        if content and all(isinstance(value, dict) for value in content.values()):
            return [{"name": name, **value} for name, value in content.items()]
        if len(content) > 1 and all(_cell(value) is not None for value in content.values()):
            return [{"image": name, "label": value} for name, value in content.items()]
        return None
    return list(content) if _is_list_of_objects(content) else None


def _is_list_of_objects(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, dict) for one in value)


def _records(rows: Sequence[tuple[int, dict[str, Any]]]) -> list[Record]:
    """Objects and their numbers as records, the header first; columns as they are first seen."""
    found = [(number, dict(_flat(row))) for number, row in rows]
    columns = [*dict.fromkeys(column for _, cells in found for column in cells)]
    header = [(1, tuple(columns))] if found else []
    return [*header, *((number, tuple(cells.get(column, "") for column in columns)) for number, cells in found)]


def _flat(row: dict[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for name, value in row.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{name}.")
        elif (cell := _cell(value)) is not None:
            yield before + name, cell


def _cell(value: Any) -> str | None:
    """A single value, or several, as a cell; None for what is neither."""
    several = value if isinstance(value, list) else [value]
    single = not any(isinstance(one, dict | list) for one in several)
    return SEVERAL.join(map(cell_text, several)) if single else None


def _parquet(path: Path) -> list[Record]:
    check_decodes([path], MAX_DECODED)
    try:
        table = pl.read_parquet(path, use_statistics=False)
        columns = {name: cells for c, kind in table.schema.items() for name, cells in _columns(pl.col(c), c, kind)}
        texts = table.select(cells.fill_null("").alias(name) for name, cells in columns.items())
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError(f"not readable as Parquet ({error})") from None
    return [(1, tuple(columns)), *((number, row) for number, row in enumerate(texts.iter_rows(), 1))]


def _columns(cells: pl.Expr, name: str, kind: pl.DataType) -> Iterator[tuple[str, pl.Expr]]:
    """The columns of text that a column of a kind is made into."""
    if isinstance(kind, pl.Struct):
        for inner in kind.fields:
            assert isinstance(inner.dtype, pl.DataType)
            yield from _columns(cells.struct.field(inner.name), f"{name}.{inner.name}", inner.dtype)
    elif isinstance(kind, pl.List) and not (kind.inner.is_nested() or kind.inner in (pl.Binary, pl.Object)):
        yield name, cells.cast(pl.List(pl.String)).list.join(SEVERAL)
    elif not kind.is_nested() and kind not in (pl.Binary, pl.Object):
        yield name, cells.cast(pl.String)
