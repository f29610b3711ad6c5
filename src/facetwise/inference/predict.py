"""Predicting with trained networks: log-probabilities, and the tables that store them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from facetwise.core.choices import Tta
from facetwise.core.errors import TrainingError
from facetwise.core.labels import JOINT
from facetwise.core.tables import PREDICTIONS, check_table
from facetwise.evaluate.compose import marginals_of
from facetwise.inference.choices import autocast
from facetwise.inference.source import ImageSource
from facetwise.model.heads import HeadLayout

Float32Array = npt.NDArray[np.float32]
CROP = 0.9
"""Height and width of a corner crop, as a share of the image's."""
SUM_TOLERANCE = 1e-3
"""Largest deviation of a sum of probabilities from 1; float32 errors are far smaller."""
DIVERGED = (
    "its weights have diverged or are damaged; train it in a new run with a lower `optimizer.lr`, with "
    "`optimizer.clip` or `schedule.warmup`, or with `train.precision=fp32`"
)
"""Hint for predictions that are not finite."""


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
    """Outputs as stored in tables, shape (n, columns), for the images at `rows` of the source, in evaluation mode.

    With test-time augmentation, probabilities (and scores of ordinal blocks) are averaged over the views.
    """
    network.eval()
    parts = [
        _predict_batch(network, layout, source.batch(rows[start : start + batch_size]), precision, tta)
        for start in range(0, len(rows), batch_size)
    ]
    return np.concatenate(parts) if parts else np.empty((0, layout.num_columns), np.float32)


@torch.inference_mode()
def _predict_batch(network: nn.Module, layout: HeadLayout, x_BCHW: Tensor, precision: str, tta: Tta) -> Float32Array:
    images = x_BCHW.float()
    with autocast(images.device, precision):
        logits = [network(view) for view in views(images, tta)]
    return average_views([layout.log_probs(part) for part in logits], layout)


def average_views(outputs: Sequence[Tensor], layout: HeadLayout) -> Float32Array:
    """Average of the stored outputs over views, each (n, columns): mean probabilities and mean scores."""
    stacked = torch.stack(list(outputs))
    mean = torch.logsumexp(stacked, dim=0) - math.log(len(stacked))
    scores = torch.from_numpy(~layout.is_log_prob()).to(mean.device)
    return np.asarray(torch.where(scores, stacked.mean(dim=0), mean).cpu().numpy(), dtype=np.float32)


def check_predictions(outputs: Float32Array, layout: HeadLayout, images: Sequence[str], where: str) -> None:
    """Raise TrainingError when a row of outputs, (n, columns), has NaN or infinity (other than log 0), or probabilities
    that do not sum to 1.

    `images`: names of the rows, if known; `where`: run and fold, for the message.
    """
    is_log = layout.is_log_prob()
    infinite = np.asarray((np.isnan(outputs) | np.isposinf(outputs) | (np.isneginf(outputs) & ~is_log)).any(axis=1))
    with np.errstate(over="ignore"):
        sums = np.stack([np.exp(outputs[:, b.classes].astype(np.float64)).sum(axis=1) for b in layout.blocks], axis=1)
    off = ~infinite & (np.abs(sums - 1) > SUM_TOLERANCE).any(axis=1)
    wrong = infinite | off
    if wrong.any():
        row = int(np.argmax(wrong))
        image = f"image `{images[row]}`" if row < len(images) else "a training image"
        what = "are not numbers" if infinite[row] else "do not sum to 1"
        raise TrainingError(f"{where}: the predictions of {image} {what}", hint=DIVERGED)


def views(x_BCHW: Tensor, tta: Tta) -> list[Tensor]:
    """Views of a batch, each of the same shape: the images, their corner crops, then the mirror images of these."""
    found = [x_BCHW, *_corners(x_BCHW)] if "crops" in tta else [x_BCHW]
    return found + [view.flip(3) for view in found] if "flip" in tta else found


def _corners(x_BCHW: Tensor) -> list[Tensor]:
    """The four corners, `CROP` of each side, enlarged to the full size (bilinear)."""
    full_h, full_w = x_BCHW.shape[2:]
    height, width = max(1, round(CROP * full_h)), max(1, round(CROP * full_w))
    parts = [
        x_BCHW[:, :, top : top + height, left : left + width]
        for top in (0, full_h - height)
        for left in (0, full_w - width)
    ]
    return [interpolate(part, (full_h, full_w), mode="bilinear", align_corners=False) for part in parts]


def prediction_table(
    images: Sequence[str],
    groups: Sequence[str | None],
    folds: npt.NDArray[np.int64] | int,
    logs: Float32Array,
    layout: HeadLayout,
) -> pl.DataFrame:
    """A prediction table: keys, the head's columns, and for a joint head also each attribute's marginals."""
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
