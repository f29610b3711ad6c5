"""The audit: everything to know about a dataset before training on it, as plain data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from facetwise.core.labels import MAX_LISTED_JOINT, MISSING, IntArray, LabelSpace
from facetwise.core.plain import Plain
from facetwise.core.project import Project
from facetwise.core.tables import TEST, TRAIN
from facetwise.data.features.table import Features
from facetwise.data.findings import LEVELS, Finding, Level
from facetwise.data.images.copies import Copies, find_copies
from facetwise.data.images.crops import MOST_STRETCH
from facetwise.data.joining import joined_groups
from facetwise.data.labels.overlay import Overlay, apply
from facetwise.data.manifest import Manifest

MAX_ASPECT = 3.0
"""An image more than this many times as long as wide is suspicious."""
USUAL_SHARE = 0.9
"""When at least this share of the images has one size, others are suspicious."""
_EXAMPLES = 5


@dataclass(frozen=True)
class SideSummary:
    """One side of the dataset: `train` or `test`."""

    split: str
    images: int
    groups: int
    """People; 0 on the test side, where they are not known."""
    status: dict[str, int]
    """Images by status: ok, damaged, missing."""


@dataclass(frozen=True)
class FindingGroup:
    """Findings of one kind: their number, and the first few as text."""

    level: Level
    code: str
    count: int
    examples: tuple[str, ...]
    hint: str | None


@dataclass(frozen=True)
class SizeCount:
    """How many readable images have one size, in pixels."""

    width: int
    height: int
    images: int


@dataclass(frozen=True)
class Shapes:
    """Width / height of readable images: of nine in ten it is from `narrow` to `wide`."""

    narrow: float
    usual: float
    wide: float

    @property
    def differ(self) -> bool:
        """Whether they differ so much that it matters how they become an input of one shape."""
        return self.wide > MOST_STRETCH * self.narrow


@dataclass(frozen=True)
class ClassCount:
    """How many training images and groups have a class, by the dataset's own labels."""

    number: int
    """The class number."""
    name: str
    images: int
    groups: int


@dataclass(frozen=True)
class Suspicious:
    """An image that is readable, but may not be what it should be."""

    image: str
    reason: str
    noted: bool = False
    """Whether an `odd-image` finding reports it as well."""


@dataclass(frozen=True)
class Audit(Plain):
    """The result of an audit; `copies` are judged by labels with the overlay's corrections."""

    sides: tuple[SideSummary, ...]
    findings: tuple[FindingGroup, ...]
    """Errors first, then warnings, then the rest; in a level the most frequent first."""
    sizes: tuple[SizeCount, ...]
    """The most frequent size first."""
    shapes: Shapes | None
    balance: dict[str, tuple[ClassCount, ...]]
    """Class counts by attribute, classes in order."""
    joint: tuple[ClassCount, ...]
    """Counts of the joint classes, in order; with more than `MAX_LISTED_JOINT` classes only of those that occur."""
    num_joint: int
    """How many joint classes there are: the combinations that can occur."""
    combinations: str
    """Which combinations of classes can occur: `seen`, `all`, or the table that lists them."""
    products: int
    """How many combinations there are, with those that cannot occur."""
    copies: Copies
    joined_groups: int
    """Training groups, where those that share a picture, be it through others, count as one."""
    suspicious: tuple[Suspicious, ...]
    corrections: int
    """Number of valid corrections in the overlay."""
    usable: bool
    """Whether the dataset itself has no errors, so that its manifest is saved; the overlay may have errors."""

    @property
    def has_errors(self) -> bool:
        """Whether errors of the dataset or of the overlay prevent training."""
        return any(f.level == "error" for f in self.findings)


