"""Tensors by name in safetensors files: no pickle, written atomically."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from facetwise.core.errors import DamagedError
from facetwise.core.files.writing import write_atomic
from facetwise.core.workspace import AGAIN

CHECKSUM = "sha256"
"""Key of the metadata."""


def save_tensors(
    tensors: Mapping[str, Tensor], path: Path, metadata: dict[str, str] | None = None, *, checksum: bool = False
) -> None:
    """Write tensors by name, whole or not at all; see `tensors_bytes`."""
    write_atomic(path, tensors_bytes(tensors, metadata, checksum=checksum))


def tensors_bytes(
    tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None, *, checksum: bool = False
) -> bytes:
    """A safetensors file; the same tensors and metadata give the same bytes.

    With `checksum` the metadata holds a sha256 of both, which `load_tensors` verifies; for files whose hash no DONE
    mark holds.
    """
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    if checksum:
        metadata = {**(metadata or {}), CHECKSUM: _digest(plain, metadata or {})}
    return _in_order(save(plain, metadata))


def _digest(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
    digest = hashlib.sha256(json.dumps(metadata, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _in_order(file: bytes) -> bytes:
    """A safetensors file with the keys of its metadata sorted; safetensors writes them in another order each time.

    The format: the header's length (8 bytes, little-endian), the header (JSON, padded with spaces), the tensors.
    """
    end = 8 + int.from_bytes(file[:8], "little")
    header = json.loads(file[8:end])
    if "__metadata__" not in header:
        return file
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # so that tensors stay aligned
    return b"".join((len(text).to_bytes(8, "little"), text, memoryview(file)[end:]))


def load_tensors(path: Path, *, way_out: str = AGAIN) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors by name and the metadata of a safetensors file.

    Raises DamagedError, with `way_out` as its hint, when it is missing, not a safetensors file, or contradicts its
    checksum.
    """
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            metadata = dict(file.metadata() or {})
    except (OSError, SafetensorError) as error:
        raise DamagedError(f"{path}: not readable as safetensors ({error})", hint=way_out) from None
    if (expected := metadata.pop(CHECKSUM, None)) is not None and _digest(tensors, metadata) != expected:
        raise DamagedError(f"{path}: changed since it was written", hint=way_out)
    return tensors, metadata
