"""The data of a run (manifest, folds, image store), and checks that they are unchanged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import polars as pl

from facetwise.core.errors import InputError, MismatchError, SettingError
from facetwise.core.labels import IntArray
from facetwise.core.progress import Progress
from facetwise.core.project import Project
from facetwise.core.runs import RunFolder
from facetwise.core.tables import prediction_columns
from facetwise.data.folds import Folds
from facetwise.data.images.store import Store, prepare_store, recipe_store
from facetwise.data.manifest import Manifest, load_manifest
from facetwise.data.saved_folds import load_folds
from facetwise.recipe import Recipe


@dataclass(frozen=True, eq=False)
class RunData:
    """The data of a run, for training or predicting."""

    project: Project
    recipe: Recipe
    manifest: Manifest
    folds: Folds | None
    """None when the run trains on all people."""
    store: Store

    @property
    def data_fields(self) -> dict[str, Any]:
        """The data's fields of the fingerprint."""
        return {
            "label space": self.project.space_hash,
            "manifest": self.manifest.hash,
            "labels": self.manifest.labels_hash,
            "folds": None if self.folds is None else self.folds.hash,
            "store": self.store.key,
        }

    @cached_property
    def fold_of_row(self) -> IntArray | None:
        """Fold that holds out each training row, (n_train,)."""
        return None if self.folds is None else self.folds.of(self.manifest.train)

    @property
    def split(self) -> str:
        """`group`, `image` (unsafe) or `none`."""
        return "none" if self.folds is None else self.folds.split

    @property
    def fold_numbers(self) -> list[int]:
        """Folds with a model; a single model on all people counts as fold 0."""
        return fold_numbers_of(self.recipe)


def load_run_data(project: Project, recipe: Recipe, progress: Progress | None = None) -> RunData:
    """Load the data that a finished run of the recipe predicts from, without anything that only training needs.

    Raises ArtefactError or MismatchError when an earlier artefact is missing or was made from other data.
    """
    manifest = load_manifest(project)
    folds = recipe_folds(project, recipe, manifest)
    store = prepare_store(project, manifest, recipe_store(recipe.input), progress=progress)
    return RunData(project, recipe, manifest, folds, store)


def in_manifest_order(parts: Sequence[pl.DataFrame], plan: RunData) -> pl.DataFrame:
    """Held-out rows of all folds, each training image once, in manifest order; NaN where no fold covers a row."""
    held_out = pl.concat(parts)
    columns = prediction_columns(held_out)
    keys = plan.manifest.train.select("image", "group").with_columns(
        pl.Series("fold", plan.fold_of_row, dtype=pl.Int32), pl.lit(0, dtype=pl.Int32).alias("repeat")
    )
    joined = keys.join(held_out.select("image", *columns), on="image", how="left", maintain_order="left")
    if joined.height != keys.height:
        raise InputError("an image was held out by two folds: the manifest lists it twice")
    return joined.with_columns(pl.col(columns).fill_null(float("nan")))


def check_same(run: RunFolder, fields: Mapping[str, Any], names: Sequence[str] | None = None) -> None:
    """Raise MismatchError naming the `fields` (all, or only `names`) that differ from the run's fingerprint."""
    was = run.record().fingerprint_fields.as_dict()
    looked_at = {**was, **fields} if names is None else names
    if differ := [name for name in looked_at if was.get(name) != fields.get(name)]:
        raise MismatchError(
            f"run `{run.id}` cannot go on: {', '.join(f'`{name}`' for name in differ)} changed since it began",
            hint="put it back as it was, or start a new run with `facetwise fit RECIPE`",
        )


def recipe_folds(project: Project, recipe: Recipe, manifest: Manifest) -> Folds | None:
    """The folds named by a recipe, None when it trains on all people; raises SettingError when they do not match it."""
    plan, name = recipe.folds.plan, recipe.folds.name
    if plan == "none":
        if recipe.train.select == "best":
            raise SettingError('`train.select = "best"` needs folds to choose by, but `folds.plan` is "none"')
        return None
    folds = load_folds(project.workspace, manifest, name)
    if isinstance(plan, int) and plan != folds.num_folds:
        raise SettingError(
            f"`folds.plan` is {plan}, but folds `{name}` are {folds.num_folds}",
            hint=f"`--set folds.plan={folds.num_folds}`; or `facetwise folds --folds {plan} --name k{plan}`, then "
            f"`--set folds.name=k{plan}`",
        )
    if plan == "holdout" and recipe.train.select == "best":
        raise SettingError(
            '`train.select = "best"` takes each fold\'s epoch from the other folds, but a hold-out run has none',
            hint='use `train.select = "last"`'
            + (" without `train.patience`" if recipe.train.patience else "")
            + ", or all folds",
        )
    return folds


def fold_numbers_of(recipe: Recipe) -> list[int]:
    """Folds with a model; a single model on all people counts as fold 0."""
    plan = recipe.folds.plan
    return list(range(plan)) if isinstance(plan, int) else [0]
