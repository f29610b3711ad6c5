"""Blends on disk: their record and predictions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from facetwise.core.errors import InputError
from facetwise.core.records.artefact import Artefact, ArtefactKind, list_artefacts
from facetwise.core.records.base import read_record
from facetwise.core.records.blend import BlendRecord
from facetwise.core.references import AnyReference, parse_reference, pick
from facetwise.core.runs import Side
from facetwise.core.tables import PREDICTIONS, read_table
from facetwise.core.workspace import Workspace

SPEC = "blend.json"


@dataclass(frozen=True)
class BlendFolder(Artefact):
    """One blend, such as `b01-soft-5`: `blend.json`, `oof.parquet`, `test.parquet`, `DONE.json`.

    Both tables have the columns of a run's tables, plus `decided` (`evaluate.prediction_columns.DECIDED`). The
    out-of-fold table is nested: each person is decided by weights and a rule fitted without that person's part of the
    people, and `fold` is that part. The test table has one row for each image.
    """

    kind: ClassVar[ArtefactKind] = "blend"
    record_name: ClassVar[str] = SPEC

    @property
    def way_out(self) -> str:
        """What to do when it is damaged."""
        return f"put the file back from a copy; or move {self.path} out of the project and blend again"

    def record(self) -> BlendRecord:
        """`blend.json`: members, weights, rule and scores; raises DamagedError."""
        self.check_whole()
        record = read_record(self.record_file, BlendRecord, "a blend", way_out=self.way_out)
        self.check_no_copy(record.id)
        return record

    def table(self, side: Side) -> pl.DataFrame | None:
        """The predictions of a side; None without a test side or without out-of-fold predictions."""
        path = self.path / f"{side}.parquet"
        return read_table(path, PREDICTIONS) if path.is_file() else None


def list_blends(workspace: Workspace) -> list[BlendFolder]:
    """Every blend of the project, by number, including damaged ones, whose `record` raises DamagedError."""
    return list_artefacts(workspace.blends, BlendFolder)


def find_blend(workspace: Workspace, reference: AnyReference) -> BlendFolder:
    """The blend named by `reference`: its id, `b3`, its number, or `last`.

    Raises InputError when there is no such blend, or when the reference does not name a blend.
    """
    wanted, blends = parse_reference(reference, ["blend"]), {blend.id: blend for blend in list_blends(workspace)}
    if not blends:
        raise InputError(f"{workspace.blends}: no blends yet", hint="make one with `facetwise blend RUN RUN ...`")
    return blends[pick(wanted, list(blends))]
