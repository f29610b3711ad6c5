"""TrivialAugment: one operation an image, with a strength drawn anew (Müller & Hutter 2021, table 2).

Operations that move pixels become matrices of the batch's one warp; the others are painters. Photos are float, 0..255.
Where Pillow has an operation (`ImageOps`, `ImageEnhance`), it is Pillow's, without rounding. Shapes: B images of a
batch, N of them at once, C channels, H rows, W columns.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn.functional import avg_pool2d

from facetwise.recipe.augment import Trivial
from facetwise.train.augment.pixels import luma

BITS = 8
"""Of a channel of a stored image."""


@dataclass(frozen=True)
class Ranges:
    """The greatest strength of each operation."""

    shear: float
    """Pixels across for each pixel down, or down for each across."""
    shift: float
    """Share of the width, or of the height."""
    rotate: float
    """Degrees."""
    factor: float
    """Brightness, contrast, colour and sharpness are multiplied by 1 - factor to 1 + factor."""
    lost_bits: int
    """Lowest bits that `posterize` sets to zero."""


RANGES = {
    "standard": Ranges(shear=0.3, shift=0.3, rotate=30, factor=0.9, lost_bits=4),
    "wide": Ranges(shear=0.99, shift=0.45, rotate=135, factor=0.99, lost_bits=6),
}
"""Those of RandAugment, and the paper's wide ones. The paper shifts by pixels; these are shares, of CIFAR's 32 pixels
and of AutoAugment's 331."""


@dataclass(frozen=True)
class DrawnTrivial:
    """The operation and the strength of each image of a batch, on the CPU."""

    operation_B: tuple[str, ...]
    strength_B: Tensor
    """Uniform in -1..1; operations with one direction take its absolute value."""
    ranges: Ranges

    def matrices(self, aspect: float) -> Tensor:
        """From output to input coordinates, (B, 3, 3), for images of `aspect` = width / height; the identity for
        operations that move nothing."""
        found = torch.eye(3).repeat(len(self.operation_B), 1, 1)
        for matrix, operation, strength in zip(found, self.operation_B, self.strength_B.tolist(), strict=True):
            _move(matrix, operation, strength, self.ranges, aspect)
        return found

    @property
    def moved_B(self) -> Tensor:
        """Which images are moved, bool."""
        return torch.tensor([operation in MOVES for operation in self.operation_B], dtype=torch.bool)

    def paint(self, x_NCHW: Tensor, rows: slice) -> None:
        """Change `x_NCHW`, the images `rows` of the batch, in place."""
        operations = self.operation_B[rows]
        for name in sorted(set(operations) & PAINTS.keys()):
            which = torch.tensor([i for i, operation in enumerate(operations) if operation == name])
            strength = self.strength_B[rows][which][:, None, None, None].to(x_NCHW.device)
            which = which.to(x_NCHW.device)
            x_NCHW[which] = PAINTS[name](x_NCHW[which].clamp(0, 255), strength, self.ranges)


def draw_trivial(spec: Trivial, count: int, generator: Generator) -> DrawnTrivial:
    """Draw for a batch of `count` images."""
    which = torch.randint(len(spec.operations), (count,), generator=generator)
    strength = 2 * torch.rand(count, generator=generator) - 1
    return DrawnTrivial(tuple(spec.operations[i] for i in which.tolist()), strength, RANGES[spec.ranges])


# -------------------------------------------------------------------------------------------------------------- moves

MOVES = frozenset({"rotate", "shear-x", "shear-y", "shift-x", "shift-y"})


