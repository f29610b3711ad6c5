"""Boxes that a detector found, as a page: the images without one, and those to look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from facetwise.core.files.writing import write_output
from facetwise.data.boxes.choosing import RULE, ChosenBox, DetectedBoxes
from facetwise.screens.pages.html import page

MOST_WITHOUT = 200
"""Images without a box that are shown; the rest is counted."""
MOST_BOXES = 24
"""Boxes that are shown of each kind."""


def pictured(view: DetectedBoxes) -> list[str]:
    """The images that the page shows."""
    boxed = [*_least_sure(view), *view.several[:MOST_BOXES]]
    return [*view.without[:MOST_WITHOUT], *(chosen.image for chosen in boxed)]


def write_boxes_page(view: DetectedBoxes, pictures: Mapping[str, str], out: Path) -> None:
    """Write the page, whole or not at all. `pictures`: image -> `data:image/...` address."""
    kinds = [("several", "Several boxes", view.several[:MOST_BOXES]), ("least", "Least sure", _least_sure(view))]
    shown = view.without[:MOST_WITHOUT]
    write_output(out, page("boxes.html.j2", view, {}, pictures, shown=shown, kinds=kinds, rule=RULE))


def _least_sure(view: DetectedBoxes) -> Sequence[ChosenBox]:
    return sorted(view.chosen, key=lambda chosen: chosen.score)[:MOST_BOXES]
