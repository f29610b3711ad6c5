"""Images and labels drawn by lot, ready to train on: for benchmarks that are about time, not about what is learnt."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from facetwise.core.labels import Attribute, LabelSpace
from facetwise.data.labels.views import TrainingView, one_hot
from facetwise.inference.choices import apply_choices, make_choices
from facetwise.inference.setup import Setup, recipe_layout
from facetwise.inference.source import ImageSource
from facetwise.recipe import Recipe
from facetwise.train.fold.loop import FoldTask
from facetwise.train.sampling import Pool

SPACE = LabelSpace(
    (
        Attribute("first", ("a", "b", "c")),
        Attribute("second", ("a", "b")),
        Attribute("age", ("young", "middle", "old"), cuts=(30, 60)),
    )
)
"""As many classes as the home case has: 3 x 2 x 3."""
DIFFERENT = 512
"""Images that are drawn; a store of more repeats them."""


def drawn_fold(recipe: Recipe, num_train: int, num_valid: int = 0) -> tuple[Setup, FoldTask]:
    """A set-up and a fold of images of noise, every one a person's only one: the first `num_train` are trained on, and
    `num_valid` more are validated.

    Device and precision are chosen, and torch's switches set, as `facetwise fit` does.
    """
    random = np.random.default_rng(0)
    choices = make_choices(recipe.train, recipe.model)
    device = apply_choices(choices)
    count = num_train + num_valid
    source = ImageSource(drawn_images(count, recipe.input.height, recipe.input.width), device)
    setup = Setup(recipe, recipe_layout(recipe, SPACE), source, device, choices)
    codes = np.stack([random.integers(0, size, count) for size in SPACE.sizes], axis=1)
    return setup, drawn_task(setup, codes, num_train)


def drawn_images(count: int, height: int, width: int) -> npt.NDArray[np.uint8]:
    """Noise, (count, height, width, 3)."""
    shape = (min(count, DIFFERENT), height, width, 3)
    different = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    return np.resize(different, (count, height, width, 3))


def drawn_task(setup: Setup, codes: npt.NDArray[np.int64], num_train: int, fold: int = 0) -> FoldTask:
    """The fold that trains on the first `num_train` rows of `codes`, (n, A), and validates the rest."""
    classes = tuple(one_hot(codes[:, i], size) for i, size in enumerate(SPACE.sizes))
    weights = np.ones(len(codes), np.float32)
    view = TrainingView(classes=classes, values={}, spread={}, included=weights > 0, weights=weights)
    pool, rows = Pool.of(view, np.arange(len(codes)), SPACE), np.arange(len(codes))
    own = slice(0, num_train)
    targets = setup.layout.soft_targets(view)
    return FoldTask(
        fold,
        rows[own],
        targets[own],
        weights[own],
        pool.where(rows < num_train),
        rows[num_train:],
        codes[num_train:],
    )


def synchronise(device: torch.device) -> None:
    """Wait for what the device has still to do."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
