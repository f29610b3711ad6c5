"""Random changes to training images. Ranges are symmetric; each image of a batch draws its own values.

Whatever the order in a recipe, geometry comes first, then pixels, then mixing; within pixels and within mixing the
recipe's order holds. Geometry is one warp: flips, then affine and perspective in the order given, then that of
`trivial`, then grid distortion. An image is mixed at most once: by the first kind of mixing that selects it.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from facetwise.core.files.settings import LISTED, Spec

Probability = Annotated[float, Field(ge=0, le=1)]
Sigma = Annotated[float, Field(ge=0, le=10)]
Alpha = Annotated[float, Field(ge=0.01)]
Partner = Literal["any", "rare"]


class Flip(Spec):
    """Mirror left and right."""

    name: Literal["flip"] = "flip"
    """The kind of augmentation."""
    p: Probability = 0.5
    """Share of images that are mirrored."""


class Affine(Spec):
    """Rotate, scale and shift, bilinear, in one warp, with edge padding."""

    name: Literal["affine"] = "affine"
    """The kind of augmentation."""
    rotate: Annotated[float, Field(ge=0, le=180)] = 10.0
    """Largest rotation, degrees either way."""
    scale: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Largest zoom either way: factors are uniform in [1 - scale, 1 + scale]."""
    shift: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """Largest shift either way, as a share of the height and of the width."""


class Perspective(Spec):
    """Change the perspective: the four corners move independently (a homography, Heckbert 1989, sec. 2.2.3)."""

    name: Literal["perspective"] = "perspective"
    """The kind of augmentation."""
    p: Probability = 0.5
    """Share of images that are changed."""
    strength: Annotated[float, Field(ge=0, lt=0.25)] = 0.1
    """Largest move of a corner either way, as a share of the height and of the width. Below 0.25 the image cannot
    fold."""


class GridDistortion(Spec):
    """Distort the image smoothly by moving the points of a control lattice (Simard et al. 2003)."""

    name: Literal["grid-distortion"] = "grid-distortion"
    """The kind of augmentation."""
    p: Probability = 0.5
    """Share of images that are distorted."""
    cells: Annotated[int, Field(ge=1, le=16)] = 4
    """Cells of the lattice from top to bottom, and from left to right."""
    strength: Annotated[float, Field(ge=0, le=0.5)] = 0.2
    """Largest move of a lattice point either way, as a share of a cell. From 0.3 on an image may fold over itself."""


class Light(Spec):
    """Brightness, contrast and colour: pixel = a * pixel + b with a and b drawn for each image."""

    name: Literal["light"] = "light"
    """The kind of augmentation."""
    brightness: Annotated[float, Field(ge=0, le=1)] = 0.2
    """Largest offset either way, as a share of the full range (0 to 255)."""
    contrast: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """Largest factor either way around the image's mean: uniform in [1 - contrast, 1 + contrast]."""
    colour: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Largest factor either way for each channel (white balance)."""


class Grey(Spec):
    """Remove colour: every channel becomes the luma of ITU-R BT.601 (as in SimCLR, Chen et al. 2020)."""

    name: Literal["grey"] = "grey"
    """The kind of augmentation."""
    p: Probability = 0.1
    """Share of images that become grey."""


class Blur(Spec):
    """Gaussian blur with reflection at the edges, which preserves the mean (as in SimCLR, Chen et al. 2020)."""

    name: Literal["blur"] = "blur"
    """The kind of augmentation."""
    p: Probability = 0.2
    """Share of images that are blurred."""
    sigma: Annotated[tuple[Sigma, Sigma], LISTED] = (0.3, 1.5)
    """Smallest and largest standard deviation of the Gaussian, in pixels of the network's input; uniform in between."""

    @model_validator(mode="after")
    def _ordered(self) -> Blur:
        if self.sigma[0] > self.sigma[1]:
            raise ValueError("`sigma` must be the smallest, then the largest")
        return self


class Noise(Spec):
    """Add Gaussian noise, independent for each pixel and channel."""

    name: Literal["noise"] = "noise"
    """The kind of augmentation."""
    p: Probability = 0.5
    """Share of images that get noise."""
    std: Annotated[float, Field(ge=0, le=128)] = 8.0
    """Standard deviation, in levels of 0 to 255."""


