"""Mixing: a target is exactly the share of pixels, and partners are whom the recipe asks for."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from facetwise.core.errors import SettingError
from facetwise.core.files.settings import parse
from facetwise.recipe import Recipe
from facetwise.recipe.augment import CutMix, HalfCutMix, MixUp
from facetwise.train.augment import Augmenter
from facetwise.train.augment.boxes import box_mask, fill
from facetwise.train.augment.mixing import beta_shares

COUNT, HEIGHT, WIDTH = 8, 24, 18
MIXES = [MixUp(alpha=0.4), CutMix(p=1.0), CutMix(p=0.5, alpha=0.3), HalfCutMix(p=1.0), HalfCutMix(p=0.5)]
PASTES = MIXES[1:]
seeds = st.integers(0, 2**31)


def batch() -> torch.Tensor:
    return torch.rand(COUNT, 3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(1)) * 255


def whose(first: int = 0) -> torch.Tensor:
    """Constant images: every pixel says whose it is."""
    return torch.arange(first, first + COUNT).float().view(COUNT, 1, 1, 1).expand(COUNT, 3, HEIGHT, WIDTH).contiguous()


def one_hot() -> torch.Tensor:
    """Each image has a class of its own, so a mixed target says whose parts an image has."""
    return torch.eye(COUNT)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def shares(images: torch.Tensor, num_images: int) -> torch.Tensor:
    """Share of the pixels of each image that are each source's, counted."""
    counts = torch.stack([(images[:, 0] == k).sum(dim=(1, 2)) for k in range(num_images)], dim=1)
    return counts / (images.shape[2] * images.shape[3])


@pytest.mark.parametrize("spec", MIXES)
@given(seed=seeds)
def test_mixed_targets_stay_probabilities_and_keep_most_of_a_blend(spec, seed):
    before = batch(), one_hot()
    images, targets = Augmenter([spec]).mix(*before, seeded(seed))
    torch.testing.assert_close(targets.sum(dim=1), torch.ones(COUNT))
    assert targets.min() >= 0
    assert images.min() >= 0
    assert images.max() <= 255
    assert torch.equal(before[0], batch())
    if not isinstance(spec, CutMix):
        assert (targets.diagonal() >= 0.5 - 1e-6).all()


@pytest.mark.parametrize("spec", MIXES)
def test_the_same_draw_mixes_alike_and_images_have_partners_of_their_own(spec):
    first, second = (Augmenter([spec]).mix(batch(), one_hot(), seeded(3)) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert len({tuple(row.tolist()) for row in first[0].flatten(1)}) == COUNT


@given(seed=seeds)
def test_a_blended_image_is_the_blend_that_its_target_says(seed):
    images, targets = Augmenter([MixUp(alpha=1.0)]).mix(batch(), one_hot(), seeded(seed))
    expected = torch.einsum("bk,kchw->bchw", targets, batch())
    torch.testing.assert_close(images, expected, atol=1e-2, rtol=0)


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.099, 0.1, 0.4, 3.0])
def test_shares_follow_the_beta_distribution_down_to_the_least_alpha(alpha):
    """Of 20,000 draws; at 0.01 float32 made 17 % of them an even half."""
    shares = beta_shares(alpha, 20_000, seeded())
    expected = np.random.default_rng(0).beta(alpha, alpha, 200_000)
    assert shares.dtype == torch.float32
    for place in (0.1, 0.3, 0.499, 0.501, 0.8):
        assert (shares <= place).double().mean() == pytest.approx((expected <= place).mean(), abs=0.015)


def test_the_share_of_a_blend_is_drawn_as_ever():
    """What `cpu-small` was measured with."""
    found = beta_shares(0.4, 4, seeded(7)).tolist()
    assert found == pytest.approx(
        [0.24840089678764343, 0.006696383003145456, 0.01261501107364893, 0.8745535612106323], abs=1e-7
    )


def test_an_alpha_that_would_underflow_is_refused():
    for kind in (MixUp, CutMix):
        with pytest.raises(ValueError, match=r"greater than or equal to 0\.01"):
            kind(alpha=0.009)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=["planes", "channels last"])
