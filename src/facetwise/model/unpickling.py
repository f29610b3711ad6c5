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

import torch
from safetensors.torch import save_file
from torch import Tensor

HOLDERS = ("state_dict_ema", "model_ema", "state_dict", "model", "module")
"""Keys under which programs for training keep a network, the average of its weights first."""


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
        sys.exit(str(error))
    save_file({name: tensor.detach().contiguous().clone() for name, tensor in tensors.items()}, out)
    json.dump([under, list(tensors)], sys.stdout)


def held_tensors(found: object, room: int) -> tuple[list[str], dict[str, Tensor]]:
    """The keys that tensors by name stand under, and these; raises ValueError without any, or for more than `room`
    bytes of them."""
    under: list[str] = []
    while isinstance(found, Mapping) and not any(isinstance(value, Tensor) for value in found.values()):
        key = next((key for key in HOLDERS if isinstance(found.get(key), Mapping)), None)
        if key is None:
            break
        under.append(key)
        found = found[key]
    if not isinstance(found, Mapping):
        raise ValueError(f"it holds no tensors by name but a {type(found).__name__}")
    tensors = {name: tensor for name, tensor in found.items() if isinstance(name, str) and isinstance(tensor, Tensor)}
    if not tensors:
        keys = ", ".join(str(key)[:40] for key in list(found)[:5])
        raise ValueError(f"it holds no tensors by name; its keys: {keys}")
    if sum(tensor.numel() * tensor.element_size() for tensor in tensors.values()) > room:
        raise ValueError("its tensors are larger than the file")
    return under, tensors


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
