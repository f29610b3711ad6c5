"""The program that `pickled` runs in a process of its own: `python unpickling.py FILE OUT ROOM SECONDS`.

It writes the tensors by name to OUT, and to standard output the keys that they stood under and their names in order.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

HOLDERS = ("state_dict_ema", "model_ema", "ema", "state_dict", "model_state_dict", "model", "module", "net")
"""Keys under which programs for training keep a network, the average of its weights first."""
NOT_TAKEN = 3
"""Exit code for a file that was read and holds no weights; standard error says why."""


def main(path: str, out: str, room: int, seconds: int) -> None:
    """Read a pickle with limits on memory, on what is written and on time; exits with the reason when it cannot."""
    used = int(Path("/proc/self/status").read_text(encoding="utf-8").split("VmData:")[1].split()[0]) * 1024
    limits = {resource.RLIMIT_DATA: used + room, resource.RLIMIT_FSIZE: room, resource.RLIMIT_CPU: seconds}
    for kind, limit in limits.items():
        resource.setrlimit(kind, (limit, limit))
    torch.set_num_threads(1)
    with torch.serialization.safe_globals([argparse.Namespace]):  # the settings beside the weights of many
        found = torch.load(path, map_location="cpu", weights_only=True)
    try:
        under, tensors = held_tensors(found, room)
    except ValueError as error:
        sys.stderr.write(str(error))
        sys.exit(NOT_TAKEN)
    save_file({name: tensor.detach().contiguous().clone() for name, tensor in tensors.items()}, out)
    json.dump([under, list(tensors)], sys.stdout)


def held_tensors(found: object, room: int) -> tuple[list[str], dict[str, Tensor]]:
    """The keys that tensors by name stand under, and these: one of `HOLDERS`, or the only one with tensors below it.

    Raises ValueError without any, for what is no plain tensor, and for more than `room` bytes of them.
    """
    under: list[str] = []
    while isinstance(found, Mapping) and (key := _holder(found)) is not None:
        under.append(key)
        found = found[key]
    if not isinstance(found, Mapping):
        raise ValueError(f"it holds no tensors by name but a {type(found).__name__}")
    tensors = _tensors(found)
    if not tensors:
        keys = ", ".join(str(key)[:40] for key in list(found)[:5])
        raise ValueError(f"it holds no tensors by name; its keys: {keys}")
    if sum(tensor.numel() * tensor.element_size() for tensor in tensors.values()) > room:
        raise ValueError("its tensors are larger than the file")
    if odd := [name for name, tensor in tensors.items() if tensor.layout != torch.strided or tensor.is_meta]:
        raise ValueError(f"its `{odd[0]}` is no plain tensor of numbers")
    return under, tensors


def _holder(found: Mapping[Any, Any]) -> str | None:
    """The key of a training program's file under which the network is; None for one that is the network itself."""
    holding = [key for key, value in found.items() if isinstance(value, Mapping)]
    known = next((key for key in HOLDERS if key in holding), None)
    if known is not None or _tensors(found):
        return known
    networks = [key for key in holding if isinstance(key, str) and _tensors(found[key])]
    return networks[0] if len(networks) == 1 else None


def _tensors(found: Mapping[Any, Any]) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in found.items() if isinstance(name, str) and isinstance(tensor, Tensor)}


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
