"""What a proposed project file makes of a dataset, read as ever after: nothing is told that is not so."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from facetwise.core.plain import Plain
from facetwise.core.project import Project
from facetwise.core.tables import TEST, TRAIN
from facetwise.data.findings import Finding
from facetwise.data.reading.readers import read_dataset
from facetwise.data.reading.recognising.proposal import Proposal


@dataclass(frozen=True)
class UnderstoodAttribute:
    """An attribute, and how many training images each of its classes has, in the order of the classes."""

    name: str
    classes: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Understood(Plain):
    """What was understood of a dataset; images are those that its tables and names list, looked into by nobody yet."""

    title: str
    dataset: str
    attributes: tuple[UnderstoodAttribute, ...]
    group: str | None
    """Where the group comes from; None when each image is its own."""
    groups: int
    train: int
    """Training images."""
    test: int | None
    """Images to predict; None without a test side."""
    known: int
    """Training images of which a label is known, of one attribute at least."""
    folds: tuple[tuple[str, int], ...]
    """The parts of a given split that become folds, and how many of those images each has; empty without one."""
    notes: tuple[str, ...]
    findings: tuple[Finding, ...]
    """What `facetwise check` will say of tables and names."""


def understand(project: Project, proposal: Proposal) -> Understood:
    """Read the dataset of a project that may not be written yet."""
    listing = read_dataset(project)
    side = project.file.dataset
    train = listing.table.filter(pl.col("split") == TRAIN)
    counts = {
        a.name: dict(train[f"label:{a.name}"].drop_nulls().value_counts().iter_rows()) for a in project.space.attributes
    }
    known = train.filter(pl.any_horizontal(pl.col(f"label:{name}").is_not_null() for name in project.space.names))
    return Understood(
        title=proposal.title,
        dataset=str(project.dataset_root),
        attributes=tuple(
            UnderstoodAttribute(a.name, tuple((c, counts[a.name].get(k, 0)) for k, c in enumerate(a.classes)))
            for a in project.space.attributes
        ),
        group=side.train.group if side.train.has_groups else None,
        groups=train["group"].n_unique(),
        train=train.height,
        test=None if side.test is None else listing.table.filter(pl.col("split") == TEST).height,
        known=known.height,
        folds=() if (split := side.train.split) is None else _parts(train, known, f"meta:{split}"),
        notes=proposal.notes,
        findings=listing.findings,
    )


def _parts(train: pl.DataFrame, known: pl.DataFrame, column: str) -> tuple[tuple[str, int], ...]:
    """The values of a column of the training rows, in order, and how many of the rows with labels have each."""
    return tuple((part, known.filter(pl.col(column) == part).height) for part in train[column].unique().sort())
