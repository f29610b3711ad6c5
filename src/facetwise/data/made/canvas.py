"""The drawing kit of the made contest: colours, outlines, patterns, a pen in face units, and a camera.

Everything is drawn `SUPERSAMPLE` times too large with Pillow's polygons and then scaled down, which smooths the edges.
Face units: the origin lies between the eyes, x grows to the right and y downwards; a face is about 2 units wide.

Shapes: `Points` is float64 [n, 2], (x, y) in face units; an image is uint8 [height, width, 3], RGB.
"""

from dataclasses import dataclass
from enum import Enum
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

Points = NDArray[np.float64]
Pixels = NDArray[np.uint8]
Place = tuple[float, float]
"""x and y in face units."""
Colour = tuple[float, float, float]
"""Red, green, blue, each 0..255."""

SUPERSAMPLE = 2
FACE_UNIT_OF_WIDTH = 0.31
FACE_UNIT_OF_HEIGHT = 0.2325
"""A face unit is this share of the width or of the height, whichever is less."""
FACE_CENTRE_OF_HEIGHT = 0.49
REFERENCE_WIDTH = 96
"""Image width in pixels at which blur and grain have their nominal strength."""
PATTERN_REACH = 3.4
"""Half the side of the square, in face units, that a pattern covers: the whole of a 3:4 canvas in any pose."""

CURVE_STEPS = 5
DISC_TURN = np.linspace(0, 2 * np.pi, 20, endpoint=False)
DISC = np.stack([np.cos(DISC_TURN), np.sin(DISC_TURN)], axis=1)
ALONG = np.linspace(0, 1, 9)
"""The places of an arc's points between its ends, 0..1."""
HALF_STROKE = 1 / 6 + np.sin(np.pi * ALONG) / 3
"""Half the width of a brush stroke of width 1 at each of these points."""
SHAPES_KEPT = 512
"""Outlines remembered: the photos of a person share most of theirs."""

WHITE: Colour = (250, 250, 250)
BLACK: Colour = (24, 24, 30)


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """The colour `share` (0..1) of the way from `first` to `second`."""
    red, green, blue = (a + (b - a) * share for a, b in zip(first, second, strict=True))
    return red, green, blue


def ramp(value: float, start: float, end: float) -> float:
    """0 up to `start`, 1 from `end` on, and a straight line between."""
    return min(max((value - start) / (end - start), 0.0), 1.0)


# ---------------------------------------------------------------------------------------------------------- outlines


@cache
def _spline_weights() -> NDArray[np.float64]:
    """The weights [CURVE_STEPS, 4], by Catmull and Rom, of the four control points around a step."""
    t = np.linspace(0, 1, CURVE_STEPS, endpoint=False)
    weights = [-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, t**3 - t**2]
    return np.asarray(np.stack(weights, axis=1) / 2)


@lru_cache(SHAPES_KEPT)
def smooth(corners: tuple[Place, ...]) -> Points:
    """A closed smooth outline through the corners; returns [corners * CURVE_STEPS, 2]."""
    around = np.stack([np.roll(corners, shift, axis=0) for shift in (1, 0, -1, -2)])
    return np.asarray(np.einsum("sk,kcx->csx", _spline_weights(), around).reshape(-1, 2))


def symmetric(*right_side: Place) -> Points:
    """A smooth outline from its right side, listed from top (x = 0) to bottom (x = 0), and the mirror image."""
    left_side = tuple((-x, y) for x, y in right_side[-2:0:-1])
    return smooth(right_side + left_side)


@lru_cache(SHAPES_KEPT)
def disc(x: float, y: float, radius_x: float, radius_y: float) -> Points:
    """The outline of an ellipse."""
    return np.asarray(DISC * (radius_x, radius_y) + (x, y))