def audit(
    project: Project,
    manifest: Manifest,
    overlay: Overlay | None = None,
    findings: Iterable[Finding] = (),
    features: Features | None = None,
) -> Audit:
    """Audit a manifest, also one with errors; reads the few images that may be copies at a small size.

    `findings` of the overlay are reported together with those of the manifest. `features` tell more images that may be
    copies.
    """
    overlay = overlay or Overlay()
    codes, _ = apply(overlay, manifest, project.space)
    table, copies = manifest.table, find_copies(project, manifest, codes, features)
    return Audit(
        sides=tuple(side for split in (TRAIN, TEST) if (side := _side(table, split)).images),
        findings=_kinds([*manifest.findings, *findings]),
        sizes=_sizes(table),
        shapes=_shapes(table),
        balance=_balance(manifest, project.space),
        joint=_joint(manifest, project.space),
        num_joint=project.space.num_joint,
        combinations=project.file.combinations,
        products=project.space.product.num_joint,
        copies=copies,
        joined_groups=len(set(joined_groups(manifest.train["group"].to_numpy(), copies.pairs))),
        suspicious=tuple(_suspicious(table)),
        corrections=len(overlay),
        usable=not manifest.errors,
    )


def _side(table: pl.DataFrame, split: str) -> SideSummary:
    rows = table.filter(pl.col("split") == split)
    status = dict(sorted(rows["status"].value_counts().iter_rows()))
    return SideSummary(split, rows.height, rows["group"].drop_nulls().n_unique(), status)


def _kinds(findings: Iterable[Finding]) -> tuple[FindingGroup, ...]:
    by_kind: dict[tuple[Level, str], list[Finding]] = {}
    for finding in findings:
        by_kind.setdefault((finding.level, finding.code), []).append(finding)
    ordered = sorted(by_kind.items(), key=lambda item: (LEVELS.index(item[0][0]), -len(item[1]), item[0][1]))
    return tuple(
        FindingGroup(level, code, len(found), tuple(map(str, found[:_EXAMPLES])), found[0].hint)
        for (level, code), found in ordered
    )


def _shapes(table: pl.DataFrame) -> Shapes | None:
    readable = table.filter(pl.col("status") == "ok").select(ratio=pl.col("width") / pl.col("height"))["ratio"]
    if readable.is_empty():
        return None
    narrow, usual, wide = np.quantile(readable.to_numpy(), (0.05, 0.5, 0.95)).tolist()
    return Shapes(narrow, usual, wide)


def _sizes(table: pl.DataFrame) -> tuple[SizeCount, ...]:
    counted = table.filter(pl.col("status") == "ok").group_by("width", "height").len()
    return tuple(SizeCount(*row) for row in counted.sort(["len", "width", "height"], descending=True).iter_rows())


def _balance(manifest: Manifest, space: LabelSpace) -> dict[str, tuple[ClassCount, ...]]:
    codes = manifest.codes(space)
    return {a.name: _counts(manifest, codes[:, k], dict(enumerate(a.classes))) for k, a in enumerate(space.attributes)}


def _joint(manifest: Manifest, space: LabelSpace) -> tuple[ClassCount, ...]:
    joint = space.encode(manifest.codes(space), missing=True)
    if space.num_joint <= MAX_LISTED_JOINT:
        return _counts(manifest, joint, dict(enumerate(space.joint_names)))
    return _counts(manifest, joint, {k: space.joint_name(k) for k in np.unique(joint[joint != MISSING]).tolist()})


def _counts(manifest: Manifest, codes: IntArray, names: Mapping[int, str]) -> tuple[ClassCount, ...]:
    """How often each class in `names` (number -> name) occurs, in that order."""
    rows = manifest.train.select("group", code=pl.Series(codes, dtype=pl.Int64))
    counted = rows.group_by("code").agg(images=pl.len(), groups=pl.col("group").n_unique())
    by_code = {code: (images, groups) for code, images, groups in counted.iter_rows()}
    return tuple(ClassCount(k, name, *by_code.get(k, (0, 0))) for k, name in names.items())


def _suspicious(table: pl.DataFrame) -> Iterable[Suspicious]:
    ok = table.filter(pl.col("status") == "ok")
    sizes = _sizes(table)
    usual = sizes[0] if sizes and sizes[0].images >= USUAL_SHARE * ok.height else None
    for image, width, height, note in ok.select("image", "width", "height", "note").iter_rows():
        if note is not None:
            yield Suspicious(image, note, noted=True)
        if max(width, height) > MAX_ASPECT * min(width, height):
            yield Suspicious(image, f"extreme shape: {width}x{height}")
        elif usual is not None and (width, height) != (usual.width, usual.height):
            yield Suspicious(image, f"{width}x{height}, while most are {usual.width}x{usual.height}")
