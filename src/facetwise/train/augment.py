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

from facetwise.recipe.augment import Affine, Augment, Cutout, Flip, Light


class Augmenter:
    """Applies a recipe's augmentations to batches."""

    def __init__(self, specs: Sequence[Augment]) -> None:
        self.flips = [s for s in specs if isinstance(s, Flip)]
        self.affines = [s for s in specs if isinstance(s, Affine)]
        self.pixels = [s for s in specs if isinstance(s, Light | Cutout)]

    def __call__(self, x_BCHW: Tensor, mean_1C11: Tensor, generator: Generator) -> Tensor:
        """Augment float images of 0 to 255; `mean_1C11` fills what is cut out."""
        x_BCHW = self._move(x_BCHW, generator)
        for spec in self.pixels:
            if isinstance(spec, Light):
                x_BCHW = change_light(x_BCHW, spec, generator)
            else:
                x_BCHW = cut_out(x_BCHW, spec, mean_1C11, generator)
        return x_BCHW

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


def _span(length: int, share_B: Tensor, at_B: Tensor) -> Tensor:
    """Which of `length` positions lie in a span of that share of them, starting where `at_B` (0 to 1) says."""
    position = (torch.arange(length) + 0.5) / length
    start = at_B * (1 - share_B)
    return (position >= start[:, None]) & (position < (start + share_B)[:, None])
