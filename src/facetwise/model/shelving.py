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
from facetwise.core.files.writing import is_temporary, write_atomic
from facetwise.core.people import PEOPLE_KEY, people_in, people_text
from facetwise.core.records.base import checked, write_record
from facetwise.core.records.provenance import now
from facetwise.core.records.shelf import SHELF, BaseWeights, ShelfEntry, ShelfRecord, shelf_entries, shelf_folder
from facetwise.core.text.counting import listed
from facetwise.core.text.subject import PEOPLE
from facetwise.core.workspace import discard, file_hash, lock, new_artefact
from facetwise.model.backbone import check_pretrained, input_statistics, whole_names
from facetwise.model.conversion import Converted, converted, unwrapped
from facetwise.model.origin import base_in
from facetwise.model.pickled import read_pickled
from facetwise.model.reference import compared
from facetwise.model.tensors import load_tensors, tensors_bytes
from facetwise.model.weights import BACKBONE, PICKLES, SUFFIX, check_numbers, made_here

_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,63}", re.ASCII)
_LITE_MEAN, _LITE_STD = 127 / 255, 128 / 255
"""EfficientNet-Lite takes (x - 127) / 128."""


@dataclass(frozen=True)
class Statistics:
    """What a network takes off its input and divides it by, a number a channel as shares of 255."""

    mean: Sequence[float]
    std: Sequence[float]
    known_from: str
    """In words."""


@dataclass(frozen=True)
class _Read:
    """A file of weights as it is."""

    tensors: Mapping[str, Tensor]
    under: tuple[str, ...]
    people: str
    """Of whom a network of ours was trained on."""
    base: BaseWeights | None


def add_to_shelf(
    file: Path,
    backbone: str,
    *,
    name: str | None = None,
    source: str | None = None,
    licence: str | None = None,
    statistics: Statistics | None = None,
) -> tuple[ShelfEntry, bool]:
    """Convert a file's weights and put them on the shelf; returns the entry, and whether it is new or changed.

    Raises InputError for a file that cannot be read, is of another network or whose name is taken, SettingError for a
    backbone or name that cannot be.
    """
    check_pretrained(backbone)
    name = backbone.split(".")[0] if name is None else name
    if not _NAME.fullmatch(name):
        raise SettingError(f"`{name}` is no name for the shelf", hint="letters, digits, `.`, `_` and `-`")
    read = _read(file)
    try:
        tensors, beside = unwrapped(read.tensors, whole_names(backbone))
        check_numbers(tensors)
        found = converted(tensors, backbone)
        told = compared(found, tensors, backbone)
    except InputError as error:
        raise InputError(f"{file}: no weights for `{backbone}`: {error}", hint=error.hint) from None
    taken = statistics or _statistics(read, backbone)
    data = tensors_bytes(_as_network(found, taken), {PEOPLE_KEY: read.people})
    record = {
        "name": name,
        "backbone": backbone,
        "sha256": hashlib.sha256(data).hexdigest(),
        "num_weights": sum(p.numel() for p in found.backbone.parameters()),
        "num_bytes": len(data),
        "mean": list(taken.mean),
        "std": list(taken.std),
        "statistics": taken.known_from,
        "source": source or (read.base and read.base.source),
        "licence": licence or (read.base and read.base.licence),
        "file": file.name,
        "file_sha256": file_hash(file),
        "matched": ", ".join([found.matched, *(f"under `{key}`" for key in read.under)]),
        "left_out": _left_out(found, beside),
        "checked": told,
        "added": now(),
    }
    return _shelve(record, data)


def _left_out(found: Converted, beside: Sequence[str]) -> str | None:
    """What of the file does not serve as a backbone, in words; the statistics of a network of ours do."""
    words = [found.left_out] if found.left_out else []
    parts = dict.fromkeys(f"`{name.partition('.')[0]}`" for name in beside if name not in ("mean", "std"))
    return ", ".join([*words, *([f"beside the network {listed(parts)}"] if parts else [])]) or None


