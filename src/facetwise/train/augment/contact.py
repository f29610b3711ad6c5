"""The contact sheet: training images as a recipe augments them, before anything is trained.

Each row shows one image: as stored, then in each column augmented anew by the training code, including mixing and rare
partners. Images and labels are those of the training view; test images are never used.
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
"""Smallest number of images in the batches of a sheet, so that partners differ."""
Colour = tuple[float, float, float]
"""Red, green and blue, 0 to 255."""


@dataclass(frozen=True)
class Cell:
    """One picture of a sheet."""

    pixels: npt.NDArray[np.uint8]
    """(H, W, 3)."""
    caption: tuple[str, ...]
    """Its joint class; or one line for each parent with its share of the target."""


@dataclass(frozen=True)
class Sheet:
    """A contact sheet, not yet drawn."""

    title: str
    rows: tuple[tuple[Cell, ...], ...]
    """The first cell of each row is the stored image."""


@dataclass(frozen=True)
class TrainingImages:
    """The n images that a recipe trains on."""

    pixels: npt.NDArray[np.uint8]
    """The whole store, memory-mapped."""
    store_rows: IntArray
    """Row of each image in the store, (n,)."""
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
    """Augment `rows` training images, chosen by `seed`, `columns` - 1 times; creates the image store if it is missing.

    There are fewer rows when there are fewer images. Raises InputError without training images, SettingError when the
    recipe does not match the project.
    """
    images = training_images(project, recipe, progress)
    augmenter, colour = Augmenter(recipe.augment), mean_colour(recipe.model.backbone)
    return make_sheet(images, augmenter, describe(recipe), rows=rows, columns=columns, seed=seed, colour=colour)


def training_images(project: Project, recipe: Recipe, progress: Progress | None = None) -> TrainingImages:
    """The rows and labels of the recipe's training view, of images whose label is known whole."""
    space, manifest = project.space, load_manifest(project)
    if manifest.train.is_empty():
        raise InputError("there is nothing to augment: the dataset has no labelled images")
    overlay = read_overlay(project.workspace.overlay_file, space, manifest)
    view = training_view(manifest, space, recipe.labels, overlay)
    store = prepare_store(project, manifest, recipe_store(recipe.input), progress=progress)
    shown = view.included & view.known.all(axis=1)
    if not shown.any():
        raise InputError("there is nothing to augment: no image has a class of every attribute")
    joint = space.product.encode(view.codes[shown])
    names = space.product.with_cuts(recipe.labels.cuts)
    rows = store.index(manifest.train["image"].to_list())[shown]
    return TrainingImages(store.images, rows, joint, tuple(drawable_name(names, j) for j in joint.tolist()))


def make_sheet(
    images: TrainingImages, augmenter: Augmenter, title: str, *, rows: int, columns: int, seed: int, colour: Colour
) -> Sheet:
    """A sheet of training images; deterministic for a seed.

    `colour` fills cut-out boxes: the backbone's mean. (Training from weights of a run uses that run's mean.)
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
    """The pool augmented and mixed as in training, (n, H, W, 3), and captions.

    Targets are one-hot over the images of the pool, so that a mixed target gives the sources and their shares.
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
    """The image's own class first; with shares when it is mixed with another."""
    others = [i for i, share in enumerate(shares) if share > 0 and i != own]
    if not others:
        return (names[own],)
    return tuple(f"{100 * shares[i]:.0f} % {names[i]}" for i in (own, *others))


def describe(recipe: Recipe) -> str:
    """The title of a sheet, such as `128x96 pixels: flip, affine, cutout`."""
    kinds = ", ".join(spec.name for spec in recipe.augment) or "no augmentation"
    return f"{recipe.input.height}x{recipe.input.width} pixels: {kinds}"
