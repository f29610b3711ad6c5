"""A blend made up from a run's own tables: what submissions read of one, without choosing anything."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from made_records import blend_record

import facetwise as fw
from facetwise.core.labels import LabelSpace
from facetwise.core.records.base import write_record
from facetwise.core.runs import RunFolder
from facetwise.core.tables import PREDICTIONS, write_table
from facetwise.core.workspace import file_hash, new_artefact
from facetwise.data.manifest import Manifest, load_manifest
from facetwise.evaluate.prediction_columns import DECIDED
from facetwise.evaluate.predictions import Predictions
from facetwise.predictors.blend_folder import SPEC, BlendFolder

ARGMAX = {"kind": "argmax"}


def member(run: RunFolder, tta: str = "none") -> dict[str, Any]:
    """What a blend's record says of a run."""
    return {
        "kind": "run",
        "id": run.id,
        "tta": tta,
        "weights": {"joint": 1.0},
        "oof_sha256": file_hash(run.table_file("oof", tta)),
        "test_sha256": file_hash(run.table_file("test", tta)),
        "fingerprint": run.record().fingerprint,
    }


def write_blend(
    folder: Path,
    run: RunFolder,
    *,
    name: str = "b01-soft-1",
    members: list[dict[str, Any]] | None = None,
    decision: Mapping[str, Any] = ARGMAX,
    changes: Mapping[str, Any] | None = None,
    shift: int = 0,
    decided: Mapping[str, npt.NDArray[np.int64]] | None = None,
) -> BlendFolder:
    """A finished blend in the project `folder`; `changes` of `made_from`, `shift`: added to each decided class.

    `decided`: the joint classes of each side instead of the run's own.
    """
    project = fw.open_project(folder)
    manifest, space = load_manifest(project), project.space
    oof, test = run.oof(), run.test()
    assert oof is not None
    assert test is not None
    tables = {"oof": oof, "test": averaged(test, manifest, space)}
    made_from = {
        "manifest": manifest.hash,
        "label_space": project.space_hash,
        "members": [member(run)] if members is None else members,
        **(changes or {}),
    }
    target = project.workspace.blends / name
    with new_artefact(target, {"members": [m["id"] for m in made_from["members"]]}) as temporary:
        for side, table in tables.items():
            joint = Predictions.read(table, space).classes if decided is None else decided[side]
            column = pl.Series(DECIDED, (joint + shift) % space.num_joint, dtype=pl.Int32)
            write_table(table.with_columns(column), temporary / f"{side}.parquet", PREDICTIONS)
        write_record(temporary / SPEC, blend_record(made_from, id=name, decision=decision))
    return BlendFolder(target)


def averaged(table: pl.DataFrame, manifest: Manifest, space: LabelSpace) -> pl.DataFrame:
    """A row a test image: the mean of the fold models, without a fold."""
    mean = Predictions.read(table, space).average(manifest.test["image"].to_list())
    nothing = pl.lit(None, dtype=pl.Int32())
    keys = manifest.test.select("image", "group").with_columns(nothing.alias("fold"), nothing.alias("repeat"))
    columns = [c for n in mean.blocks for c in (space.joint_columns if n == "joint" else space.columns(n))]
    return keys.hstack(pl.DataFrame(np.hstack(list(mean.blocks.values())), schema=columns, orient="row"))
