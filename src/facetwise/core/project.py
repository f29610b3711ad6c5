"""An opened project: its folder, its file and its label space."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from facetwise.core.errors import ArtefactError
from facetwise.core.files.outside import exists, resolved
from facetwise.core.files.settings import parse, read_toml
from facetwise.core.labels import LabelSpace
from facetwise.core.people import person
from facetwise.core.records.data import ManifestMadeFrom
from facetwise.core.records.dataset import Side
from facetwise.core.records.done import read_done
from facetwise.core.records.project_file import ProjectFile
from facetwise.core.text.scored import score_by
from facetwise.core.text.subject import call_them
from facetwise.core.workspace import Workspace, content_hash, inside


class Project:
    """An opened project: its workspace, its file and its label space."""

    def __init__(self, workspace: Workspace, file: ProjectFile) -> None:
        self.workspace = workspace
        self.file = file
        self._space: LabelSpace | None = None

    @classmethod
    def open(cls, folder: Path) -> Project:
        """Open the project that `folder` is in; raises InputError or SettingError naming the file and key."""
        workspace = Workspace.find(folder)
        path = workspace.project_file
        return cls(workspace, parse(ProjectFile, read_toml(path), str(path))).at_work()

    def at_work(self) -> Project:
        """This project, by whose words for its subjects and its score texts are made from now on."""
        call_them(self.file.dataset.words)
        score_by(self.file.score.metric)
        return self

    @property
    def root(self) -> Path:
        """The project folder."""
        return self.workspace.root

    @property
    def space(self) -> LabelSpace:
        """The label space with the true cuts, and the combinations that can occur by the last check of the dataset."""
        if self._space is None:
            self._space = replace(self.file.space, combinations=self._checked_combinations())
        return self._space

    def forget_combinations(self) -> None:
        """Look again, when next asked for the label space: the dataset was checked."""
        self._space = None

    def _checked_combinations(self) -> tuple[int, ...] | None:
        try:
            made_from = read_done(self.workspace.manifest, ManifestMadeFrom).made_from
        except ArtefactError:
            return None
        return made_from.combinations if made_from.project == self.file.data_hash else None

    @property
    def dataset_root(self) -> Path:
        """The dataset's folder (may be missing; the manifest reports that)."""
        return (self.root / self.file.dataset.path).resolve()

    def links_into(self, dataset: Path | None = None) -> tuple[Path, ...]:
        """The folders that links in the dataset, or in another one, may lead into; none where they are not followed."""
        spec = self.file.dataset
        if not spec.follow_links:
            return ()
        named = [] if spec.links_root is None else [resolved(self.root / spec.links_root)]
        return (resolved(self.dataset_root if dataset is None else dataset), *named)

    def table_path(self, table: str, dataset: Path | None = None) -> Path | None:
        """Where the `table` of a side lies: in the dataset, or else in the project folder, by its path from either.

        None where that leads out of both. It need not exist. Another `dataset` must have its tables itself.
        """
        root = self.dataset_root if dataset is None else dataset
        first = inside(root, table)
        if root != self.dataset_root or (first is not None and exists(first)):
            return first
        from_dataset = os.path.relpath(root / table, self.root)
        own = [found for path in (from_dataset, table) if (found := inside(self.root, path)) is not None]
        return next(filter(exists, own), first or next(iter(own), None))

    def tables_of(self, side: Side, dataset: Path | None = None) -> dict[str, Path | None]:
        """Where each table of a side lies, by its path; None as `table_path` has it. Of a pattern of tables those are
        told that are there, and that `where` does not exclude."""
        own = [] if side.table is None else self._parts(side, self.dataset_root if dataset is None else dataset)
        return {name: self.table_path(name, dataset) for name in [*own, *(join.table for join in side.join)]}

    @staticmethod
    def _parts(side: Side, root: Path) -> list[str]:
        """The table of a side, or those in the dataset that the pattern in its place means."""
        pattern = side.parts
        if pattern is None:
            return [str(side.table)]
        wanted = [side.where.get(name) for name in pattern.fields]

        def is_read(name: str) -> bool:
            cells = pattern.cells(name)
            pairs = zip(cells or (), wanted, strict=False)
            return cells is not None and all(values is None or person(cell) in values for cell, values in pairs)

        anything = pattern.filled(dict.fromkeys(pattern.fields, "*"))
        return sorted(filter(is_read, (path.relative_to(root).as_posix() for path in root.glob(anything))))

    @property
    def space_hash(self) -> str:
        """Hash of the label space."""
        return content_hash(self.space.as_dict())

    def __repr__(self) -> str:
        return f"Project({str(self.root)!r}, attributes={list(self.space.names)})"
