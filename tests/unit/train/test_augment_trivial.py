"""TrivialAugment: every operation is Pillow's, moves are part of the one warp, each is drawn as often."""

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageEnhance, ImageOps
from pydantic import ValidationError

from facetwise.recipe.augment import Affine, Trivial
from facetwise.train.augment import Augmenter
from facetwise.train.augment.geometry import move
from facetwise.train.augment.trivial import MOVES, PAINTS, RANGES, DrawnTrivial, draw_trivial

MEAN = torch.full((1, 3, 1, 1), 128.0)
HEIGHT, WIDTH = 24, 18
ALL = Trivial().operations
PILLOW = {
    "brightness": lambda image, s, r: ImageEnhance.Brightness(image).enhance(1 + r.factor * s),
    "contrast": lambda image, s, r: ImageEnhance.Contrast(image).enhance(1 + r.factor * s),
    "colour": lambda image, s, r: ImageEnhance.Color(image).enhance(1 + r.factor * s),
    "sharpness": lambda image, s, r: ImageEnhance.Sharpness(image).enhance(1 + r.factor * s),
    "posterize": lambda image, s, r: ImageOps.posterize(image, 8 - round(r.lost_bits * abs(s))),
    "solarize": lambda image, s, _: ImageOps.solarize(image, 256 * (1 - abs(s))),
    "auto-contrast": lambda image, _s, _r: ImageOps.autocontrast(image),
    "equalize": lambda image, _s, _r: ImageOps.equalize(image),
}
EXACT = {"posterize", "solarize", "equalize"}


def batch(count: int = 8) -> torch.Tensor:
    """Uint8 images as the store gives them, of half the contrast that there is, smoother than noise."""
    generator = torch.Generator().manual_seed(1)
    coarse = torch.randint(40, 168, (count, 3, HEIGHT // 3, WIDTH // 3), generator=generator).float()
    fine = torch.nn.functional.interpolate(coarse, (HEIGHT, WIDTH), mode="bilinear")
    return fine.round().byte().contiguous(memory_format=torch.channels_last)


def painted(images: torch.Tensor, operation: str, strength: float, ranges: str) -> torch.Tensor:
    """A copy of the images, all changed by one operation, clipped as the augmenter does."""
    changed, count = images.float().contiguous(), len(images)
    DrawnTrivial((operation,) * count, torch.full((count,), strength), RANGES[ranges]).paint(changed, slice(0, count))
    return changed.clamp(0, 255)


def test_every_operation_is_a_move_or_a_painter_or_nothing():
    assert sorted(ALL) == sorted([*MOVES, *PAINTS, "none"])
    assert PILLOW.keys() == PAINTS.keys()


@pytest.mark.parametrize("ranges", RANGES)
@pytest.mark.parametrize("operation", PAINTS)
@pytest.mark.parametrize("strength", [-1.0, -0.4, 0.0, 0.3, 0.9])
def test_painters_are_pillows(operation, strength, ranges):
    changed = painted(batch(), operation, strength, ranges)
    for own, stored in zip(changed, batch(), strict=True):
        image = Image.fromarray(stored.permute(1, 2, 0).numpy())
        theirs = np.asarray(PILLOW[operation](image, strength, RANGES[ranges]), np.float32)
        difference = np.abs(own.permute(1, 2, 0).numpy() - theirs).max()
        assert difference <= (0 if operation in EXACT else 2)  # Pillow rounds the grey, the mean and the result


@pytest.mark.parametrize("operation", PAINTS)
@pytest.mark.parametrize("level", [0, 77, 255])
def test_an_image_of_one_colour_stays_one(operation, level):
    changed = painted(torch.full((2, 3, 5, 4), level, dtype=torch.uint8), operation, 0.5, "wide")
    assert torch.isfinite(changed).all()
    assert (changed.flatten(2).amax(2) - changed.flatten(2).amin(2)).max() < 1e-3


@pytest.mark.parametrize("operation", sorted(MOVES))
def test_no_strength_moves_nothing_and_opposite_strengths_undo_each_other(operation):
    def matrix(strength: float) -> torch.Tensor:
        return DrawnTrivial((operation,), torch.tensor([strength]), RANGES["wide"]).matrices(WIDTH / HEIGHT)[0]

    assert torch.equal(matrix(0.0), torch.eye(3))
    torch.testing.assert_close(matrix(0.7) @ matrix(-0.7), torch.eye(3), atol=1e-6, rtol=0)
    assert not torch.equal(matrix(0.7), torch.eye(3))


def test_a_right_angle_turns_the_pixels_of_a_square():
    turned = DrawnTrivial(("rotate",), torch.tensor([90 / 135]), RANGES["wide"])
    image = torch.rand(1, 3, 9, 9, generator=torch.Generator().manual_seed(0)) * 255
    motion = Augmenter([]).draw(image, MEAN, torch.Generator()).motion
    moved = motion.then(turned.matrices(1.0), turned.moved_B)
    torch.testing.assert_close(move(image, moved), torch.rot90(image, 1, (2, 3)), atol=0.01, rtol=0)


def test_a_shear_shifts_each_row_by_its_distance_from_the_middle():
    matrix = DrawnTrivial(("shear-x",), torch.tensor([1.0]), RANGES["standard"]).matrices(WIDTH / HEIGHT)[0]
    down = 2 * 5 / HEIGHT  # five pixels below the middle
    x = (matrix @ torch.tensor([0.0, down, 1.0]))[0]
    assert x.item() * WIDTH / 2 == pytest.approx(5 * 0.3)


@given(seed=st.integers(0, 2**31))
def test_each_operation_is_drawn_as_often(seed):
    counts = Counter(draw_trivial(Trivial(), 1400, torch.Generator().manual_seed(seed)).operation_B)
    assert set(counts) <= set(ALL)
    chosen = draw_trivial(Trivial(operations=["none", "rotate"]), 400, torch.Generator().manual_seed(0)).operation_B
    assert Counter(chosen).keys() == {"none", "rotate"}
    assert 150 < Counter(chosen)["none"] < 250


def test_an_image_gets_one_operation():
    """With moves only and paints only, every image is either as the one or as the other alone would have it."""
    images = batch(40)
    drawn = Augmenter([Trivial()]).draw(images, MEAN, torch.Generator().manual_seed(3))
    one = draw_trivial(Trivial(), 40, torch.Generator().manual_seed(3))
    assert torch.equal(drawn.motion.warped_B, one.moved_B)
    changed = Augmenter([Trivial()])(images, MEAN, torch.Generator().manual_seed(3))
    for i, operation in enumerate(one.operation_B):
        if operation == "none":
            assert torch.equal(changed[i], images[i].float())
        elif operation in PAINTS:
            alone = painted(images[i : i + 1], operation, one.strength_B[i].item(), "standard")
            torch.testing.assert_close(changed[i : i + 1], alone, atol=1e-3, rtol=0)


def test_what_is_drawn_for_others_stays_as_it_was():
    """Geometry that a recipe had before draws the same numbers beside it."""
    alone, beside = (
        Augmenter(specs).draw(batch(), MEAN, torch.Generator().manual_seed(5)).motion
        for specs in ([Affine()], [Affine(), Trivial(operations=["none"])])
    )
    assert torch.equal(alone.theta_B33, beside.theta_B33)


@pytest.mark.parametrize("wrong", [{"operations": []}, {"operations": ["twist"]}, {"ranges": "huge"}])
def test_what_does_not_exist_is_refused(wrong):
    with pytest.raises(ValidationError):
        Trivial(**wrong)
