"""The images that annotations name, found among those of the manifest as tables' names are found on the disk."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

import polars as pl

from facetwise.core.project import Project
from facetwise.core.tables import TRAIN
from facetwise.core.text.counting import listed
from facetwise.core.text.spelling import Spellings
from facetwise.data.manifest import Manifest
from facetwise.data.reading.on_disk.differences import Entries
from facetwise.data.reading.on_disk.matching import Meanings


@dataclass(frozen=True)
class NamedImages:
    """Finds what the `names` in a file mean: a path in the dataset, or below its folder of images, in that or in other
    words."""

    names: Sequence[str]
    project: Project
    manifest: Manifest

    def find(self, name: str) -> tuple[str | None, str]:
        """The training image that a name means; or None, and why there is none."""
        exact = self._exact(name)
        meant = self._meanings.fitting(name) if exact is None else [exact]
        if len(meant) > 1:
            return None, f"`{name}` fits {len(meant)} images alike: {listed((f'`{one}`' for one in meant), 2)}"
        if not meant:
            return None, f"the dataset has no image `{name}`"
        if meant[0] not in self._train:
            return None, f"`{meant[0]}` is of the test side, whose labels are not known here"
        return meant[0], ""

    def _exact(self, name: str) -> str | None:
        """The image at that path: in the dataset, or below its folder of images; None when there is none."""
        own = self._known.find(name.removeprefix(self._root))
        if own in self._known:
            return own
        below = self._known.find(os.path.normpath(PurePosixPath(self._images, name)))
        return below if below in self._known else None

    @property
    def _images(self) -> str:
        return self.project.file.dataset.train.images_base

    @cached_property
    def _root(self) -> str:
        return f"{self.project.dataset_root}/"

    @cached_property
    def _known(self) -> Spellings:
        return Spellings(self.manifest.table["image"])

    @cached_property
    def _train(self) -> frozenset[str]:
        return frozenset(self.manifest.table.filter(pl.col("split") == TRAIN)["image"])

    @cached_property
    def _meanings(self) -> Meanings:
        paths = [PurePosixPath(image).parts for image in self.manifest.table["image"]]
        lost = [name for name in self.names if self._exact(name) is None]
        return Meanings(self.names, lost, Entries(lambda: paths), self._images)
