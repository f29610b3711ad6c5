"""Augmentation on whole batches, on the training device; every image draws its own change.

All geometry of an image is composed into one matrix and done in one warp. Random numbers come from a CPU generator,
so that a batch is augmented alike on every device. Shapes: B images, C channels, H rows, W columns.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Generator, Tensor
from torch.nn.functional import affine_grid, grid_sample

from facetwise.recipe.augment import Affine, Augment, CutMix, Cutout, Flip, Light, MixUp


class Augmenter:
    """Applies a recipe's augmentations to batches."""

    def __init__(self, specs: Sequence[Augment]) -> None:
        self.flips = [s for s in specs if isinstance(s, Flip)]
        self.affines = [s for s in specs if isinstance(s, Affine)]
        self.pixels = [s for s in specs if isinstance(s, Light | Cutout)]
        self.mixes = [s for s in specs if isinstance(s, MixUp | CutMix)]

    def __call__(self, x_BCHW: Tensor, mean_1C11: Tensor, generator: Generator) -> Tensor:
        """Augment float images of 0 to 255; `mean_1C11` fills what is cut out."""
        x_BCHW = self._move(x_BCHW, generator)
        for spec in self.pixels:
            if isinstance(spec, Light):
                x_BCHW = change_light(x_BCHW, spec, generator)
            else:
                x_BCHW = cut_out(x_BCHW, spec, mean_1C11, generator)
        return x_BCHW

    def mix(self, x_BCHW: Tensor, targets: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        """Mix images of the batch and their target probabilities, (B, d); both parents are training images."""
        for spec in self.mixes:
            partner = torch.randperm(len(x_BCHW), generator=generator).to(x_BCHW.device)
            if isinstance(spec, MixUp):
                x_BCHW, targets = mix_up(x_BCHW, targets, partner, spec, generator)
            else:
                x_BCHW, targets = cut_mix(x_BCHW, targets, partner, spec, generator)
        return x_BCHW, targets

    def _move(self, x_BCHW: Tensor, generator: Generator) -> Tensor:
        count = len(x_BCHW)
        mirrored = torch.zeros(count, dtype=torch.bool)
        for flip in self.flips:
            mirrored ^= torch.rand(count, generator=generator) < flip.p
        if not self.affines:
            return mirror(x_BCHW, mirrored) if self.flips else x_BCHW
        aspect = x_BCHW.shape[3] / x_BCHW.shape[2]
        theta_B33 = torch.diag_embed(torch.stack([1.0 - 2.0 * mirrored, torch.ones(count), torch.ones(count)], dim=1))
        for affine in self.affines:
            theta_B33 = theta_B33 @ draw_affine(affine, count, aspect, generator)
        return warp(x_BCHW, theta_B33)


def mirror(x_BCHW: Tensor, which_B: Tensor) -> Tensor:
    """Flip left and right the images where `which_B` is true."""
    return torch.where(which_B.to(x_BCHW.device).view(-1, 1, 1, 1), x_BCHW.flip(3), x_BCHW)


def draw_affine(spec: Affine, count: int, aspect: float, generator: Generator) -> Tensor:
    """Matrices (count, 3, 3) from output to input coordinates, both from -1 to 1; `aspect` is width / height.

    Rotation is done in pixels, not in the stretched coordinates, so that shapes are kept.
    """
    angle, zoom, dx, dy = (2 * torch.rand(4, count, generator=generator) - 1).unbind()
    angle = angle * math.radians(spec.rotate)
    zoom = 1 / (1 + zoom * spec.scale)
    cos, sin = torch.cos(angle) * zoom, torch.sin(angle) * zoom
    zero, one = torch.zeros(count), torch.ones(count)
    rows = [cos, -sin / aspect, 2 * spec.shift * dx, sin * aspect, cos, 2 * spec.shift * dy, zero, zero, one]
    return torch.stack(rows, dim=1).view(count, 3, 3)


def warp(x_BCHW: Tensor, theta_B33: Tensor) -> Tensor:
    """Sample the images at affine coordinates, bilinear, edges repeated."""
    grid = affine_grid(theta_B33[:, :2].to(x_BCHW), list(x_BCHW.shape), align_corners=False)
    return grid_sample(x_BCHW, grid, mode="bilinear", padding_mode="border", align_corners=False)


def change_light(x_BCHW: Tensor, spec: Light, generator: Generator) -> Tensor:
    """Contrast around each image's mean, then brightness and colour; clipped to 0..255."""
    count, channels = x_BCHW.shape[:2]
    drawn = 2 * torch.rand(count, 2 + channels, generator=generator) - 1
    drawn = drawn.to(x_BCHW.device)[:, :, None, None]
    contrast = 1 + spec.contrast * drawn[:, :1]
    offset = 255 * spec.brightness * drawn[:, 1:2]
    colour = 1 + spec.colour * drawn[:, 2:]
    centre = x_BCHW.mean(dim=(1, 2, 3), keepdim=True)
    return ((x_BCHW - centre) * contrast + centre + offset).mul(colour).clamp(0, 255)


def cut_out(x_BCHW: Tensor, spec: Cutout, mean_1C11: Tensor, generator: Generator) -> Tensor:
    """Fill one rectangle an image with the mean colour."""
    count, _, height, width = x_BCHW.shape
    chosen, side_y, side_x, at_y, at_x = torch.rand(5, count, generator=generator).unbind()
    low, high = spec.size
    inside_BH = _span(height, low + (high - low) * side_y, at_y)
    inside_BW = _span(width, low + (high - low) * side_x, at_x)
    hole = inside_BH[:, None, :, None] & inside_BW[:, None, None, :] & (chosen < spec.p)[:, None, None, None]
    return torch.where(hole.to(x_BCHW.device), mean_1C11.to(x_BCHW), x_BCHW)


def mix_up(
    x_BCHW: Tensor, targets: Tensor, partner: Tensor, spec: MixUp, generator: Generator
) -> tuple[Tensor, Tensor]:
    """Blend images and targets with those at `partner`."""
    share = _beta(spec.alpha, len(x_BCHW), generator)
    kept = torch.where(_chosen(spec.p, len(x_BCHW), generator), torch.maximum(share, 1 - share), 1.0).to(x_BCHW)
    images = torch.lerp(x_BCHW[partner], x_BCHW, kept[:, None, None, None])
    return images, torch.lerp(targets[partner], targets, kept[:, None])


def cut_mix(
    x_BCHW: Tensor, targets: Tensor, partner: Tensor, spec: CutMix, generator: Generator
) -> tuple[Tensor, Tensor]:
    """Paste a rectangle of the image at `partner`; targets are shared by the pixels that were really pasted."""
    count, _, height, width = x_BCHW.shape
    side = torch.sqrt(1 - _beta(spec.alpha, count, generator))
    at_y, at_x = torch.rand(2, count, generator=generator).unbind()
    pasted = _span(height, side, at_y)[:, :, None] & _span(width, side, at_x)[:, None, :]
    pasted &= _chosen(spec.p, count, generator)[:, None, None]
    kept = 1 - pasted.float().mean(dim=(1, 2)).to(targets)
    images = torch.where(pasted[:, None].to(x_BCHW.device), x_BCHW[partner], x_BCHW)
    return images, torch.lerp(targets[partner], targets, kept[:, None])


def _beta(alpha: float, count: int, generator: Generator) -> Tensor:
    """Draws from Beta(alpha, alpha) as a ratio of gammas, from the given generator."""
    one, two = torch._standard_gamma(torch.full((2, count), alpha), generator=generator).unbind()
    return one / (one + two)


def _chosen(p: float, count: int, generator: Generator) -> Tensor:
    return torch.rand(count, generator=generator) < p


def _span(length: int, share_B: Tensor, at_B: Tensor) -> Tensor:
    """Which of `length` positions lie in a span of that share of them, starting where `at_B` (0 to 1) says."""
    position = (torch.arange(length) + 0.5) / length
    start = at_B * (1 - share_B)
    return (position >= start[:, None]) & (position < (start + share_B)[:, None])
