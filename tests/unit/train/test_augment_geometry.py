"""Geometry: exact where it can be, one warp for all of it, and within the ranges asked for."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from facetwise.recipe.augment import Affine, Flip, GridDistortion, Perspective
from facetwise.train.augment import geometry
from facetwise.train.augment.geometry import (
    Motion,
    draw_affine,
    draw_bend,
    draw_corners,
    draw_motion,
    homography,
    move,
    spread,
)

HEIGHT, WIDTH = 24, 18
ASPECT = WIDTH / HEIGHT
seeds = st.integers(0, 2**31)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch(count: int = 8) -> torch.Tensor:
    return torch.rand(count, 3, HEIGHT, WIDTH, generator=seeded(1)) * 255


def smooth_batch(height: int, width: int, count: int = 3) -> torch.Tensor:
    """Waves much longer than a pixel, which interpolation reads almost exactly."""
    y, x = torch.linspace(-1, 1, height)[:, None], torch.linspace(-1, 1, width)
    waves = [127 + 60 * torch.sin(2 * x + i) + 60 * torch.cos(3 * y - i) for i in range(3 * count)]
    return torch.stack(waves).view(count, 3, height, width)


def matrices(theta: list[list[float]], count: int = 8, warped: bool = True) -> Motion:
    no = torch.zeros(count, dtype=torch.bool)
    return Motion(no, no | warped, torch.tensor(theta).expand(count, 3, 3))


def test_a_mirrored_image_is_mirrored_exactly_and_twice_is_the_image(monkeypatch):
    monkeypatch.setattr(geometry, "warp", None)  # a flip alone warps nothing
    once = move(batch(), draw_motion([Flip(p=1)], 8, ASPECT, seeded()))
    assert torch.equal(once, batch().flip(3))
    assert torch.equal(move(batch(), draw_motion([Flip(p=1), Flip(p=1)], 8, ASPECT, seeded())), batch())
    assert torch.equal(move(once, draw_motion([Flip(p=1)], 8, ASPECT, seeded())), batch())


def test_a_flip_within_a_warp_is_the_flip():
    still = Affine(rotate=0, scale=0, shift=0)
    moved = move(batch(), draw_motion([Flip(p=1), still], 8, ASPECT, seeded()))
    torch.testing.assert_close(moved, batch().flip(3), atol=1e-2, rtol=0)


def test_a_turn_by_a_half_and_a_shift_by_whole_pixels():
    turned = move(batch(), matrices([[-1.0, 0, 0], [0, -1, 0], [0, 0, 1]]))
    torch.testing.assert_close(turned, batch().flip((2, 3)), atol=1e-2, rtol=0)
    shifted = move(batch(), matrices([[1.0, 0, 2 * 3 / WIDTH], [0, 1, 0], [0, 0, 1]]))
    torch.testing.assert_close(shifted[..., :-3], batch()[..., 3:], atol=1e-2, rtol=0)
    torch.testing.assert_close(shifted[..., -1], batch()[..., -1], atol=1e-2, rtol=0)  # the edge is repeated


@given(seeds, st.floats(0.3, 3))
def test_a_drawn_turn_keeps_shapes_and_stays_in_its_ranges(seed, aspect):
    """In pixels the matrix is a rotation times a zoom, whatever the image's proportions."""
    theta = draw_affine(Affine(rotate=30, scale=0.2, shift=0.1), 16, aspect, seeded(seed))
    pixels = torch.diag(torch.tensor([aspect, 1.0]))
    linear = pixels @ theta[:, :2, :2] @ pixels.inverse()
    zoom = linear.det().sqrt()
    torch.testing.assert_close(
        linear @ linear.transpose(1, 2), zoom[:, None, None] ** 2 * torch.eye(2).expand(16, 2, 2), atol=1e-4, rtol=1e-4
    )
    assert ((1 / zoom - 1).abs() <= 0.2 + 1e-5).all()
    angle = torch.atan2(linear[:, 1, 0], linear[:, 0, 0])
    assert (angle.abs() <= math.radians(30) + 1e-5).all()
    assert (theta[:, :2, 2].abs() <= 2 * 0.1 + 1e-6).all()


@given(seeds, st.floats(0, 0.24))
def test_a_perspective_takes_the_corners_where_it_says_within_its_strength(seed, strength):
    _, corners = draw_corners(Perspective(p=1, strength=strength), 16, seeded(seed))
    home = torch.tensor([[-1.0, -1], [1, -1], [1, 1], [-1, 1]])
    assert ((corners - home).abs() <= 2 * strength + 1e-6).all()
    places = homography(corners) @ torch.cat([home, torch.ones(4, 1)], dim=1).T
    assert (places[:, 2] > 0).all()  # nothing lies behind the eye
    torch.testing.assert_close((places[:, :2] / places[:, 2:]).mT, corners, atol=1e-4, rtol=1e-4)


