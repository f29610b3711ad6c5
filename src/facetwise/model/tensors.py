"""Tensors by name in safetensors files: no pickle, whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from facetwise.core.errors import ArtefactError
from facetwise.core.writing import write_atomic


def save_tensors(tensors: Mapping[str, Tensor], path: Path, metadata: dict[str, str] | None = None) -> None:
    """Write tensors by name, whole or not at all; the same tensors and metadata give the same bytes."""
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    write_atomic(path, _in_order(save(plain, metadata)))


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


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors by name and the metadata of a safetensors file; raises ArtefactError when missing or damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise ArtefactError(f"{path}: not readable as safetensors ({error})", hint="the run is damaged") from None
