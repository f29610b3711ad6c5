"""Mixing of images and their targets: both parents are training images.

Shapes: B images, C channels, H rows, W columns; targets are (B, d) probabilities.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from facetwise.recipe.augment import CutMix, HalfCutMix, Mix, MixUp
from facetwise.train.augment.boxes import area, draw_span, fill, joined
from facetwise.train.augment.parts import each_part

Pair = tuple[Tensor, Tensor]
"""Images (B, C, H, W) and targets (B, d)."""


@dataclass(frozen=True)
class Mixture:
    """The drawn mixture of a batch, on the CPU."""

    lam_B: Tensor
    """Lambda, the weight of the image's own target, float64."""
    boxes_B4: Tensor | None
    """Boxes to paste; None when all pixels are blended with lambda."""

    def without(self, mixed_B: Tensor) -> Mixture:
        """The mixture with the images `mixed_B` left unchanged."""
        boxes = None if self.boxes_B4 is None else self.boxes_B4 * ~mixed_B[:, None]
        return Mixture(self.lam_B.masked_fill(mixed_B, 1.0), boxes)


def draw_mixture(spec: Mix, count: int, height: int, width: int, generator: Generator) -> Mixture:
    """Draw lambda, and boxes for kinds that paste."""
    match spec:
        case MixUp():
            share = beta_shares(spec.alpha, count, generator)
            chosen = torch.rand(count, generator=generator) < spec.p
            return Mixture(torch.where(chosen, torch.maximum(share, 1 - share), 1.0).double(), None)
        case CutMix():
            side = torch.sqrt(1 - beta_shares(spec.alpha, count, generator))
            at_y, at_x = torch.rand(2, count, generator=generator).unbind()
            chosen = torch.rand(count, generator=generator) < spec.p
            boxes = joined(draw_span(height, side, at_y), draw_span(width, side, at_x)) * chosen[:, None]
        case HalfCutMix():
            chosen, is_left = (torch.rand(count, 2, generator=generator) < torch.tensor([spec.p, 0.5])).unbind(1)
            left, right = torch.tensor([0, height, 0, width // 2]), torch.tensor([0, height, width // 2, width])
            boxes = torch.where(is_left[:, None], left, right) * chosen[:, None]
    return Mixture(1 - area(boxes).double() / (height * width), boxes)


def mix_pairs(own: Pair, other: Pair, index_B: Tensor | None, mixture: Mixture) -> Pair:
    """Mix each image and target with its partner, row i or `index_B[i]` of `other`; the arguments are not changed."""
    (x_BCHW, targets), (other_x, other_targets) = own, other
    rows = torch.arange(len(x_BCHW)) if index_B is None else index_B
    lam = mixture.lam_B.to(targets)[:, None]
    mixed_targets = torch.lerp(other_targets[rows.to(targets.device)], targets, lam)
    mixed, boxes = torch.empty_like(x_BCHW), mixture.boxes_B4

    def work(part: slice) -> None:
        if boxes is None:
            _blend(mixed[part], x_BCHW[part], other_x, rows[part], mixture.lam_B[part])
        else:
            mixed[part] = x_BCHW[part]
            _paste(mixed[part], other_x, rows[part], boxes[part])

    each_part(x_BCHW, work)
    return mixed, mixed_targets


def _paste(x_NCHW: Tensor, other_BCHW: Tensor, rows_N: Tensor, boxes_N4: Tensor) -> None:
    if x_NCHW.is_cuda:
        fill(x_NCHW, boxes_N4, other_BCHW[rows_N.to(x_NCHW.device)])
        return
    for i, j in enumerate(rows_N.tolist()):  # one by one, without gathering the partners
        fill(x_NCHW[i : i + 1], boxes_N4[i : i + 1], other_BCHW[j : j + 1])


def _blend(out_NCHW: Tensor, x_NCHW: Tensor, other_BCHW: Tensor, rows_N: Tensor, lam_N: Tensor) -> None:
    """One by one on the CPU, which is twice as fast as gathering the partners first."""
    if x_NCHW.is_cuda:
        lam = lam_N.to(x_NCHW)[:, None, None, None]
        torch.lerp(other_BCHW[rows_N.to(x_NCHW.device)], x_NCHW, lam, out=out_NCHW)
        return
    for i, (j, lam) in enumerate(zip(rows_N.tolist(), lam_N.tolist(), strict=True)):
        torch.lerp(other_BCHW[j], x_NCHW[i], lam, out=out_NCHW[i])


def needs_rare(specs: Sequence[Mix]) -> bool:
    """Whether any spec takes its partners from rare classes."""
    return any(spec.partner == "rare" for spec in specs)


def beta_shares(alpha: float, count: int, generator: Generator) -> Tensor:
    """Draws from Beta(alpha, alpha) as a ratio of gammas, (count,) float32, from the given generator."""
    kind = torch.float32 if alpha >= _SAFE_ALPHA else torch.float64
    one, two = torch._standard_gamma(torch.full((2, count), alpha, dtype=kind), generator=generator).unbind()
    return (one / (one + two)).float()


_SAFE_ALPHA = 0.1
"""Below it both gammas may underflow in float32, which would give 1/2 instead of nearly 0 or 1."""
