"""Blends on disk: what was put together, with which weights, and what it predicts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from facetwise.core.errors import ArtefactError, InputError, did_you_mean
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
    match = re.match(r"b(\d+)", blend_id)
    return int(match.group(1)) if match else 0


def find_blend(workspace: Workspace, reference: str) -> BlendFolder:
    """The blend that `reference` means: its id, `b3`, its number, or `last`; raises InputError."""
    blends = list_blends(workspace)
    if not blends:
        raise InputError(f"{workspace.blends}: no blends yet", hint="make one with `facetwise blend RUN RUN ...`")
    if reference == "last":
        return blends[-1]
    number = re.fullmatch(r"b?(\d+)", reference)
    for blend in blends:
        if blend.id == reference or (number and blend_number(blend.id) == int(number.group(1))):
            return blend
    raise InputError(f"no blend is called `{reference}`", hint=did_you_mean(reference, [b.id for b in blends]))
