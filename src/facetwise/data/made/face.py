"""Drawing a made-up person with or without a mask: from a `Look` to a photo.

Numbers in the drawing functions are places and sizes in face units (see `canvas`).
"""

import math
from enum import Enum

import numpy as np

from facetwise.data.made.canvas import (
    BLACK,
    WHITE,
    Colour,
    Pen,
    Pixels,
    Place,
    Points,
    arc,
    develop,
    disc,
    mix,
    ramp,
    ring,
    smooth,
    symmetric,
)
from facetwise.data.made.look import Look, take_shot

GREY: Colour = (222, 222, 226)
PALE: Colour = (206, 196, 184)
WRINKLE: Colour = (78, 38, 28)
SPOT: Colour = (110, 60, 40)
ROSY: Colour = (240, 110, 100)
LIP: Colour = (206, 62, 78)
SIDES = (-1, 1)
"""Left and right."""


class Design(Enum):
    """The five masks, which everybody wears in random order."""

    SURGICAL_WHITE = "surgical white"
    SURGICAL_BLUE = "surgical blue"
    FOLDED = "folded"
    BLACK_CLOTH = "black cloth"
    PATTERNED_CLOTH = "patterned cloth"


CLOTH_COLOURS: dict[Design, Colour] = {
    Design.SURGICAL_WHITE: WHITE,
    Design.SURGICAL_BLUE: (150, 200, 232),
    Design.FOLDED: (240, 234, 220),
    Design.BLACK_CLOTH: (46, 46, 54),
    Design.PATTERNED_CLOTH: WHITE,
}
"""Of the cloth, and of the loops around the ears."""
PLEATED = (Design.SURGICAL_WHITE, Design.SURGICAL_BLUE)


class Fit(Enum):
    """Where a mask sits; the value is its upper edge at the nose and its lower edge, in face units."""

    WORN = (0.22, 1.42)
    NOSE_OUT = (0.66, 1.46)
    ON_CHIN = (1.02, 1.56)


def draw_photo(
    look: Look, mask: tuple[Design, Fit] | None, height: int, width: int, rng: np.random.Generator
) -> Pixels:
    """One photo of a person, with a mask or without; uint8 [height, width, 3].

    Pose, light and grain come from `rng`; everything else is fixed by the arguments.
    """
    shot = take_shot(rng)
    pen = Pen(height, width, shot)
    pen.cover(look.wall)
    _draw_back_hair(pen, look)
    _draw_body(pen, look)
    _draw_head(pen, look)
    _draw_skin(pen, look)
    _draw_wrinkles(pen, look)
    for side in SIDES:
        _draw_eye(pen, look, side, shot.gaze)
        _draw_brow(pen, look, side)
    if look.glasses:
        _draw_glasses(pen, look)
    _draw_nose(pen, look)
    _draw_mouth(pen, look, shot.smile)
    if mask is not None:
        _draw_mask(pen, look, *mask)
    _draw_hair(pen, look)
    return develop(pen.canvas, shot, rng)


def _grey_share(look: Look) -> float:
    return ramp(look.apparent_age, 28, 74)


def _hair_colour(look: Look) -> Colour:
    return mix(look.hair, GREY, 0.9 * _grey_share(look))


def _skin_colour(look: Look) -> Colour:
    """Skin pales with age."""
    return mix(look.skin, PALE, 0.4 * ramp(look.apparent_age, 20, 75))


def _jaw(look: Look) -> float:
    """Half the width of the jaw."""
    return look.face_width * (0.92 - 0.24 * look.jaw_softness)


def _draw_back_hair(pen: Pen, look: Look) -> None:
    side, end = look.face_width + 0.1 + 0.16 * look.hair_length, 0.1 + 1.75 * look.hair_length
    crown: tuple[Place, ...] = ((0, -1.42), (0.7 * side, -1.25), (side, -0.6))
    outline = symmetric(*crown, (side + 0.04, end - 0.4), (0.8 * side, end), (0, end))
    pen.fill(outline, mix(_hair_colour(look), BLACK, 0.22))


def _draw_body(pen: Pen, look: Look) -> None:
    neck = 0.5 - 0.1 * look.jaw_softness
    shoulders = symmetric((0, 1.62), (0.5, 1.6), (1.15, 1.78), (1.6, 2.2), (1.7, 3.4), (0, 3.4))
    pen.upholster(shoulders, look.clothes)
    throat = symmetric((0, 0.9), (neck, 0.9), (neck, 1.55), (0.3, 1.85), (0, 1.95))
    pen.fill(throat, mix(_skin_colour(look), BLACK, 0.16))
    for side in SIDES:
        collar = arc((side * (neck + 0.06), 1.5), (0, 2.0), 0.1, 0.11)
        pen.fill(collar, mix(look.clothes.base, BLACK, 0.35))


