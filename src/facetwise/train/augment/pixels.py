"""Pixel augmentations: light, grey, blur, noise, cutout.

Each `draw_...` draws for a whole batch and returns a painter, which changes selected images of that batch in place, so
that a batch may be processed whole, in parts or one by one. Images are float, 0..255 and contiguous; values may leave
the range until the last painter is done. Shapes: B images of a batch, N of them painted
at once, C channels, H rows, W columns.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache, partial

import torch
from torch import Generator, Tensor

from facetwise.recipe.augment import Blur, Cutout, Grey, Light, Noise, Paint
from facetwise.train.augment.boxes import draw_span, fill, joined

Painter = Callable[[Tensor, slice], None]
"""Changes `x_NCHW`, the images `rows` of the batch it was drawn for, in place."""
Shape = tuple[int, int, int, int]

LUMA = (0.299, 0.587, 0.114)
"""Luma weights of red, green and blue, ITU-R BT.601."""
NUM_STARTS = 2**20
"""Number of offsets into the noise table at which an image's noise may start."""


def draw_painter(spec: Paint, shape: Shape, mean_1C11: Tensor, generator: Generator) -> Painter:
    """The painter of a spec of any kind."""
    match spec:
        case Light():
            return draw_light(spec, shape, generator)
        case Grey():
            return draw_grey(spec, shape, generator)
        case Blur():
            return draw_blur(spec, shape, generator)
        case Noise():
            return draw_noise(spec, shape, generator)
        case Cutout():
            return draw_cutout(spec, shape, mean_1C11, generator)


def draw_light(spec: Light, shape: Shape, generator: Generator) -> Painter:
    """Contrast around each image's mean, then brightness and colour."""
    count, channels = shape[:2]
    drawn = 2 * torch.rand(count, 2 + channels, generator=generator)[:, :, None, None] - 1
    contrast = 1 + spec.contrast * drawn[:, :1]
    offset = 255 * spec.brightness * drawn[:, 1:2]
    colour = 1 + spec.colour * drawn[:, 2:]
    factor_BC11, own_BC11, shift_BC11 = contrast * colour, (1 - contrast) * colour, offset * colour

    def paint(x_NCHW: Tensor, rows: slice) -> None:
        factor, own, shift = (part[rows].to(x_NCHW.device) for part in (factor_BC11, own_BC11, shift_BC11))
        centre = x_NCHW.mean(dim=(1, 2, 3), keepdim=True)
        # Not `addcmul`: it does not vectorise over broadcast operands, and takes eight times as long.
        x_NCHW.mul_(factor).add_(centre * own + shift)

    return paint


def draw_grey(spec: Grey, shape: Shape, generator: Generator) -> Painter:
    """Replace every channel of the selected images by their luma."""
    chosen = _chosen(spec.p, shape[0], generator)

    def paint(x_NCHW: Tensor, rows: slice) -> None:
        which = _indices(chosen[rows], x_NCHW)
        if len(which):
            x_NCHW[which] = luma(x_NCHW[which]).expand(-1, 3, -1, -1)

    return paint


def luma(x_NCHW: Tensor) -> Tensor:
    """The grey of each pixel, (N, 1, H, W)."""
    red, green, blue = (x_NCHW[:, c] * share for c, share in enumerate(LUMA))
    return (red + green + blue)[:, None]


def draw_blur(spec: Blur, shape: Shape, generator: Generator) -> Painter:
    """Convolve the selected images with a separable Gaussian."""
    count, _, height, width = shape
    chosen, place = torch.rand(2, count, generator=generator).unbind()
    low, high = spec.sigma
    reach = min(math.ceil(3 * high), height, width)
    weights_Bk = gaussian(low + (high - low) * place, reach)

    def paint(x_NCHW: Tensor, rows: slice) -> None:
        which = _indices(chosen[rows] < spec.p, x_NCHW)
        if len(which):
            weights = weights_Bk[rows].to(x_NCHW.device)[which]
            x_NCHW[which] = smooth(smooth(x_NCHW[which], weights, 2), weights, 3)

    return paint


def gaussian(sigma_B: Tensor, reach: int) -> Tensor:
    """Half of a symmetric kernel, (B, reach + 1): weights at distance 0..`reach`, summing to 1 over both sides."""
    away = torch.arange(reach + 1)
    weights = torch.exp(-0.5 * (away / sigma_B.clamp(min=1e-3)[:, None]) ** 2)
    return weights / (2 * weights.sum(dim=1, keepdim=True) - weights[:, :1])


def smooth(x_NCHW: Tensor, weights_Nk: Tensor, dim: int) -> Tensor:
    """Convolve along `dim` with a symmetric kernel and reflection at the edges.

    The reflection repeats the edge pixel, so that the mean of an image is preserved.
    """
    length, reach = x_NCHW.shape[dim], weights_Nk.shape[1] - 1
    before, after = x_NCHW.narrow(dim, 0, reach).flip(dim), x_NCHW.narrow(dim, length - reach, reach).flip(dim)
    padded = torch.cat([before, x_NCHW, after], dim)
    total = x_NCHW * weights_Nk[:, 0, None, None, None]
    for k in range(1, reach + 1):
        both = padded.narrow(dim, reach - k, length) + padded.narrow(dim, reach + k, length)
        total.add_(both.mul_(weights_Nk[:, k, None, None, None]))
    return total


def draw_noise(spec: Noise, shape: Shape, generator: Generator) -> Painter:
    """Add a slice of the noise table to each selected image."""
    count, *size = shape
    chosen, place = torch.rand(2, count, generator=generator).unbind()
    start = (place * NUM_STARTS).long()
    length = math.prod(size)

    def paint(x_NCHW: Tensor, rows: slice) -> None:
        which = (chosen[rows] < spec.p).nonzero()[:, 0].tolist()
        if which:
            table = noise_table(length, x_NCHW.device)
            noises = [table[s : s + length].view(size) for s in start[rows][which].tolist()]
            torch._foreach_add_([x_NCHW[i] for i in which], noises, alpha=spec.std)

    return paint


@lru_cache(maxsize=8)
def noise_table(length: int, device: torch.device) -> Tensor:
    """Fixed normal numbers, enough for slices of `length`; drawing anew would take ten times as long.

    Mean 0 and standard deviation 1 up to rounding.
    """
    table = torch.randn(NUM_STARTS + length, generator=Generator().manual_seed(0))
    return ((table - table.mean()) / table.std()).to(device)


def draw_cutout(spec: Cutout, shape: Shape, mean_1C11: Tensor, generator: Generator) -> Painter:
    """Fill one rectangle of each selected image with `mean_1C11`, in training the mean that the network subtracts."""
    count, _, height, width = shape
    chosen, side_y, side_x, at_y, at_x = torch.rand(5, count, generator=generator).unbind()
    low, high = spec.size
    rows_B2 = draw_span(height, low + (high - low) * side_y, at_y) * (chosen < spec.p)[:, None]
    columns_B2 = draw_span(width, low + (high - low) * side_x, at_x)
    return partial(_fill_boxes, joined(rows_B2, columns_B2), mean_1C11)


def _fill_boxes(boxes_B4: Tensor, mean_1C11: Tensor, x_NCHW: Tensor, rows: slice) -> None:
    fill(x_NCHW, boxes_B4[rows], mean_1C11.to(x_NCHW).expand_as(x_NCHW))


def _chosen(p: float, count: int, generator: Generator) -> Tensor:
    return torch.rand(count, generator=generator) < p


def _indices(chosen_N: Tensor, x_NCHW: Tensor) -> Tensor:
    return chosen_N.nonzero()[:, 0].to(x_NCHW.device)