def _shelve(known: Mapping[str, Any], data: bytes) -> tuple[ShelfEntry, bool]:
    """Put weights on the shelf. What is not `known` of their source and licence stays as it was said before."""
    folder = shelf_folder()
    entry = ShelfEntry(folder / known["sha256"][:16])
    with lock(folder / ".lock", f"the shelf of weights, {folder}"):
        for left in filter(is_temporary, folder.iterdir()):  # by a process that was killed
            discard(left)
        old = _said_before(entry)
        source = known["source"] or (old and old.source) or known["file"]
        record = checked(ShelfRecord, {**known, "source": source, "licence": known["licence"] or (old and old.licence)})
        if _is_there(entry, record):
            return entry, False
        with new_artefact(entry.path, {"file": record.file_sha256, "backbone": record.backbone}) as temporary:
            write_atomic(ShelfEntry(temporary).weights_file, data)
            write_record(ShelfEntry(temporary).record_file, record)
    return entry, True


def _said_before(entry: ShelfEntry) -> ShelfRecord | None:
    """What is known of an entry; None where it is not there, or damaged."""
    with suppress(DamagedError):
        return entry.record()
    return None


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
        what = "is no file of weights" if path.exists() else "no such file"
        raise InputError(f"{path}: {what}", hint=f"give a {', '.join((SUFFIX, *PICKLES))} file of tensors by name")
    if path.suffix != SUFFIX:
        tensors, under = read_pickled(path)
        return _Read(tensors, under, people_text(()), None)
    try:
        tensors, metadata = load_tensors(path, way_out="was it copied whole?")
    except DamagedError as error:
        raise InputError(str(error), hint=error.hint) from None
    if made_here(tensors):
        try:
            people_in(metadata.get(PEOPLE_KEY, ""))
        except ValueError:
            raise InputError(f"{path}: does not say on which {PEOPLE} it was trained") from None
    return _Read(tensors, (), metadata.get(PEOPLE_KEY, people_text(())), base_in(metadata))


def given_statistics(mean: Sequence[float] | None, std: Sequence[float] | None) -> Statistics | None:
    """Those that a user gave, None without; raises SettingError for what cannot be."""
    if mean is None and std is None:
        return None
    if mean is None or std is None:
        raise SettingError("`mean` and `std` belong together", hint="give both or none")
    for name, values, low in (("mean", mean, 0.0), ("std", std, 1e-3)):
        if len(values) != 3 or not all(low <= value <= 1 for value in values):
            told = ", ".join(f"{value:g}" for value in values)
            raise SettingError(f"`{name}` is {told}: expected three shares of 255, such as 0.485,0.456,0.406")
    return Statistics(mean, std, "given")


def _statistics(read: _Read, backbone: str) -> Statistics:
    """By the file, if it is of a network of ours, by what the family is known to take, or by timm."""
    if made_here(read.tensors):
        mean, std = ((read.tensors[name].flatten() / 255).tolist() for name in ("mean", "std"))
        return Statistics(mean, std, "the file")
    if "efficientnet_lite" in backbone:
        return Statistics([_LITE_MEAN] * 3, [_LITE_STD] * 3, "EfficientNet-Lite: (x - 127) / 128")
    return Statistics(*input_statistics(backbone), f"timm, for `{backbone}`")


def _as_network(found: Converted, statistics: Statistics) -> dict[str, Tensor]:
    """As a run's network is saved: backbone and normalisation; the file's own head beside them is read by nobody."""
    tensors = {BACKBONE + name: tensor for name, tensor in found.backbone.state_dict().items()}
    tensors |= {f"head.{name}": tensor for name, tensor in found.head.items()}
    for name, values in (("mean", statistics.mean), ("std", statistics.std)):
        tensors[name] = 255 * torch.tensor(values, dtype=torch.float32).view(1, 3, 1, 1)
    return tensors
