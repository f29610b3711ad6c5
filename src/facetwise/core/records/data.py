"""`made_from` in the DONE marks of manifests, folds and image stores."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from facetwise.core.records.base import Record


class ManifestMadeFrom(Record):
    """`made_from` of a manifest."""

    project: str
    """Hash of the dataset and the label in facetwise.toml."""
    tables: dict[str, str]
    """sha256 of the dataset's tables, by path."""
    hash: str
    labels_hash: str
    depth: int | None = 16
    """Bit depth of pictures; 16 for manifests from before this key, which took the upper byte."""
    combinations: tuple[int, ...] | None = None
    """The combinations of classes that can occur, by their number among all products; None for all."""


class StatsRecord(Record):
    """How even folds are: `data.folds.FoldStats`."""

    num_groups: tuple[int, ...]
    num_images: tuple[int, ...]
    deviation: float
    missing: tuple[tuple[int, int], ...]
    shared_groups: int


class FoldCopies(Record):
    """Copies of images between people (`data.images.copies`), and where folds put them."""

    joined: bool
    """Whether people with a common picture were dealt together."""
    pairs: int
    people: int
    """People who share a picture with somebody else."""
    across: int
    """Pairs whose two images are in two folds."""
    examples: tuple[tuple[str, str], ...] = ()
    """The first of the pairs across folds."""
    features: str | None = None
    """File name of the features by which copies were looked for too."""

    @property
    def shown(self) -> str:
        """The examples in words."""
        return "; ".join(f"{one} = {other}" for one, other in self.examples)


class FoldsMadeFrom(Record):
    """`made_from` of folds."""

    manifest_hash: str
    split: Literal["group", "image"]
    num_folds: int
    seed: int
    stats: StatsRecord
    copies: FoldCopies | None = None
    """None where copies were not looked for, as in older versions."""


class StoreMadeFrom(Record):
    """`made_from` of an image store."""

    key: str
    crc32: list[int] = Field(default_factory=list)
    """The crc32 of each chunk."""
