"""What is minimised, made from the recipe and laid over a head.

Shapes: B images of a batch, d logits and t targets an image, K classes of a part of the head.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping
from functools import cache, partial
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from facetwise.core.labels import JOINT, MISSING, FloatArray, IntArray, LabelSpace, combined
from facetwise.model.heads import HeadLayout
from facetwise.recipe.loss import AnyLoss, Loss, SoftF1
from facetwise.train.losses.image_losses import DeviceConstant, ImageLosses, image_losses
from facetwise.train.losses.parts import LossPart, check_loss, joint_size, joint_space, parts_of

_TINY = float(np.finfo(np.float32).tiny)


class LossFunction(Protocol):
    """A training loss: pure, differentiable, on the device of its arguments, without waiting for it."""

    def __call__(self, logits: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
        """Scalar, of logits (B, d) float32, target probabilities (B, t) and weights of the images (B,), all 1 if None.

        But for `soft-f1` it is sum(weights * loss of an image) / B: the mean over equal parts of a batch is that of the
        whole.
        """
        ...


def build_loss(spec: Loss, layout: HeadLayout, shares: Tensor, num_images: int | Tensor) -> LossFunction:
    """The recipe's training loss.

    `shares`, (t,): mean target probabilities of the `num_images` images of the training side; both may be batched by
    `torch.vmap`, when many models train at once. Raises SettingError when the loss does not fit the head
    (`check_loss`).
    """
    check_loss(spec, layout)
    terms = [_term(term, layout, shares, num_images) for term in spec.terms]

    def loss(logits: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
        total = terms[0](logits, targets, weights)
        for term in terms[1:]:
            total = total + term(logits, targets, weights)
        return total

    return terms[0] if len(terms) == 1 else loss


def log_loss(
    logs: npt.NDArray[np.float32], codes: IntArray, values: Mapping[str, FloatArray], layout: HeadLayout
) -> float:
    """Mean over blocks and images of -log p(what is true), in nats, of what tables keep: plain cross-entropy.

    `logs`: (n, num_columns); `codes`: class numbers by the label space, (n, A); `values`: of ordinal attributes, (n,),
    which a `bins` block is measured on, as it is trained. A probability of 0 counts as the smallest float32 (87 nats),
    so that the mean stays a number. A block is measured on the images whose class is known (not -1); NaN where there is
    none.
    """
    space, parts = layout.space, []
    for block in layout.blocks:
        truth = space.encode(codes, missing=True) if block.name == JOINT else codes[:, space.index(block.name)]
        if (known := truth != MISSING).any():
            numbers = values.get(block.name)
            own = block.losses(logs[known, block.columns], truth[known], None if numbers is None else numbers[known])
            parts.append(own.mean())
    return float(np.mean(parts)) if parts else math.nan


def _term(spec: AnyLoss, layout: HeadLayout, shares: Tensor, num_images: int | Tensor) -> LossFunction:
    parts = parts_of(spec, layout)
    weights = [spec.attribute_weights.get(part.name, 1.0) for part in parts]
    whole = sum(weight for part, weight in zip(parts, weights, strict=True) if not part.partial)
    factors = [spec.share * weight / whole for weight in weights]
    if isinstance(spec, SoftF1):
        return _soft_f1(parts, [spec.share] if spec.joint else factors, joint=spec.joint)
    return _mean_of_images([image_losses(spec, part, shares, num_images) for part in parts], factors)


def _mean_of_images(losses: list[ImageLosses], factors: list[float]) -> LossFunction:
    """Mean over the images of the weighted sum over the parts."""

    def loss(logits: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
        rows = [factor * part(logits, targets) for part, factor in zip(losses, factors, strict=True)]
        total = torch.stack(rows).sum(dim=0) if len(rows) > 1 else rows[0]
        return total.mean() if weights is None else (total * weights).mean()

    return loss


def _soft_f1(parts: list[LossPart], factors: list[float], *, joint: bool) -> LossFunction:
    """Weighted sum of 1 - macro F1 over the parts, or (`joint`) of their product; See `recipe.loss.SoftF1`."""
    arrange = partial(_product, space=joint_space(parts)) if joint else partial(torch.cat, dim=1)
    sizes = [part.num_classes for part in parts]
    part_of_class = np.zeros(joint_size(parts), int) if joint else np.repeat(np.arange(len(sizes)), sizes)
    members_PC = DeviceConstant(torch.from_numpy(np.eye(len(factors))[:, part_of_class]))
    factors_P = DeviceConstant(torch.tensor(factors, dtype=torch.float64))

    def loss(logits: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
        own = [part.class_targets(targets) for part in parts]
        known = [t.sum(dim=1, keepdim=True) for t in own]
        p = arrange([part.class_logs(logits).exp() * k for part, k in zip(parts, known, strict=True)])
        t = arrange(own)
        w_t, w_p = (t, p) if weights is None else (weights[:, None] * t, weights[:, None] * p)
        images, hits = w_t.sum(dim=0), (w_t * p).sum(dim=0)
        f1 = 2 * hits / (images + w_p.sum(dim=0)).clamp_min(_TINY)
        counts, members = images.clamp_max(1.0), members_PC.like(p)
        macro = (members @ (counts * f1)) / (members @ counts).clamp_min(_TINY)
        return (factors_P.like(p) * (1 - macro)).sum()

    return loss


def _product(parts: list[Tensor], space: LabelSpace | None) -> Tensor:
    """Joint probabilities, (B, num_joint), of attributes that are independent; of a joint block (no `space`) its own.

    Combinations that cannot occur are left out, and what is given to them is lost.
    """
    is_free = space is None or space.combinations is None
    return combined(parts, None if is_free else tuple(_joint_codes(space, parts[0].device)), operator.mul)


@cache
def _joint_codes(space: LabelSpace, device: torch.device) -> Tensor:
    """Class numbers of every joint class, (num_attributes, num_joint)."""
    return torch.from_numpy(space.joint_codes.T.copy()).to(device)
