"""The training view of the labels. Nothing here changes the labels that a run is scored on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import AfterValidator, Field

from facetwise.core.files.settings import LISTED, Spec

MAX_WEIGHT = 100
"""Largest weight of a correction; with a larger one a few images would dominate the loss."""
MOST_IN_A_NAME = 4
"""Numbers of an attribute that a run name lists; of more it has the first and the last."""
LONGEST_SHORT = 60
"""Bytes that label changes may take in a run name; longer ones are counted there."""


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

    @property
    def short(self) -> str:
        """What is moved, dropped and softened, for run names: `cuts-age29-59-soft-age5`; empty if nothing is."""
        changed = [
            *(("cuts", name, cuts) for name, cuts in self.cuts.items()),
            *(("drop", name, [end for band in bands for end in band]) for name, bands in self.drop.items()),
            *(("soft", name, [spread]) for name, spread in self.soften.items()),
        ]
        told = "-".join(f"{what}-{_in_a_name(name)}{_numbers(numbers)}" for what, name, numbers in changed)
        return told if len(told.encode()) <= LONGEST_SHORT else f"labels{len(changed)}"


def _numbers(numbers: Sequence[float]) -> str:
    if len(numbers) > MOST_IN_A_NAME:
        return f"{_numbers([numbers[0], numbers[-1]])}x{len(numbers)}"
    return "-".join(_in_a_name(f"{number:g}".replace("-", "m")) for number in numbers)


def _in_a_name(text: str) -> str:
    return "".join(c if c.isalnum() or c == "." else "_" for c in text)