class Cutout(Spec):
    """Fill one random rectangle with the mean colour that the network subtracts from images: the backbone's, or that
    of the run whose weights it starts from (DeVries & Taylor 2017)."""

    name: Literal["cutout"] = "cutout"
    """The kind of augmentation."""
    p: Probability = 0.5
    """Share of images with a rectangle."""
    size: Annotated[tuple[Probability, Probability], LISTED] = (0.1, 0.4)
    """Smallest and largest side, as a share of the height and of the width."""

    @model_validator(mode="after")
    def _ordered(self) -> Cutout:
        if self.size[0] > self.size[1]:
            raise ValueError("`size` must be the smallest, then the largest side")
        return self


class MixUp(Spec):
    """Blend each image and its label with those of another training image (Zhang et al. 2018)."""

    name: Literal["mixup"] = "mixup"
    """The kind of augmentation."""
    p: Probability = 1.0
    """Share of images that are blended."""
    alpha: Alpha = 0.2
    """The larger share of a blend is max(b, 1 - b) with b from Beta(alpha, alpha)."""
    partner: Partner = "any"
    """The other image: `any` of the batch, or one of the whole training side drawn so that every joint class is equally
    likely (`rare`; Galdran et al. 2021)."""


class CutMix(Spec):
    """Paste a rectangle of another training image; targets are mixed by area (Yun et al. 2019)."""

    name: Literal["cutmix"] = "cutmix"
    """The kind of augmentation."""
    p: Probability = 0.5
    """Share of images that get a rectangle."""
    alpha: Alpha = 1.0
    """The area that is not pasted over is drawn from Beta(alpha, alpha); the rectangle has the image's aspect ratio."""
    partner: Partner = "any"
    """The other image: `any` of the batch, or one of the whole training side drawn so that every joint class is equally
    likely (`rare`; Park et al. 2022)."""


class HalfCutMix(Spec):
    """Paste the left or the right half of another training image, which joins two half faces; targets are mixed by
    area. In images of odd width the middle column belongs to the right half."""

    name: Literal["half-cutmix"] = "half-cutmix"
    """The kind of augmentation."""
    p: Probability = 0.5
    """Share of images that get a half."""
    partner: Partner = "any"
    """The other image: `any` of the batch, or one of the whole training side drawn so that every joint class is equally
    likely (`rare`)."""


Operation = Literal[
    "none",
    "rotate",
    "shear-x",
    "shear-y",
    "shift-x",
    "shift-y",
    "brightness",
    "contrast",
    "colour",
    "sharpness",
    "posterize",
    "solarize",
    "auto-contrast",
    "equalize",
]


class Trivial(Spec):
    """TrivialAugment: to each image one operation drawn from a list, with a strength drawn anew (Müller & Hutter 2021).
    Rotation, shear and shift are part of the one warp, with edge padding; there is no mirroring among them."""

    name: Literal["trivial"] = "trivial"
    """The kind of augmentation."""
    operations: Annotated[list[Operation], Field(min_length=1)] = Field(default=list(get_args(Operation)))
    """What is drawn from, each equally likely: leave out what would change the label. `none` leaves the image as it
    is."""
    ranges: Literal["standard", "wide"] = "standard"
    """Greatest strengths. `standard`: 30 degrees, shear 0.3, shift by 0.3 of the side, factors of 0.1 to 1.9, 4 bits
    kept of 8; `wide`: 135 degrees, shear 0.99, shift by 0.45, factors of 0.01 to 1.99, 2 bits kept."""


Move = Flip | Affine | Perspective | GridDistortion
Paint = Light | Grey | Blur | Noise | Cutout
Mix = MixUp | CutMix | HalfCutMix

Augment = Annotated[Move | Paint | Trivial | Mix, Field(discriminator="name")]


def each_can_happen(specs: list[Augment]) -> list[Augment]:
    """The same augmentations; raises ValueError when one mixes every image, so that a later one never would."""
    mixes = [spec for spec in specs if isinstance(spec, Mix)]
    for spec, following in pairwise(mixes):
        if spec.p == 1:
            raise ValueError(
                f"`{spec.name}` with p = 1 mixes every image and leaves none to `{following.name}`: an image is mixed "
                "once at most, so give the first a lower `p`"
            )
    return specs
