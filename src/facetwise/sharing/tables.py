"""Checks the tables of a pack against the project's images, people, folds and classes."""

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
from facetwise.core.text.subject import PEOPLE, PERSON
from facetwise.data.folds import Folds
from facetwise.data.manifest import Manifest
from facetwise.evaluate.predictions import Predictions

MAX_COLUMNS = 5000


@dataclass(frozen=True)
class ExpectedTables:
    """What the tables of a run are checked against."""

    space: LabelSpace
    manifest: Manifest
    attributes: tuple[str, ...]
    """The attributes that the run predicts."""
    folds: tuple[int, ...]
    """Folds with a model."""
    num_folds: int
    """Number of folds that its people were split into; 0 for a run trained on all people."""
    by_image: bool
    """Whether the folds were split by image."""
    own_folds: Folds | None
    """The folds, if this project has them."""
    holdout: bool
    """Whether only the people of fold 0 have out-of-fold predictions."""


def check_tables(folder: Path, names: Sequence[str], expected: ExpectedTables) -> None:
    """Check the tables called `names` (`oof.parquet`, `predictions/tta-flip/test.parquet`) below `folder`.

    Raises InputError for the first invalid table, with all of its problems.
    """
    check_decodes([folder / name for name in names], _decoded_bytes(expected))
    for name in names:
        faults = _faults(folder / name, expected)
        if faults:
            more = f" (and {len(faults) - 3} more)" if len(faults) > 3 else ""
            raise InputError(f"{name}: {'; '.join(faults[:3])}{more}")


def _decoded_bytes(expected: ExpectedTables) -> int:
    """Upper limit, in bytes, on the size of a table of this project in memory."""
    table = expected.manifest.table
    texts = sum(int(table[column].str.len_bytes().sum() or 0) for column in ("image", "group"))
    rows = table.height * max(1, len(expected.folds))
    return 4 * (texts * max(1, len(expected.folds)) + rows * 4 * (sum(expected.space.sizes) + 400))


def _faults(path: Path, expected: ExpectedTables) -> list[str]:
    side = path.stem
    test, train = expected.manifest.test, expected.manifest.train
    rows = train.height if side == "oof" else test.height * len(expected.folds)
    if faults := _shape_faults(path, rows):
        return faults
    try:
        table = read_table(path, PREDICTIONS)
        if Predictions.read(table, expected.space, "its rows").attributes != expected.attributes:
            return ["it does not predict the attributes that run.json names"]
    except ArtefactError as error:
        return [str(error).removeprefix(f"{path}: ")]
    return _oof_faults(table, expected) if side == "oof" else _test_faults(table, expected)


def _shape_faults(path: Path, rows: int) -> list[str]:
    """Problems of the columns and the number of rows, from the file's metadata."""
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


def _oof_faults(table: pl.DataFrame, expected: ExpectedTables) -> list[str]:
    train = expected.manifest.train
    people = [None if name is None else person(name) for name in table["group"]]
    if not table["image"].equals(train["image"]) or people != train["group"].to_list():
        return [f"its images or {PEOPLE} are not the training images of this project, in their order"]
    fold = table["fold"]
    if (
        fold.null_count()
        or not fold.is_between(0, max(0, expected.num_folds - 1)).all()
        or table["repeat"].ne_missing(0).any()
    ):
        return [f"its folds are not 0 to {expected.num_folds - 1}"]
    if expected.own_folds is not None and not np.array_equal(fold.to_numpy(), expected.own_folds.of(train)):
        return [f"its {PEOPLE} were held out by other folds than its record says"]
    if (
        not expected.by_image
        and table.select(pl.struct("group", "fold").n_unique()).item() != table["group"].n_unique()
    ):
        return [f"{PEOPLE} are in several folds, but its record says that folds are split by {PERSON}"]
    if expected.holdout and _some(table.filter(pl.col("fold") != 0)):
        return [f"a hold-out predicts only the {PEOPLE} of fold 0, but this table predicts others"]
    return []


def _test_faults(table: pl.DataFrame, expected: ExpectedTables) -> list[str]:
    images, models = expected.manifest.test["image"], len(expected.folds)
    listed = pl.concat([images] * models) if models > 1 else images
    if not table["image"].equals(listed) or table["group"].null_count() != table.height:
        return ["its rows are not the test images of this project in order, once for each model"]
    if not np.array_equal(table["fold"].fill_null(-1).to_numpy(), np.repeat(expected.folds, images.len())):
        return ["its models are not those of the run's folds"]
    return ["column `repeat` is not 0"] if table["repeat"].ne_missing(0).any() else []


def _some(table: pl.DataFrame) -> bool:
    """Whether any row has predictions."""
    return any(bool(table[c].is_not_nan().any()) for c in prediction_columns(table))
