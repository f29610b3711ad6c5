"""Blends on disk: what was put together, with which weights, and what it predicts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from facetwise.core.errors import ArtefactError, InputError
from facetwise.core.references import AnyReference, number_of, parse_reference, pick
from facetwise.core.runs import Side
from facetwise.core.tables import PREDICTIONS, read_table
from facetwise.core.workspace import Workspace, is_done, read_done, read_json, verify_files

SPEC = "blend.json"


@dataclass(frozen=True)
class BlendFolder:
    """One blend: `blend.json`, `oof.parquet`, `test.parquet`, `DONE.json`.

    Both tables have the columns of a run's and one more, `decided` (see `evaluate.decide.DECIDED`). Out of fold each
    person is predicted and decided by weights and a rule that were chosen without that person's part of the people
    (nested); `fold` is that part. The test table has one row an image.
    """

    path: Path

    @property
    def id(self) -> str:
        """Name of the blend, such as `b01-soft-5`."""
        return self.path.name

    def record(self) -> dict[str, Any]:
        """`blend.json`: what was put together and how, and what it is worth; raises ArtefactError when damaged."""
        read_done(self.path)
        verify_files(self.path)
        record = read_json(self.path / SPEC)
        if not isinstance(record, dict):
            raise ArtefactError(f"{self.path / SPEC}: damaged (not an object)")
        return record

    def table(self, side: Side) -> pl.DataFrame | None:
        """A table of predictions, or None when there is none (no test side, or nothing known out of fold)."""
        path = self.path / f"{side}.parquet"
        return read_table(path, PREDICTIONS) if path.is_file() else None


def list_blends(workspace: Workspace) -> list[BlendFolder]:
    """Every finished blend of the project, by number."""
    folders = workspace.blends.iterdir() if workspace.blends.is_dir() else ()
    found = [BlendFolder(f) for f in folders if not f.name.startswith(".") and is_done(f)]
    return sorted(found, key=lambda b: (blend_number(b.id), b.id))


def blend_number(blend_id: str) -> int:
    """The number in the name of a blend; 0 when it has none."""
    return number_of("blend", blend_id)


def find_blend(workspace: Workspace, reference: AnyReference) -> BlendFolder:
    """The blend that `reference` means: its id, `b3`, its number, or `last`.

    Raises InputError when there is none, and when a blend cannot be meant.
    """
    wanted, blends = parse_reference(reference, ["blend"]), {blend.id: blend for blend in list_blends(workspace)}
    if not blends:
        raise InputError(f"{workspace.blends}: no blends yet", hint="make one with `facetwise blend RUN RUN ...`")
    return blends[pick(wanted, list(blends))]