def ring(x: float, y: float, radius: float, width: float) -> Points:
    """The outline of a circle drawn with a pen of the given width."""
    rims = disc(x, y, radius + width / 2, radius + width / 2), disc(x, y, radius - width / 2, radius - width / 2)
    return np.concatenate([np.concatenate([rim, rim[:1]]) for rim in rims])


@lru_cache(SHAPES_KEPT)
def arc(start: Place, end: Place, bulge: float, width: float) -> Points:
    """The outline of a brush stroke whose middle hangs `bulge` lower than the straight line from start to end.

    It is `width` face units wide in the middle and a third of that at the ends.
    """
    run, rise = end[0] - start[0], end[1] - start[1]
    path = np.stack([start[0] + run * ALONG, start[1] + rise * ALONG + bulge * 4 * ALONG * (1 - ALONG)], axis=1)
    slope = np.stack([-rise - bulge * 4 * (1 - 2 * ALONG), np.full_like(ALONG, run)], axis=1)
    across = slope * (width * HALF_STROKE / np.hypot(slope[:, 0], slope[:, 1]))[:, None]
    return np.concatenate([path + across, (path - across)[::-1]])


# ---------------------------------------------------------------------------------------------------------- patterns


class Weave(Enum):
    """What a pattern repeats."""

    PLAIN = "plain"
    STRIPES = "stripes"
    DOTS = "dots"
    CHECKS = "checks"


@dataclass(frozen=True)
class Pattern:
    """A patterned surface: of a wall, of clothes, of a cloth mask."""

    weave: Weave
    base: Colour
    accent: Colour
    pitch: float
    """Distance of the repeats, in face units."""
    slant: float
    """Turn of the whole pattern, in radians."""


def _stripes(pitch: float) -> NDArray[np.float64]:
    band = np.array([(0.0, -1.0), (0.5, -1.0), (0.5, 1.0), (0.0, 1.0)]) * (pitch, PATTERN_REACH)
    offsets = np.arange(-PATTERN_REACH, PATTERN_REACH, pitch)
    return np.asarray(band + np.stack([offsets, np.zeros_like(offsets)], axis=1)[:, None])


def _lattice(motif: Points, pitch: float) -> NDArray[np.float64]:
    """The motif at every second place of a grid of half the pitch, as the black fields of a chessboard."""
    places = np.arange(-PATTERN_REACH, PATTERN_REACH, pitch / 2)
    rows, columns = np.nonzero(np.add.outer(np.arange(len(places)), np.arange(len(places))) % 2)
    return np.asarray(motif + np.stack([places[columns], places[rows]], axis=1)[:, None])


@lru_cache(maxsize=8)
def motifs(pattern: Pattern) -> NDArray[np.float64]:
    """The outlines to fill with the pattern's accent colour, [count, corners, 2] in face units."""
    square = pattern.pitch * np.array([(0.0, 0.0), (0.5, 0.0), (0.5, 0.5), (0.0, 0.5)])
    match pattern.weave:
        case Weave.PLAIN:
            shapes = np.empty((0, 3, 2))
        case Weave.STRIPES:
            shapes = _stripes(pattern.pitch)
        case Weave.DOTS:
            shapes = _lattice(0.2 * pattern.pitch * DISC[::2], pattern.pitch)
        case Weave.CHECKS:
            shapes = _lattice(square, pattern.pitch)
    cos, sin = np.cos(pattern.slant), np.sin(pattern.slant)
    return np.asarray(shapes @ np.array([(cos, sin), (-sin, cos)]))


# --------------------------------------------------------------------------------------------------- camera and pen


@dataclass(frozen=True)
class Shot:
    """What differs from photo to photo of one person: the pose, the face made, the light and the lens."""

    shift: Place
    """Right and down, in face units."""
    scale: float
    angle: float
    """Turn of the whole picture, in radians."""
    gaze: float
    """-1 (left) to 1 (right)."""
    smile: float
    """-1 (sad) to 1 (glad)."""
    tint: Colour
    """Factor a channel, about 1: exposure and white balance."""
    light_side: float
    """How much brighter the right border is than the middle, as a share; negative when the left is."""
    blur: float
    """Standard deviation in pixels at `REFERENCE_WIDTH`."""
    grain: float
    """Standard deviation of the pixel noise, of 255."""


