"""Geometric augmentation: all transformations of an image are composed into one sampling grid and done in one warp.

Coordinates (x, y) run from -1 to 1 over width and height, as in torch's `grid_sample`; matrices and offsets map output
coordinates to input coordinates. Shapes: B images, C channels, H rows, W columns;
h, w points of a control lattice.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from torch import Generator, Tensor
from torch.nn.functional import grid_sample

from facetwise.recipe.augment import Affine, Flip, GridDistortion, Move, Perspective


@dataclass(frozen=True)
class Motion:
    """The drawn geometry of a batch, on the CPU."""

    mirrored_B: Tensor
    """Which images are mirrored, bool."""
    warped_B: Tensor
    """Which images are resampled, bool; their matrix includes the mirroring."""
    theta_B33: Tensor
    """Homographies from output to input coordinates."""
    bends: tuple[Tensor, ...] = ()
    """Offsets (B, 2, h, w) on control lattices that span the image, added before the homography."""

    def of(self, rows: slice | Tensor) -> Motion:
        """The motion of some images of the batch."""
        bends = tuple(bend[rows] for bend in self.bends)
        return Motion(self.mirrored_B[rows], self.warped_B[rows], self.theta_B33[rows], bends)

    def then(self, matrices_B33: Tensor, chosen_B: Tensor) -> Motion:
        """With further homographies before the bends; those of images that are not `chosen_B` are the identity."""
        return replace(self, theta_B33=self.theta_B33 @ matrices_B33, warped_B=self.warped_B | chosen_B)


def draw_motion(specs: Sequence[Move], count: int, aspect: float, generator: Generator) -> Motion:
    """Draw flips, then matrices in the order given, then bends; `aspect` is width / height."""
    mirrored = torch.zeros(count, dtype=torch.bool)
    for flip in specs:
        if isinstance(flip, Flip):
            mirrored ^= torch.rand(count, generator=generator) < flip.p
    theta_B33 = torch.diag_embed(torch.stack([1.0 - 2.0 * mirrored, torch.ones(count), torch.ones(count)], dim=1))
    warped = torch.full((count,), any(isinstance(s, Affine) for s in specs))
    for spec in specs:
        if isinstance(spec, Affine):
            theta_B33 = theta_B33 @ draw_affine(spec, count, aspect, generator)
        elif isinstance(spec, Perspective):
            chosen, corners = draw_corners(spec, count, generator)
            theta_B33, warped = theta_B33 @ homography(corners), warped | chosen
    bends = []
    for bend in specs:
        if isinstance(bend, GridDistortion):
            chosen, offsets = draw_bend(bend, count, generator)
            bends.append(offsets)
            warped = warped | chosen
    return Motion(mirrored, warped, theta_B33, tuple(bends))


def draw_affine(spec: Affine, count: int, aspect: float, generator: Generator) -> Tensor:
    """Matrices (count, 3, 3). Rotation is in pixel units, not in normalised coordinates, so that shapes are
    preserved."""
    angle, zoom, dx, dy = (2 * torch.rand(4, count, generator=generator) - 1).unbind()
    angle = angle * math.radians(spec.rotate)
    zoom = 1 / (1 + zoom * spec.scale)
    cos, sin = torch.cos(angle) * zoom, torch.sin(angle) * zoom
    zero, one = torch.zeros(count), torch.ones(count)
    rows = [cos, -sin / aspect, 2 * spec.shift * dx, sin * aspect, cos, 2 * spec.shift * dy, zero, zero, one]
    return torch.stack(rows, dim=1).view(count, 3, 3)


def draw_corners(spec: Perspective, count: int, generator: Generator) -> tuple[Tensor, Tensor]:
    """Which images are selected, bool (count,), and the input coordinates of the output corners, (count, 4, 2).

    Corners are ordered top left, top right, bottom right, bottom left; unchanged in images that are not selected.
    """
    drawn = torch.rand(count, 9, generator=generator)
    chosen = drawn[:, 0] < spec.p
    moves = 2 * spec.strength * (2 * drawn[:, 1:] - 1) * chosen[:, None]  # the sides have length 2
    return chosen, _HOME + moves.view(count, 4, 2)


def draw_bend(spec: GridDistortion, count: int, generator: Generator) -> tuple[Tensor, Tensor]:
    """Which images are selected, bool (count,), and offsets (count, 2, cells + 1, cells + 1), zero otherwise."""
    points = spec.cells + 1
    drawn = torch.rand(count, 1 + 2 * points**2, generator=generator)
    chosen = drawn[:, 0] < spec.p
    offsets = (2 / spec.cells) * spec.strength * (2 * drawn[:, 1:] - 1) * chosen[:, None]
    return chosen, offsets.view(count, 2, points, points)


_HOME = torch.tensor([[-1.0, -1], [1, -1], [1, 1], [-1, 1]])


def homography(corners_B42: Tensor) -> Tensor:
    """Matrices (B, 3, 3) that take the corners of the square -1..1 to `corners_B42`, in the order of `draw_corners`.

    Heckbert, Fundamentals of Texture Mapping (1989), section 2.2.3, composed with the map to his unit square.
    """
    p0, p1, p2, p3 = corners_B42.double().unbind(1)
    one, two, rest = p1 - p2, p3 - p2, p0 - p1 + p2 - p3
    area = _cross(one, two)
    g, h = _cross(rest, two) / area, _cross(one, rest) / area
    across, down = p1 - p0 + g[:, None] * p1, p3 - p0 + h[:, None] * p3
    top = torch.stack([across, down, p0], dim=2)
    bottom = torch.stack([g, h, torch.ones_like(g)], dim=1)[:, None]
    to_unit = torch.tensor([[0.5, 0, 0.5], [0, 0.5, 0.5], [0, 0, 1]], dtype=torch.float64)
    return (torch.cat([top, bottom], dim=1) @ to_unit).float()


def _cross(one_B2: Tensor, two_B2: Tensor) -> Tensor:
    return one_B2[:, 0] * two_B2[:, 1] - one_B2[:, 1] * two_B2[:, 0]


def move(x_BCHW: Tensor, motion: Motion) -> Tensor:
    """Mirror and warp images, uint8 or float; returns a new contiguous float32 batch."""
    if bool(motion.warped_B.all()):
        return warp(x_BCHW.float(), motion)
    moved = x_BCHW.to(torch.float32, copy=True, memory_format=torch.contiguous_format)
    mirrored = (motion.mirrored_B & ~motion.warped_B).nonzero()[:, 0].to(moved.device)
    if len(mirrored):
        moved[mirrored] = moved[mirrored].flip(3)
    warped = motion.warped_B.nonzero()[:, 0]
    if len(warped):
        here = warped.to(moved.device)
        moved[here] = warp(moved[here], motion.of(warped))
    return moved


def warp(x_BCHW: Tensor, motion: Motion) -> Tensor:
    """Sample float images on the grid of `motion`, bilinear, with edge padding."""
    height, width = x_BCHW.shape[2:]
    grid_B2HW = sampling_grid(motion, height, width, x_BCHW.device)
    grid = grid_B2HW.permute(0, 2, 3, 1)  # from planes, which are read faster than pairs and never copied
    return grid_sample(x_BCHW, grid, mode="bilinear", padding_mode="border", align_corners=False)


def sampling_grid(motion: Motion, height: int, width: int, device: torch.device | None = None) -> Tensor:
    """Input coordinates of each output pixel as (x, y) planes, (B, 2, H, W)."""
    theta = motion.theta_B33.to(device)[..., None, None]
    x_W, y_H1 = _centres(width).to(device), _centres(height).to(device)[:, None]
    across, down = theta[:, :, 0] * x_W, theta[:, :, 1] * y_H1 + theta[:, :, 2]  # (B, 3, 1, W) and (B, 3, H, 1)
    tilted = bool((motion.theta_B33[:, 2, :2] != 0).any())
    rows = 3 if tilted else 2
    places = across[:, :rows] + down[:, :rows]
    for bend in motion.bends:
        offsets = torch.einsum("bij,bjhw->bihw", motion.theta_B33[:, :rows, :2], bend)
        places += spread(offsets.to(device), height, width)
    return places[:, :2] / places[:, 2:] if tilted else places


def spread(points_BKhw: Tensor, height: int, width: int) -> Tensor:
    """Interpolate lattice values to pixels, (B, K, H, W); the outer points lie on the outer pixels.

    Cubic convolution (Keys 1981, a = -1/2), as one small matrix product in each direction; exact for linear functions.
    """
    h, w = points_BKhw.shape[2:]
    rows, columns = _weights(h, height).to(points_BKhw.device), _weights(w, width).to(points_BKhw.device)
    return (rows.T @ points_BKhw) @ columns


@lru_cache(maxsize=64)
def _weights(points: int, length: int) -> Tensor:
    """Interpolation weights of the points for `length` values, (points, length)."""
    place = torch.linspace(0, points - 1, length, dtype=torch.float64)
    cell = place.floor().clamp(max=points - 2).long()
    t = place - cell
    cubic = [-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, -(t**2) + t**3]
    padded = torch.zeros(points + 2, length, dtype=torch.float64)
    padded.scatter_(0, cell + torch.arange(4)[:, None], torch.stack(cubic) / 2)
    weights = padded[1:-1].clone()
    weights[0] += 2 * padded[0]  # extrapolated linearly from the first two points
    weights[1] -= padded[0]
    weights[-1] += 2 * padded[-1]
    weights[-2] -= padded[-1]
    return weights.float()


@lru_cache(maxsize=64)
def _centres(length: int) -> Tensor:
    """Coordinates of the pixels' centres."""
    return (2 * torch.arange(length) + 1) / length - 1
