"""The pack format: a finished run in one file, to be exchanged between teammates.

A zip of uncompressed files, `pack.json` first and the others sorted by name, with fixed times and modes: the same run
gives the same bytes. It contains no paths of the machine, no user names and no time of packing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from facetwise.core.errors import InputError
from facetwise.core.files.settings import Spec
from facetwise.core.labels import MAX_ATTRIBUTES, MAX_CLASSES, LabelSpace
from facetwise.core.records.run import Content
from facetwise.core.runs import BACKBONE, WEIGHTS
from facetwise.core.workspace import content_hash
from facetwise.data.folds import MAX_FOLDS, Folds, Split
from facetwise.data.manifest import Manifest

SCHEMA_VERSION: Literal[1] = 1
PACK = "pack.json"
EVENTS = "events.jsonl"
TTA_TABLE = re.compile(r"predictions/tta-(flip|crops|flip-crops)/(oof|test)\.parquet")
WEIGHTS_FILE = re.compile(rf"fold-([0-9]|1[0-9])/{re.escape(WEIGHTS)}")
MIB = 2**20

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
MAX_TEXT = 500
MAX_COMBINATIONS = 1_000_000
LINE = re.compile(rf"[^\x00-\x1f\x7f-\x9f]{{0,{MAX_TEXT}}}")
Text = Annotated[str, Field(pattern=f"^{LINE.pattern}$")]
"""One line of text without control characters, safe to print."""
RUN_ID = re.compile(r"[0-9]{1,9}-[\w.-]{1,150}")
RunId = Annotated[str, Field(pattern=f"^{RUN_ID.pattern}$")]


class PackedFile(Spec):
    """A file in a pack."""

    sha256: Sha256
    """Hash of its content."""
    bytes: Annotated[int, Field(ge=0)]
    """Size in bytes."""


class PackedAttribute(Spec):
    """An attribute of the label space."""

    name: Text
    """Its name."""
    classes: Annotated[list[Text], Field(min_length=2, max_length=MAX_CLASSES)]
    """Its classes, in the order of their numbers."""
    cuts: Annotated[list[float], Field(max_length=MAX_CLASSES)] | None
    """The true cuts of an ordinal attribute."""


class PackedManifest(Spec):
    """The data that the run was made from."""

    hash: Sha256
    """Hash of the manifest."""
    num_train: int
    """Rows of the training side."""
    num_test: int
    """Rows of the test side."""
    parts: Annotated[dict[Text, Sha256], Field(max_length=16)]
    """Hashes of the parts of the manifest, which show where two manifests differ."""


class PackedFolds(Spec):
    """The folds that the run was validated on."""

    name: Text
    """Their name in the project where the run was trained."""
    hash: Sha256
    """Hash of the assignment of groups to folds."""
    split: Split
    """By person (`group`), or unsafe, by `image`."""
    num_folds: Annotated[int, Field(ge=2, le=MAX_FOLDS)]
    """Number of folds."""
    seed: int | None
    """The seed that they were made with, if known."""


class Pack(Spec):
    """`pack.json`."""

    schema_version: Literal[1]
    """Version of this format."""
    content: Content
    """`whole`, or `tables` for everything except the weights."""
    run: RunId
    """Id of the run in the project where it was trained."""
    facetwise: Text
    """Version of facetwise that wrote the pack."""
    space: Annotated[list[PackedAttribute], Field(min_length=1, max_length=MAX_ATTRIBUTES)]
    """The attributes of the label space."""
    combinations: Annotated[list[int], Field(min_length=1, max_length=MAX_COMBINATIONS)] | None = None
    """The combinations of classes that can occur, by their number among all products; left out for all."""
    label_space: Sha256
    """Its hash."""
    manifest: PackedManifest
    """The images and people."""
    folds: PackedFolds | None
    """None for a run trained on all people."""
    weights: Annotated[dict[str, Sha256], Field(max_length=MAX_FOLDS + 1)]
    """sha256 of each fold's weights, and of the `backbone` when it is frozen; also present when weights are left
    out."""
    shortened: list[Text]
    """Keys of the recipe whose paths were shortened to the file name."""
    files: Annotated[dict[str, PackedFile], Field(max_length=64)]
    """Every file except `pack.json`."""


def max_bytes(name: str) -> int | None:
    """Largest size in bytes of the file `name` in a pack; None when a pack may not contain it.

    Tables are further limited by the number of rows in the manifest, and weights by the free disk space.
    """
    small = {PACK: 16 * MIB, "recipe.toml": MIB, "run.json": 4 * MIB, EVENTS: 64 * MIB}
    if name in small:
        return small[name]
    if name in ("oof.parquet", "test.parquet") or TTA_TABLE.fullmatch(name):
        return 4096 * MIB
    return 65536 * MIB if name == BACKBONE or WEIGHTS_FILE.fullmatch(name) else None


def packed_space(space: LabelSpace) -> list[PackedAttribute]:
    """The label space as stored in a pack."""
    data: Any = space.as_dict()["attributes"]
    return [PackedAttribute.model_validate(attribute) for attribute in data]


def packed_combinations(space: LabelSpace) -> dict[str, list[int]]:
    """The field of a pack for the combinations that can occur; none where all can.

    Raises InputError for more than a pack holds.
    """
    if space.combinations is None:
        return {}
    if (size := len(space.combinations)) > MAX_COMBINATIONS:
        raise InputError(f"{size:,} combinations of classes can occur, a pack holds at most {MAX_COMBINATIONS:,}")
    return {"combinations": list(space.combinations)}


def packed_folds(folds: Folds, name: str) -> PackedFolds:
    """Folds as stored in a pack."""
    return PackedFolds(name=name, hash=folds.hash, split=folds.split, num_folds=folds.num_folds, seed=folds.seed)


def packed_manifest(manifest: Manifest) -> PackedManifest:
    """The manifest as stored in a pack."""
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
