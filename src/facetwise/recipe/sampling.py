"""The training images of an epoch. Validation always uses every held-out image once.

Every kind may first cap the images of a person (`per_person`). Images of a person are similar, so the cap is spread
evenly over the joint classes of the person: with five photos with a mask, one with it worn wrongly and one without,
`per_person = 3` takes one of each, and another of the five in every epoch. This is the undersampling by person used by
contest winners: it balances the classes of each person and drops nobody.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from facetwise.core.files.settings import Spec
from facetwise.recipe.kinds import default_kind

Count = Annotated[int, Field(ge=1)]


class AllImages(Spec):
    """Every training image once in each epoch, in random order."""

    name: Literal["all"] = "all"
    """The kind of sampling."""
    per_person: Count | None = None
    """Most images of one person in an epoch, drawn anew each epoch and spread evenly over the person's joint
    classes."""


class Undersample(Spec):
    """As many images of every class as of the smallest one, drawn anew each epoch from as many people as possible: no
    person has a second image of a class before everyone with that class has one (random undersampling, Japkowicz &
    Stephen 2002)."""

    name: Literal["undersample"] = "undersample"
    """The kind of sampling."""
    by: str = "joint"
    """The classes to balance: `joint`, or those of an attribute."""
    to: Count | None = None
    """Most images of a class in an epoch, instead of the smallest class's number. Smaller classes are used fully."""
    per_person: Count | None = None
    """Most images of one person in an epoch, applied before balancing; drawn as in `all`."""


class Oversample(Spec):
    """As many images of every class as of the largest one (random oversampling, Japkowicz & Stephen 2002): every image
    at least once, repeats as even as possible; the images with one more repeat are drawn anew each epoch, from as many
    people as possible."""

    name: Literal["oversample"] = "oversample"
    """The kind of sampling."""
    by: str = "joint"
    """The classes to balance: `joint`, or those of an attribute."""
    per_person: Count | None = None
    """Most distinct images of one person in an epoch, applied before balancing; drawn as in `all`."""


class Weighted(Spec):
    """Images are drawn with replacement, those of rare classes more often (Kang et al. 2020, eq. 1, q = 1 - power), so
    that an epoch repeats some images and omits others."""

    name: Literal["weighted"] = "weighted"
    """The kind of sampling."""
    by: str = "joint"
    """The classes to balance: `joint`, or those of an attribute."""
    power: Annotated[float, Field(gt=0, le=2)] = 0.5
    """The probability of an image is proportional to (frequency of its class) ** -power: 1 balances classes on average,
    0.5 is halfway, and above 1 rare classes become the larger ones."""
    length: Count | None = None
    """Number of images in an epoch; default: as many as there are."""
    per_person: Count | None = None
    """Most distinct images of one person in an epoch, applied before drawing; drawn as in `all`."""


Sampling = Annotated[AllImages | Undersample | Oversample | Weighted, Field(discriminator="name"), default_kind("all")]
