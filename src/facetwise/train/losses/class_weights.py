"""How much the images of each class count."""

from __future__ import annotations

import torch
from torch import Tensor

from facetwise.recipe.loss import BalancedLoss


def class_weights(spec: BalancedLoss, shares: Tensor, num_images: int | Tensor) -> Tensor | None:
    """Weight of an image of each class, (K,) float64; None when all are 1.

    `shares`: of the classes among the `num_images` training images, (K,); they sum to less than 1 where some have no
    known class. The mean weight of those that have one, sum(shares * weights) / sum(shares), is 1. A class that no
    image has is weighted as if one had it. `inverse`: n^-power; `effective`: (1 - beta) / (1 - beta^n) (Cui et al.
    2019, eq. 4), n the images of the class.
    """
    if spec.balance == "none":
        return None
    counts = (shares.double() * num_images).clamp_min(1.0)
    shares = shares.double() / shares.double().sum()
    effective = (1 - spec.beta) / (1 - torch.pow(spec.beta, counts))
    raw = effective if spec.balance == "effective" else counts**-spec.power
    return raw / (shares * raw).sum()
