"""Folds: which of them holds out whom, and what there is to say of them."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from facetwise.core.errors import MismatchError
from facetwise.core.labels import IntArray
from facetwise.core.people import person
from facetwise.core.records.data import FoldCopies
from facetwise.core.text.counting import count
from facetwise.core.text.subject import PEOPLE
from facetwise.core.workspace import content_hash

Split = Literal["group", "image"]

MIN_FOLDS, MAX_FOLDS = 2, 20
"""Numbers of folds that a recipe can name (`folds.plan`)."""
DEFAULT_FOLDS = 5
VALIDATION = ("val", "valid", "validation", "dev")
"""What the part of a given split to validate on is called, in any case."""
UNSAFE = "unsafe-"
"""What names of folds split by image begin with, and no others."""


@dataclass(frozen=True)
class FoldStats:
    """Sizes of the folds and how evenly classes are spread."""

    num_groups: tuple[int, ...]
    """People with images in each fold."""
    num_images: tuple[int, ...]
    """Images in each fold."""
    deviation: float
    """Largest |share of a joint class in a fold / its share overall - 1| over classes of at least one image a fold."""
    missing: tuple[tuple[int, int], ...]
    """(fold, joint class) pairs: classes of the dataset that a fold has no image of."""
    shared_groups: int
    """People with images in more than one fold: 0 unless the split is by image."""


@dataclass(frozen=True)
class Folds:
    """The fold that holds out each person (or, for the unsafe split, each image)."""

    name: str
    split: Split
    num_folds: int
    seed: int
    manifest_hash: str
    table: pl.DataFrame
    stats: FoldStats
    copies: FoldCopies | None = None
    """Copies between people; None where they were not looked for."""

    @property
    def joined(self) -> bool:
        """Whether people with a common picture were dealt together."""
        return self.copies is not None and self.copies.joined

    @property
    def features(self) -> str | None:
        """The features by which copies were looked for too."""
        return None if self.copies is None else self.copies.features

    @property
    def parts_copies(self) -> bool:
        """Whether copies of one picture, under two people, are in two folds."""
        return self.copies is not None and self.copies.across > 0

    @property
    def copies_note(self) -> str | None:
        """What is to be said of copies between people: joined, or on both sides of the split and how to join them."""
        copies = self.copies
        if copies is None or not copies.pairs:
            return None
        told = f"{count(copies.pairs, 'pair')} of copies between {PEOPLE}"
        if not copies.across:
            return told + (f": {copies.people:,} {PEOPLE} dealt together" if copies.joined else ", none across folds")
        again = making_again(self.name, self.num_folds, self.seed, joined=True, features=copies.features)
        remedy = f"; together with `{again}`" if self.split == "group" else ""
        return f"{told}, {copies.across:,} on both sides of the split, so scores are too high ({copies.shown}){remedy}"

    @property
    def hash(self) -> str:
        """Hash of the assignment."""
        return content_hash([self.split, self.num_folds, *self.table.rows()])

    def of(self, train: pl.DataFrame) -> IntArray:
        """Fold of each row of the manifest's training side, shape (n,)."""
        key = self.table.columns[0]
        table = self.table
        if key == "group":  # folds of an older version have names as they were written
            table = table.with_columns(pl.Series(key, map(person, table[key]), dtype=pl.String()))
        joined = train.select(key).join(table, on=key, how="left", maintain_order="left")["fold"]
        if joined.null_count():
            again = making_again(self.name, self.num_folds, self.seed, joined=self.joined, features=self.features)
            raise MismatchError(f"folds `{self.name}` do not cover the manifest", hint=f"`{again}`")
        return joined.to_numpy().astype(np.int64)


def making_folds(
    name: str, num_folds: int | None = None, seed: int = 0, *, joined: bool = False, features: str | None = None
) -> list[str]:
    """The command that makes folds, without options that have their defaults."""
    words = {
        "--name": name if name != "default" else None,
        "--folds": num_folds if num_folds != DEFAULT_FOLDS else None,
    }
    words |= {"--seed": seed or None, "--unsafe-split": "image" if name.startswith(UNSAFE) else None}
    words["--features"] = features
    options = [str(word) for pair in words.items() if pair[1] is not None for word in pair]
    return ["folds", *options, *(["--join-copies"] if joined else [])]


def making_again(name: str, num_folds: int, seed: int = 0, *, joined: bool = False, features: str | None = None) -> str:
    """The command line that replaces folds."""
    words = making_folds(name, num_folds, seed, joined=joined, features=features)
    return shlex.join(["facetwise", *words, "--new"])
