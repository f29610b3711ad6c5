"""Tables of features as `facetwise embed` writes them, of made numbers: no network is needed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from facetwise.data.manifest import Manifest


def write_features(path: Path, manifest: Manifest, vectors: npt.ArrayLike, **columns: object) -> Path:
    """Write a vector (F,) a row of the manifest, (n, F); `columns` replace or add some."""
    array = np.asarray(vectors, np.float32)
    features = pl.Series("features", array, dtype=pl.Array(pl.Float32, array.shape[1]))
    table = manifest.table.select("image", "group", "split", "sha256").with_columns(features)
    table.with_columns(**columns).write_parquet(path)  # type: ignore[arg-type]
    return path


def made_vectors(groups: list[str | None], seed: int = 0) -> npt.NDArray[np.float64]:
    """Vectors of 40 numbers, of which 12 tell who it is, 8 vary a lot from photo to photo, and the rest is noise."""
    rng = np.random.default_rng(seed)
    _, who = np.unique([str(group) for group in groups], return_inverse=True)
    own = 2 * rng.normal(size=(who.max() + 1, 12))[who]
    moved = 8 * rng.normal(size=(len(groups), 8))
    mixed: npt.NDArray[np.float64] = np.hstack([own, moved, np.zeros((len(groups), 20))])
    return mixed + 0.3 * rng.normal(size=mixed.shape)
