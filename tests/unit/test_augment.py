"""Augmentation: what it leaves alone, what it does exactly, and that the same draw is the same image."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from facetwise.recipe.augment import Affine, CutMix, Cutout, Flip, Light, MixUp
from facetwise.train.augment import Augmenter, change_light, cut_out, draw_affine, mirror, warp

MEAN = torch.tensor([120.0, 110.0, 100.0]).view(1, 3, 1, 1)
ALL = [Flip(), Affine(), Light(colour=0.2), Cutout(p=1.0)]
HEIGHT, WIDTH = 24, 18


def batch(count: int = 8) -> torch.Tensor:
    """Float images of 0 to 255."""
    return torch.rand(count, 3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(1)) * 255


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    "specs", [[], [Flip(p=0)], [Cutout(p=0)], [Light(brightness=0, contrast=0, colour=0)], [Flip(p=0), Cutout(p=0)]]
)
def test_nothing_is_done_where_nothing_is_asked(specs):
    torch.testing.assert_close(Augmenter(specs)(batch(), MEAN, seeded()), batch(), atol=1e-3, rtol=0)


def test_a_warp_of_nothing_is_the_image():
    still = Affine(rotate=0, scale=0, shift=0)
    torch.testing.assert_close(Augmenter([still])(batch(), MEAN, seeded()), batch(), atol=0.05, rtol=0)


def test_a_mirrored_image_is_mirrored_exactly():
    assert torch.equal(Augmenter([Flip(p=1)])(batch(), MEAN, seeded()), batch().flip(3))
    which = torch.tensor([True, False] * 4)
    mirrored = mirror(batch(), which)
    assert torch.equal(mirrored[::2], batch().flip(3)[::2])
    assert torch.equal(mirrored[1::2], batch()[1::2])
    both = Augmenter([Flip(p=1), Affine(rotate=0, scale=0, shift=0)])(batch(), MEAN, seeded())
    torch.testing.assert_close(both, batch().flip(3), atol=0.05, rtol=0)


def test_half_of_many_images_are_mirrored():
    images = batch(1).repeat(400, 1, 1, 1)
    mirrored = (Augmenter([Flip()])(images, MEAN, seeded()) != images).flatten(1).any(1).sum()
    assert 150 < mirrored < 250


def test_a_turn_by_a_half_and_a_shift_by_whole_pixels():
    half = torch.tensor([[-1.0, 0, 0], [0, -1, 0], [0, 0, 1]]).expand(8, 3, 3)
    torch.testing.assert_close(warp(batch(), half), batch().flip((2, 3)), atol=0.05, rtol=0)
    shift = torch.eye(3).repeat(8, 1, 1)
    shift[:, 0, 2] = 2 * 3 / WIDTH
    torch.testing.assert_close(warp(batch(), shift)[..., :-3], batch()[..., 3:], atol=0.05, rtol=0)
    torch.testing.assert_close(warp(batch(), shift)[..., -1], batch()[..., -1], atol=0.05, rtol=0)  # edge repeated


@given(st.integers(0, 2**31), st.floats(0.3, 3))
def test_a_drawn_warp_keeps_shapes_and_stays_in_its_ranges(seed, aspect):
    """In pixels the matrix is a rotation times a zoom, whatever the image's proportions."""
    spec = Affine(rotate=30, scale=0.2, shift=0.1)
    theta = draw_affine(spec, 16, aspect, seeded(seed))
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


def test_light_is_one_line_an_image_and_channel_within_its_ranges():
    spec = Light(brightness=0.1, contrast=0.2, colour=0.1)
    images = 100 + 0.2 * batch()  # far from 0 and 255: nothing is clipped
    changed = change_light(images, spec, seeded())
    for before, after in zip(images.flatten(2).flatten(0, 1), changed.flatten(2).flatten(0, 1), strict=True):
        slope = (after - after.mean()).norm() / (before - before.mean()).norm()
        assert 0.8 * 0.9 - 1e-3 <= slope <= 1.2 * 1.1 + 1e-3
        torch.testing.assert_close(after - after.mean(), slope * (before - before.mean()), atol=0.01, rtol=1e-3)
    only_brighter = change_light(images, Light(brightness=0.1, contrast=0), seeded()) - images
    assert (only_brighter.flatten(1).std(dim=1) < 1e-3).all()
    assert (only_brighter.abs() <= 25.5 + 1e-3).all()


