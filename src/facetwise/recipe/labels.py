"""The training view of the labels. Nothing here touches what a run is scored on."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from facetwise.core.settings import Spec


class LabelsSpec(Spec):
    """How training labels differ from the dataset's own."""

    overlay: bool = True
    """Whether corrections in `labels/overlay.csv` are trained on."""
    cuts: dict[str, list[float]] = Field(default_factory=dict)
    """Moved cuts of ordinal attributes, such as `age = [29, 59]`."""
    soften: dict[str, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    """Softened labels near the cuts of ordinal attributes: the value is taken with a normal error of this standard
    deviation (in the value's unit, such as years), and each class gets the probability that the value lies in it."""
