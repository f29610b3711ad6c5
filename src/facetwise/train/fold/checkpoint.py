"""Checkpoints of the training state as safetensors: no pickle, atomic writes.

The state of a fold after an epoch is the network, its moving average, the optimizer's state and with fp16 the loss's
scale. Random numbers are drawn from seeds of (run, fold, epoch, step) and the learning rate is a function of the step,
so nothing else is needed to resume bit for bit.

An optimizer's state is saved and restored directly, without its `load_state_dict`, which casts: tensors keep their
dtype, memory layout and device (some counters are on the CPU), plain numbers stay plain numbers.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from facetwise.core.errors import DamagedError
from facetwise.model.tensors import load_tensors, save_tensors
from facetwise.train.fold.scaling import LossScale


@dataclass
class TrainState:
    """The state that training changes."""

    network: nn.Module
    average: nn.Module | None
    optimizer: torch.optim.Optimizer
    epoch: int = 0
    """Number of finished epochs."""
    scale: LossScale | None = None
    """With fp16."""


def save_state(state: TrainState, path: Path) -> None:
    """Write the state; the previous file is replaced only when the new one is safe on disk."""
    tensors = {f"network.{k}": v for k, v in state.network.state_dict().items()}
    if state.average is not None:
        tensors |= {f"average.{k}": v for k, v in state.average.state_dict().items()}
    if state.scale is not None:
        tensors |= {f"loss_scale.{k}": v for k, v in state.scale.tensors().items()}
    moments, plain = _optimizer_state(state.optimizer)
    save_tensors(
        {**tensors, **moments}, path, {"epoch": str(state.epoch), "optimizer": json.dumps(plain)}, checksum=True
    )


def trained_anew(folder: Path) -> str:
    """The way out when what a fold keeps in `folder` while it trains is damaged."""
    return f"delete {folder}: `facetwise fit --resume RUN` trains this fold anew, finished folds stay"


def load_state(state: TrainState, path: Path) -> None:
    """Restore a state in place; raises DamagedError when the file is damaged or of another network."""
    way_out = trained_anew(path.parent)
    tensors, metadata = load_tensors(path, way_out=way_out)
    try:
        state.network.load_state_dict(_part(tensors, "network."))
        if state.average is not None:
            state.average.load_state_dict(_part(tensors, "average."))
        if state.scale is not None:
            state.scale.restore(_part(tensors, "loss_scale."))
        _restore_optimizer(state.optimizer, _part(tensors, "optimizer."), json.loads(metadata["optimizer"]))
        state.epoch = int(metadata["epoch"])
    except (RuntimeError, LookupError, ValueError) as error:
        raise DamagedError(f"{path}: not a checkpoint of this run ({error})", hint=way_out) from None


def _optimizer_state(optimizer: torch.optim.Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors by `optimizer.<holder>.<key>`; and JSON data: plain numbers (such as step counters), and the memory
    layout of tensors that are not contiguous."""
    tensors: dict[str, Tensor] = {}
    plain: dict[str, Any] = {"numbers": {}, "strides": {}, "on_cpu": []}
    for holder, (values, device) in _holders(optimizer).items():
        for key, value in values.items():
            name = f"{holder}.{key}"
            if isinstance(value, Tensor):
                tensors[f"optimizer.{name}"] = value
                if value.stride() != torch.empty(value.shape, device="meta").stride():
                    plain["strides"][name] = torch.empty_like(value).stride()
                if value.device != device:
                    plain["on_cpu"].append(name)
            elif isinstance(value, int | float):
                plain["numbers"][name] = value
    return tensors, plain


def _restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor], plain: dict[str, Any]) -> None:
    """Restore what `_optimizer_state` returned, bit for bit and in the same memory layout."""
    holders, on_cpu = _holders(optimizer), set(plain["on_cpu"])
    for values, _ in holders.values():
        for key in [key for key, value in values.items() if isinstance(value, Tensor | int | float)]:
            del values[key]
    for name, saved in tensors.items():
        holder, key = name.split(".", 1)
        values, device = holders[holder]
        strides = plain["strides"].get(name, saved.stride())
        place = torch.empty_strided(
            saved.shape, strides, dtype=saved.dtype, device=saved.device if name in on_cpu else device
        )
        values[key] = place.copy_(saved)
    for name, number in plain["numbers"].items():
        holder, key = name.split(".", 1)
        holders[holder][0][key] = number


def _holders(optimizer: torch.optim.Optimizer) -> dict[str, tuple[dict[str, Any], torch.device]]:
    """Holders of an optimizer's state, with their devices: parameters (`0`, `1`, ...) and groups (`group0`, ...).

    Some optimizers count steps in the group, which also has the settings from the recipe.
    """
    groups = optimizer.param_groups
    parameters = [parameter for group in groups for parameter in group["params"]]
    return {
        **{str(i): (optimizer.state[p], p.device) for i, p in enumerate(parameters)},
        **{f"group{i}": (group, group["params"][0].device) for i, group in enumerate(groups)},
    }


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
