"""Made leaves of diseased plants: several photos a plant, two attributes, labels that lack, no test side.

`draw_plants` writes

    labels.csv          photo, plant, crop, disease: disease is empty where nobody looked
    photos/<photo>      photos of a plant, all of one crop and one disease
    field/<photo>       photos of other plants, without labels
    hidden/labels.csv   image, plant, crop, disease: the truth about `field`

Of the products of crop and disease `KINDS` alone occur. What surrounds a leaf and its hue are the plant's and say
nothing about the labels; how bad a disease is differs from photo to photo, so that no model can be perfect.
"""

import csv
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import simplejpeg

from facetwise.core.files.writing import temporary_name
from facetwise.data.made.canvas import Colour, Pattern, Pen, Points, Weave, arc, develop, disc, mix, smooth, symmetric
from facetwise.data.made.look import invent_pattern, take_shot

HEALTHY = "healthy"
KINDS = (
    ("bean", HEALTHY), ("bean", "rust"), ("bean", "mosaic"),
    ("maize", HEALTHY), ("maize", "rust"), ("maize", "blight"),
    ("tomato", HEALTHY), ("tomato", "blight"), ("tomato", "mosaic"),
)  # fmt: skip
"""Crop and disease, as often as each other."""
LABELLED, OTHERS = 150, 60
"""Plants with labels, and without."""
SHOTS = 5
"""Photos a plant."""
LACKING = 0.12
"""Share of the photos whose disease nobody wrote down."""
SIDE = (96, 96)
"""Height and width in pixels."""
GREENS: dict[str, Colour] = {"bean": (92, 150, 62), "maize": (128, 160, 60), "tomato": (70, 130, 76)}
RUST: Colour = (176, 96, 32)
BLIGHT: Colour = (84, 62, 44)
PALE: Colour = (206, 212, 120)
FIELD, PLANTS = 1, 0
"""The sides' numbers in the seeds."""


@dataclass(frozen=True)
class DrawnPlants:
    """The paths of a drawn dataset."""

    root: Path
    """The dataset, with `labels.csv` and `photos`."""
    field: Path
    """Photos without labels, of other plants."""
    labels: Path
    """The truth about them."""


@dataclass(frozen=True)
class Plant:
    """One plant: its leaves look alike but for their disease."""

    name: str
    crop: str
    disease: str
    ground: Pattern
    green: Colour


def draw_plants(root: Path, *, plants: int = LABELLED, others: int = OTHERS, seed: int = 0) -> DrawnPlants:
    """Draw `plants` with labels and `others` without into the new folder `root`; the same seed draws the same bytes.

    Raises FileExistsError when `root` exists. A failure leaves nothing.
    """
    target = root.resolve()
    if target.exists():
        raise FileExistsError(f"`{target}` exists; choose another folder")
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = temporary_name(target)
    try:
        known = _draw_side(draft / "photos", _invented(PLANTS, plants, seed), (seed, PLANTS))
        hidden = _draw_side(draft / "field", _invented(FIELD, others, seed), (seed, FIELD))
        lacks = np.random.default_rng([seed, PLANTS, 0]).random(len(known)) < LACKING
        rows = [(*row[:3], "" if lack else row[3]) for row, lack in zip(known, lacks.tolist(), strict=True)]
        _write_csv(draft / "labels.csv", ("photo", "plant", "crop", "disease"), rows)
        (draft / "hidden").mkdir()
        _write_csv(draft / "hidden" / "labels.csv", ("image", "plant", "crop", "disease"), hidden)
        draft.rename(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return DrawnPlants(root, root / "field", root / "hidden" / "labels.csv")


def _invented(side: int, count: int, seed: int) -> list[Plant]:
    kinds = np.random.default_rng([seed, side, 1]).permutation(np.arange(count) % len(KINDS)).tolist()
    found = []
    for number, kind in enumerate(kinds, start=1):
        rng, (crop, disease) = np.random.default_rng([seed, side, 2, number]), KINDS[kind]
        red, green, blue = np.clip(GREENS[crop] + rng.normal(0, 12, 3), 20, 235).tolist()
        ground = invent_pattern(rng, pitch=(0.6, 1.2), weaves=(Weave.DOTS, Weave.CHECKS, Weave.STRIPES))
        found.append(Plant(f"{'pf'[side]}{number:04}", crop, disease, ground, (red, green, blue)))
    return found


def _draw_side(folder: Path, plants: Sequence[Plant], seed: tuple[int, int]) -> list[tuple[str, str, str, str]]:
    """Draws the photos of the plants; returns photo, plant, crop and disease of each, by name."""
    folder.mkdir(parents=True)
    rows = []
    for number, plant in enumerate(plants):
        for shot in range(SHOTS):
            name = f"{plant.name}-{shot + 1}.jpg"
            pixels = _photo(plant, np.random.default_rng([*seed, 3, number, shot]))
            (folder / name).write_bytes(simplejpeg.encode_jpeg(pixels, quality=85))
            rows.append((name, plant.name, plant.crop, plant.disease))
    return rows


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])


