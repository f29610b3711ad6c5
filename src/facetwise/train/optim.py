"""Optimizer and learning-rate schedule from a recipe."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import nn

from facetwise.recipe.duration import Duration
from facetwise.recipe.optim import AdamW, Cosine, Optimizer, Schedule, StepLR

LearningRate = Callable[[int], float]
"""Step (from 0) -> learning rate."""


def build_optimizer(spec: Optimizer, network: nn.Module) -> torch.optim.Optimizer:
    """The optimizer; vectors (biases, norms) are not decayed."""
    match spec:
        case AdamW():
            return torch.optim.AdamW(_groups(network, spec.weight_decay), lr=spec.lr, betas=spec.betas, fused=True)


def build_schedule(spec: Schedule, lr: float, num_steps: int, steps_per_epoch: int) -> LearningRate:
    """The learning rate as a pure function of the step, so that a resumed run needs no state for it."""
    warmup = _steps(spec.warmup, steps_per_epoch)

    def rate(step: int) -> float:
        if step < warmup:
            return lr * (step + 1) / (warmup + 1)
        return lr * _factor(spec, step, warmup, num_steps, steps_per_epoch)

    return rate


def _factor(spec: Schedule, step: int, warmup: int, num_steps: int, steps_per_epoch: int) -> float:
    match spec:
        case StepLR():
            return float(spec.gamma ** (step // spec.every.steps(steps_per_epoch)))
        case Cosine():
            done = (step - warmup) / max(1, num_steps - warmup)
            return spec.final + (1 - spec.final) * 0.5 * (1 + math.cos(math.pi * done))


def _steps(duration: Duration | None, steps_per_epoch: int) -> int:
    return 0 if duration is None else duration.steps(steps_per_epoch)


def _groups(network: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    parameters = [p for p in network.parameters() if p.requires_grad]
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