def _draw_head(pen: Pen, look: Look) -> None:
    skin, width, jaw = _skin_colour(look), look.face_width, _jaw(look)
    for side in SIDES:
        pen.fill(disc(side * (width + 0.02), 0.18, 0.16, 0.24), mix(skin, BLACK, 0.08))
        pen.fill(disc(side * (width + 0.03), 0.18, 0.08, 0.14), mix(skin, BLACK, 0.2))
    skull: tuple[Place, ...] = ((0, -1.32), (0.72 * width, -1.12), (width, -0.4), (0.98 * width, 0.25))
    pen.fill(symmetric(*skull, (jaw, 0.85), (0.55 * jaw, 1.25), (0, 1.36)), skin)


def _draw_skin(pen: Pen, look: Look) -> None:
    """Spots come with age, and rosy cheeks fade."""
    age, brown = look.apparent_age, mix(look.skin, SPOT, 0.6)
    for x, y, size in look.spots.tolist():
        radius = 0.02 + 0.04 * size
        pen.fill(disc(1.5 * (x - 0.5), -0.95 + 1.5 * y, radius, radius), brown, 0.65 * ramp(age, 25, 75))
    for side in SIDES:
        pen.fill(disc(side * 0.58, 0.42, 0.24, 0.18), ROSY, 0.35 - 0.3 * ramp(age, 18, 50))


def _draw_wrinkles(pen: Pen, look: Look) -> None:
    """On the forehead, beside the eyes, under the eyes, beside the mouth: each comes at its own age."""
    ink, age = mix(look.skin, WRINKLE, 0.85), look.apparent_age
    for line, y in enumerate((-0.56, -0.7, -0.84)):
        length = 0.5 - 0.07 * line
        pen.fill(arc((-length, y), (length, y), -0.05, 0.085), ink, ramp(age, 22 + 6 * line, 66 + 4 * line))
    for side in SIDES:
        x = side * look.eye_distance
        corner = x + side * 0.27
        for tilt in (-0.13, 0.0, 0.13):
            pen.fill(arc((corner, 0.02), (corner + side * 0.2, 0.02 + tilt), 0.02, 0.065), ink, ramp(age, 30, 70))
        pen.fill(arc((x - 0.22, 0.2), (x + 0.22, 0.2), 0.1, 0.075), ink, ramp(age, 20, 65))
        pen.fill(arc((side * 0.26, 0.52), (side * 0.48, 0.95), 0.05, 0.07), ink, ramp(age, 32, 68))


def _draw_eye(pen: Pen, look: Look, side: int, gaze: float) -> None:
    """Eyes get smaller with age."""
    x, size = side * look.eye_distance, 1.16 - 0.5 * ramp(look.apparent_age, 16, 72)
    wide, tall = 0.22 * (0.6 + 0.4 * size), 0.17 * size
    pupil = x + 0.05 * gaze
    pen.fill(disc(x, 0, wide, tall), WHITE)
    pen.fill(disc(pupil, 0.01, 0.115 * size, 0.135 * size), look.iris)
    pen.fill(disc(pupil, 0.01, 0.06 * size, 0.07 * size), BLACK)
    pen.fill(disc(pupil + 0.03, -0.04, 0.028, 0.028), WHITE)
    pen.fill(arc((x - wide, 0.02), (x + wide, 0.02), -tall - 0.04, 0.05 + 0.07 * look.lashes), BLACK)
    for reach in (0.75, 1.0, 1.2):
        root, tip = x + side * wide * 0.8 * reach, x + side * wide * (reach + 0.4)
        pen.fill(arc((root, -0.6 * tall), (tip, -1.5 * tall), 0.03, 0.05), BLACK, look.lashes)


def _draw_brow(pen: Pen, look: Look, side: int) -> None:
    inner, outer = side * (look.eye_distance - 0.2), side * (look.eye_distance + 0.26)
    colour = mix(mix(_hair_colour(look), BLACK, 0.35), GREY, 0.4 * _grey_share(look))
    pen.fill(arc((inner, -0.3), (outer, -0.27), -0.1, 0.19 - 0.13 * look.lashes), colour)


def _draw_glasses(pen: Pen, look: Look) -> None:
    for side in SIDES:
        x = side * look.eye_distance
        pen.fill(ring(x, 0.02, 0.3, 0.05), BLACK)
        pen.fill(arc((x + side * 0.32, 0), (side * look.face_width, -0.02), 0, 0.05), BLACK)
    gap = look.eye_distance - 0.32
    pen.fill(arc((-gap, 0), (gap, 0), -0.04, 0.05), BLACK)


