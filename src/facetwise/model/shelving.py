"""Putting weights on the shelf: read, matched to a backbone, compared, written whole or not at all."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from facetwise.core.errors import DamagedError, InputError, SettingError
from facetwise.core.files.writing import write_atomic
from facetwise.core.people import PEOPLE, people_in, people_text
from facetwise.core.records.base import checked, write_record
from facetwise.core.records.provenance import now
from facetwise.core.records.shelf import SHELF, BaseWeights, ShelfEntry, ShelfRecord, shelf_entries, shelf_folder
from facetwise.core.workspace import file_hash, lock, new_artefact
from facetwise.model.backbone import input_statistics
from facetwise.model.conversion import Converted, converted, unwrapped
from facetwise.model.origin import base_in
from facetwise.model.pickled import read_pickled
from facetwise.model.reference import compared
from facetwise.model.tensors import load_tensors, tensors_bytes
from facetwise.model.weights import SUFFIX, made_here

PICKLES = (".pth", ".pt", ".bin")
"""Endings of files that are read as pickles."""
_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,63}", re.ASCII)
_LITE_MEAN, _LITE_STD = 127 / 255, 128 / 255
"""EfficientNet-Lite takes (x - 127) / 128."""


@dataclass(frozen=True)
class NewWeights:
    """What is to be put on the shelf."""

    file: Path
    backbone: str
    name: str | None = None
    source: str | None = None
    licence: str | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None


@dataclass(frozen=True)
class _Read:
    """A file of weights as it is."""

    tensors: Mapping[str, Tensor]
    under: tuple[str, ...]
    people: str
    """Of whom a network of ours was trained on."""
    base: BaseWeights | None


def add_to_shelf(wanted: NewWeights) -> tuple[ShelfEntry, bool]:
    """Convert a file's weights and put them on the shelf; returns the entry, and whether it is new or changed.

    Raises InputError for a file that cannot be read, is of another network or whose name is taken, SettingError for a
    backbone or statistics that cannot be.
    """
    name = wanted.name or wanted.backbone.split(".")[0]
    if not _NAME.fullmatch(name):
        raise SettingError(f"`{name}` is no name for the shelf", hint="letters, digits, `.`, `_` and `-`")
    given = _given_statistics(wanted)
    read = _read(wanted.file)
    try:
        found = converted(read.tensors, wanted.backbone)
        told = compared(found, unwrapped(read.tensors), wanted.backbone)
    except InputError as error:
        raise InputError(f"{wanted.file}: no weights for `{wanted.backbone}`: {error}", hint=error.hint) from None
    mean, std, known_from = given or _statistics(read, wanted.backbone)
    data = tensors_bytes(_as_network(found, mean, std), {PEOPLE: read.people})
    record = {
        "name": name,
        "backbone": wanted.backbone,
        "sha256": hashlib.sha256(data).hexdigest(),
        "num_weights": sum(p.numel() for p in found.backbone.parameters()),
        "num_bytes": len(data),
        "mean": list(mean),
        "std": list(std),
        "statistics": known_from,
        "source": wanted.source or (read.base and read.base.source) or wanted.file.name,
        "licence": wanted.licence or (read.base and read.base.licence),
        "file": wanted.file.name,
        "file_sha256": file_hash(wanted.file),
        "matched": ", ".join([found.matched, *(f"under `{key}`" for key in read.under)]),
        "left_out": found.left_out,
        "checked": told,
        "added": now(),
    }
    return _shelve(checked(ShelfRecord, record), data)


def _shelve(record: ShelfRecord, data: bytes) -> tuple[ShelfEntry, bool]:
    folder = shelf_folder()
    entry = ShelfEntry(folder / record.sha256[:16])
    with lock(folder / ".lock", f"the shelf of weights, {folder}"):
        if _is_there(entry, record):
            return entry, False
        with new_artefact(entry.path, {"file": record.file_sha256, "backbone": record.backbone}) as temporary:
            write_atomic(ShelfEntry(temporary).weights_file, data)
            write_record(ShelfEntry(temporary).record_file, record)
    return entry, True


def _is_there(entry: ShelfEntry, record: ShelfRecord) -> bool:
    """Whether the shelf has an entry and all that is known of it; raises InputError for a name that is taken."""
    for other in shelf_entries():
        with suppress(DamagedError):
            same, old = other.path == entry.path, other.record()
            if same != (old.name == record.name):
                raise InputError(
                    f"these weights are on the shelf already, as `{SHELF}{old.name}`"
                    if same
                    else f"`{SHELF}{record.name}` is on the shelf already, with other weights",
                    hint=f"use that name, or delete {entry.path}" if same else "give these another name with `--name`",
                )
            if same and old.changed(added=record.added) == record:
                entry.verify()
                return True
    return False


def _read(path: Path) -> _Read:
    if not path.is_file() or path.suffix not in (SUFFIX, *PICKLES):
        raise InputError(
            f"{path}: is no file of weights", hint=f"give a {', '.join((SUFFIX, *PICKLES))} file of tensors by name"
        )
    if path.suffix != SUFFIX:
        tensors, under = read_pickled(path)
        return _Read(tensors, under, people_text(()), None)
    try:
        tensors, metadata = load_tensors(path, way_out="was it copied whole?")
    except DamagedError as error:
        raise InputError(str(error), hint=error.hint) from None
    if made_here(tensors):
        try:
            people_in(metadata.get(PEOPLE, ""))
        except ValueError:
            raise InputError(f"{path}: does not say on which people it was trained") from None
    return _Read(tensors, (), metadata.get(PEOPLE, people_text(())), base_in(metadata))


def _given_statistics(wanted: NewWeights) -> tuple[Sequence[float], Sequence[float], str] | None:
    if wanted.mean is None and wanted.std is None:
        return None
    for name, values in (("mean", wanted.mean), ("std", wanted.std)):
        low = 0.0 if name == "mean" else 1e-3
        if values is None or len(values) != 3 or not all(low <= value <= 1 for value in values):
            raise SettingError(
                f"`{name}` is {values}, expected three shares of 255, such as 0.485,0.456,0.406",
                hint="give `mean` and `std`, both or none",
            )
    assert wanted.mean is not None
    assert wanted.std is not None
    return wanted.mean, wanted.std, "given"


def _statistics(read: _Read, backbone: str) -> tuple[Sequence[float], Sequence[float], str]:
    """By the file, if it is of a network of ours, by what the family is known to take, or by timm."""
    own = _own_statistics(read.tensors)
    if own is not None:
        return *own, "the file"
    if "efficientnet_lite" in backbone:
        return [_LITE_MEAN] * 3, [_LITE_STD] * 3, "EfficientNet-Lite: (x - 127) / 128"
    mean, std = input_statistics(backbone)
    return mean, std, f"timm, for `{backbone}`"


def _own_statistics(tensors: Mapping[str, Tensor]) -> tuple[list[float], list[float]] | None:
    """Mean and std of a network of ours, as shares of 255; None for others."""
    if not made_here(tensors):
        return None
    mean, std = ((tensors[name].flatten() / 255).tolist() for name in ("mean", "std"))
    return mean, std


def _as_network(found: Converted, mean: Sequence[float], std: Sequence[float]) -> dict[str, Tensor]:
    """As a run's network is saved: backbone and normalisation; the file's own head beside them is read by nobody."""
    tensors: dict[str, Any] = {f"backbone.{name}": tensor for name, tensor in found.backbone.state_dict().items()}
    tensors |= {f"head.{name}": tensor for name, tensor in found.head.items()}
    for name, values in (("mean", mean), ("std", std)):
        tensors[name] = 255 * torch.tensor(values, dtype=torch.float32).view(1, 3, 1, 1)
    return tensors
