"""The rows of one side of a dataset: from its csv, JSON lines or Parquet, or from the names of its images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from facetwise.core.errors import did_you_mean
from facetwise.core.files.csvtable import CsvRow, CsvTable
from facetwise.core.files.outside import files_below, is_text
from facetwise.core.namepattern import NamePattern
from facetwise.core.people import person
from facetwise.core.project import Side
from facetwise.core.text.counting import listed
from facetwise.data.findings import Findings
from facetwise.data.images.images import IMAGE_ENDINGS
from facetwise.data.reading.csvfile import read_any_table
from facetwise.data.reading.layouts.folder_files import is_hidden

IMAGE_NAME = "(name)"
"""Column of the image's path below `images` where there is no table; no field of a pattern can be called so."""


@dataclass(frozen=True)
class NamesTable(CsvTable):
    """A row per image, with columns from its name."""

    key: str = IMAGE_NAME

    def at(self, row: CsvRow) -> str:
        """The image."""
        return f"{self.name}/{row.cells[self.key]}"


def read_side(
    root: Path, side: Side, key: str, needed: Sequence[str], findings: Findings
) -> tuple[CsvTable | None, tuple[CsvRow, ...]]:
    """The rows of a side, and the rows that its `where` excludes; None in place of an unusable table.

    `key` is the column of what a row names, `needed` are all columns that are.
    """
    wanted = [*dict.fromkeys([*needed, *side.where])]
    if side.table is None:
        table: CsvTable | None = names_table(root, side.images, side.pattern, key, findings)
    else:
        form = {"delimiter": side.delimiter, "encoding": side.encoding}
        table = read_any_table(root / side.table, side.table, wanted, findings, **form)
    return (None, ()) if table is None else _of_side(table, side, findings)


def images_below(root: Path, images: str) -> list[str]:
    """Sorted paths below the folder `images` of files with image endings, except hidden ones."""
    base = root / images
    found = (p.relative_to(base) for p in files_below(base) if p.suffix.lower() in IMAGE_ENDINGS)
    names = (path.as_posix() for path in found if not any(map(is_hidden, path.parts)))
    return sorted(name for name in names if is_text(name))


def names_table(root: Path, images: str, pattern: str | None, key: str, findings: Findings) -> NamesTable | None:
    """A row for each image whose path matches, with the fields of `pattern` and the path as `key`; in order of names.

    None, and an error, when there is no image, or none that matches.
    """
    names = images_below(root, images)
    read = NamePattern(pattern) if pattern is not None else None
    rows = [(name, () if read is None else read.cells(name)) for name in names]
    good = tuple((k, (name, *cells)) for k, (name, cells) in enumerate(rows, 1) if cells is not None)
    columns = (key, *(read.fields if read else ()))
    if not good:
        got = f"{len(names)} images, such as {listed(names)}" if names else "no images in it"
        message = f"{got}: none is called `{pattern}`" if names else got
        findings.error("names-not-found", images, message, "set `images` or `pattern` in facetwise.toml")
        return None
    return NamesTable(images, columns, columns, good, "", key)


def _of_side(table: CsvTable, side: Side, findings: Findings) -> tuple[CsvTable | None, tuple[CsvRow, ...]]:
    if not side.where:
        return table, ()
    if unknown := [column for column in side.where if column not in table.columns]:
        hint = did_you_mean(unknown[0], table.columns)
        findings.error("missing-column", table.name, f"no column `{unknown[0]}`, of which `where` speaks", hint)
        return None, ()
    chosen = [all(person(row.cells[c]) in values for c, values in side.where.items()) for row in table.rows]
    kept = tuple(record for record, good in zip(table.records, chosen, strict=True) if good)
    if not kept:
        where = " and ".join(f"`{c}` {' or '.join(values)}" for c, values in side.where.items())
        findings.error("no-rows", table.name, f"no row has {where}", "set `where` in facetwise.toml")
        return None, ()
    return replace(table, records=kept), tuple(r for r, good in zip(table.rows, chosen, strict=True) if not good)
