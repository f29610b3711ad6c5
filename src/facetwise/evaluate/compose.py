"""Stable arithmetic of log-probabilities: normalising, sums, marginals and means; NaN means not covered."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from facetwise.core.arrays import classes, count, each, names, numbers, takes
from facetwise.core.labels import FloatArray, LabelSpace


@takes(logs=numbers("n k", missing=True))
def log_normalised(logs: FloatArray) -> FloatArray:
    """Log-softmax of `logs`, shape (n, k), along rows; NaN rows stay NaN."""
    with np.errstate(invalid="ignore"):  # a row of only -inf has no distribution: NaN
        return logs - _log_sum_exp(logs)


@takes(logs=numbers("n k", missing=True), edges=each(count(0)))
def log_sums(logs: FloatArray, edges: Sequence[int]) -> FloatArray:
    """Logs of the sums of columns edges[i]..edges[i + 1]-1, shape (n, len(edges) - 1); -inf for an empty range."""
    spans = [slice(*edge) for edge in pairwise(edges)]
    nothing = np.where(np.isnan(logs).any(axis=1, keepdims=True), np.nan, -np.inf)
    return np.hstack([_log_sum_exp(np.hstack([logs[:, span], nothing])) for span in spans])


def _log_sum_exp(logs: FloatArray, axis: int | tuple[int, ...] = -1) -> FloatArray:
    """log(sum(exp)) with kept dimensions, shifted by the maximum to avoid overflow; NaN if any entry is NaN."""
    top = logs.max(axis=axis, keepdims=True)
    shift = np.where(np.isneginf(top), 0.0, top)
    with np.errstate(divide="ignore"):
        total: FloatArray = np.log(np.exp(logs - shift).sum(axis=axis, keepdims=True)) + shift
    return total


@takes(joint=numbers("n j", missing=True), names=names("a"))
def marginals_of(joint: FloatArray, space: LabelSpace, names: Sequence[str]) -> dict[str, FloatArray]:
    """Log-probabilities (n, classes) of the attributes called `names`, from joint ones, (n, num_joint)."""
    if joint.shape[1] != space.num_joint:
        raise ValueError(f"{joint.shape[1]} columns of {space.num_joint} joint classes: expected as many")
    cube = joint.reshape(-1, *space.sizes)
    axes = range(1, cube.ndim)
    return {
        name: _log_sum_exp(cube, tuple(a for a in axes if a != space.index(name) + 1)).reshape(len(joint), -1)
        for name in names
    }


@takes(num_images=count(0), logs=numbers("n k", missing=True), rows=classes("n", below="num_images"))
def mean_probability(logs: FloatArray, rows: npt.NDArray[np.int64], num_images: int) -> FloatArray:
    """log(mean(exp)) over the covered rows of each image; probabilities are at most 1, so nothing overflows."""
    usable = ~np.isnan(logs).any(axis=1)
    logs, rows = logs[usable], rows[usable]
    count = np.bincount(rows, minlength=num_images)[:, None]
    top = np.full((num_images, logs.shape[1]), -np.inf)
    np.maximum.at(top, rows, logs)
    shift = np.where(np.isneginf(top), 0.0, top)
    total = np.zeros_like(top)
    np.add.at(total, rows, np.exp(logs - shift[rows]))
    with np.errstate(divide="ignore"):
        mean: FloatArray = np.log(total) + shift - np.log(np.maximum(count, 1))
    return np.where(count > 0, mean, np.nan)


@takes(num_images=count(0), numbers=numbers("n", missing=True), rows=classes("n", below="num_images"))
def mean_of_rows(numbers: FloatArray, rows: npt.NDArray[np.int64], num_images: int) -> FloatArray:
    """Mean over the finite entries of each image, shape (num_images,); NaN without any."""
    usable = np.isfinite(numbers)
    count = np.bincount(rows[usable], minlength=num_images)
    total = np.bincount(rows[usable], weights=numbers[usable], minlength=num_images)
    mean: FloatArray = np.divide(total, count, out=np.full(num_images, np.nan), where=count > 0)
    return mean
