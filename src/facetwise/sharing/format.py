"""What a pack is: a finished run in one file, to travel between teammates.

A zip of stored (uncompressed) files, `pack.json` first and the others by name, every time and mode the same: the same
run gives the same bytes. It tells no path of the machine, no name of a user and no time of packing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from facetwise.core.files.settings import Spec
from facetwise.core.labels import MAX_ATTRIBUTES, MAX_CLASSES, LabelSpace
from facetwise.core.records.run import Content
from facetwise.core.runs import BACKBONE, WEIGHTS
from facetwise.core.workspace import content_hash
from facetwise.data.folds import MAX_FOLDS, Folds, Split
from facetwise.data.manifest import Manifest

SCHEMA_VERSION = 1
PACK = "pack.json"
EVENTS = "events.jsonl"
TTA_TABLE = re.compile(r"predictions/tta-(flip|crops|flip-crops)/(oof|test)\.parquet")
WEIGHTS_FILE = re.compile(rf"fold-([0-9]|1[0-9])/{re.escape(WEIGHTS)}")
MIB = 2**20

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
MAX_TEXT = 500
LINE = re.compile(rf"[^\x00-\x1f\x7f-\x9f]{{0,{MAX_TEXT}}}")
Text = Annotated[str, Field(pattern=f"^{LINE.pattern}$")]
"""A line of text without control characters: it is printed on terminals."""
RUN_ID = re.compile(r"[0-9]{1,9}-[\w.-]{1,150}")
RunId = Annotated[str, Field(pattern=f"^{RUN_ID.pattern}$")]


class PackedFile(Spec):
    """A file of a pack."""

    sha256: Sha256
    """Of its bytes."""
    bytes: Annotated[int, Field(ge=0)]
    """How many."""


class PackedAttribute(Spec):
    """An attribute of the label."""

    name: Text
    """Its name."""
    classes: Annotated[list[Text], Field(min_length=2, max_length=MAX_CLASSES)]
    """Its classes, in the order of their numbers."""
    cuts: Annotated[list[float], Field(max_length=MAX_CLASSES)] | None
    """The true cuts of an ordinal attribute."""


class PackedManifest(Spec):
    """The data that the run was made from."""

    hash: Sha256
    """The manifest's."""
    num_train: int
    """Rows of the training side."""
    num_test: int
    """Rows of the test side."""
    parts: Annotated[dict[Text, Sha256], Field(max_length=16)]
    """What the hash is made of, each hashed by itself: when hashes differ, these say where."""


class PackedFolds(Spec):
    """The folds that the run was validated on."""

    name: Text
    """What they are called where it was trained."""
    hash: Sha256
    """Of who is held out by which fold."""
    split: Split
    """By person (`group`), or unsafe, by `image`."""
    num_folds: Annotated[int, Field(ge=2, le=MAX_FOLDS)]
    """How many there are."""
    seed: int | None
    """The seed that made them, where it is known."""


class Pack(Spec):
    """`pack.json`."""

    schema_version: Literal[1]
    """Version of this format."""
    content: Content
    """`whole`, or `tables`: everything but the weights."""
    run: RunId
    """The run, as it is called where it was trained."""
    facetwise: Text
    """The version that packed it."""
    space: Annotated[list[PackedAttribute], Field(min_length=1, max_length=MAX_ATTRIBUTES)]
    """The label space."""
    label_space: Sha256
    """Its hash."""
    manifest: PackedManifest
    """The images and people."""
    folds: PackedFolds | None
    """None for a run that was trained on all people."""
    weights: Annotated[dict[str, Sha256], Field(max_length=MAX_FOLDS + 1)]
    """sha256 of each fold's weights, by fold, and with a frozen backbone of the `backbone`; also when they stayed."""
    shortened: list[Text]
    """Keys of the recipe whose paths were cut to the file's name."""
    files: Annotated[dict[str, PackedFile], Field(max_length=64)]
    """Every file but this one."""


def max_bytes(name: str) -> int | None:
    """Most bytes of the file called `name` in a pack; None when no such file may be there.

    Tables are bounded further by the rows of the manifest, and weights by what is free on the disk.
    """
    small = {PACK: MIB, "recipe.toml": MIB, "run.json": 4 * MIB, EVENTS: 64 * MIB}
    if name in small:
        return small[name]
    if name in ("oof.parquet", "test.parquet") or TTA_TABLE.fullmatch(name):
        return 4096 * MIB
    return 65536 * MIB if name == BACKBONE or WEIGHTS_FILE.fullmatch(name) else None


def packed_space(space: LabelSpace) -> list[dict[str, Any]]:
    """The label space as it stands in a pack."""
    data: Any = space.as_dict()["attributes"]
    return list(data)


def packed_folds(folds: Folds, name: str) -> PackedFolds:
    """Folds as they stand in a pack."""
    return PackedFolds(name=name, hash=folds.hash, split=folds.split, num_folds=folds.num_folds, seed=folds.seed)


def packed_manifest(manifest: Manifest) -> PackedManifest:
    """The manifest as it stands in a pack."""
    sides = manifest.table["split"].value_counts()
    counts: Mapping[str, int] = dict(sides.iter_rows())
    return PackedManifest(
        hash=manifest.hash,
        num_train=counts.get("train", 0),
        num_test=counts.get("test", 0),
        parts=_parts(manifest),
    )


def _parts(manifest: Manifest) -> dict[str, str]:
    found = {}
    for side in ("train", "test"):
        rows = manifest.table.filter(manifest.table["split"] == side).sort("image")
        columns = {"images": ["image"], "image contents": ["image", "sha256"]}
        columns |= {"people": ["image", "group"]} if side == "train" else {"names": ["image", "name"]}
        for what, chosen in columns.items():
            found[f"{side} {what}"] = content_hash(rows.select(chosen).to_dict(as_series=False))
    found["order of the images"] = content_hash(manifest.table["image"].to_list())
    return found
