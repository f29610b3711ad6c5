"""Copies of images where there should be none: in two groups, on both sides, or under two labels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, product
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl

from facetwise.core.errors import InputError
from facetwise.core.labels import MISSING, IntArray
from facetwise.core.tables import TRAIN
from facetwise.data.images.images import probe, read_bytes
from facetwise.data.images.nearcopies import Thumbnail, close_pairs, distances, look_alike, thumbnail
from facetwise.data.images.scan import FLAT_NOTE, in_parallel
from facetwise.data.manifest import Manifest

MAX_COMPARED = 2000
"""Most pairs of images with close hashes that are compared by their thumbnails; the closest first."""
_MAX_OF_A_HASH = 8

Between = Literal["groups", "sides", "one group"]
Pair = tuple[int, int, int]
"""Two row numbers and the number of bits their hashes differ in."""


@dataclass(frozen=True)
class CopyPair:
    """Two images that are identical or nearly so."""

    first: str
    second: str
    exact: bool
    """Whether the files are identical byte by byte."""
    distance: int
    """Differing bits of the perceptual hashes, 0 to 7."""
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

    @property
    def conflicts(self) -> tuple[CopyPair, ...]:
        """Pairs with different labels."""
        return tuple(p for p in self.pairs if p.labels_differ)


def find_copies(root: Path, manifest: Manifest, codes: IntArray) -> Copies:
    """Exact copies (within a group only if labels differ) and near copies between groups and between sides.

    `codes` are the class numbers of `manifest.train`. If a file has several copies, each is paired with the first only.
    """
    rows = manifest.table.filter(pl.col("status") == "ok")
    # Labels of readable rows by row number: training rows come first, in the order of `manifest.train`.
    exact = [(i, j, 0) for i, j in _exact(rows) if _between(rows, i, j) or _differ(codes, i, j)]
    known = {(i, j) for i, j, _ in exact}
    candidates = [p for p in _candidates(rows) if p[:2] not in known]
    near = _confirmed(root, rows, candidates[:MAX_COMPARED])
    described = [_describe(rows, codes, p, exact=True) for p in exact]
    described += [_describe(rows, codes, p, exact=False) for p in near]
    return Copies(tuple(described), max(0, len(candidates) - MAX_COMPARED))


def _exact(rows: pl.DataFrame) -> Iterator[tuple[int, int]]:
    places: dict[str, int] = {}
    for place, sha256 in enumerate(rows["sha256"]):
        first = places.setdefault(sha256, place)
        if first != place:
            yield first, place


def _candidates(rows: pl.DataFrame) -> list[Pair]:
    """Pairs between groups or sides whose hashes are close, the closest first."""
    flat = pl.col("note").fill_null("").str.contains(FLAT_NOTE, literal=True)
    unlike = rows.with_row_index("row").filter(~flat).unique(["phash", "group", "sha256"], maintain_order=True)
    unlike = unlike.unique(["phash", "group"], keep="first", maintain_order=True)
    by_hash = unlike.group_by("phash", maintain_order=True).agg("row")
    hashes, members = by_hash["phash"].to_numpy(), by_hash["row"].to_list()
    same = ((m[0], other, 0) for m in members for other in m[1:])
    pairs = close_pairs(hashes)
    bits = distances(hashes[pairs[:, 0]], hashes[pairs[:, 1]]) if len(pairs) else np.empty(0, dtype=np.uint8)
    close = (
        (i, j, int(n))
        for (a, b), n in zip(pairs.tolist(), bits, strict=True)
        for i, j in product(islice(members[a], _MAX_OF_A_HASH), islice(members[b], _MAX_OF_A_HASH))
    )
    found = {(min(i, j), max(i, j), n) for several in (same, close) for i, j, n in several if _between(rows, i, j)}
    return sorted(found, key=lambda p: (p[2], p))


def _confirmed(root: Path, rows: pl.DataFrame, pairs: list[Pair]) -> list[Pair]:
    places = sorted({place for i, j, _ in pairs for place in (i, j)})
    images = rows["image"]
    seen = dict(zip(places, in_parallel(lambda place: _thumbnail(root / images[place]), places, None), strict=True))
    return [p for p in pairs if (a := seen[p[0]]) is not None and (b := seen[p[1]]) is not None and look_alike(a, b)]


def _thumbnail(path: Path) -> Thumbnail | None:
    try:
        return thumbnail(probe(read_bytes(path), str(path)).grey)
    except InputError:  # gone or changed since the manifest was made
        return None


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
    return bool((codes[i] != codes[j])[known].any())


def _describe(rows: pl.DataFrame, codes: IntArray, pair: Pair, *, exact: bool) -> CopyPair:
    i, j, bits = pair
    between = _between(rows, i, j) or "one group"
    people = (rows["group"][i], rows["group"][j]) if between == "groups" else None
    return CopyPair(rows["image"][i], rows["image"][j], exact, bits, between, _differ(codes, i, j), people)
