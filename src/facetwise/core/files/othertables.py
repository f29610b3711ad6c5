"""Tables from outside in JSON lines, Parquet or the JSON of annotation tools, read as a `CsvTable`."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from facetwise.core.errors import InputError
from facetwise.core.files.annotations.formats import annotation_table, read_annotations
from facetwise.core.files.csvrecords import CsvFault, Record
from facetwise.core.files.csvtable import CsvTable, look_at_records
from facetwise.core.files.filekinds import ANNOTATIONS, PARQUET
from facetwise.core.files.jsonlines import BOM, parsed_object
from facetwise.core.files.outside import read_bounded
from facetwise.core.files.outside_tables import check_decodes
from facetwise.core.files.parsing import cell_text

MAX_DECODED = 2**29
"""Most bytes that a Parquet file may take in memory."""


def look_at_other_table(
    path: Path, name: str, needed: Sequence[str] = (), *, may_be_empty: bool = False
) -> tuple[CsvTable | None, list[CsvFault]]:
    """The table in a file with one of `filekinds.OTHER_TABLES`, and all its faults; as `csvtable.look_at_csv`.

    Cells are text: numbers as they are written (`1`, `1.0`), `true` and `false`, what is missing empty. Columns of
    lists, sections or bytes are left out. Lines are those of a JSON file, and the numbers of rows of a Parquet file.
    JSON (`.json`) is annotations, an `AnnotationTable`.
    """
    try:
        data = read_bounded(path)
        if path.suffix.lower() in ANNOTATIONS:
            return annotation_table(read_annotations(data), data, name, needed)
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
    columns = [
        column
        for column in dict.fromkeys(key for _, row in found for key in row)
        if not any(isinstance(row.get(column), dict | list) for _, row in found)
    ]
    header = [(1, tuple(columns))] if found else []
    return [*header, *((number, tuple(cell_text(row.get(c)) for c in columns)) for number, row in found)]


def _parquet(path: Path) -> list[Record]:
    check_decodes([path], MAX_DECODED)
    try:
        table = pl.read_parquet(path, use_statistics=False)
        plain = [c for c, kind in table.schema.items() if not kind.is_nested() and kind not in (pl.Binary, pl.Object)]
        texts = table.select(pl.col(plain).cast(pl.String).fill_null(""))
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError(f"not readable as Parquet ({error})") from None
    return [(1, tuple(plain)), *((number, row) for number, row in enumerate(texts.iter_rows(), 1))]