def _move(matrix: Tensor, operation: str, strength: float, ranges: Ranges, aspect: float) -> None:
    """Make the identity matrix that of an operation. Angles are in pixel units, so that shapes are preserved."""
    match operation:
        case "rotate":
            angle = math.radians(strength * ranges.rotate)
            matrix[0, 0] = matrix[1, 1] = math.cos(angle)
            matrix[0, 1], matrix[1, 0] = -math.sin(angle) / aspect, math.sin(angle) * aspect
        case "shear-x":
            matrix[0, 1] = strength * ranges.shear / aspect
        case "shear-y":
            matrix[1, 0] = strength * ranges.shear * aspect
        case "shift-x":
            matrix[0, 2] = 2 * strength * ranges.shift  # the sides have length 2
        case "shift-y":
            matrix[1, 2] = 2 * strength * ranges.shift


# ------------------------------------------------------------------------------------------------------------- pixels


def _brightness(x_NCHW: Tensor, strength_N111: Tensor, ranges: Ranges) -> Tensor:
    return x_NCHW * (1 + ranges.factor * strength_N111)


def _contrast(x_NCHW: Tensor, strength_N111: Tensor, ranges: Ranges) -> Tensor:
    return torch.lerp(luma(x_NCHW).mean(dim=(1, 2, 3), keepdim=True), x_NCHW, 1 + ranges.factor * strength_N111)


def _colour(x_NCHW: Tensor, strength_N111: Tensor, ranges: Ranges) -> Tensor:
    return torch.lerp(luma(x_NCHW), x_NCHW, 1 + ranges.factor * strength_N111)


def _sharpness(x_NCHW: Tensor, strength_N111: Tensor, ranges: Ranges) -> Tensor:
    """Away from, or towards, Pillow's `SMOOTH`: a mean of 3 x 3 pixels in which the own one counts 5 times."""
    smooth = x_NCHW.clone()
    if min(x_NCHW.shape[2:]) >= 3:
        smooth[:, :, 1:-1, 1:-1].mul_(4).add_(avg_pool2d(x_NCHW, 3, 1), alpha=9).div_(13)
    return torch.lerp(smooth, x_NCHW, 1 + ranges.factor * strength_N111)


def _posterize(x_NCHW: Tensor, strength_N111: Tensor, ranges: Ranges) -> Tensor:
    step = 2 ** (ranges.lost_bits * strength_N111.abs()).round()
    return (x_NCHW / step).floor() * step


def _solarize(x_NCHW: Tensor, strength_N111: Tensor, _ranges: Ranges) -> Tensor:
    return torch.where(x_NCHW >= 256 * (1 - strength_N111.abs()), 255 - x_NCHW, x_NCHW)


def _auto_contrast(x_NCHW: Tensor, _strength_N111: Tensor, _ranges: Ranges) -> Tensor:
    low, high = x_NCHW.amin(dim=(2, 3), keepdim=True), x_NCHW.amax(dim=(2, 3), keepdim=True)
    return torch.where(high > low, (x_NCHW - low) * (255 / (high - low)), x_NCHW)


def _equalize(x_NCHW: Tensor, _strength_N111: Tensor, _ranges: Ranges) -> Tensor:
    """A flat histogram of each channel of each image, as far as its levels allow."""
    levels = 2**BITS
    level = x_NCHW.round().long().flatten(0, 1).flatten(1)
    own = level + levels * torch.arange(len(level), device=level.device)[:, None]
    counts = torch.bincount(own.flatten(), minlength=levels * len(level)).view(-1, levels)
    below = counts.cumsum(dim=1) - counts
    step = (level.shape[1] - counts.gather(1, level.amax(dim=1, keepdim=True))) // (levels - 1)
    equal = torch.div(below + step // 2, step.clamp_min(1), rounding_mode="floor").clamp_max(levels - 1)
    table = torch.where(step > 0, equal, torch.arange(levels, device=level.device))
    return table.gather(1, level).view(x_NCHW.shape).to(x_NCHW.dtype)


PAINTS: dict[str, Callable[[Tensor, Tensor, Ranges], Tensor]] = {
    "brightness": _brightness,
    "contrast": _contrast,
    "colour": _colour,
    "sharpness": _sharpness,
    "posterize": _posterize,
    "solarize": _solarize,
    "auto-contrast": _auto_contrast,
    "equalize": _equalize,
}
