"""Reading a dataset: its tables and folders become a listing of images with labels, and findings. Nothing is written.

`facetwise.toml` names the layout of the training side; each has a reader in `layouts`. Either side may be absent:
without a training side nothing can be trained, but images can be predicted.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from facetwise.core.files.csvtable import CsvRow, CsvTable
from facetwise.core.files.outside import exists, require_folder, resolved
from facetwise.core.people import person
from facetwise.core.project import Project
from facetwise.core.records.dataset import Side, TestSide, TrainSide
from facetwise.core.tables import TEST, TRAIN, WRITTEN
from facetwise.core.text.counting import listed
from facetwise.core.workspace import file_hash, inside
from facetwise.data.findings import Finding, Findings
from facetwise.data.reading.jointcolumn import joint_class_column
from facetwise.data.reading.labelcells import LabelReader
from facetwise.data.reading.layouts.layout import Reader, Row, TrainTable
from facetwise.data.reading.layouts.registry import reader_class
from facetwise.data.reading.on_disk.spelling import DiskNames
from facetwise.data.reading.on_disk.tablenames import TableNames
from facetwise.data.reading.on_disk.unlisted import Unlisted
from facetwise.data.reading.rowfaults import RowFaults
from facetwise.data.reading.rowgroups import RowGroups
from facetwise.data.reading.sidetable import read_side, table_of


@dataclass(frozen=True)
class Listing:
    """Images that a dataset's tables name, in manifest order: `image, split, group, written, name, label:*, value:*,
    meta:*`. `group` is a person in canonical spelling, `written` as in the table, absent if no two differ."""

    table: pl.DataFrame
    findings: tuple[Finding, ...]
    sources: dict[str, str]
    """sha256 of each table that was read, by its path in the dataset."""


def read_dataset(project: Project, dataset: Path | None = None) -> Listing:
    """Read the project's dataset, or another one in its layout; raises InputError only when there is no such folder."""
    root = resolved(dataset or project.dataset_root)
    require_folder(root, f"set `dataset.path` in {project.workspace.project_file} to the dataset")
    findings = Findings()
    into = project.links_into(root)
    for folder in into:
        require_folder(folder, "set `links_root` in facetwise.toml to the folder that links may lead into")
    sides = _Sides(project, root, findings, {}, into, Unlisted(root, findings, into))
    rows = sides.train() + sides.test()
    sides.compare(rows)
    sides.unlisted.finish()
    return Listing(_table(rows, project), tuple(findings), sides.sources)


def _table(rows: list[Row], project: Project) -> pl.DataFrame:
    schema: dict[str, Any] = dict.fromkeys(("image", "split", "group", WRITTEN, "name"), pl.String())
    schema |= {f"label:{a.name}": pl.Int16() for a in project.space.attributes}
    schema |= {f"value:{a.name}": pl.Float64() for a in project.space.attributes if a.is_ordinal}
    schema |= {key: pl.String() for row in rows for key in row if key.startswith("meta:")}
    table = pl.DataFrame([{**dict.fromkeys(schema), **row} for row in rows], schema=schema, orient="row")
    return table if (table[WRITTEN] != table["group"]).any() else table.drop(WRITTEN)


@dataclass(frozen=True)
class _Sides:
    project: Project
    root: Path
    findings: Findings
    sources: dict[str, str]
    into: tuple[Path, ...]
    """Folders that links may lead into."""
    unlisted: Unlisted

    def train(self) -> list[Row]:
        side = self.project.file.dataset.train
        if not self._has_side(side, "train"):
            return []
        specs = self.project.file.attributes
        layout = reader_class(self.project.file.dataset.layout)
        key = layout.column(side)
        columns = [s.column for s in specs if s.column is not None]
        group = [side.group_column] if side.group_column is not None else []
        table, others = self._read(side, key, [*group, key, *columns])
        if table is None:
            return []
        labels = LabelReader(specs, self.project.space, table, self.findings, side.unknown)
        names = TableNames(table, key, self.root, side.images_base, self.findings, layout.names_folders, self.into)
        reader = layout(TrainTable(self.project, self.root, side, names, labels, self.unlisted, self.findings))
        self.unlisted.pass_over(names, others)
        groups = RowGroups(table, side)
        self._add_rows(groups, names, labels, reader)
        rows = reader.finish()
        labels.finish()
        if groups.each_its_own:
            return [{**row, "group": row["image"], WRITTEN: row["image"]} for row in rows]
        groups.finish(self.findings)
        return rows

    def test(self) -> list[Row]:
        side = self.project.file.dataset.test
        if side is None or not self._has_side(side, "test"):
            return []
        table, others = self._read(side, side.image, [side.image])
        if table is None:
            return []
        if side.answer not in table.columns and side.table is not None:
            self.findings.info("no-answer-column", f"{table.name}:1", f"no column `{side.answer}`: it will be added")
        names = TableNames(table, side.image, self.root, side.images, self.findings, into=self.into)
        self.unlisted.pass_over(names, others)
        rows: dict[str, Row] = {}
        for row in table.rows:
            image = names.find(row)
            if image in rows:
                self.findings.error("listed-twice", table.at(row), f"`{row.cells[side.image]}` was listed before")
            elif image is not None:
                meta = _meta(row, table.others([side.image, side.answer]))
                rows[image] = {"image": image, "split": TEST, "name": row.cells[side.image], **meta}
        return list(rows.values()) if self.unlisted.listed_by(names) else []

    def compare(self, rows: list[Row]) -> None:
        """Report images that are on both sides."""
        test = {row["image"] for row in rows if row["split"] == TEST}
        for image in dict.fromkeys(r["image"] for r in rows if r["split"] == TRAIN and r["image"] in test):
            self.findings.error("on-both-sides", image, "is listed by the training table and by the test table")

    def _has_side(self, side: TrainSide | TestSide, name: str) -> bool:
        """Whether a side is there; half a side is an error, and so are two absent sides."""
        source, table = side.images if side.table is None else side.table, self._place(side)
        if self._keeps(side):
            self.findings.warning(f"no-{name}-side", source, f"its table is of {self.project.dataset_root}: not read")
            return False
        base = side.images_base
        for relative, place in {source: table, base: inside(self.root, base, self.into)}.items():
            if place is None:
                self.findings.error("leaves-dataset", relative, *self._way_out(relative))
                return False
        if table is not None and exists(table):
            return True
        other = self.project.file.dataset.test if name == "train" else self.project.file.dataset.train
        if exists(self.root / side.images_base) or other is None or not exists(self._place(other) or self.root):
            found = DiskNames(self.root).find(source)
            hint = None if found == source else f"the disk spells it differently: {found!a}, rename one of them"
            code, what = ("missing-images", "folder") if side.table is None else ("missing-csv", "file")
            self.findings.error(code, source, f"no such {what} in {self.root}", hint)
        else:
            what = "nothing to train on" if name == "train" else "nothing to predict"
            self.findings.warning(f"no-{name}-side", source, f"the dataset has no {name} side: {what}")
        return False

    def _place(self, side: Side) -> Path | None:
        """Where a side is read from: its table, or its images where it has none; None if that leads out."""
        if side.table is None:
            return inside(self.root, side.images, self.into)
        first, *_ = [*self.project.tables_of(side, self.root), side.table]
        return self.project.table_path(first, self.root)

    def _keeps(self, side: Side) -> bool:
        """Whether a side's table lies in the project, and so says nothing of this dataset, which is another one."""
        if side.table is None or self.root == self.project.dataset_root:
            return False
        own = self.project.table_path(side.table)
        return own is not None and exists(own) and not own.is_relative_to(self.project.dataset_root)

    def _way_out(self, relative: str) -> tuple[str, str | None]:
        """The fault of a path that leads out of the dataset, and what to do."""
        target = resolved(self.root / relative)
        if not exists(target):
            return "leads out of the dataset", "a table may lie in the dataset or in the project folder"
        common = os.path.commonpath([self.root, target])
        hint = (
            f'in facetwise.toml, set `path = "{common}"`, which holds both, and write every `table` and `images` from '
            f'there: "{target.relative_to(common)}" for this one, "{self.root.relative_to(common)}/..." for the others'
        )
        if (self.root / relative).is_symlink():
            hint += f'; or follow the link: `follow_links = true` and `links_root = "{target}"` in `[dataset]`'
        return f"leads out of the dataset, to {target}", hint

    def _read(self, side: Side, key: str, needed: list[str]) -> tuple[CsvTable | None, tuple[CsvRow, ...]]:
        known, name = len(self.findings), side.table
        paths = self._places(side)
        if paths is None:
            return None, ()
        table, others = read_side(self.root, paths, side, key, needed, self.findings, self.into)
        if table is not None:
            self.sources.update({part: file_hash(self.root / part) for part in side.listed})
            for part, path in paths.items():
                self.sources[part] = table.sha256 if part == name else file_hash(path)
                self._tell_place(part, path)
        elif name in paths and any(f.code == "missing-column" for f in self.findings[known:]):
            self._note_joint_class(paths[name], side, needed, known)
        return table, others

    def _places(self, side: Side) -> dict[str, Path] | None:
        """Where each of a side's tables lies; None, and an error, for one to be joined that is not there."""
        found: dict[str, Path] = {}
        for table, path in self.project.tables_of(side, self.root).items():
            if path is None:
                self.findings.error("leaves-dataset", table, *self._way_out(table))
                return None
            if not exists(path):
                self.findings.error("missing-csv", table, f"no such file in {self.root}")
                return None
            found[table] = path
        return found

    def _tell_place(self, name: str, path: Path) -> None:
        """Say where a table lies that is in the project, or in both places."""
        own = inside(self.project.root, name)
        if not path.is_relative_to(self.root):
            self.findings.info("table-in-project", name, f"read from the project folder: {path}")
        elif self.root == self.project.dataset_root and own is not None and exists(own) and not own.samefile(path):
            other = os.path.relpath(own, self.root)
            message = f'that of the dataset is read; for the one in the project folder write `table = "{other}"`'
            self.findings.info("table-in-project", name, message)

    def _note_joint_class(self, path: Path, side: Side, needed: list[str], known: int) -> None:
        """Replace findings from `known` on by one, if the table has a joint class in place of attributes."""
        attributes = [spec.column for spec in self.project.file.attributes]
        table = table_of(side, path, (), Findings())
        if table is not None and (found := joint_class_column(table, needed, self.project)):
            del self.findings[known:]
            table_of(side, path, [c for c in needed if c not in attributes], self.findings)
            self.findings.error("joint-class", f"{side.table}:1", *found)

    def _add_rows(self, groups: RowGroups, names: TableNames, labels: LabelReader, reader: Reader) -> None:
        """Pass every valid row of the training table to the reader; a repeated row counts once."""
        seen: dict[str, CsvRow] = {}
        table, key = names.table, names.column
        faults, side = RowFaults(table, self.findings), self.project.file.dataset.train
        read_too = [*side.where, *([side.split] if side.split is not None else [])]
        used = [*groups.columns, *labels.columns, *read_too]
        meta = table.others([*groups.columns, key, *labels.columns])
        for row in table.rows:
            path, read = names.find(row), labels.read(row)
            written = groups.written(row, path, faults)
            group = groups.group(written)
            if group and path is not None and path in seen:
                self._repeated(table, seen[path], row, key, used)
            elif group and path is not None:
                seen[path] = row
            if path is not None and seen.get(path) is row and read is not None:
                base = {"split": TRAIN, "group": group, WRITTEN: written, "name": row.cells[key]}
                reader.add(row, path, {**base, **read, **_meta(row, meta)})
        faults.finish()

    def _repeated(self, table: CsvTable, first: CsvRow, row: CsvRow, key: str, used: Sequence[str]) -> None:
        """Report a row whose image stands above: in columns that are `used` it must say the same."""
        differing = [c for c in table.columns if c != key and person(first.cells[c]) != person(row.cells[c])]
        contradicting = [c for c in differing if c in used]
        if not contradicting:
            beside = f" but for `{listed(differing)}`" if differing else ""
            told = f"the same as line {first.line}{beside}; counted once"
            self.findings.warning("duplicate-row", table.at(row), told)
            return
        message = f"`{row.cells[key]}` stands on line {first.line} as well, with another `{listed(contradicting)}`"
        hint = "keep the right one of the two rows; several labels of one image stand in one cell, `a/b`, with `split`"
        self.findings.error("contradicting-rows", table.at(row), message, hint)


def _meta(row: CsvRow, columns: list[str]) -> Row:
    return {f"meta:{column}": row.cells[column] for column in columns}
