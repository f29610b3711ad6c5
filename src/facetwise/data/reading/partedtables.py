"""Tables that are called the same but for a word, read one below another: `{part}/metadata.csv`.

The word is a column of each row. Where the folder of images has it too (`images = "{part}"`), the images of each table
lie in a folder of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from facetwise.core.errors import InputError
from facetwise.core.files.csvtable import CsvRow, CsvTable
from facetwise.core.namepattern import NamePattern
from facetwise.core.records.dataset import Side


@dataclass(frozen=True)
class PartedTable(CsvTable):
    """The rows of several tables, each with the fields of the pattern that is their `name` as columns."""

    def at(self, row: CsvRow) -> str:
        """The place of `row` in its own table."""
        return f"{NamePattern(self.name).filled(row.cells)}:{row.line}"


def one_below_another(tables: Mapping[str, CsvTable], side: Side, key: str) -> PartedTable:
    """The rows of `tables`, by their paths, which match `side.parts`: their columns by name, empty where one has none.

    Names of images, in the column `key`, are then paths below `side.images_base`. Raises InputError for a column
    that is called as a field of the pattern.
    """
    pattern, base = side.parts, "" if side.images_base == "." else side.images_base + "/"
    assert pattern is not None
    names = [*dict.fromkeys(name for table in tables.values() for name in table.columns)]
    if taken := sorted({*pattern.fields} & {*names}):
        raise InputError(f"{next(iter(tables))}: has a column `{taken[0]}`, and `{pattern.text}` has a field called so")
    names += pattern.fields
    records = []
    for path, table in tables.items():
        fields = dict(zip(pattern.fields, pattern.cells(path) or (), strict=True))
        front = NamePattern(side.images).filled(fields).removeprefix(base) + "/" if "{" in side.images else ""
        for row in table.rows:
            cells = {**row.cells, **fields}
            cells[key] = front + cells[key] if cells[key].strip() else ""
            records.append((row.line, tuple(cells.get(name, "") for name in names)))
    return PartedTable(pattern.text, tuple(names), tuple(names), tuple(records), "")
