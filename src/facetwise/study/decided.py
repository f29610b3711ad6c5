"""What runs decided, side by side: class numbers of every training image in manifest order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from facetwise.core.errors import ArtefactError, InputError, MismatchError
from facetwise.core.labels import IntArray, LabelSpace
from facetwise.core.project import Project
from facetwise.core.runs import RunFolder
from facetwise.data.manifest import Manifest
from facetwise.evaluate.compose import subspace
from facetwise.evaluate.decide import decide
from facetwise.evaluate.intervals import LEVEL, Interval, bootstrap_interval
from facetwise.evaluate.metrics import MISSING, macro_f1
from facetwise.results.runs import state_of


@dataclass(frozen=True)
class Decided:
    """A finished run's out-of-fold classes, a row a training image in manifest order."""

    run: RunFolder
    tta: str
    record: Mapping[str, Any]
    codes: IntArray
    """Class numbers, (n, num_attributes); -1 for an attribute not predicted or a row that no fold covered."""
    folds: IntArray
    """The fold that held each image out, (n,); -1 where none did."""

    @property
    def fields(self) -> Mapping[str, Any]:
        """What the run's fingerprint is made of."""
        found: Mapping[str, Any] = self.record["fingerprint_fields"]
        return found

    @property
    def by_image(self) -> bool:
        """Whether the folds were split by image, so that the scores are known to be too high."""
        return bool(self.record.get("split") == "image")

    def attributes(self, space: LabelSpace) -> tuple[str, ...]:
        """The attributes that were predicted, in the order of `space`."""
        return tuple(n for i, n in enumerate(space.names) if (self.codes[:, i] != MISSING).any())


@dataclass(frozen=True)
class Rows:
    """The scored rows of some attributes: whose they are and what is true."""

    keep: npt.NDArray[np.bool_]
    """Which training images, (n,)."""
    people: npt.NDArray[Any]
    """The person of each kept row, (m,)."""
    codes: IntArray
    """The dataset's own labels of the kept rows, (m, num_attributes): the scored view."""
    space: LabelSpace
    """All attributes."""

    @classmethod
    def of(cls, manifest: Manifest, space: LabelSpace, keep: npt.NDArray[np.bool_]) -> Rows:
        """The rows `keep` (n,) of the training images."""
        return cls(keep, manifest.train["group"].to_numpy()[keep], manifest.codes(space)[keep], space)

    @property
    def num_people(self) -> int:
        """How many people the rows are of."""
        return len(np.unique(self.people))

    def where(self, chosen: npt.NDArray[np.bool_]) -> Rows:
        """Some of the rows; `chosen` has shape (m,)."""
        keep = self.keep.copy()
        keep[keep] = chosen
        return Rows(keep, self.people[chosen], self.codes[chosen], self.space)

    def truth(self, names: tuple[str, ...]) -> tuple[IntArray, int]:
        """True classes of the product of some attributes, (m,), and how many classes it has."""
        return self._encode(self.codes, names), subspace(self.space, names).num_joint

    def predicted(self, codes: IntArray, names: tuple[str, ...]) -> IntArray:
        """Decided classes of the product of some attributes, (m,); `codes` as in `Decided`, shape (n, ...)."""
        return self._encode(codes[self.keep], names)

    def score(self, codes: IntArray, names: tuple[str, ...]) -> float:
        """Macro F1 of decided codes."""
        truth, num_classes = self.truth(names)
        return macro_f1(truth, self.predicted(codes, names), num_classes)

    def interval(self, codes: IntArray, names: tuple[str, ...], *, level: float = LEVEL) -> Interval:
        """Of the macro F1, by person."""
        truth, num_classes = self.truth(names)
        return bootstrap_interval(truth, self.predicted(codes, names), self.people, num_classes, level=level)

    def _encode(self, codes: IntArray, names: tuple[str, ...]) -> IntArray:
        own = [self.space.index(n) for n in names]
        return subspace(self.space, names).encode(codes[:, own])


def read_decided(project: Project, manifest: Manifest, run: RunFolder, tta: str = "none") -> Decided:
    """What a finished run decided, from its own out-of-fold table or that of `facetwise predict --tta`.

    Raises ArtefactError when it is not finished or damaged, InputError when it was trained on everybody, MismatchError
    when it was made for another label space or predicts images that the manifest lacks.
    """
    if not run.finished:
        what = "is still training" if state_of(run) == "training" else "is not finished"
        raise ArtefactError(f"run `{run.id}` {what}", hint=f"finish it with `facetwise fit --resume {run.id}`")
    run.check_labels(project.space_hash)
    table = run.oof(tta)
    if table is None:
        hint = "judge its recipe by a cross-validated run of this project"
        raise InputError(f"run `{run.id}` {run.why_no_oof()}", hint=hint)
    places = _places(table, manifest, run)
    codes = np.full((manifest.train.height, len(project.space.names)), MISSING, dtype=np.int64)
    folds = np.full(manifest.train.height, MISSING, dtype=np.int64)
    codes[places] = decide(table, project.space)
    folds[places] = table["fold"].fill_null(MISSING).to_numpy()
    if (codes == MISSING).all():
        raise InputError(f"run `{run.id}` predicted no image out of fold: there is nothing to compare")
    return Decided(run, tta, run.record(), codes, folds)


def covered_rows(codes: IntArray, names: tuple[str, ...], space: LabelSpace) -> npt.NDArray[np.bool_]:
    """Rows, (n,), in which every one of the attributes was predicted."""
    present: npt.NDArray[np.bool_] = (codes[:, [space.index(n) for n in names]] != MISSING).all(axis=1)
    return present


def _places(table: pl.DataFrame, manifest: Manifest, run: RunFolder) -> IntArray:
    place = {image: i for i, image in enumerate(manifest.train["image"])}
    if unknown := [image for image in table["image"] if image not in place]:
        raise MismatchError(
            f"run `{run.id}` predicts `{unknown[0]}`, which is no training image of the manifest",
            hint="the dataset changed since the run: train again",
        )
    return np.fromiter((place[image] for image in table["image"]), dtype=np.int64, count=table.height)
