"""The shelf of pretrained weights: a folder of the user, an entry a content, named in recipes as `shelf:NAME`; the
record of an entry, and what a run keeps of it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Annotated, Literal

from pydantic import Field

from facetwise.core.choices import WeightsTask
from facetwise.core.errors import DamagedError, InputError, did_you_mean
from facetwise.core.records.base import Record, read_record
from facetwise.core.records.done import verify_files
from facetwise.core.workspace import DONE, is_done

BASE = "base"
"""The key of the metadata of a run's weights that holds their `BaseWeights`."""
SHELF = "shelf:"
"""How a name of the shelf begins in a recipe."""
_VARIABLE = "FACETWISE_WEIGHTS"
"""The environment variable that says where the shelf is."""
_AGAIN = "add it again: `facetwise weights add FILE --as BACKBONE`"
Size = tuple[int, int]
Three = Annotated[list[float], Field(min_length=3, max_length=3)]


class BaseWeights(Record):
    """Weights of others that a run started from; a run's own weights carry it on."""

    weights: str
    """As in the recipe: `hub`, `shelf:NAME`, or a file's name."""
    source: str | None = None
    """Where they come from, in words."""
    licence: str | None = None
    """None where it is not known."""

    @property
    def told(self) -> str:
        """One line."""
        licence = f"licence {self.licence}" if self.licence else "licence not known"
        return f"`{self.weights}`" + (f" ({self.source})" if self.source else "") + f", {licence}"


class PretrainedBackbone(Record):
    """A backbone that timm has pretrained weights for."""

    name: str
    licence: str | None
    """As timm knows it; None where it does not."""
    num_weights: int
    made_for: Size
    """Height and width of the images that it was trained on."""
    task: WeightsTask
    size: Size
    """Height and width of the images to come."""
    images_per_second: float | None = None
    """Measured here, at that size for that task; None where it was not, 0 where it cannot take the size."""
    on_shelf: tuple[str, ...] = ()
    """Names on the shelf of weights of its architecture."""

    @property
    def needed_bytes(self) -> int:
        """Weights, and where they train gradients and AdamW's two averages, in float32; activations, which depend on
        images and batch, come on top."""
        return (4 if self.task == "frozen" else 16) * self.num_weights


class ShelfRecord(Record):
    """`shelf.json` of an entry."""

    schema_version: Literal[1] = 1
    name: str
    """In recipes: `shelf:NAME`."""
    backbone: str
    """timm's name of the architecture."""
    sha256: str
    """Of the entry's file of weights."""
    num_weights: int
    """Numbers in the backbone."""
    num_bytes: int
    """Of the file."""
    mean: Three
    """What the network subtracts of each channel, as a share of 255."""
    std: Three
    """What it then divides by."""
    statistics: str
    """Where `mean` and `std` are known from."""
    source: str
    """Where the weights come from, in words."""
    licence: str | None
    file: str
    """Name of the file that they were read from."""
    file_sha256: str
    matched: str
    """How its tensors were found to be the backbone's."""
    left_out: str | None
    """What of the file does not serve as a backbone."""
    checked: str
    """What its features were compared with."""
    added: str
    """UTC, ISO 8601."""


@dataclass(frozen=True)
class ShelfEntry:
    """A folder of the shelf: weights and their record."""

    path: Path

    @property
    def weights_file(self) -> Path:
        return self.path / "weights.safetensors"

    @property
    def record_file(self) -> Path:
        return self.path / "shelf.json"

    def record(self) -> ShelfRecord:
        """What is known of the weights; raises DamagedError."""
        return read_record(self.record_file, ShelfRecord, "weights on the shelf", way_out=_AGAIN)

    def verify(self) -> None:
        """Raise DamagedError unless its files are as they were written."""
        if not is_done(self.path):
            raise DamagedError(f"{self.path / DONE}: missing", hint=_AGAIN)
        verify_files(self.path, way_out=_AGAIN)
        if self.record().sha256[:16] != self.path.name:
            raise DamagedError(f"{self.path}: not the folder of its content", hint=_AGAIN)


def cache_folder() -> Path:
    """`facetwise` in the user's cache, which need not exist."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "facetwise"


def shelf_folder() -> Path:
    """`FACETWISE_WEIGHTS`, else `weights` in `cache_folder`, which need not exist; raises InputError for a file."""
    named = os.environ.get(_VARIABLE)
    folder = Path(named).expanduser() if named else cache_folder() / "weights"
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: expected the folder of the shelf of weights", hint=f"name one by `{_VARIABLE}`")
    return folder


def shelf_entries() -> list[ShelfEntry]:
    """All entries by name, damaged ones first."""
    folder = shelf_folder()
    found = [ShelfEntry(path) for path in folder.glob("[!.]*/")] if folder.is_dir() else []
    return sorted(found, key=lambda entry: (_name(entry) or "", entry.path.name))


def find_shelf_entry(reference: str) -> ShelfEntry:
    """The entry of this name (`shelf:` before it or not); raises InputError when there is none."""
    name = reference.removeprefix(SHELF)
    entries = {_name(entry): entry for entry in shelf_entries()}
    if name in entries:
        return entries[name]
    known = [known for known in entries if known]
    raise InputError(
        f"no `{name}` on the shelf of weights, {shelf_folder()}",
        hint=(did_you_mean(name, known) + "; or " if known else "")
        + f"put it there: `facetwise weights add FILE --as BACKBONE --name {quote(name)}`",
    )


def _name(entry: ShelfEntry) -> str | None:
    """What an entry is called; None of a damaged one."""
    try:
        return entry.record().name
    except DamagedError:
        return None
