"""Random changes to training images. Ranges are symmetric; every image of a batch draws its own."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from facetwise.core.settings import Spec

Probability = Annotated[float, Field(ge=0, le=1)]


class Flip(Spec):
    """Mirror left and right."""

    name: Literal["flip"] = "flip"
    """The kind of augmentation."""
    p: Probability = 0.5
    """Share of images that are mirrored."""


class Affine(Spec):
    """Rotate, scale and shift, bilinear, in one warp; what lies outside repeats the edge."""

    name: Literal["affine"] = "affine"
    """The kind of augmentation."""
    rotate: Annotated[float, Field(ge=0, le=180)] = 10.0
    """Largest rotation, degrees either way."""
    scale: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Largest zoom either way: factors are uniform in [1 - scale, 1 + scale]."""
    shift: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """Largest shift either way, as a share of the height and of the width."""


class Light(Spec):
    """Brightness, contrast and colour: pixel = a * pixel + b with a factor and an offset drawn an image."""

    name: Literal["light"] = "light"
    """The kind of augmentation."""
    brightness: Annotated[float, Field(ge=0, le=1)] = 0.2
    """Largest offset either way, as a share of the full range (0 to 255)."""
    contrast: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """Largest factor either way around the image's mean: uniform in [1 - contrast, 1 + contrast]."""
    colour: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Largest factor either way a channel (white balance)."""


class Cutout(Spec):
    """Paint one random rectangle with the dataset's mean colour (DeVries & Taylor 2017)."""

    name: Literal["cutout"] = "cutout"
    """The kind of augmentation."""
    p: Probability = 0.5
    """Share of images that get one."""
    size: tuple[Probability, Probability] = (0.1, 0.4)
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
    alpha: Annotated[float, Field(gt=0)] = 0.2
    """The larger share of a blend is max(b, 1 - b) with b from Beta(alpha, alpha)."""


class CutMix(Spec):
    """Paste a rectangle of another training image; the label is shared by area (Yun et al. 2019)."""

    name: Literal["cutmix"] = "cutmix"
    """The kind of augmentation."""
    p: Probability = 0.5
    """Share of images that get a rectangle."""
    alpha: Annotated[float, Field(gt=0)] = 1.0
    """The share that is kept is drawn from Beta(alpha, alpha); the rectangle has the image's shape."""


Augment = Annotated[Flip | Affine | Light | Cutout | MixUp | CutMix, Field(discriminator="name")]
