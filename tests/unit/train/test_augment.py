"""Augmentation as a whole: nothing where nothing is asked, the same draw the same image, no image sees another."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from facetwise.recipe.augment import (
    Affine,
    Blur,
    CutMix,
    Cutout,
    Flip,
    Grey,
    GridDistortion,
    HalfCutMix,
    Light,
    MixUp,
    Noise,
    Perspective,
    Trivial,
)
from facetwise.train.augment import Augmenter, parts

MEAN = torch.tensor([120.0, 110.0, 100.0]).view(1, 3, 1, 1)
EVERY = [
    Flip(),
    Affine(),
    Perspective(p=1.0),
    GridDistortion(p=1.0),
    Light(colour=0.2),
    Grey(p=0.5),
    Blur(p=0.5),
    Noise(p=1.0),
    Cutout(p=1.0),
    Trivial(ranges="wide"),
]
SOMETIMES = [Flip(), Perspective(), GridDistortion(), Grey(p=0.5), Blur(p=0.5), Noise(), Cutout()]
"""Some images are changed and some are not."""
NEVER = [Flip(p=0), Perspective(p=0), GridDistortion(p=0), Grey(p=0), Blur(p=0), Noise(p=0), Cutout(p=0)]
IDENTITY = [
    Affine(rotate=0, scale=0, shift=0),
    Perspective(p=1.0, strength=0),
    GridDistortion(p=1.0, strength=0),
    Light(brightness=0, contrast=0, colour=0),
    Blur(p=1.0, sigma=(0, 0)),
    Noise(p=1.0, std=0),
    Trivial(operations=["none"]),
]
HEIGHT, WIDTH = 24, 18


def batch(count: int = 8) -> torch.Tensor:
    """Uint8 images as the store gives them: channels lie together."""
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (count, HEIGHT, WIDTH, 3), generator=generator, dtype=torch.uint8).permute(0, 3, 1, 2)


@pytest.fixture
def threads():
    """Sets torch's number of threads for one test."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield torch.set_num_threads
    torch.set_num_threads(before)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("specs", [[], NEVER, *([spec] for spec in NEVER)], ids=str)
def test_nothing_is_done_where_nothing_is_asked(specs):
    assert torch.equal(Augmenter(specs)(batch(), MEAN, seeded()), batch().float())


@pytest.mark.parametrize("specs", [*([spec] for spec in IDENTITY), IDENTITY], ids=str)
def test_settings_that_change_nothing_change_nothing(specs):
    torch.testing.assert_close(Augmenter(specs)(batch(), MEAN, seeded()), batch().float(), atol=1e-2, rtol=0)


@given(seed=st.integers(0, 2**31))
def test_the_same_draw_is_the_same_batch_and_another_is_another(seed):
    augmenter = Augmenter(EVERY)
    one, same, other = (augmenter(batch(), MEAN, seeded(s)) for s in (seed, seed, seed + 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


@pytest.mark.parametrize("specs", [[s] for s in [*EVERY, *SOMETIMES, *NEVER]] + [EVERY, SOMETIMES], ids=str)
@pytest.mark.parametrize(
    "images",
    [batch(), batch().float(), batch().float().contiguous(), batch(1), batch(0)],
    ids=["store", "float", "contiguous", "one", "none"],
)
def test_the_result_is_float_in_range_and_laid_out_like_what_was_given(images, specs):
    given_before = images.clone()
    augmented = Augmenter(specs)(images, MEAN, seeded())
    assert (augmented.shape, augmented.stride(), augmented.dtype) == (images.shape, images.stride(), torch.float32)
    assert ((augmented >= 0) & (augmented <= 255)).all()
    assert torch.equal(images, given_before)


@pytest.mark.parametrize("specs", [EVERY, SOMETIMES], ids=["every", "sometimes"])
def test_bytes_and_numbers_are_augmented_alike(specs):
    from_bytes, from_numbers = (Augmenter(specs)(x, MEAN, seeded()) for x in (batch(), batch().float().contiguous()))
    torch.testing.assert_close(from_bytes, from_numbers, atol=1e-3, rtol=0)


@pytest.mark.parametrize("spec", EVERY[1:5] + EVERY[7:], ids=lambda s: s.name)
def test_each_image_of_a_batch_draws_its_own(spec):
    changed = Augmenter([spec])(batch(1).expand(6, -1, -1, -1), MEAN, seeded())
    assert len({image.numpy().tobytes() for image in changed}) == 6


@pytest.mark.parametrize("spec", SOMETIMES, ids=lambda s: s.name)
def test_as_many_images_are_changed_as_asked(spec):
    images = batch(1).repeat(400, 1, 1, 1)
    changed = (Augmenter([spec])(images, MEAN, seeded()) != images.float()).flatten(1).any(1).sum()
    assert 150 < changed < 250


@pytest.mark.parametrize("specs", [EVERY, SOMETIMES], ids=["every", "sometimes"])
@given(seed=st.integers(0, 2**31))
def test_an_image_alone_becomes_what_it_becomes_in_company(specs, seed):
    """What was drawn for the batch is applied image by image, and the neighbours are swapped for others."""
    augmenter = Augmenter(specs)
    drawn = augmenter.draw(batch(), MEAN, seeded(seed))
    together = drawn.apply(batch(), slice(0, 8))
    alone = torch.cat([drawn.apply(batch()[i : i + 1], slice(i, i + 1)) for i in range(8)])
    torch.testing.assert_close(alone, together, atol=1e-3, rtol=0)
    strangers = batch()
    strangers[1:] = 255 - strangers[1:]
    torch.testing.assert_close(drawn.apply(strangers, slice(0, 8))[0], together[0], atol=1e-3, rtol=0)


def test_the_size_of_the_parts_changes_nothing(monkeypatch):
    whole = Augmenter(EVERY)(batch(), MEAN, seeded())
    monkeypatch.setattr(parts, "PART_BYTES", 1)
    torch.testing.assert_close(Augmenter(EVERY)(batch(), MEAN, seeded()), whole, atol=1e-3, rtol=0)


def test_more_threads_change_nothing_and_leave_torch_as_it_was(threads):
    one = Augmenter(EVERY)(batch(), MEAN, seeded())
    threads(2)
    torch.testing.assert_close(Augmenter(EVERY)(batch(), MEAN, seeded()), one, atol=1e-3, rtol=0)
    assert torch.get_num_threads() == 2


def test_what_goes_wrong_in_a_thread_is_raised(threads):
    threads(2)
    with pytest.raises(ZeroDivisionError):
        parts.each_part(batch(), lambda rows: rows.start // 0)


def test_the_order_of_families_is_fixed():
    """Geometry, pixels and mixing each keep to themselves: where they stand in the recipe does not matter."""
    one, other = (Augmenter(specs)(batch(), MEAN, seeded()) for specs in ([Flip(), Light()], [Light(), Flip()]))
    assert torch.equal(one, other)


def test_rare_partners_are_asked_for_and_must_be_given():
    assert not Augmenter([Flip(), MixUp(), CutMix(), HalfCutMix()]).needs_rare
    augmenter = Augmenter([CutMix(), HalfCutMix(partner="rare")])
    assert augmenter.needs_rare
    with pytest.raises(ValueError, match=r"`half-cutmix` with rare partners needs `other`"):
        augmenter.mix(batch().float(), torch.eye(8), seeded())
