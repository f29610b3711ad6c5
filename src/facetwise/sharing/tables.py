"""The tables of a pack, held against the project: its images, its people, its folds and its classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from facetwise.core.errors import ArtefactError, InputError
from facetwise.core.files.outside_tables import check_decodes
from facetwise.core.labels import LabelSpace
from facetwise.core.people import person
from facetwise.core.tables import PREDICTIONS, check_table, prediction_columns, read_table
from facetwise.data.folds import Folds
from facetwise.data.manifest import Manifest
from facetwise.evaluate.predictions import Predictions

MAX_COLUMNS = 5000
_CELL = 64
"""Bytes on the disk that a cell of a table may take at most, names of images apart."""


@dataclass(frozen=True)
class Wanted:
    """What the tables of a run must be of."""

    space: LabelSpace
    manifest: Manifest
    attributes: tuple[str, ...]
    """What the run predicts."""
    folds: tuple[int, ...]
    """The folds that it has models for."""
    num_folds: int
    """Folds that its people were dealt into; 0 for a run that was trained on all."""
    by_image: bool
    """Whether those folds were split by image."""
    own_folds: Folds | None
    """Those folds, when this project has them."""
    holdout: bool
    """Whether only the people of fold 0 were predicted out of fold."""


def check_tables(folder: Path, names: Sequence[str], wanted: Wanted) -> None:
    """Check the tables called `names` (`oof.parquet`, `predictions/tta-flip/test.parquet`) below `folder`.

    Raises InputError for the first that is not as it should be, with everything that is wrong with it.
    """
    check_decodes([folder / name for name in names], _decoded_bytes(wanted))
    for name in names:
        faults = _faults(folder / name, wanted)
        if faults:
            more = f" (and {len(faults) - 3} more)" if len(faults) > 3 else ""
            raise InputError(f"{name}: {'; '.join(faults[:3])}{more}")


def _decoded_bytes(wanted: Wanted) -> int:
    """Bytes that a table of this project may have in memory, with room to spare."""
    table = wanted.manifest.table
    texts = sum(int(table[column].str.len_bytes().sum() or 0) for column in ("image", "group"))
    rows = table.height * max(1, len(wanted.folds))
    return 4 * (texts * max(1, len(wanted.folds)) + rows * 4 * (sum(wanted.space.sizes) + 400))


def _faults(path: Path, wanted: Wanted) -> list[str]:
    side = path.stem
    test, train = wanted.manifest.test, wanted.manifest.train
    rows = train.height if side == "oof" else test.height * len(wanted.folds)
    if faults := _shape_faults(path, rows):
        return faults
    try:
        table = read_table(path, PREDICTIONS)
        if Predictions.read(table, wanted.space, "its rows").attributes != wanted.attributes:
            return ["it does not predict the attributes that run.json names"]
    except ArtefactError as error:
        return [str(error).removeprefix(f"{path}: ")]
    return _oof_faults(table, wanted) if side == "oof" else _test_faults(table, wanted)


def _shape_faults(path: Path, rows: int) -> list[str]:
    """What is wrong with the columns, by the file's own list, and its number of rows."""
    try:
        schema = pl.read_parquet_schema(path)
        height = int(pl.scan_parquet(path).select(pl.len()).collect().item())
    except (pl.exceptions.PolarsError, OSError, ValueError) as error:
        return [f"not readable as Parquet ({str(error).splitlines()[0][:100]})"]
    if len(schema) > MAX_COLUMNS:
        return [f"{len(schema)} columns, at most {MAX_COLUMNS} are read"]
    if height != rows:
        return [f"{height:,} rows, the images of this project make {rows:,}"]
    empty = pl.DataFrame(schema=schema)
    try:
        check_table(empty, PREDICTIONS, "its")
    except ArtefactError as error:
        return [str(error)]
    predicted = set(prediction_columns(empty))
    found = [
        f"column {c[:100]!r} is none of a table of predictions" for c in schema if c not in {*PREDICTIONS, *predicted}
    ]
    return found + [
        f"column {c[:100]!r} is {schema[c]}, expected Float32" for c in predicted if schema[c] != pl.Float32()
    ]


def _oof_faults(table: pl.DataFrame, wanted: Wanted) -> list[str]:
    train = wanted.manifest.train
    people = [None if name is None else person(name) for name in table["group"]]
    if not table["image"].equals(train["image"]) or people != train["group"].to_list():
        return ["its images or people are not the training images of this project, in their order"]
    fold = table["fold"]
    if (
        fold.null_count()
        or not fold.is_between(0, max(0, wanted.num_folds - 1)).all()
        or table["repeat"].ne_missing(0).any()
    ):
        return [f"its folds are not 0 to {wanted.num_folds - 1}"]
    if wanted.own_folds is not None and not np.array_equal(fold.to_numpy(), wanted.own_folds.of(train)):
        return ["its people were held out by other folds than it says"]
    if not wanted.by_image and table.select(pl.struct("group", "fold").n_unique()).item() != table["group"].n_unique():
        return ["people stand in several folds, though it says that folds are split by person"]
    if wanted.holdout and _some(table.filter(pl.col("fold") != 0)):
        return ["a hold-out predicts the people of fold 0 alone, this one predicts others"]
    return []


def _test_faults(table: pl.DataFrame, wanted: Wanted) -> list[str]:
    images, models = wanted.manifest.test["image"], len(wanted.folds)
    expected = pl.concat([images] * models) if models > 1 else images
    if not table["image"].equals(expected) or table["group"].null_count() != table.height:
        return ["its images are not the test images of this project, in their order, once a model"]
    if not np.array_equal(table["fold"].fill_null(-1).to_numpy(), np.repeat(wanted.folds, images.len())):
        return ["its models are not those of the run's folds"]
    return ["column `repeat` is not 0"] if table["repeat"].ne_missing(0).any() else []


def _some(table: pl.DataFrame) -> bool:
    """Whether anything is predicted in any row."""
    return any(bool(table[c].is_not_nan().any()) for c in prediction_columns(table))
