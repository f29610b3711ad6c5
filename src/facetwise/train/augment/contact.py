"""The contact sheet: what a recipe's augmentation makes of training images, before anything is trained.

One row an image: as it lies in the store, then augmented anew in each column by the code that trains, mixing and rare
partners included. The images and their labels are those of the training view; no test image is touched.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Generator, Tensor

from facetwise.core.errors import InputError
from facetwise.core.labels import IntArray
from facetwise.core.progress import Progress
from facetwise.core.project import Project
from facetwise.data.images.store import prepare_store, recipe_store
from facetwise.data.labels.overlay import read_overlay
from facetwise.data.labels.views import training_view
from facetwise.data.manifest import load_manifest
from facetwise.model.backbone import mean_colour
from facetwise.recipe import Recipe
from facetwise.train.augment import Augmenter
from facetwise.train.augment.lettering import drawable_name
from facetwise.train.sampling import partner_rows, rare_weights
from facetwise.train.seeds import derive_seed

POOL = 32
"""Images of the batches that a sheet is made from, at least, so that partners differ."""
Colour = tuple[float, float, float]
"""Red, green and blue, 0 to 255."""


@dataclass(frozen=True)
class Cell:
    """One picture of a sheet."""

    pixels: npt.NDArray[np.uint8]
    """(H, W, 3)."""
    caption: tuple[str, ...]
    """Its joint class, or those of both parents with their shares of the target, a line each."""


@dataclass(frozen=True)
class Sheet:
    """A contact sheet, not yet drawn."""

    title: str
    rows: tuple[tuple[Cell, ...], ...]
    """The first cell of each row is the stored image."""


@dataclass(frozen=True)
class TrainingImages:
    """The images that a recipe may train on, n of them."""

    pixels: npt.NDArray[np.uint8]
    """The whole store, mapped."""
    store_rows: IntArray
    """Where each image lies in it, (n,)."""
    joint: IntArray
    """Joint classes of the training view, (n,)."""
    names: tuple[str, ...]
    """A name for each, (n,)."""

    def batch(self, positions: IntArray) -> Tensor:
        """Some of the images, uint8 (B, 3, H, W)."""
        return torch.from_numpy(np.take(self.pixels, self.store_rows[positions], axis=0)).permute(0, 3, 1, 2)


def contact_sheet(
    project: Project, recipe: Recipe, *, rows: int, columns: int, seed: int, progress: Progress | None = None
) -> Sheet:
    """Augment `rows` training images, drawn by `seed`, `columns` - 1 times; makes the image store when it is not there.

    Fewer rows when there are fewer images. Raises InputError when there is no training image, SettingError when the
    recipe does not fit the project.
    """
    images = training_images(project, recipe, progress)
    augmenter, colour = Augmenter(recipe.augment), mean_colour(recipe.model.backbone)
    return make_sheet(images, augmenter, describe(recipe), rows=rows, columns=columns, seed=seed, colour=colour)


def training_images(project: Project, recipe: Recipe, progress: Progress | None = None) -> TrainingImages:
    """The rows and labels of the recipe's training view."""
    space, manifest = project.space, load_manifest(project)
    if manifest.train.is_empty():
        raise InputError("there is nothing to augment: the dataset has no labelled images")
    overlay = read_overlay(project.workspace.overlay_file, space, manifest)
    view = training_view(manifest, space, recipe.labels, overlay)
    store = prepare_store(project, manifest, recipe_store(recipe.input), progress=progress)
    joint = space.encode(view.codes)[view.kept]
    names = space.with_cuts(recipe.labels.cuts)
    rows = store.index(manifest.train["image"].to_list())[view.kept]
    return TrainingImages(store.images, rows, joint, tuple(drawable_name(names, j) for j in joint.tolist()))


def make_sheet(
    images: TrainingImages, augmenter: Augmenter, title: str, *, rows: int, columns: int, seed: int, colour: Colour
) -> Sheet:
    """The sheet of some training images; the same for the same seed.

    `colour` is what cutout paints with: the backbone's mean. (Training from the weights of a run has that run's.)
    """
    num_images = len(images.joint)
    pool = np.random.default_rng(seed).permutation(num_images)[: max(rows, POOL)]
    shown = range(min(rows, num_images))
    cells = [[Cell(images.pixels[images.store_rows[i]], (images.names[i],))] for i in pool[: len(shown)].tolist()]
    for column in range(1, columns):
        pixels, captions = _augmented(images, augmenter, pool, derive_seed(seed, "contact sheet", column), colour)
        for i in shown:
            cells[i].append(Cell(pixels[i], captions[i]))
    return Sheet(f"{title}, seed {seed}", tuple(tuple(row) for row in cells))


def _augmented(
    images: TrainingImages, augmenter: Augmenter, pool: IntArray, seed: int, colour: Colour
) -> tuple[npt.NDArray[np.uint8], list[tuple[str, ...]]]:
    """The pool as the training loop would augment and mix it, (n, H, W, 3), and captions.

    Each source stands for itself in the targets, so that a mixed target tells who is in an image and how much.
    """
    generator = Generator().manual_seed(seed)
    mean_1C11 = torch.tensor(colour).view(1, 3, 1, 1)
    sources, other, size = pool, None, len(pool)
    if augmenter.needs_rare:
        sources = np.concatenate([pool, partner_rows(rare_weights(images.joint), size, seed)])
    whose = torch.eye(len(sources))
    x_BCHW = augmenter(images.batch(pool), mean_1C11, generator)
    if augmenter.needs_rare:
        other = augmenter(images.batch(sources[size:]), mean_1C11, generator), whose[size:]
    x_BCHW, shares = augmenter.mix(x_BCHW, whose[:size], generator, other)
    names = [images.names[i] for i in sources.tolist()]
    pixels = x_BCHW.round().byte().permute(0, 2, 3, 1).numpy()
    return pixels, [_caption(row, names, i) for i, row in enumerate(shares.tolist())]


def _caption(shares: list[float], names: list[str], own: int) -> tuple[str, ...]:
    """The image's own class first; with shares when another is in it."""
    others = [i for i, share in enumerate(shares) if share > 0 and i != own]
    if not others:
        return (names[own],)
    return tuple(f"{100 * shares[i]:.0f} % {names[i]}" for i in (own, *others))


def describe(recipe: Recipe) -> str:
    """What is on the sheet, such as `128x96 pixels: flip, affine, cutout`."""
    kinds = ", ".join(spec.name for spec in recipe.augment) or "no augmentation"
    return f"{recipe.input.height}x{recipe.input.width} pixels: {kinds}"
