"""Losses of single images over one part of a head: what `train.losses` averages.

Each builder makes a function of logits (n, d) and targets (n, t) that gives the loss of each image, (n,), in nats. All
are linear in the targets: the mean over the classes that an image may have. Shapes as in `parts`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

import torch
from torch import Tensor
from torch.nn.functional import log_softmax, softplus

from facetwise.recipe.loss import Binary, CrossEntropy, Focal
from facetwise.train.losses.class_weights import class_weights
from facetwise.train.losses.parts import LossPart

ImageLosses = Callable[[Tensor, Tensor], Tensor]
MeanLoss = Binary | CrossEntropy | Focal
"""Losses that are a mean over images."""


class DeviceConstant:
    """Numbers that are made once and are moved to a device once, when they are first needed there."""

    def __init__(self, values: Tensor) -> None:
        self._values = values
        self._moved: dict[tuple[torch.device, torch.dtype], Tensor] = {}

    def like(self, other: Tensor) -> Tensor:
        """On the device and in the precision of `other`."""
        key = (other.device, other.dtype)
        if key not in self._moved:
            self._moved[key] = self._values.to(*key)
        return self._moved[key]


def image_losses(spec: MeanLoss, part: LossPart, shares: Tensor, num_images: int | Tensor) -> ImageLosses:
    """The loss of images over one part; `shares` (t,) are the mean targets of the `num_images` training images."""
    class_shares = part.class_targets(shares.detach().double()[None])[0]
    weights = class_weights(spec, class_shares, num_images)
    weights_T = None if weights is None else DeviceConstant(part.of_targets(weights))
    match spec:
        case Binary():
            return _binary(part, weights_T, spec.smoothing)
        case CrossEntropy() | Focal():
            prior = spec.prior * torch.log(part.prior_shares(shares.detach().double()).clamp_min(1e-8))
            prior_T = DeviceConstant(part.of_targets(prior)) if spec.prior else None
            gamma = spec.gamma if isinstance(spec, Focal) else 0.0
            return _cross_entropy(part, weights_T, prior_T, spec.smoothing, gamma)
        case _:
            assert_never(spec)


def _cross_entropy(
    part: LossPart, weights_T: DeviceConstant | None, prior_T: DeviceConstant | None, smoothing: float, gamma: float
) -> ImageLosses:
    """Sum over the targets of t (1 - p)^gamma (-log p)."""

    def losses(logits: Tensor, targets: Tensor) -> Tensor:
        scores = part.scores(logits, None if prior_T is None else prior_T.like(logits))
        t = _weighted(part.targets(targets), weights_T)
        if smoothing:
            t = (1 - smoothing) * t + smoothing / t.shape[1] * t.sum(dim=1, keepdim=True)
        logs = log_softmax(scores, dim=1)
        if gamma:
            # The clamp's gradient is 0 below it, which keeps that of a power below 1 finite at p = 1.
            t = t * (-torch.expm1(logs)).clamp_min(1e-12) ** gamma
        return -(t * logs).sum(dim=1)

    return losses


def _binary(part: LossPart, weights_T: DeviceConstant | None, smoothing: float) -> ImageLosses:
    """Sum over the outputs of -yes log s(z) - no log s(-z), s the sigmoid."""

    def losses(logits: Tensor, targets: Tensor) -> Tensor:
        z, t = part.own_logits(logits), _weighted(part.targets(targets), weights_T)
        total = t.sum(dim=1, keepdim=True)
        yes = part.block.yes(t)
        if smoothing:
            yes = (1 - smoothing) * yes + smoothing / 2 * total
        return (yes * softplus(-z) + (total - yes) * softplus(z)).sum(dim=1)

    return losses


def _weighted(targets: Tensor, weights_T: DeviceConstant | None) -> Tensor:
    return targets if weights_T is None else targets * weights_T.like(targets)
