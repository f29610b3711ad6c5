"""People of the made contest, each as a handful of numbers.

A `Look` is the same in all photos of a person. Most of it is *identity* (wall, clothes, skin, hair colour, shape of the
face) and says nothing about the labels: a model that recognises it has memorised the person. The rest are *cues*, drawn
from two hidden numbers that only lean towards the labels, so that no model can be perfect: `femininity` (see
`GENDER_NOISE`) and `apparent_age` (see `APPARENT_AGE_NOISE`).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facetwise.data.made.canvas import Colour, Pattern, Shot, Weave, mix

GENDER_NOISE = 0.6
"""Standard deviation of femininity around -1 (male) and 1 (female): the best possible accuracy is about 95 %."""
APPARENT_AGE_NOISE = 7.0
"""Standard deviation of the apparent age around the true one, in years: cut at 30 and 60, it is right in about 80 %."""
CUE_NOISE = 0.12
"""Standard deviation of a single gender cue around femininity."""
SKINS: tuple[Colour, ...] = ((255, 219, 188), (241, 194, 152), (214, 160, 116), (176, 120, 80), (130, 86, 58))
HAIRS: tuple[Colour, ...] = ((44, 34, 34), (86, 54, 36), (142, 84, 44), (176, 70, 40), (214, 168, 88))
IRISES: tuple[Colour, ...] = ((84, 54, 34), (60, 110, 80), (70, 120, 170), (110, 110, 116))
NUM_STRANDS = 26
NUM_SPOTS = 24


@dataclass(frozen=True)
class Look:
    """One drawn person."""

    wall: Pattern
    clothes: Pattern
    cloth_mask: Pattern
    skin: Colour
    hair: Colour
    iris: Colour
    face_width: float
    """Half the width of the face, about 1."""
    eye_distance: float
    """From the middle to an eye, in face units."""
    nose_width: float
    parting: float
    """Where the hair parts, -1 (left) to 1 (right)."""
    glasses: bool
    strands: NDArray[np.float64]
    """[NUM_STRANDS] in 0..1: a strand is grey once the grey share of the hair exceeds its number."""
    spots: NDArray[np.float64]
    """[NUM_SPOTS, 3]: place of a skin spot in a unit square, and its size in 0..1."""
    apparent_age: float
    """Years."""
    hair_length: float
    """This and the next three are gender cues: 0 is as male and 1 as female as it gets."""
    jaw_softness: float
    lashes: float
    lip_colour: float


def invent_look(rng: np.random.Generator, *, female: bool, age: int) -> Look:
    """Invent a person of the given gender and age in years."""
    femininity = rng.normal(1.0 if female else -1.0, GENDER_NOISE)
    cues = np.clip((femininity + rng.normal(0, CUE_NOISE, 4)) / 3.2 + 0.5, 0, 1)
    skin, hair, iris = (_shade(rng, colours) for colours in (SKINS, HAIRS, IRISES))
    return Look(
        wall=invent_pattern(rng, pitch=(0.7, 1.3)),
        clothes=invent_pattern(rng, pitch=(0.35, 0.7)),
        cloth_mask=invent_pattern(rng, pitch=(0.25, 0.45), weaves=(Weave.DOTS, Weave.CHECKS, Weave.STRIPES)),
        skin=skin,
        hair=hair,
        iris=iris,
        face_width=rng.uniform(0.9, 1.06),
        eye_distance=rng.uniform(0.37, 0.49),
        nose_width=rng.uniform(0.1, 0.19),
        parting=rng.uniform(-0.8, 0.8),
        glasses=bool(rng.random() < 0.12),
        strands=rng.random(NUM_STRANDS),
        spots=rng.random((NUM_SPOTS, 3)),
        apparent_age=age + rng.normal(0, APPARENT_AGE_NOISE),
        hair_length=float(cues[0]),
        jaw_softness=float(cues[1]),
        lashes=float(cues[2]),
        lip_colour=float(cues[3]),
    )


def _shade(rng: np.random.Generator, colours: tuple[Colour, ...]) -> Colour:
    """One of the colours, a little off."""
    red, green, blue = np.clip(colours[rng.integers(len(colours))] + rng.normal(0, 5, 3), 0, 255).tolist()
    return red, green, blue


def _vivid(rng: np.random.Generator) -> Colour:
    """A cheerful colour of any hue."""
    hue = rng.random() + np.array([0.0, 1 / 3, 2 / 3])
    red, green, blue = (rng.uniform(120, 195) + rng.uniform(30, 58) * np.cos(2 * np.pi * hue)).tolist()
    return red, green, blue


def invent_pattern(
    rng: np.random.Generator, pitch: tuple[float, float], weaves: tuple[Weave, ...] = tuple(Weave)
) -> Pattern:
    """A pattern of two cheerful colours; `pitch`: from and to, in face units."""
    base = _vivid(rng)
    accent = mix(base, _vivid(rng), 0.75)
    weave = weaves[rng.integers(len(weaves))]
    return Pattern(weave, base, accent, rng.uniform(*pitch), rng.choice([0.0, math.pi / 4, math.pi / 2]))


def take_shot(rng: np.random.Generator) -> Shot:
    """Draw the pose, light and lens of one photo."""
    red, green, blue = (rng.normal(1, 0.07) * rng.normal(1, 0.03, 3)).tolist()
    return Shot(
        shift=(rng.normal(0, 0.08), rng.normal(0, 0.06)),
        scale=rng.normal(1, 0.04),
        angle=rng.normal(0, 0.06),
        gaze=rng.uniform(-1, 1),
        smile=rng.uniform(-0.4, 1),
        tint=(red, green, blue),
        light_side=rng.normal(0, 0.08),
        blur=rng.uniform(0.1, 0.7),
        grain=rng.uniform(1, 5),
    )