def test_a_perspective_keeps_straight_lines_straight():
    _, corners = draw_corners(Perspective(p=1, strength=0.2), 4, seeded())
    motion = Motion(torch.zeros(4, dtype=torch.bool), torch.ones(4, dtype=torch.bool), homography(corners))
    grid = geometry.sampling_grid(motion, 9, 13)
    for line in (grid[:, :, 4], grid[:, :, :, 6], grid.diagonal(2, 2, 3)):
        steps = (line - line[..., :1])[..., 1:]
        cross = steps[:, 0] * steps[:, 1, -1:] - steps[:, 1] * steps[:, 0, -1:]
        assert cross.abs().max() < 1e-5


@given(seeds, st.integers(1, 6), st.floats(0, 0.5))
def test_a_bend_moves_the_points_of_its_lattice_within_its_strength(seed, cells, strength):
    chosen, offsets = draw_bend(GridDistortion(p=0.5, cells=cells, strength=strength), 8, seeded(seed))
    assert offsets.shape == (8, 2, cells + 1, cells + 1)
    assert (offsets[~chosen] == 0).all()
    assert (offsets.abs() <= strength * 2 / cells + 1e-6).all()
    dense = spread(offsets, 5 * cells + 1, 3 * cells + 1)  # every 5th row and 3rd column is on a point
    torch.testing.assert_close(dense[:, :, ::5, ::3], offsets, atol=1e-5, rtol=0)


def test_between_points_straight_lines_stay_straight():
    points = torch.stack(torch.meshgrid(torch.arange(4.0), torch.arange(3.0), indexing="ij"))[None]
    dense = spread(points, 31, 21)
    torch.testing.assert_close(dense[0, 0], torch.linspace(0, 3, 31)[:, None].expand(31, 21), atol=1e-5, rtol=0)
    torch.testing.assert_close(dense[0, 1], torch.linspace(0, 2, 21).expand(31, 21), atol=1e-5, rtol=0)


def test_a_small_bend_does_not_fold():
    _, offsets = draw_bend(GridDistortion(p=1, strength=0.2), 32, seeded())
    motion = Motion(
        torch.zeros(32, dtype=torch.bool), torch.ones(32, dtype=torch.bool), torch.eye(3).repeat(32, 1, 1), (offsets,)
    )
    grid = geometry.sampling_grid(motion, 40, 30)
    across, down = grid.diff(dim=3)[:, :, 1:], grid.diff(dim=2)[..., 1:]
    assert (across[:, 0] * down[:, 1] - across[:, 1] * down[:, 0] > 0).all()


@given(seeds)
def test_one_warp_of_all_is_the_warps_one_after_the_other(seed):
    """On a smooth image, away from the edges, where one after the other repeats an edge that one warp never sees."""
    height, width = 96, 72
    images, no, yes = smooth_batch(height, width), torch.zeros(3, dtype=torch.bool), torch.ones(3, dtype=torch.bool)
    generator = seeded(seed)
    turn = draw_affine(Affine(rotate=8, scale=0.05, shift=0.02), 3, width / height, generator)
    _, corners = draw_corners(Perspective(p=1, strength=0.03), 3, generator)
    _, offsets = draw_bend(GridDistortion(p=1, strength=0.1), 3, generator)
    mirror, tilt, still = torch.diag(torch.tensor([-1.0, 1, 1])).expand(3, 3, 3), homography(corners), torch.eye(3)
    at_once = move(images, Motion(yes, yes, mirror @ turn @ tilt, (offsets,)))
    steps = images.flip(3)
    for theta, bends in ((turn, ()), (tilt, ()), (still.expand(3, 3, 3), (offsets,))):
        steps = move(steps, Motion(no, yes, theta, bends))
    inner = (slice(None), slice(None), slice(16, -16), slice(12, -12))
    torch.testing.assert_close(at_once[inner], steps[inner], atol=1.0, rtol=0)


def test_geometry_is_composed_as_it_was_drawn():
    """The specs of a recipe, in their order, give the product of their matrices."""
    specs = [Flip(p=1), Affine(), Perspective(p=1), Affine(rotate=30)]
    motion = draw_motion(specs, 4, ASPECT, seeded(5))
    generator = seeded(5)
    torch.rand(4, generator=generator)
    first = draw_affine(specs[1], 4, ASPECT, generator)
    tilt = homography(draw_corners(specs[2], 4, generator)[1])
    second = draw_affine(specs[3], 4, ASPECT, generator)
    expected = torch.diag(torch.tensor([-1.0, 1, 1])) @ first @ tilt @ second
    torch.testing.assert_close(motion.theta_B33, expected)


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (9, 1), (2, 2)])
def test_tiny_images_are_warped_too(size):
    images = torch.rand(2, 3, *size) * 255
    specs = [Affine(), Perspective(p=1), GridDistortion(p=1)]
    moved = move(images, draw_motion(specs, 2, size[1] / size[0], seeded()))
    assert moved.shape == images.shape
    assert torch.isfinite(moved).all()
