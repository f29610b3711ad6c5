"""The rows of one side of a dataset: from its csv, JSON lines or Parquet, or from the names of its images."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from facetwise.core.errors import InputError, did_you_mean
from facetwise.core.files.csvtable import CsvRow, CsvTable
from facetwise.core.files.outside import is_text, read_bounded
from facetwise.core.namepattern import NamePattern
from facetwise.core.people import person
from facetwise.core.records.dataset import Side
from facetwise.core.text.counting import count, listed
from facetwise.core.text.spelling import normal
from facetwise.core.workspace import inside
from facetwise.data.findings import Findings
from facetwise.data.reading.csvfile import read_any_table
from facetwise.data.reading.jointables import read_joined, with_joined
from facetwise.data.reading.on_disk.imagefiles import images_below, linked_folders
from facetwise.data.reading.partedtables import one_below_another

IMAGE_NAME = "(name)"
"""Column of the image's path below `images` where there is no table; no field of a pattern can be called so."""


@dataclass(frozen=True)
class NamesTable(CsvTable):
    """A row per image, with columns from its name."""

    key: str = IMAGE_NAME

    def at(self, row: CsvRow) -> str:
        """The image."""
        return PurePosixPath(self.name, row.cells[self.key]).as_posix()


def read_side(
    root: Path,
    paths: Mapping[str, Path],
    side: Side,
    key: str,
    needed: Sequence[str],
    findings: Findings,
    into: Sequence[Path],
) -> tuple[CsvTable | None, tuple[CsvRow, ...]]:
    """The rows of a side, and the rows that its `where` excludes; None in place of an unusable table.

    `root` is the dataset, `paths` where each of the side's `tables` lies (`Project.table_path`); `key` is the column of
    what a row names, `needed` are all columns that are; links may lead `into` other folders.
    """
    wanted = [*dict.fromkeys([*needed, *side.where])]
    joined = [read_joined(join, paths[join.table], findings) for join in side.join]
    elsewhere = {normal(name) for one in joined if one is not None for name in one.may_be_called}
    own = [name for name in wanted if name == key or normal(name) not in elsewhere]
    if side.table is None:
        table: CsvTable | None = names_table(root / side.images, side, key, findings, into)
    elif side.parts is not None:
        table = _parted(side, paths, [name for name in own if name not in side.parts.fields], key, findings)
    else:
        table = table_of(side, paths[side.table], own, findings)
    lists = [read_list(root, name, findings) for name in side.listed]
    if table is None or None in lists or None in joined:
        return None, ()
    names = {line: place for one in lists if one is not None for line, place in one.items()}
    before = [column for column in side.where if column in table.columns or not joined]
    kept, others = _of_side(table, side, before, key, names, findings)
    for one in joined:
        kept = with_joined(kept, one, wanted, findings) if kept is not None and one is not None else None
    if kept is None or not joined:
        return kept, others
    if lacking := [column for column in wanted if column not in kept.columns]:
        where = f"{kept.name} and what is joined to it"
        findings.error("missing-column", where, f"no column `{lacking[0]}`", did_you_mean(lacking[0], kept.columns))
        return None, ()
    chosen, left = _of_side(kept, side, [c for c in side.where if c not in before], key, names, findings)
    return chosen, (*others, *left)


def table_of(
    side: Side, path: Path, needed: Sequence[str], findings: Findings, name: str | None = None
) -> CsvTable | None:
    """The table of a side that has one, or the one of several that is called `name`, and lies at `path`; None, and
    errors, for an unusable one."""
    form = {"delimiter": side.delimiter, "encoding": side.encoding}
    return read_any_table(path, name or str(side.table), needed, findings, **form)


def _parted(
    side: Side, paths: Mapping[str, Path], needed: Sequence[str], key: str, findings: Findings
) -> CsvTable | None:
    """The tables of a side whose `table` is a pattern, one below another; None, and errors, for an unusable one."""
    joined = {join.table for join in side.join}
    tables = {name: table_of(side, path, needed, findings, name) for name, path in paths.items() if name not in joined}
    read = {name: table for name, table in tables.items() if table is not None}
    if not tables:
        findings.error("missing-csv", str(side.table), "no table of the dataset is called so, or `where` excludes it")
    if not read or len(read) < len(tables):
        return None
    try:
        return one_below_another(read, side, key)
    except InputError as error:
        findings.error("repeated-column", str(side.table), str(error), "call the field of `table` otherwise")
        return None


