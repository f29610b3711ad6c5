"""Features of a frozen backbone as a table: what heads are trained on, for other uses."""

from __future__ import annotations

import numpy as np
import polars as pl

from facetwise.core.errors import SettingError
from facetwise.core.progress import Progress
from facetwise.core.project import Project
from facetwise.inference.choices import apply_choices, make_choices, predicting
from facetwise.inference.setup import Setup
from facetwise.inference.source import ImageSource
from facetwise.recipe import Recipe
from facetwise.recipe.folds import FoldsSpec
from facetwise.recipe.model import FOLD
from facetwise.train.fold.loop import Listener
from facetwise.train.frozen.features import prepare_features
from facetwise.train.planning.plan import make_plan

_FEATURES = "features"
_NOBODY_HELD_OUT = FoldsSpec(plan="none")
"""Since nothing is trained."""


def embed(project: Project, recipe: Recipe, notify: Listener, progress: Progress | None = None) -> pl.DataFrame:
    """A row each image of the manifest, in its order: `image`, `group` (null on the test side), `split`, `sha256` of
    the file, and `features`, float32 (F,), null where an image cannot be read.

    Input, backbone and weights are the recipe's; the rest of it does not matter. Features that were computed before are
    read. Raises SettingError for weights that differ by fold.
    """
    if FOLD in recipe.model.weights:
        raise SettingError(
            f"`model.weights`: `{FOLD}` gives each fold other features", hint="give the file of one fold by its number"
        )
    none = {"head_first": None, "activation_checkpointing": None, "dropout": 0.0, "drop_path": 0.0}
    model = recipe.model.model_copy(update={"freeze": "backbone", **none})
    untrained = Recipe(input=recipe.input, model=model, train=recipe.train, folds=_NOBODY_HELD_OUT)
    plan = make_plan(project, untrained, progress)
    choices = make_choices(predicting(plan.recipe.train), plan.recipe.model)
    source = ImageSource(plan.store.images, apply_choices(choices))
    setup = Setup(plan.recipe, plan.layout, source, source.device, choices, project.root)
    array = prepare_features(plan, setup, notify, progress).array[:, 0]
    rows = plan.manifest.table
    vectors = np.take(array, plan.store.index(rows["image"].to_list()), axis=0)
    found = pl.Series(_FEATURES, vectors, dtype=pl.Array(pl.Float32, array.shape[1]))
    readable = pl.when(pl.col("status") == "ok").then(_FEATURES).alias(_FEATURES)
    return rows.with_columns(found).select("image", "group", "split", "sha256", readable)