def _draw_nose(pen: Pen, look: Look) -> None:
    shadow, wide = mix(look.skin, WRINKLE, 0.4), look.nose_width
    pen.fill(symmetric((0, 0.1), (wide, 0.5), (0, 0.6)), shadow, 0.45)
    pen.fill(arc((-wide, 0.53), (wide, 0.53), 0.09, 0.07), shadow)


def _draw_mouth(pen: Pen, look: Look, smile: float) -> None:
    colour = mix(mix(look.skin, WRINKLE, 0.4), LIP, look.lip_colour)
    full, corner = 0.05 + 0.1 * look.lip_colour, 0.9 - 0.07 * smile
    upper: tuple[Place, ...] = ((0, 0.9 - full * 0.5), (0.14, 0.87 - full * 0.6))
    pen.fill(symmetric(*upper, (0.3, corner), (0.15, 0.92 + full), (0, 0.94 + full)), colour)
    pen.fill(arc((-0.3, corner), (0.3, corner), 0.04 + 0.12 * smile, 0.04), mix(colour, BLACK, 0.5))


def _draw_hair(pen: Pen, look: Look) -> None:
    """The hair on top; the hairline climbs with age."""
    wide, part = look.face_width, 0.55 * look.parting
    line = -0.78 - 0.2 * ramp(look.apparent_age, 25, 72)
    side: tuple[Place, ...] = (
        (0.75 * wide, -1.3),
        (wide + 0.1, -0.75),
        (wide + 0.06, -0.1),
        (wide - 0.06, -0.28),
    )
    left = tuple((-x, y) for x, y in reversed(side))
    fringe: tuple[Place, ...] = ((part + 0.3, line), (part, line - 0.16), (part - 0.3, line))
    outline = smooth(((0, -1.45), *side, (0.72, line + 0.14), *fringe, (-0.72, line + 0.14), *left))
    pen.fill(outline, _hair_colour(look))
    _draw_strands(pen, look, part)


def _draw_strands(pen: Pen, look: Look, part: float) -> None:
    """Strand after strand turns grey."""
    colour, grey = _hair_colour(look), _grey_share(look)
    turns = np.linspace(-1.25, 1.25, len(look.strands))
    for turn, threshold in zip(turns.tolist(), look.strands.tolist(), strict=True):
        root = (0.6 * part + 0.3 * math.sin(turn), -1.4)
        end = (1.02 * look.face_width * math.sin(turn), -0.37 - 0.75 * math.cos(turn))
        tone = GREY if threshold < grey else mix(colour, BLACK, 0.3 * threshold)
        pen.fill(arc(root, end, -0.1, 0.06), tone, 0.85)


# ---------------------------------------------------------------------------------------------------------- masks


def _mask_outline(look: Look, fit: Fit) -> Points:
    top, bottom = fit.value
    wide = look.face_width if fit is Fit.WORN else _jaw(look) + 0.06
    upper: tuple[Place, ...] = ((0, top - 0.04), (0.35, top + 0.02), (0.97 * wide, top + 0.2))
    return symmetric(*upper, (0.95 * wide, (top + bottom) / 2), (0.6, bottom - 0.06), (0, bottom))


def _draw_mask(pen: Pen, look: Look, design: Design, fit: Fit) -> None:
    top, colour, wide = fit.value[0], CLOTH_COLOURS[design], look.face_width
    for side in SIDES:
        pen.fill(arc((side * 0.85 * wide, top + 0.26), (side * (wide + 0.04), 0.1), 0.05, 0.06), colour)
    if design is Design.PATTERNED_CLOTH:
        pen.upholster(_mask_outline(look, fit), look.cloth_mask)
    else:
        pen.fill(_mask_outline(look, fit), colour)
    _draw_folds(pen, design, fit)


def _draw_folds(pen: Pen, design: Design, fit: Fit) -> None:
    ink, (top, bottom) = mix(CLOTH_COLOURS[design], BLACK, 0.2), fit.value
    if design is Design.FOLDED:
        pen.fill(arc((0, top), (0, bottom), 0, 0.06), ink)
    elif design in PLEATED:
        for share in (0.35, 0.55, 0.75):
            y = top + share * (bottom - top)
            pen.fill(arc((-0.62, y), (0.62, y), 0.06, 0.045), ink)
    pen.fill(arc((-0.25, top + 0.03), (0.25, top + 0.03), -0.05, 0.05), ink, 0.6)
