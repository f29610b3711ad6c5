"""Schemas of all tables on disk, checked on writing and reading."""

from __future__ import annotations

import io
import math
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from facetwise.core.arrays import numbers, takes
from facetwise.core.errors import ArtefactError
from facetwise.core.files.writing import write_atomic

signal.siginterrupt(signal.SIGINT, True)
"""Loading polars makes Ctrl-C leave waits for a lock, a queue or a process as they were; here it ends them again."""

Schema = Mapping[str, pl.DataType]

TRAIN, TEST = "train", "test"

_SCORE = ":score"

MANIFEST: Schema = {
    "image": pl.String(),  # path relative to the dataset; the key of every other table
    "split": pl.String(),  # train | test
    "group": pl.String(),  # the person, in one spelling (`core.people`); null on the test side
    "name": pl.String(),  # how the dataset's own table calls it (test: the csv's value)
    "sha256": pl.String(),  # of the file; null when missing
    "bytes": pl.Int64(),
    "width": pl.Int32(),  # pixels, after EXIF orientation
    "height": pl.Int32(),
    "phash": pl.UInt64(),  # perceptual hash; null when unreadable
    "status": pl.String(),  # ok | damaged | missing
    "note": pl.String(),  # what is wrong or odd with it; null when nothing
}
"""Plus `label:<attribute>` (Int16, null on the test side), `value:<attribute>` (Float64, ordinal ones) and
`meta:<column>` (String) for every other column of the dataset's table."""

WRITTEN = "written"
"""Column of the manifest with the group as the dataset's table spells it; only where any differs from `group`."""

FOLDS: Schema = {"group": pl.String(), "fold": pl.Int32()}

PREDICTIONS: Schema = {
    "image": pl.String(),
    "group": pl.String(),  # null on the test side
    "fold": pl.Int32(),  # out of fold: the fold that held the image out; test: the fold whose model predicted
    "repeat": pl.Int32(),
}
"""Plus float32 columns of the label space. Log-probabilities: `<attribute>=<class>`, `joint=<i>`, and of an attribute
predicted as a distribution over its values `<attribute>:year=<value>` (`year_columns`). Of an attribute predicted by
one number `<attribute>:score` (`score_column`): any real, larger for larger values. Nothing predicted is NaN."""


def check_table(table: pl.DataFrame, schema: Schema, what: str) -> None:
    """Raise ArtefactError unless `table` has the schema's columns with their types (more columns may follow)."""
    found = table.schema
    wrong = [
        f"`{name}` is {found[name]}, expected {kind}" if name in found else f"`{name}` is missing"
        for name, kind in schema.items()
        if found.get(name) != kind
    ]
    if wrong:
        raise ArtefactError(f"{what}: columns not as expected: " + "; ".join(wrong), hint="make it again")


def write_table(table: pl.DataFrame, path: Path, schema: Schema) -> None:
    """Check a table and write it as Parquet, atomically."""
    check_table(table, schema, str(path))
    buffer = io.BytesIO()
    table.write_parquet(buffer, compression="zstd")
    write_atomic(path, buffer.getvalue())


def read_table(path: Path, schema: Schema) -> pl.DataFrame:
    """Read a Parquet file and check it; raises ArtefactError when missing, damaged or of another shape."""
    if not path.is_file():
        raise ArtefactError(f"{path}: missing")
    try:
        table = pl.read_parquet(path, use_statistics=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise ArtefactError(f"{path}: not readable as Parquet ({error})", hint="make it again") from None
    check_table(table, schema, str(path))
    return table


def prediction_columns(table: pl.DataFrame) -> list[str]:
    """Names of all prediction columns, log-probabilities and scores, in table order."""
    return [c for c in table.columns if "=" in c or c.endswith(_SCORE)]


def score_column(attribute: str) -> str:
    """The column of the score of an ordinal attribute: `age:score`."""
    return attribute + _SCORE


@takes(values=numbers("v"))
def year_columns(attribute: str, values: Sequence[float]) -> tuple[str, ...]:
    """The columns of the log-probabilities of an ordinal attribute's values: `age:year=18`, `age:year=19`, ..."""
    return tuple(f"{_year_prefix(attribute)}{int(v) if float(v).is_integer() else v}" for v in values)


def year_values(table: pl.DataFrame, attribute: str) -> tuple[float, ...]:
    """Values with a `year_columns` column in `table`, in table order; empty without such a block.

    Raises ArtefactError for a value that is no number.
    """
    prefix = _year_prefix(attribute)
    texts = [c.removeprefix(prefix) for c in table.columns if c.startswith(prefix)]
    try:
        values = tuple(float(t) for t in texts)
        if all(map(math.isfinite, values)):
            return values
        raise ValueError("a value is not finite")
    except ValueError as error:
        raise ArtefactError(f"columns `{prefix}...`: {error}", hint="make the table again") from None


def _year_prefix(attribute: str) -> str:
    return f"{attribute}:year="
