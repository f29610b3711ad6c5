"""Losses over the blocks of a head. Shapes: n images, d outputs."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from facetwise.model.heads import HeadLayout
from facetwise.recipe.loss import CrossEntropy, Loss

LossFunction = Callable[[Tensor, Tensor], Tensor]
"""(logits (n, d) float32, target probabilities (n, d)) -> scalar."""


def build_loss(spec: Loss, layout: HeadLayout, shares: Tensor) -> LossFunction:
    """The recipe's training loss; `shares`, shape (d,), are the mean target probabilities of the training side."""
    match spec:
        case CrossEntropy():
            offset = spec.prior * torch.log(shares.clamp_min(1e-8)) if spec.prior else None
            return lambda logits, targets: block_cross_entropy(
                logits if offset is None else logits + offset, targets, layout, spec.smoothing
            )


def block_cross_entropy(logits: Tensor, targets: Tensor, layout: HeadLayout, smoothing: float = 0.0) -> Tensor:
    """Mean over blocks of the mean cross-entropy of each block, in nats; `targets` are probabilities, (n, d)."""
    parts = [
        cross_entropy(logits[:, b.start : b.stop], targets[:, b.start : b.stop], label_smoothing=smoothing)
        for b in layout.blocks
    ]
    return torch.stack(parts).mean()
