"""Which training images an epoch holds. Validation always sees every held-out image once.

Every kind may first cap the images of a person (`per_person`). The images of a person are alike, so the cap is drawn
evenly from the joint classes that the person has: with five photos that wear a mask, one that wears it wrongly and one
without, `per_person = 3` gives one of each, and another of the five in every epoch. This is the undersampling per
person that contest winners name: it evens out the classes that everybody has, and loses nobody.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from facetwise.recipe.kinds import default_kind
from facetwise.recipe.strict import RecipeSpec

Count = Annotated[int, Field(ge=1)]


class AllImages(RecipeSpec):
    """Every training image once an epoch, in a new order."""

    name: Literal["all"] = "all"
    """The kind of sampling."""
    per_person: Count | None = None
    """Most images of one person an epoch, drawn anew each epoch, evenly from the joint classes that the person has."""


class Undersample(RecipeSpec):
    """Every class gives as many images as the smallest one, drawn anew each epoch, from as many people as it can:
    nobody gives a second image of a class before everyone who has the class gave one (random undersampling, Japkowicz &
    Stephen 2002)."""

    name: Literal["undersample"] = "undersample"
    """The kind of sampling."""
    by: str = "joint"
    """The classes that are made equal: `joint`, or an attribute's."""
    to: Count | None = None
    """Instead of the smallest class: most images of a class an epoch. Smaller classes give all."""
    per_person: Count | None = None
    """Most images of one person an epoch, before classes are made equal; drawn as in `all`."""


class Oversample(RecipeSpec):
    """Every class gives as many images as the largest one (random oversampling, Japkowicz & Stephen 2002): every image
    at least once, repeats as even as can be; the images that stand once more than others are drawn anew each epoch,
    from as many people as it can."""

    name: Literal["oversample"] = "oversample"
    """The kind of sampling."""
    by: str = "joint"
    """The classes that are made equal: `joint`, or an attribute's."""
    per_person: Count | None = None
    """Most different images of one person an epoch, before classes are made equal; drawn as in `all`."""


class Weighted(RecipeSpec):
    """Images are drawn with replacement, those of rare classes more often (Kang et al. 2020, eq. 1, q = 1 - power). An
    epoch repeats some images and leaves out others."""

    name: Literal["weighted"] = "weighted"
    """The kind of sampling."""
    by: str = "joint"
    """The classes that count: `joint`, or an attribute's."""
    power: Annotated[float, Field(gt=0, le=2)] = 0.5
    """The probability of an image is proportional to (share of its class) ** -power: 1 makes classes equal on average,
    0.5 goes half of the way, above 1 rare classes are the larger ones."""
    length: Count | None = None
    """Images an epoch; as many as there are when it is left out."""
    per_person: Count | None = None
    """Most different images of one person an epoch, before any is drawn; drawn as in `all`."""


Sampling = Annotated[AllImages | Undersample | Oversample | Weighted, Field(discriminator="name"), default_kind("all")]