# ---------------------------------------------------------------------------------------------------------- pictures


def _photo(plant: Plant, rng: np.random.Generator) -> np.ndarray:
    """A photo of one leaf, uint8 (height, width, 3)."""
    shot = take_shot(rng)
    pen = Pen(*SIDE, shot)
    pen.cover(plant.ground)
    outline, half = _outline(plant.crop)
    bad = float(rng.uniform(0.35, 1.0))
    if plant.disease == "mosaic":
        cells = Pattern(
            Weave.CHECKS, plant.green, mix(plant.green, PALE, 0.3 + 0.7 * bad), 0.5, float(rng.uniform(0, 1))
        )
        pen.upholster(outline, cells)
    else:
        pen.fill(outline, plant.green)
    pen.fill(arc((0.0, -1.25), (0.0, 1.4), 0.0, 0.07), mix(plant.green, PALE, 0.45))
    for side in (-1.0, 1.0):
        for y in (-0.7, -0.2, 0.3, 0.8):
            pen.fill(arc((0.0, y), (side * half * 0.8, y - 0.35), 0.0, 0.04), mix(plant.green, PALE, 0.3))
    if plant.disease == "rust":
        _spots(pen, rng, half, round(6 + 30 * bad), (0.03, 0.07), RUST)
    if plant.disease == "blight":
        _spots(pen, rng, half, round(1 + 5 * bad), (0.12, 0.3), BLIGHT)
    return develop(pen.canvas, shot, rng)


def _outline(crop: str) -> tuple[Points, float]:
    """The outline of a leaf, and about half its width."""
    if crop == "maize":
        return symmetric((0.0, -1.5), (0.34, -0.8), (0.42, 0.1), (0.3, 0.9), (0.0, 1.5)), 0.36
    if crop == "bean":
        return symmetric((0.0, -1.35), (0.5, -0.75), (0.98, 0.1), (0.72, 0.95), (0.0, 1.2)), 0.85
    lobes = ((0.0, -1.4), (0.3, -0.85), (0.8, -0.75), (0.5, -0.3), (1.05, 0.1), (0.55, 0.35), (0.75, 0.95), (0.0, 1.2))
    return smooth((*lobes, *((-x, y) for x, y in lobes[-2:0:-1]))), 0.6


def _spots(
    pen: Pen, rng: np.random.Generator, half: float, count: int, radius: tuple[float, float], colour: Colour
) -> None:
    """Round spots on the leaf, with a paler rim."""
    for _ in range(count):
        y = float(rng.uniform(-0.95, 1.0))
        x = float(rng.uniform(-1, 1)) * half * 0.8 * (1 - 0.45 * abs(y))
        size, stretch = float(rng.uniform(*radius)), float(rng.uniform(0.8, 1.3))
        pen.fill(disc(x, y, 1.35 * size, 1.35 * size * stretch), mix(colour, PALE, 0.6), 0.7)
        pen.fill(disc(x, y, size, size * stretch), mix(colour, PALE, float(rng.uniform(0, 0.15))))
