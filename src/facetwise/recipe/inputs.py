"""The network's input: crop and size of the decoded store."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from facetwise.core.choices import Fit, WithoutBox
from facetwise.core.files.settings import LISTED, Spec


class InputSpec(Spec):
    """Crop, then resize. Both are done once, by `facetwise prepare`."""

    height: Annotated[int, Field(ge=8, le=2048)]
    """Pixels."""
    width: Annotated[int, Field(ge=8, le=2048)]
    """Pixels."""
    box: Annotated[tuple[float, float, float, float], LISTED] = (0.0, 0.0, 1.0, 1.0)
    """The part of each image to keep: left, top, right, bottom as fractions of its size."""
    boxes: str | None = None
    """A csv of boxes, `image,left,top,right,bottom` in pixels, from any detector; relative to the project."""
    without_box: Annotated[WithoutBox, Field(exclude_if=lambda without: without == "error")] = "error"
    """With `boxes`: an image that has none is an `error`, kept `whole`, or cropped by the `median` of the other boxes,
    each in fractions of its image."""
    margin: Annotated[float, Field(ge=0, le=2, exclude_if=lambda margin: margin == 0)] = 0.0
    """With `boxes`: how far the crop reaches over the box on each side, as a share of its width and height; it ends at
    the border of the image."""
    align: Annotated[bool, Field(exclude_if=lambda align: not align)] = False
    """With `boxes` that tell the eyes (`eye1_x, eye1_y, eye2_x, eye2_y`, as `facetwise boxes` writes them): turn each
    image about the middle of its crop so that they are level. One whose eyes are not told stays as it is."""
    fit: Annotated[Fit, Field(exclude_if=lambda fit: fit == "stretch")] = "stretch"
    """What becomes of a crop of another shape than the input: `stretch` distorts it; `letterbox` keeps it whole, with
    grey on both sides; `crop` fills the input, and what stands over is cut off on both sides."""

    @model_validator(mode="after")
    def _a_box(self) -> InputSpec:
        left, top, right, bottom = self.box
        if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
            raise ValueError("`box` must be left < right and top < bottom, each from 0 to 1")
        if self.boxes is not None and self.box != (0.0, 0.0, 1.0, 1.0):
            raise ValueError("give `box` or `boxes`, not both")
        if self.boxes is None and self.without_box != "error":
            raise ValueError("`without_box` is for images that `boxes` leaves out: give `boxes` too")
        if self.boxes is None and (self.margin or self.align):
            raise ValueError("`margin` and `align` are for the crop by `boxes`: give `boxes` too")
        return self
