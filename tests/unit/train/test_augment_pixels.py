"""Light, grey, blur, noise and cutout: what each does exactly, and within which ranges."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from facetwise.recipe.augment import Blur, Cutout, Grey, Light, Noise, Paint
from facetwise.train.augment.pixels import draw_painter, gaussian, smooth

MEAN = torch.tensor([120.0, 110.0, 100.0]).view(1, 3, 1, 1)
HEIGHT, WIDTH = 24, 18
seeds = st.integers(0, 2**31)


def batch(count: int = 8, height: int = HEIGHT, width: int = WIDTH) -> torch.Tensor:
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(1)) * 255


def painted(images: torch.Tensor, spec: Paint, seed: int = 0) -> torch.Tensor:
    """A copy of the images with `spec` done to them, unclipped."""
    changed = images.clone()
    painter = draw_painter(spec, tuple(images.shape), MEAN, torch.Generator().manual_seed(seed))
    painter(changed, slice(0, len(images)))
    return changed


@given(seeds)
def test_light_is_one_line_an_image_and_channel_within_its_ranges(seed):
    spec = Light(brightness=0.1, contrast=0.2, colour=0.1)
    changed = painted(batch(), spec, seed)
    for before, after in zip(batch().flatten(2).flatten(0, 1), changed.flatten(2).flatten(0, 1), strict=True):
        slope = (after - after.mean()).norm() / (before - before.mean()).norm()
        assert 0.8 * 0.9 - 1e-3 <= slope <= 1.2 * 1.1 + 1e-3
        torch.testing.assert_close(after - after.mean(), slope * (before - before.mean()), atol=0.01, rtol=1e-3)


@given(seeds)
def test_brightness_is_an_offset_and_contrast_keeps_the_mean(seed):
    only_brighter = painted(batch(), Light(brightness=0.1, contrast=0), seed) - batch()
    assert (only_brighter.flatten(1).std(dim=1) < 1e-3).all()
    assert (only_brighter.abs() <= 25.5 + 1e-3).all()
    only_contrast = painted(batch(), Light(brightness=0, contrast=0.5), seed)
    torch.testing.assert_close(only_contrast.mean((1, 2, 3)), batch().mean((1, 2, 3)), atol=1e-2, rtol=0)


def test_grey_is_the_luma_in_every_channel():
    changed = painted(batch(), Grey(p=1))
    luma = torch.einsum("bchw,c->bhw", batch(), torch.tensor([0.299, 0.587, 0.114]))
    torch.testing.assert_close(changed, luma[:, None].expand_as(changed), atol=1e-3, rtol=0)
    torch.testing.assert_close(painted(changed, Grey(p=1)), changed, atol=1e-3, rtol=0)  # what is grey stays grey


@given(seeds, st.floats(0, 4), st.floats(0, 4))
def test_a_blur_keeps_the_mean_and_lowers_the_contrast(seed, low, more):
    changed = painted(batch(), Blur(p=1, sigma=(low, low + more)), seed)
    torch.testing.assert_close(changed.mean((2, 3)), batch().mean((2, 3)), atol=0.02, rtol=0)
    assert (changed.std((2, 3)) <= batch().std((2, 3)) + 1e-3).all()
    assert changed.min() >= 0
    assert changed.max() <= 255.001


def test_a_blurred_point_is_a_gaussian():
    point = torch.zeros(1, 1, 41, 41)
    point[0, 0, 20, 20] = 1
    weights = gaussian(torch.tensor([2.0]), 8)
    spot = smooth(smooth(point, weights, 2), weights, 3)[0, 0]
    away = torch.arange(41) - 20
    expected = torch.exp(-(away[:, None] ** 2 + away**2) / (2 * 2.0**2))
    torch.testing.assert_close(spot, expected / expected.sum(), atol=1e-4, rtol=0)
    assert (away**2 * spot.sum(0)).sum().sqrt() == pytest.approx(2, rel=0.01)


def test_a_blur_wider_than_the_image_still_keeps_its_mean():
    tiny = batch(4, 3, 2)
    torch.testing.assert_close(
        painted(tiny, Blur(p=1, sigma=(5, 5))).mean((2, 3)), tiny.mean((2, 3)), atol=1e-2, rtol=0
    )


@given(seeds)
def test_noise_is_normal_with_the_deviation_asked_for(seed):
    grey = torch.full((4, 3, 64, 48), 127.0)
    noise = painted(grey, Noise(p=1, std=10), seed) - grey
    assert noise.mean().abs() < 0.5
    assert noise.std() == pytest.approx(10, rel=0.03)
    assert (noise.abs() > 20).float().mean() == pytest.approx(0.0455, abs=0.01)
    together = torch.corrcoef(torch.cat([noise[0, 0, :-1].flatten()[None], noise[0, 0, 1:].flatten()[None]]))
    assert together[0, 1].abs() < 0.1  # a pixel and the one below
    assert torch.corrcoef(noise[0].flatten(1)).triu(1).abs().max() < 0.1  # channels
    assert torch.corrcoef(noise[:, 0].flatten(1)).triu(1).abs().max() < 0.1  # images


@given(seeds, st.floats(0.1, 0.5), st.floats(0, 0.4))
def test_a_cut_is_one_rectangle_of_the_mean_colour_within_its_sizes(seed, low, more):
    cut = painted(batch(), Cutout(p=1.0, size=(low, low + more)), seed)
    for image, before in zip(cut, batch(), strict=True):
        hole = (image == MEAN[0]).all(0)
        rows, columns = hole.any(1), hole.any(0)
        assert torch.equal(hole, rows[:, None] & columns)
        for length, side in ((HEIGHT, rows.sum()), (WIDTH, columns.sum())):
            assert math.floor(low * length) <= side <= math.ceil((low + more) * length) + 1e-6
        assert torch.equal(image[:, ~hole], before[:, ~hole])


@pytest.mark.parametrize(
    ("spec", "values", "says"),
    [
        (Blur, {"sigma": (2, 1)}, "the smallest, then"),
        (Cutout, {"size": (0.5, 0.1)}, "the smallest, then"),
    ],
)
def test_ranges_the_wrong_way_round_are_refused(spec, values, says):
    with pytest.raises(ValidationError, match=says):
        spec(**values)
