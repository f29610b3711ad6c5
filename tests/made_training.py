"""Images of noise with labels drawn by lot, ready to train on: there is nothing to learn but the images themselves."""

from typing import Any

import numpy as np
import torch

from facetwise.core.labels import LabelSpace
from facetwise.data.labels.views import TrainingView, one_hot
from facetwise.inference.choices import make_choices
from facetwise.inference.setup import Setup, recipe_layout
from facetwise.inference.source import ImageSource
from facetwise.recipe import Recipe
from facetwise.train.fold.loop import FoldTask
from facetwise.train.sampling import Pool

CPU = torch.device("cpu")


def make_view(codes: np.ndarray, space: LabelSpace, values: dict[str, np.ndarray] | None = None) -> TrainingView:
    """The plain training view of class numbers, (n, A): nothing softened, dropped or weighted."""
    classes = tuple(one_hot(codes[:, i], size) for i, size in enumerate(space.sizes))
    kept, weights = np.ones(len(codes), bool), np.ones(len(codes), np.float32)
    return TrainingView(classes=classes, values=values or {}, spread={}, included=kept, weights=weights)


def make_setup(
    recipe: dict[str, Any],
    space: LabelSpace,
    num_train: int,
    num_valid: int = 0,
    *,
    codes: np.ndarray | None = None,
    values: dict[str, np.ndarray] | None = None,
    grids: dict[str, tuple[float, ...]] | None = None,
) -> tuple[Setup, FoldTask]:
    """A set-up and the only fold: the first images are trained on, the last are validated.

    Without `num_valid` all images are both. Every image is a person's only one. `values`: of ordinal attributes.
    """
    made = Recipe.model_validate(recipe)
    count, random = num_train + num_valid, np.random.default_rng(0)
    images = random.integers(0, 256, (count, made.input.height, made.input.width, 3)).astype(np.uint8)
    if codes is None:
        codes = np.stack([random.integers(0, n, count) for n in space.sizes], axis=1)
    layout = recipe_layout(made, space, grids)
    setup = Setup(made, layout, ImageSource(images, CPU), CPU, make_choices(made.train, made.model))
    view, rows = make_view(codes, space, values), np.arange(count)
    train, valid = slice(0, num_train), slice(num_train if num_valid else 0, count)
    pool = Pool.of(view, np.array([f"person {i}" for i in rows]), space)
    targets = layout.soft_targets(view)
    task = FoldTask(
        0, rows[train], targets[train], view.weights[train], pool.where(rows < num_train), rows[valid], codes[valid]
    )
    return setup, task
