"""Features from a table of `facetwise embed`, matched to the manifest row by row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from facetwise.core.errors import InputError, ProblemsError
from facetwise.core.files.outside import is_regular
from facetwise.core.files.outside_tables import check_decodes
from facetwise.core.labels import IntArray
from facetwise.core.text.counting import count, listed
from facetwise.data.features.nearest import Vectors, with_length_1
from facetwise.data.manifest import Manifest

AGAIN = "write it again: `facetwise embed RECIPE --out features.parquet`"
MAX_DECODED = 2**32
"""Most bytes that the table may take in memory."""
_FEATURES = "features"


@dataclass(frozen=True, eq=False)
class Features:
    """The features of every readable image of a manifest."""

    name: str
    """The table's file name, for texts."""
    rows: IntArray
    """The row of the manifest of each, (m,), ascending: those of the training side come first."""
    vectors: Vectors
    """(m, F): what an image has beyond the mean of all, with length 1, so that a product of two is a cosine."""

    def of_training(self, manifest: Manifest) -> tuple[IntArray, Vectors]:
        """Rows of `manifest.train`, and their vectors."""
        num = int(np.searchsorted(self.rows, manifest.train.height))
        return self.rows[:num], self.vectors[:num]


def read_features(path: Path, manifest: Manifest) -> Features:
    """The features in a Parquet file with the columns `image` and `features`, an array of numbers.

    Where it has `sha256`, that is compared with the manifest's. Raises InputError for a file of another form, and
    ProblemsError unless it has features of each readable image of this manifest, as the images are, and of no others.
    """
    table = _read(path)
    images = manifest.table.select("image", "status", now="sha256").with_row_index("row")
    if problems := list(_differences(table, images)):
        raise ProblemsError(f"{path}: not the features of this dataset as it is", problems, hint=AGAIN)
    readable = images.filter(pl.col("status") == "ok")
    found = readable.join(table, on="image", how="left", maintain_order="left")
    vectors = found[_FEATURES].to_numpy().astype(np.float32).reshape(found.height, -1)
    if not (finite := np.isfinite(vectors).all(axis=1)).all():
        image = found["image"][int(np.argmin(finite))]
        raise InputError(f"{path}: the features of `{image}` are not numbers", hint=AGAIN)
    return Features(path.name, found["row"].to_numpy().astype(np.int64), _beyond_the_mean(vectors))


def _read(path: Path) -> pl.DataFrame:
    if not is_regular(path):
        raise InputError(f"{path}: no such file", hint=AGAIN)
    try:
        check_decodes([path], MAX_DECODED)
        table = pl.read_parquet(path, use_statistics=False)
    except (InputError, pl.exceptions.PolarsError, OSError) as error:
        raise InputError(f"{path}: not readable as Parquet ({error})", hint=AGAIN) from None
    kind = table.schema.get(_FEATURES)
    inner = kind.inner if isinstance(kind, pl.Array | pl.List) else None
    if table.schema.get("image") != pl.String or inner is None or not inner.is_numeric():
        message = f"{path}: expected the columns `image` (text) and `{_FEATURES}` (an array of numbers)"
        raise InputError(f"{message}, got {listed((f'`{name}`' for name in table.columns), 5)}", hint=AGAIN)
    if isinstance(kind, pl.List):
        lengths = table[_FEATURES].list.len().drop_nulls().unique().to_list()
        if len(lengths) > 1:
            raise InputError(f"{path}: rows of `{_FEATURES}` are not of one length", hint=AGAIN)
        table = table.with_columns(pl.col(_FEATURES).list.to_array(lengths[0] if lengths else 1))
    return table.select(c for c in ("image", "sha256", _FEATURES) if c in table.columns)


def _differences(table: pl.DataFrame, images: pl.DataFrame) -> Iterator[str]:
    """How the rows of a table differ from what the manifest asks for, a line a kind."""
    both = images.join(table, on="image", how="left", maintain_order="left")
    lacking = both.filter((pl.col("status") == "ok") & pl.col(_FEATURES).is_null())
    kinds = {
        "twice in it": table.filter(table["image"].is_duplicated()).unique("image", maintain_order=True),
        "not in the manifest": table.join(images, on="image", how="anti", maintain_order="left"),
        f"of the manifest without features, of {images.height:,}": lacking,
    }
    if "sha256" in table.columns:
        kinds["changed since"] = both.filter((pl.col("now") != pl.col("sha256")) & pl.col(_FEATURES).is_not_null())
    for what, rows in kinds.items():
        if rows.height:
            yield f"{count(rows.height, 'image')} {what}: {listed((f'`{i}`' for i in rows['image']), 2)}"


def _beyond_the_mean(vectors: Vectors) -> Vectors:
    apart = vectors - vectors.mean(axis=0, dtype=np.float64).astype(np.float32) if len(vectors) else vectors
    return with_length_1(apart)