@pytest.mark.parametrize("spec", PASTES)
@given(seed=seeds)
def test_a_pasted_target_is_the_share_of_pixels(spec, layout, seed):
    given_images = whose().contiguous(memory_format=layout)
    images, targets = Augmenter([spec]).mix(given_images, one_hot(), seeded(seed))
    assert images.stride() == given_images.stride()
    torch.testing.assert_close(targets, shares(images, COUNT), atol=1e-6, rtol=0)


@pytest.mark.parametrize("width", [17, 18])
@given(seed=seeds)
def test_halves_meet_at_the_middle_column(width, seed):
    own = whose()[..., :1].expand(-1, -1, -1, width).contiguous()
    images, targets = Augmenter([HalfCutMix(p=1)]).mix(own, one_hot(), seeded(seed))
    middle = width // 2
    for i, image in enumerate(images):
        left, right = image[:, :, :middle], image[:, :, middle:]
        assert (left == left[0, 0, 0]).all()
        assert (right == right[0, 0, 0]).all()
        assert i in (left[0, 0, 0], right[0, 0, 0])
    torch.testing.assert_close(targets, shares(images, COUNT), atol=1e-6, rtol=0)


def test_both_halves_are_pasted():
    images, _ = Augmenter([HalfCutMix(p=1)]).mix(whose(), one_hot(), seeded())
    kept_left = (images[:, 0, 0, 0] == torch.arange(COUNT)) & (images[:, 0, 0, -1] != torch.arange(COUNT))
    assert 0 < kept_left.sum() < COUNT


@pytest.mark.parametrize("spec", [MixUp(p=0), CutMix(p=0), HalfCutMix(p=0)])
def test_nothing_is_mixed_where_nothing_is_asked(spec):
    images, targets = Augmenter([spec]).mix(batch(), one_hot(), seeded())
    assert torch.equal(images, batch())
    assert torch.equal(targets, one_hot())


@pytest.mark.parametrize("kind", [MixUp, CutMix, HalfCutMix])
@given(seed=seeds)
def test_a_rare_partner_is_the_one_given_row_by_row(kind, seed):
    """Targets tell 16 sources apart: the batch's own and the partners'."""
    own, other = (whose(), torch.eye(2 * COUNT)[:COUNT]), (whose(COUNT), torch.eye(2 * COUNT)[COUNT:])
    images, targets = Augmenter([kind(p=1, partner="rare")]).mix(*own, seeded(seed), other)
    mine, theirs = targets[:, :COUNT], targets[:, COUNT:]
    assert torch.equal(mine, mine.diagonal().diag())
    assert torch.equal(theirs, theirs.diagonal().diag())
    expected = targets @ torch.arange(2.0 * COUNT)  # the mean pixel
    torch.testing.assert_close(images.mean((1, 2, 3)), expected, atol=1e-4, rtol=1e-4)


@given(seed=seeds)
def test_an_image_is_mixed_once_at_most_and_its_target_still_is_the_share_of_pixels(seed):
    images, targets = Augmenter([CutMix(p=0.5), HalfCutMix(p=0.5), CutMix(p=1)]).mix(whose(), one_hot(), seeded(seed))
    assert ((targets > 0).sum(1) <= 2).all()
    torch.testing.assert_close(targets, shares(images, COUNT), atol=1e-6, rtol=0)


def test_a_mixing_that_could_never_happen_is_refused():
    first = {"input": {"height": 32, "width": 24}, "model": {"backbone": "small_resnet"}, "train": {"length": "1ep"}}
    with pytest.raises(SettingError, match=r"`augment`: `mixup` with p = 1 .* leaves none to `cutmix`"):
        parse(Recipe, {**first, "augment": [{"name": "mixup"}, {"name": "flip"}, {"name": "cutmix"}]}, "here")
    assert len(parse(Recipe, {**first, "augment": [{"name": "cutmix"}, {"name": "mixup"}]}, "here").augment) == 2


def test_the_mask_of_a_gpu_is_the_slices_of_the_cpu():
    boxes = torch.tensor([[0, 24, 0, 9], [3, 5, 2, 18], [4, 4, 0, 18], [0, 0, 0, 0]])
    x, source = torch.zeros(4, 3, HEIGHT, WIDTH), torch.ones(4, 3, HEIGHT, WIDTH)
    fill(x, boxes, source)
    assert torch.equal(x.bool(), box_mask(boxes, x).expand_as(x))
