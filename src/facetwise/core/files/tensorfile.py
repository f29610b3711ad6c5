"""The header of a safetensors file from outside, checked before anything loads it. Needs neither torch nor safetensors.

Format (https://github.com/huggingface/safetensors#format): 8 bytes, the length of the header, little-endian; the
header, a JSON object of tensors (`dtype`, `shape`, `data_offsets`) and texts (`__metadata__`); the tensors' bytes.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from facetwise.core.errors import InputError
from facetwise.core.files.parsing import parse_json

MAX_HEADER = 32 * 2**20
"""Most bytes of a header: names and shapes of many thousand tensors, and hashes of a million people."""
_SIZES = {"F64": 8, "I64": 8, "F32": 4, "I32": 4, "F16": 2, "BF16": 2, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}
_METADATA = "__metadata__"
_EXPONENTS = {
    "F64": ("<u8", 0x7FF << 52),
    "F32": ("<u4", 0xFF << 23),
    "F16": ("<u2", 0x1F << 10),
    "BF16": ("<u2", 0xFF << 7),
}
"""How a float lies in the file, and the bits of its exponent: all set, it is NaN or infinite (IEEE 754)."""
_CHUNK = 2**24


def check_tensor_file(path: Path) -> dict[str, str]:
    """The metadata of a safetensors file whose tensors fill the file without gaps and are finite numbers.

    Raises InputError for any other.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(MAX_HEADER, size - 8):
            raise InputError(f"{path.name}: not a safetensors file (a pickle under another name?)")
        header = _parsed(file.read(length), path.name)
    metadata = header.pop(_METADATA, {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise InputError(f"{path.name}: the metadata in its header are not texts")
    spans = sorted(_span(name, tensor, path.name) for name, tensor in header.items())
    end = 0
    for start, stop in spans:
        if start != end:
            raise InputError(f"{path.name}: its tensors overlap or leave a gap at byte {end}")
        end = stop
    if not spans or 8 + length + end != size:
        raise InputError(f"{path.name}: {size - 8 - length} bytes of tensors, its header tells of {end}")
    for name, tensor in header.items():
        _check_finite(path, name, tensor["dtype"], 8 + length, tensor["data_offsets"])
    return metadata


def tensor_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Name -> shape of each tensor of a file that `check_tensor_file` accepts."""
    with path.open("rb") as file:
        header = _parsed(file.read(int.from_bytes(file.read(8), "little")), path.name)
    return {name: tuple(tensor["shape"]) for name, tensor in header.items() if name != _METADATA}


def _check_finite(path: Path, name: str, kind: str, data: int, span: tuple[int, int]) -> None:
    """Raise InputError when a tensor, at bytes `span` after `data`, holds a number that is NaN or infinite."""
    if kind not in _EXPONENTS:
        return
    layout, exponent = _EXPONENTS[kind]
    with path.open("rb") as file:
        for start in range(span[0], span[1], _CHUNK):
            file.seek(data + start)
            numbers = np.frombuffer(file.read(min(_CHUNK, span[1] - start)), layout)
            if ((numbers & exponent) == exponent).any():
                raise InputError(
                    f"{path.name}: tensor `{name[:100]}` holds numbers that are NaN or infinite",
                    hint="the training went wrong: have the run trained again",
                )


def _parsed(text: bytes, name: str) -> dict[str, Any]:
    try:
        header = parse_json(text)
    except ValueError:
        header = None
    if not isinstance(header, dict):
        raise InputError(f"{name}: not a safetensors file (its header is no JSON object)")
    return header


def _span(name: str, tensor: Any, file: str) -> tuple[int, int]:
    """First byte of a tensor and the one after its last, counted from the end of the header."""
    try:
        shape, (start, stop), width = tensor["shape"], tensor["data_offsets"], _SIZES[tensor["dtype"]]
        whole = all(type(n) is int and n >= 0 for n in (*shape, start, stop))
        if whole and len(shape) <= 16 and stop - start == width * math.prod(shape):
            return start, stop
    except (KeyError, TypeError, ValueError):
        pass
    raise InputError(f"{file}: tensor {name[:100]!r}: its type, shape and place do not fit together")