def read_list(root: Path, name: str, findings: Findings) -> dict[str, str] | None:
    """The lines of a text file in the dataset, without blanks around them, and where each stands; None, and an error,
    when it has none."""
    if inside(root, name) is None:
        findings.error("leaves-dataset", name, "leads out of the dataset")
        return None
    try:
        lines = read_bounded(root / name).decode("utf-8-sig").splitlines()
    except InputError as error:
        findings.error("unreadable-table", name, str(error).removeprefix(f"{root / name}: "))
        return None
    except UnicodeDecodeError as error:
        findings.error("unreadable-table", name, f"not UTF-8 text (byte {error.start})", "save it as UTF-8")
        return None
    found = {normal(line): f"{name}:{number}" for number, line in enumerate(lines, 1) if line.strip()}
    if not found:
        findings.error("no-rows", name, "the list is empty", "set `listed` in facetwise.toml")
    return found or None


def is_listed(name: str, names: Collection[str]) -> bool:
    """Whether an image is among the names of a list, with or without its ending."""
    return _line_of(name, names) is not None


def _line_of(name: str, names: Collection[str]) -> str | None:
    """The line of a list that names an image."""
    name = normal(name)
    return next((line for line in (name, name.rpartition(".")[0]) if line in names), None)


def names_table(folder: Path, side: Side, key: str, findings: Findings, into: Sequence[Path]) -> NamesTable | None:
    """A row for each image in `folder`, a side's `images`, whose path matches its `pattern`: with the fields of that
    and the path as `key`, in order of names.

    None, and an error, when there is no image, or none that matches.
    """
    images, pattern = side.images, side.pattern
    names = list(filter(is_text, images_below(folder, into)))
    read = NamePattern(pattern) if pattern is not None else None
    rows = [(name, () if read is None else read.cells(name)) for name in names]
    good = tuple((k, (name, *cells)) for k, (name, cells) in enumerate(rows, 1) if cells is not None)
    columns = (key, *(read.fields if read else ()))
    if not good:
        got = f"{len(names)} images, such as {listed(names)}" if names else "no images in it"
        message = f"{got}: none is called `{pattern}`" if names else got
        hint = "set `images` or `pattern` in facetwise.toml"
        if not into and (links := linked_folders(folder)):
            hint += f"; {count(len(links), 'link')} to folders not followed ({listed(links)}): `follow_links`"
        findings.error("names-not-found", images, message, hint)
        return None
    return NamesTable(images, columns, columns, good, "", key)


def _refuse_twins(table: CsvTable, key: str, names: Mapping[str, str], findings: Findings) -> None:
    """Report each line of the lists, `names` and where they stand, that fits two images by leaving their ending out."""
    fitting: dict[str, dict[str, None]] = {}
    for row in table.rows if names else ():
        if (line := _line_of(row.cells[key], names)) is not None:
            fitting.setdefault(line, {})[normal(row.cells[key])] = None
    for line, images in fitting.items():
        if len(images) > 1 and line not in images:
            message = f"`{line}` fits {len(images)} images alike: {listed((f'`{image}`' for image in images), 2)}"
            findings.error("two-images-fit", names[line], message, "write the ending of the one that is meant")


def _of_side(
    table: CsvTable, side: Side, columns: Sequence[str], key: str, names: Mapping[str, str], findings: Findings
) -> tuple[CsvTable | None, tuple[CsvRow, ...]]:
    """The rows that are in its lists and have what `where` says of these `columns`, and the other rows."""
    conditions = {column: side.where[column] for column in columns}
    if not conditions and not side.listed:
        return table, ()
    if unknown := [column for column in conditions if column not in table.columns]:
        hint = did_you_mean(unknown[0], table.columns)
        findings.error("missing-column", table.name, f"no column `{unknown[0]}`, of which `where` speaks", hint)
        return None, ()
    _refuse_twins(table, key, names, findings)
    chosen = [
        all(person(row.cells[c]) in values for c, values in conditions.items())
        and (not side.listed or is_listed(row.cells[key], names))
        for row in table.rows
    ]
    kept = tuple(record for record, good in zip(table.records, chosen, strict=True) if good)
    if not kept:
        where = [f"has `{c}` {' or '.join(values)}" for c, values in conditions.items()]
        where += [f"is in {' or '.join(side.listed)}"] if side.listed else []
        hint = "set `where` or `listed` in facetwise.toml"
        findings.error("no-rows", table.name, f"no row {' and '.join(where)}", hint)
        return None, ()
    return replace(table, records=kept), tuple(r for r, good in zip(table.rows, chosen, strict=True) if not good)
