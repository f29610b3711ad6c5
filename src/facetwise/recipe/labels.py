"""The training view of the labels. Nothing here changes the labels that a run is scored on."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from facetwise.core.files.settings import LISTED, Spec

MAX_WEIGHT = 100
"""Largest weight of a correction; with a larger one a few images would dominate the loss."""


def _ascending(band: tuple[float, float]) -> tuple[float, float]:
    if band[0] >= band[1]:
        raise ValueError("a band is [low, high] with low below high")
    return band


Band = Annotated[tuple[float, float], LISTED, AfterValidator(_ascending)]


class LabelsSpec(Spec):
    """How training labels differ from the dataset's own."""

    overlay: bool = True
    """Whether corrections in `labels/overlay.csv` are trained on."""
    overlay_weight: Annotated[float, Field(ge=0, le=MAX_WEIGHT)] = 1.0
    """Weight in the loss of an image that the overlay corrects, times the corrections' own `weight`. Images of
    weight 0 are not trained on."""
    cuts: dict[str, list[float]] = Field(default_factory=dict)
    """Moved cuts of ordinal attributes, such as `age = [29, 59]`."""
    drop: dict[str, list[Band]] = Field(default_factory=dict)
    """Bands of values of ordinal attributes that are not trained on, such as `age = [[57, 60]]`: 57 or more, and less
    than 60. Images without a number stay."""
    soften: dict[str, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    """Softened labels near the cuts of ordinal attributes: the value is assumed to have a normal error of this
    standard deviation (in the value's unit, such as years), and each class gets the probability that the value lies in
    it."""
