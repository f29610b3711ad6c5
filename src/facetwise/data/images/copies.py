"""Copies of images where there should be none: in two groups, on both sides, or under two labels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl

from facetwise.core.errors import InputError
from facetwise.core.labels import MISSING, IntArray
from facetwise.core.project import Project
from facetwise.core.tables import TRAIN
from facetwise.data.features.table import Features
from facetwise.data.images.images import probe, read_bytes
from facetwise.data.images.nearcopies import CLOSER, MAX_COMPARED, confirmed, further_pairs, near_pairs
from facetwise.data.images.scan import FLAT_NOTE, in_parallel, read_cache
from facetwise.data.images.thumbnails import SIDE, Thumbnails, thumbnail
from facetwise.data.manifest import CACHE, Manifest

EXACT = "exact"
_MAX_OF_A_PICTURE = 8
"""Most images of one picture that are paired with each image of another picture like it."""

Between = Literal["groups", "sides", "one group"]


@dataclass(frozen=True)
class CopyPair:
    """Two images that are identical or nearly so."""

    first: str
    second: str
    kind: str
    """A key of `nearcopies.LOOKED_FOR`, or several joined by ` and `; `exact` if the files are identical."""
    between: Between
    """Whether they are in two training groups, on both sides, or in one group."""
    labels_differ: bool
    """Whether they have different labels; False if one has none."""
    people: tuple[str, str] | None = None
    """The two training groups that they lie between."""


@dataclass(frozen=True)
class Copies:
    """Pairs found, exact ones first; `not_compared` further candidate pairs were too many to compare."""

    pairs: tuple[CopyPair, ...]
    not_compared: int = 0
    features: str | None = None
    """The table of features whose most alike images were compared too; None without one."""

    @property
    def conflicts(self) -> tuple[CopyPair, ...]:
        """Pairs with different labels."""
        return tuple(p for p in self.pairs if p.labels_differ)


def find_copies(project: Project, manifest: Manifest, codes: IntArray, features: Features | None = None) -> Copies:
    """Exact copies (within a group only if labels differ) and near copies between groups and between sides.

    `codes` are the class numbers of `manifest.train`. Thumbnails are those of the last scan; images that it does not
    have are read. If a picture has several copies, each is paired with the first only. With `features` of the manifest
    the images most alike by them are compared too, in further views.
    """
    root, cache = project.dataset_root, read_cache(project.workspace.manifest / CACHE)
    rows = manifest.table.filter(pl.col("status") == "ok")
    # Labels of readable rows by row number: training rows come first, in the order of `manifest.train`.
    exact = [(i, j) for i, j in _exact(rows) if _between(rows, i, j) or _differ(codes, i, j)]
    described = [_describe(rows, codes, i, j, EXACT) for i, j in exact]
    near, not_compared = _near(root, rows, _thumbnails(root, rows, cache), features)
    known = set(exact)
    described += [_describe(rows, codes, i, j, kind) for i, j, kind in near if (i, j) not in known]
    return Copies(tuple(described), not_compared, None if features is None else features.name)


def _exact(rows: pl.DataFrame) -> Iterator[tuple[int, int]]:
    places: dict[str, int] = {}
    for place, sha256 in enumerate(rows["sha256"]):
        first = places.setdefault(sha256, place)
        if first != place:
            yield first, place


def _thumbnails(root: Path, rows: pl.DataFrame, cache: pl.DataFrame | None) -> pl.Series:
    """The thumbnail of each row as bytes; null for nearly uniform images, and those gone since they were scanned."""
    nothing = pl.DataFrame(schema={"image": pl.String(), "sha256": pl.String(), "thumbnail": pl.Binary()})
    known = nothing if cache is None else cache.select(nothing.columns)
    found = rows.select("image", "sha256", "note").join(known, ["image", "sha256"], how="left", maintain_order="left")
    flat = pl.col("note").fill_null("").str.contains(FLAT_NOTE, literal=True)
    found = found.with_row_index("row").with_columns(thumbnail=pl.when(~flat).then("thumbnail"))
    lacking = found.filter(pl.col("thumbnail").is_null() & ~flat)
    read = in_parallel(lambda image: _read(root / image, SIDE), lacking["image"].to_list(), None)
    late = lacking.select("row", late=pl.Series(list(read), dtype=pl.Binary()))
    found = found.join(late, on="row", how="left", maintain_order="left")
    return found.select(pl.coalesce("thumbnail", "late")).to_series()


def _read(path: Path, side: int) -> bytes | None:
    try:
        return thumbnail(probe(read_bytes(path), str(path), side).grey, side).tobytes()
    except InputError:  # gone or changed since the manifest was made
        return None


def _near(
    root: Path, rows: pl.DataFrame, thumbnails: pl.Series, features: Features | None
) -> tuple[list[tuple[int, int, str]], int]:
    """Row numbers and kind of near copies, and how many candidates were left out.

    Images with equal thumbnails are one picture: it is compared once, and one image stands for those of a group.
    """
    side = rows.select(pl.when(pl.col("split") == TRAIN).then("group")).to_series().rank("dense").fill_null(0)
    images = pl.DataFrame({"thumbnail": thumbnails, "side": side.cast(pl.Int64)}).with_row_index("row").drop_nulls()
    images = images.unique(["thumbnail", "side"], keep="first", maintain_order=True)
    pictures = images.group_by("thumbnail", maintain_order=True).agg("row", "side").with_row_index("picture")
    pixels: Thumbnails = np.frombuffer(b"".join(pictures["thumbnail"]), np.uint8).reshape(-1, SIDE, SIDE)
    files = rows["image"].gather(pictures["row"].list.first())

    def closer(numbers: list[int]) -> Thumbnails:
        read = in_parallel(lambda number: _read(root / files[number], CLOSER), numbers, None)
        return np.frombuffer(b"".join(one or bytes(CLOSER**2) for one in read), np.uint8).reshape(-1, CLOSER, CLOSER)

    same = ((first, other, "recoded") for first, *others in pictures["row"] for other in others)
    first_side = pictures["side"].list.first().to_numpy()
    alone = (pictures["side"].list.len() == 1).to_numpy()
    sides = np.where(alone, first_side, -1 - np.arange(len(alone)))
    candidates = near_pairs(pixels, sides)
    compared = candidates.head(MAX_COMPARED)
    if features is not None:
        vectors = features.vectors[pictures["row"].list.first().to_numpy()]
        compared = pl.concat([compared, further_pairs(pixels, sides, vectors)], how="vertical_relaxed")
    found = confirmed(pixels, compared, closer).unique(["a", "b"], keep="first", maintain_order=True)
    members = pictures.select(pl.col("picture").cast(pl.Int64), pl.col("row", "side").list.head(_MAX_OF_A_PICTURE))
    members = members.explode("row", "side")
    pairs = found.join(members, left_on="a", right_on="picture", maintain_order="left")
    pairs = pairs.join(members, left_on="b", right_on="picture", suffix="_b", maintain_order="left")
    pairs = pairs.filter(pl.col("side") != pl.col("side_b"))
    rows_of = pairs.select(pl.min_horizontal("row", "row_b"), pl.max_horizontal("row", "row_b").alias("b"), "kind")
    return [*same, *rows_of.iter_rows()], max(0, candidates.height - MAX_COMPARED)


def _between(rows: pl.DataFrame, i: int, j: int) -> Between | None:
    """The boundary between two rows; None within a group and within the test side, where people are not known."""
    (a, b), (g, h) = (rows["split"][i], rows["split"][j]), (rows["group"][i], rows["group"][j])
    if a != b:
        return "sides"
    return "groups" if a == TRAIN and g != h else None


def _differ(codes: IntArray, i: int, j: int) -> bool:
    """Whether both are labelled, and of another class where both are known."""
    if max(i, j) >= len(codes):
        return False
    known = (codes[i] != MISSING) & (codes[j] != MISSING)
    return bool((known & (codes[i] != codes[j])).any())


def _describe(rows: pl.DataFrame, codes: IntArray, i: int, j: int, kind: str) -> CopyPair:
    between = _between(rows, i, j) or "one group"
    people = (rows["group"][i], rows["group"][j]) if between == "groups" else None
    return CopyPair(rows["image"][i], rows["image"][j], kind, between, _differ(codes, i, j), people)
