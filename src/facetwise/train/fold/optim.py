"""Optimizer and learning-rate schedule from a recipe."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from facetwise.model.backbone import layer_ids, timm_optimizer
from facetwise.model.network import Network
from facetwise.recipe.optim import (
    SGD,
    Adam,
    AdamP,
    AdamW,
    Constant,
    Cosine,
    OneCycle,
    Optimizer,
    Schedule,
    StepLR,
    TimmOptimizer,
)

LearningRate = Callable[[int], float]
"""Step (from 0) -> learning rate."""


def build_optimizer(spec: Optimizer, network: nn.Module) -> torch.optim.Optimizer:
    """The optimizer of the trainable weights.

    Each group has a `scale` that multiplies the schedule's learning rate. Vectors (biases, norms) and weights that the
    backbone excludes are not decayed. Raises SettingError for an optimizer of timm that cannot be created.
    """
    groups = parameter_groups(spec, network)
    match spec:
        case AdamW():
            return torch.optim.AdamW(groups, lr=spec.lr, betas=spec.betas, fused=True)
        case Adam():
            return torch.optim.Adam(groups, lr=spec.lr, betas=spec.betas, fused=True)
        case SGD():
            return torch.optim.SGD(groups, lr=spec.lr, momentum=spec.momentum, nesterov=spec.nesterov, fused=True)
        case AdamP():
            args: dict[str, Any] = {"betas": spec.betas, "nesterov": spec.nesterov}
            return timm_optimizer("adamp", groups, spec.lr, spec.weight_decay, args)
        case TimmOptimizer():
            return timm_optimizer(spec.optimizer, groups, spec.lr, spec.weight_decay, spec.args)


def parameter_groups(spec: Optimizer, network: nn.Module) -> list[dict[str, Any]]:
    """Trainable weights, grouped by the `scale` of their learning rate (ascending) and by weight decay."""
    scales, undecayed = _scales(spec, network), _undecayed(network)
    grouped: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            plain = parameter.ndim <= 1 or name in undecayed
            grouped.setdefault((scales.get(name, 1.0), plain), []).append(parameter)
    return [
        {
            "params": parameters,
            "lr": spec.lr * scale,
            "weight_decay": 0.0 if plain else spec.weight_decay,
            "scale": scale,
        }
        for (scale, plain), parameters in sorted(grouped.items(), key=lambda item: item[0])
    ]


def _scales(spec: Optimizer, network: nn.Module) -> dict[str, float]:
    """Learning-rate scale of each weight, by name."""
    if not isinstance(network, Network):
        return {}
    layers = layer_ids(network.backbone)
    top = max(layers.values()) + 1
    head = 1.0 if spec.head_lr is None else spec.head_lr / spec.lr
    return {
        **{f"backbone.{name}": spec.layer_decay ** (top - layer) for name, layer in layers.items()},
        **{f"head.{name}": head for name, _ in network.head.named_parameters()},
    }


def _undecayed(network: nn.Module) -> set[str]:
    """Names of weights that the backbone excludes from decay, such as position embeddings."""
    named = getattr(getattr(network, "backbone", None), "no_weight_decay", set)
    return {f"backbone.{name}" for name in named()}


def build_schedule(spec: Schedule, lr: float, num_steps: int, steps_per_epoch: int) -> LearningRate:
    """The learning rate as a pure function of the step, so that a resumed run needs no state for it."""
    warmup = warmup_steps(spec, num_steps, steps_per_epoch)
    if isinstance(spec, OneCycle):
        rise = warmup or spec.rise * num_steps
        return lambda step: lr * _one_cycle(spec, step, rise - 1, num_steps - 1)

    def rate(step: int) -> float:
        if step < warmup:
            return lr * (step + 1) / (warmup + 1)
        return lr * _factor(spec, step, warmup, num_steps, steps_per_epoch)

    return rate


def warmup_steps(spec: Schedule, num_steps: int, steps_per_epoch: int) -> int:
    """Steps of the warm-up: as the recipe says, or half of a training that is no longer than that."""
    asked = 0 if spec.warmup is None else spec.warmup.steps(steps_per_epoch)
    return asked if asked < num_steps else num_steps // 2


def _factor(spec: StepLR | Cosine | Constant, step: int, warmup: int, num_steps: int, steps_per_epoch: int) -> float:
    match spec:
        case StepLR():
            return float(spec.gamma ** (step // spec.every.steps(steps_per_epoch)))
        case Cosine():
            done = (step - warmup) / max(1, num_steps - warmup)
            return spec.final + (1 - spec.final) * 0.5 * (1 + math.cos(math.pi * done))
        case Constant():
            return 1.0


def _one_cycle(spec: OneCycle, step: int, top: float, end: float) -> float:
    """Half a cosine from `start` to 1 at step `top`, then another to `final` at step `end` (torch's `OneCycleLR`)."""
    if step <= top:
        return _between(spec.start, 1.0, step / top if top else 1.0)
    return _between(1.0, spec.final, (step - top) / (end - top) if end > top else 1.0)


def _between(first: float, last: float, done: float) -> float:
    return last + (first - last) * 0.5 * (1 + math.cos(math.pi * done))