def test_light_stays_in_the_range_of_pixels():
    changed = change_light(batch(), Light(brightness=1, contrast=0.9, colour=0.9), seeded())
    assert (changed.min(), changed.max()) == (0, 255)


@given(st.integers(0, 2**31), st.floats(0.1, 0.5), st.floats(0, 0.4))
def test_a_cut_is_one_rectangle_of_the_mean_colour_within_its_sizes(seed, low, more):
    spec = Cutout(p=1.0, size=(low, low + more))
    cut = cut_out(batch(), spec, MEAN, seeded(seed))
    for image, before in zip(cut, batch(), strict=True):
        hole = (image == MEAN[0]).all(0)
        rows, columns = hole.any(1), hole.any(0)
        assert torch.equal(hole, rows[:, None] & columns)
        for length, side in ((HEIGHT, rows.sum()), (WIDTH, columns.sum())):
            assert math.floor(low * length) <= side <= math.ceil((low + more) * length) + 1e-6
        assert torch.equal(image[:, ~hole], before[:, ~hole])


def test_the_same_draw_is_the_same_batch_and_another_is_another():
    augment = Augmenter(ALL)
    one, same, other = (augment(batch(), MEAN, seeded(s)) for s in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert one.shape == batch().shape
    assert one.dtype == torch.float32
    assert (one >= 0).all()
    assert (one <= 255).all()


@pytest.mark.parametrize("spec", ALL[1:], ids=lambda s: s.name)
def test_each_image_of_a_batch_draws_its_own(spec):
    changed = Augmenter([spec])(batch(1).repeat(6, 1, 1, 1), MEAN, seeded())
    assert len({image.numpy().tobytes() for image in changed}) == 6


def test_what_is_given_is_not_changed():
    images = batch()
    Augmenter(ALL)(images, MEAN, seeded())
    assert torch.equal(images, batch())


MIXES = [MixUp(alpha=0.4), CutMix(p=1.0), CutMix(p=0.5, alpha=0.3)]


def one_hot(count: int = 8) -> torch.Tensor:
    """Each image has a class of its own, so a mixed target says whose parts an image has."""
    return torch.eye(count)


@pytest.mark.parametrize("spec", MIXES)
@given(seed=st.integers(0, 2**31))
def test_mixed_targets_stay_probabilities_and_keep_most_of_a_blend(spec, seed):
    images, targets = Augmenter([spec]).mix(batch(), one_hot(), seeded(seed))
    torch.testing.assert_close(targets.sum(dim=1), torch.ones(8))
    assert targets.min() >= 0
    assert images.min() >= 0
    assert images.max() <= 255
    if isinstance(spec, MixUp):
        assert (targets.diagonal() >= 0.5 - 1e-6).all()


@pytest.mark.parametrize("spec", MIXES)
def test_the_same_draw_mixes_alike_and_images_have_partners_of_their_own(spec):
    first, second = (Augmenter([spec]).mix(batch(), one_hot(), seeded(3)) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert len({tuple(row.tolist()) for row in first[1]}) == 8


@given(seed=st.integers(0, 2**31))
def test_a_blended_image_is_the_blend_that_its_target_says(seed):
    images, targets = Augmenter([MixUp(alpha=1.0)]).mix(batch(), one_hot(), seeded(seed))
    expected = torch.einsum("bk,kchw->bchw", targets, batch())
    torch.testing.assert_close(images, expected, atol=1e-2, rtol=0)


@given(seed=st.integers(0, 2**31))
def test_a_pasted_target_is_the_share_of_pixels(seed):
    whose = torch.arange(8.0).view(8, 1, 1, 1).expand(8, 3, HEIGHT, WIDTH)  # every pixel says whose it is
    images, targets = Augmenter([CutMix(p=1.0)]).mix(whose, one_hot(), seeded(seed))
    pixels = torch.stack([(images[:, 0] == k).float().mean(dim=(1, 2)) for k in range(8)], dim=1)
    torch.testing.assert_close(targets, pixels, atol=1e-5, rtol=0)


def test_nothing_is_mixed_where_nothing_is_asked():
    for spec in (MixUp(p=0), CutMix(p=0)):
        images, targets = Augmenter([spec]).mix(batch(), one_hot(), seeded())
        assert torch.equal(images, batch())
        assert torch.equal(targets, one_hot())