class Pen:
    """Fills shapes given in face units on an RGB canvas of `SUPERSAMPLE` times the image's size."""

    def __init__(self, height: int, width: int, shot: Shot) -> None:
        self.canvas = Image.new("RGB", (width * SUPERSAMPLE, height * SUPERSAMPLE))
        self._draw = ImageDraw.Draw(self.canvas, "RGBA")
        unit = SUPERSAMPLE * shot.scale * min(width * FACE_UNIT_OF_WIDTH, height * FACE_UNIT_OF_HEIGHT)
        cos, sin = unit * np.cos(shot.angle), unit * np.sin(shot.angle)
        self._turn = np.array([(cos, sin), (-sin, cos)])
        centre = np.array(self.canvas.size) * (0.5, FACE_CENTRE_OF_HEIGHT)
        self._origin = centre + unit * np.array(shot.shift)

    def _to_canvas(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Face units [..., 2] to canvas pixels [..., 2]."""
        return np.asarray(points @ self._turn + self._origin)

    def fill(self, points: Points, colour: Colour, opacity: float = 1.0) -> None:
        """Fill the outline; an opacity (0..1) below 1 lets what was drawn before shine through."""
        if opacity <= 0:
            return
        ink = (*_bytes(colour), round(255 * opacity))
        self._draw.polygon(self._to_canvas(points).ravel().tolist(), fill=ink)

    def cover(self, pattern: Pattern) -> None:
        """Cover the whole canvas with a pattern."""
        self._lay(pattern, np.array([(0, 0), self.canvas.size]))

    def upholster(self, points: Points, pattern: Pattern) -> None:
        """Fill the outline with a pattern."""
        outline = self._to_canvas(points)
        before = self.canvas.copy()
        self._lay(pattern, np.array([outline.min(axis=0), outline.max(axis=0)]))
        outside = Image.new("L", self.canvas.size, 255)
        ImageDraw.Draw(outside).polygon(outline.ravel().tolist(), fill=0)
        self.canvas.paste(before, mask=outside)

    def _lay(self, pattern: Pattern, box: NDArray[np.float64]) -> None:
        """Lay out a pattern over the box [[left, top], [right, bottom]] (canvas pixels) at least."""
        left, top, right, bottom = (round(edge) for edge in box.ravel().tolist())
        self.canvas.paste(_bytes(pattern.base), (left - 1, top - 1, right + 1, bottom + 1))
        shapes, ink = self._to_canvas(motifs(pattern)), _bytes(pattern.accent)
        seen = (shapes.max(axis=1) > box[0]) & (shapes.min(axis=1) < box[1])
        for shape in shapes[seen.all(axis=1)]:
            self._draw.polygon(shape.ravel().tolist(), fill=ink)


def _bytes(colour: Colour) -> tuple[int, int, int]:
    red, green, blue = (round(channel) for channel in colour)
    return red, green, blue


def develop(canvas: Image.Image, shot: Shot, rng: np.random.Generator) -> Pixels:
    """The photo of a finished canvas: scaled down, blurred, lit and with grain; uint8 [height, width, 3]."""
    small = canvas.reduce(SUPERSAMPLE)
    small = small.filter(ImageFilter.GaussianBlur(shot.blur * small.width / REFERENCE_WIDTH))
    light = 1 + shot.light_side * np.linspace(-1, 1, small.width, dtype=np.float32)
    grain = rng.standard_normal((small.height, small.width, 1), dtype=np.float32) * np.float32(shot.grain)
    lit = np.asarray(small) * light[None, :, None] * np.array(shot.tint, dtype=np.float32) + grain
    return np.asarray(np.clip(lit, 0, 255), dtype=np.uint8)
