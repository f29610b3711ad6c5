"""What all folds of a run share: head, image source, device; and predicting manifest rows with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import torch
from torch import Tensor, nn

from facetwise.core.choices import Tta
from facetwise.core.labels import LabelSpace
from facetwise.data.images.store import Store
from facetwise.data.manifest import Manifest
from facetwise.inference.choices import Choices
from facetwise.inference.predict import Float32Array, check_predictions, predict_rows, prediction_table
from facetwise.inference.source import ImageSource
from facetwise.model.backbone import Network, build_network
from facetwise.model.blocks.bins import value_grid
from facetwise.model.heads import Grids, HeadLayout, grids_wanted, head_layout
from facetwise.recipe import Recipe
from facetwise.recipe.head import Head

Predictor = Callable[[npt.NDArray[np.int64]], Float32Array]
"""From n rows of the store to their outputs as stored in tables, (n, columns)."""


@dataclass(frozen=True)
class Setup:
    """A recipe and everything that is built from it once for all folds."""

    recipe: Recipe
    layout: HeadLayout
    source: ImageSource
    device: torch.device
    choices: Choices
    root: Path = Path()
    """The project's folder, to which paths in the recipe are relative."""
    run: str = ""
    """Id of the run, for messages."""

    def where(self, fold: int) -> str:
        """Run and fold, for messages."""
        return f"run `{self.run}`, fold {fold}" if self.run else f"fold {fold}"

    def new_network(self, fold: int = 0, *, scratch: bool = False) -> Network:
        """A new network on the device, with the recipe's pretrained weights unless `scratch`; the rest is initialised
        from torch's global generator."""
        model = self.recipe.model
        spec = model.model_copy(update={"weights": "none"}) if scratch else model.located(self.root, fold)
        network = build_network(spec, self.layout, self.recipe.input.height, self.recipe.input.width).to(self.device)
        if self.choices.channels_last.value:
            network = network.to(memory_format=torch.channels_last)
        return network

    def load_network(self, tensors: dict[str, Tensor]) -> Network:
        """A network with these weights."""
        network = self.new_network(scratch=True)
        network.load_state_dict(tensors)
        return network

    def predict(self, network: nn.Module, rows: npt.NDArray[np.int64], tta: Tta = "none") -> Float32Array:
        """Outputs as stored in tables, (n, columns), for `rows` of the store, in batches of the training batch size."""
        return predict_rows(
            network,
            self.layout,
            self.source,
            rows,
            batch_size=self.recipe.train.batch_size,
            precision=self.choices.precision.value,
            tta=tta,
        )


def recipe_layout(recipe: Recipe, space: LabelSpace, grids: Grids | None = None) -> HeadLayout:
    """The head layout of a recipe; `grids` from the run's record, or from `value_grids`."""
    return head_layout(
        recipe.model.head, space, sigmoid=recipe.loss.wants_sigmoid, cuts=recipe.labels.cuts, grids=grids
    )


def value_grids(head: Head, space: LabelSpace, manifest: Manifest) -> Grids:
    """The values of each block of a head that needs them: multiples of a step that span the training side's numbers."""
    return {name: value_grid(name, manifest.values(name)) for name in grids_wanted(head, space)}


def predict_table(
    setup: Setup, store: Store, network: Network, rows: pl.DataFrame, fold: int, tta: Tta = "none"
) -> pl.DataFrame:
    """Predictions of one model for manifest rows, in their order; NaN where there is no readable image."""
    return table_by(lambda at: setup.predict(network, at, tta), setup.layout, store, rows, fold, setup.where(fold))


def table_by(
    predict: Predictor, layout: HeadLayout, store: Store, rows: pl.DataFrame, fold: int, where: str
) -> pl.DataFrame:
    """Table of `predict` for manifest rows, in their order; NaN where there is no readable image.

    Raises TrainingError naming `where` and the image when the outputs of a readable image are invalid.
    """
    images, readable = rows["image"].to_list(), (rows["status"] == "ok").to_numpy()
    logs: Float32Array = np.full((rows.height, layout.num_columns), np.nan, np.float32)
    predicted = predict(store.index(images)[readable])
    check_predictions(predicted, layout, rows["image"].filter(pl.Series(readable)).to_list(), where)
    logs[readable] = predicted
    return prediction_table(images, rows["group"].to_list(), fold, logs, layout)
