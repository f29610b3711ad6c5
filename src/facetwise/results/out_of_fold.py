"""Out-of-fold predictions of a run, a blend or a foreign predictor, with the labels they are to be compared with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from facetwise.core.labels import IntArray, LabelSpace
from facetwise.core.project import Project
from facetwise.data.manifest import Manifest
from facetwise.evaluate.compose import attributes_in, subspace
from facetwise.evaluate.scorecard import name_of
from facetwise.predictors.sources import Source, labels_since
from facetwise.results.notices import Notice, Now, notices
from facetwise.results.runs import estimate_of


@dataclass(frozen=True)
class OutOfFold:
    """What a predictor says of the training images that it knows nothing of, in manifest order."""

    table: pl.DataFrame
    codes: IntArray
    """Scored class numbers of the attributes of `space`, shape (n, num_attributes)."""
    people: npt.NDArray[Any]
    """The person of each image, (n,)."""
    space: LabelSpace
    """The attributes that the table predicts."""
    what: str
    """`joint`, or the attributes of a specialist."""
    warnings: tuple[Notice, ...]


def out_of_fold(project: Project, manifest: Manifest, source: Source) -> OutOfFold:
    """The out-of-fold predictions of `source`; raises InputError when it has none."""
    table = source.require_oof()
    names = attributes_in(table, project.space)
    columns = [project.space.index(n) for n in names]
    return OutOfFold(
        table=table,
        codes=manifest.codes(project.space)[:, columns],
        people=np.asarray(table["group"].to_list()),
        space=subspace(project.space, names),
        what=name_of(names, project.space),
        warnings=_warnings(source, manifest),
    )


SECOND_ORDER = (
    "The members and weights of this blend were chosen on all people, and what is fitted here is nested on top of "
    "that: nested only to second order, so its estimates may be a little too high."
)


def _of_blend(source: Source, manifest: Manifest) -> Iterator[str]:
    """Cautions for what is fitted on a blend's nested predictions.

    Each person is predicted by weights that were chosen without that person's part. But a rule or temperature that is
    to decide a part is fitted on predictions of the others, whose weights that part helped to choose.
    """
    if source.record.get("trace") or len(source.record.get("ways", ())) > 1:
        yield SECOND_ORDER
    if told := labels_since(source.record, manifest):
        yield told


def _warnings(source: Source, manifest: Manifest) -> tuple[Notice, ...]:
    if source.kind == "blend":
        return tuple(Notice("caution", text) for text in _of_blend(source, manifest))
    record = dict(source.record)
    return notices(estimate_of(record), record, None, "finished", Now.of(manifest))
