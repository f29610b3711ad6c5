"""Predicting with trained networks: log-probabilities, and the tables that keep them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl
import torch
from torch import Tensor, nn

from facetwise.core.tables import PREDICTIONS, check_table
from facetwise.evaluate.compose import marginals_of
from facetwise.model.heads import JOINT, HeadLayout
from facetwise.train.source import ImageSource
from facetwise.train.step import autocast

Tta = Literal["none", "flip"]
Float32Array = npt.NDArray[np.float32]

_VIEWS: dict[str, tuple[Callable[[Tensor], Tensor], ...]] = {
    "none": (lambda x: x,),
    "flip": (lambda x: x, lambda x: x.flip(3)),
}


def predict_rows(
    network: nn.Module,
    layout: HeadLayout,
    source: ImageSource,
    rows: npt.NDArray[np.int64],
    *,
    batch_size: int,
    precision: str = "fp32",
    tta: Tta = "none",
) -> Float32Array:
    """Log-probabilities, shape (n, d), of the images at `rows` of the source, unaugmented, one image at a time.

    With `tta="flip"` the probabilities of the image and its mirror image are averaged.
    """
    network.eval()
    parts = [
        _predict_batch(network, layout, source.batch(rows[start : start + batch_size]), precision, tta)
        for start in range(0, len(rows), batch_size)
    ]
    return np.concatenate(parts) if parts else np.empty((0, layout.num_outputs), np.float32)


@torch.inference_mode()
def _predict_batch(network: nn.Module, layout: HeadLayout, x_BCHW: Tensor, precision: str, tta: Tta) -> Float32Array:
    images, views = x_BCHW.float(), _VIEWS[tta]
    with autocast(images.device, precision):
        logits = [network(view(images)) for view in views]
    logs = torch.stack([layout.log_probs(part) for part in logits])
    mean = torch.logsumexp(logs, dim=0) - math.log(len(views))
    return np.asarray(mean.cpu().numpy(), dtype=np.float32)


def prediction_table(
    images: Sequence[str],
    groups: Sequence[str | None],
    folds: npt.NDArray[np.int64] | int,
    logs: Float32Array,
    layout: HeadLayout,
) -> pl.DataFrame:
    """A prediction table: keys, the head's own columns, and for a joint head each attribute's marginal too."""
    count = len(images)
    keys = pl.DataFrame(
        {
            "image": pl.Series(list(images), dtype=pl.String()),
            "group": pl.Series(list(groups), dtype=pl.String()),
            "fold": pl.Series(np.broadcast_to(np.asarray(folds, np.int32), (count,))),
            "repeat": pl.Series(np.zeros(count, np.int32)),
        }
    )
    blocks = {**_marginals(logs, layout), **dict(zip(layout.columns(), logs.T, strict=True))}
    table = keys.hstack(pl.DataFrame({name: pl.Series(np.ascontiguousarray(v)) for name, v in blocks.items()}))
    check_table(table, PREDICTIONS, "predictions")
    return table


def _marginals(logs: Float32Array, layout: HeadLayout) -> dict[str, Float32Array]:
    if layout.blocks[0].name != JOINT:
        return {}
    space = layout.space
    found = marginals_of(logs.astype(np.float64), space, space.names)
    return {c: v for n in space.names for c, v in zip(space.columns(n), found[n].astype(np.float32).T, strict=True)}
