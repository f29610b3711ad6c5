"""Saving and loading training state as safetensors: no pickle, whole or not at all.

The state of a fold after an epoch is the network, its moving average and the optimizer's tensors. Random numbers are
drawn from seeds of (run, fold, epoch, step) and the learning rate is a function of the step, so nothing else is needed
to continue bit for bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from facetwise.core.errors import ArtefactError
from facetwise.core.workspace import write_atomic


@dataclass
class TrainState:
    """What training changes."""

    network: nn.Module
    average: nn.Module | None
    optimizer: torch.optim.Optimizer
    epoch: int = 0
    """Finished epochs."""


def save_state(state: TrainState, path: Path) -> None:
    """Write the whole state; the file before it stays until the new one is safe on disk."""
    tensors = {f"network.{k}": v for k, v in state.network.state_dict().items()}
    if state.average is not None:
        tensors |= {f"average.{k}": v for k, v in state.average.state_dict().items()}
    tensors |= _optimizer_tensors(state.optimizer)
    save_tensors(tensors, path, {"epoch": str(state.epoch)})


def load_state(state: TrainState, path: Path) -> None:
    """Restore a state in place; raises ArtefactError when the file is damaged or of another network."""
    tensors, metadata = load_tensors(path)
    try:
        state.network.load_state_dict(_part(tensors, "network."))
        if state.average is not None:
            state.average.load_state_dict(_part(tensors, "average."))
        _restore_optimizer(state.optimizer, _part(tensors, "optimizer."))
        state.epoch = int(metadata["epoch"])
    except (RuntimeError, KeyError, ValueError) as error:
        raise ArtefactError(f"{path}: not a checkpoint of this run ({error})", hint="delete it to restart") from None


def save_tensors(tensors: Mapping[str, Tensor], path: Path, metadata: dict[str, str] | None = None) -> None:
    """Write tensors by name, whole or not at all."""
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    write_atomic(path, save(plain, metadata))


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors by name and the metadata of a safetensors file; raises ArtefactError when missing or damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise ArtefactError(f"{path}: not readable as safetensors ({error})", hint="the run is damaged") from None


def _optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    state = optimizer.state_dict()["state"]
    return {f"optimizer.{i}.{key}": torch.as_tensor(v) for i, slots in state.items() for key, v in slots.items()}


def _restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Put the tensors back in the memory layout of their parameters, as an uninterrupted optimizer has them."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    slots: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        index, key = name.split(".", 1)
        parameter = parameters[int(index)]
        laid_out = torch.empty_like(parameter).copy_(tensor) if tensor.shape == parameter.shape else tensor
        slots.setdefault(int(index), {})[key] = laid_out
    optimizer.load_state_dict({"state": slots, "param_groups": optimizer.state_dict()["param_groups"]})


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
