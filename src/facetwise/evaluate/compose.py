"""Stable arithmetic of log-probabilities: normalising, sums, marginals and means; NaN means not covered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from facetwise.core.arrays import classes, count, each, names, numbers, takes
from facetwise.core.labels import MISSING, FloatArray, IntArray, LabelSpace

_LOG_ZERO = -1e4
"""In place of the log of a probability 0, where nothing that can occur has another."""
_CHUNK = 2**22
"""Most numbers, of rows x joint classes, that are held at once."""


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
    if space.combinations is not None:
        return {name: _marginal(joint, space.joint_codes[:, space.index(name)], space, name) for name in names}
    cube = joint.reshape(-1, *space.sizes)
    axes = range(1, cube.ndim)
    return {
        name: _log_sum_exp(cube, tuple(a for a in axes if a != space.index(name) + 1)).reshape(len(joint), -1)
        for name in names
    }


def _marginal(joint: FloatArray, codes: IntArray, space: LabelSpace, name: str) -> FloatArray:
    """Log-probabilities (n, classes) of an attribute whose class in each joint class is `codes`, (num_joint,)."""
    order = np.argsort(codes, kind="stable")
    edges = np.searchsorted(codes[order], np.arange(space.attribute(name).size + 1))
    return log_sums(joint[:, order], edges.tolist())


def joint_logs(logs: Sequence[FloatArray], space: LabelSpace) -> FloatArray:
    """Joint log-probabilities, (n, num_joint), of attributes that are independent but for what cannot occur.

    `logs`: log-probabilities, (n, K) each, of every attribute in order. Where some combinations cannot occur, the
    others are renormalised; a row that gives all of these a probability of 0 takes each 0 for a very small one.
    """
    if space.combinations is None:
        joint = np.zeros((len(logs[0]), 1))
        for own in logs:
            joint = (joint[:, :, None] + own[:, None, :]).reshape(len(own), -1)
        return joint
    joint = _summed(logs, space)
    if (dead := np.isneginf(joint).all(axis=1)).any():
        joint[dead] = _summed([np.maximum(own[dead], _LOG_ZERO) for own in logs], space)
    return log_normalised(joint)


def most_probable(logs: Sequence[FloatArray], space: LabelSpace) -> IntArray:
    """Class numbers, (n, A), of the joint class that is the most probable by `joint_logs`; ties go to the lowest.

    The most probable class of every attribute, unless the combination cannot occur.
    """
    codes = np.stack([own.argmax(axis=1) for own in logs], axis=1).astype(np.int64)
    if space.combinations is not None:
        impossible = np.flatnonzero(space.encode(codes, missing=True) == MISSING)
        for rows in _chunks(impossible, space.num_joint):
            codes[rows] = space.decode(joint_logs([own[rows] for own in logs], space).argmax(axis=1))
    return codes


def log_prob_of_joint(logs: Sequence[FloatArray], space: LabelSpace, joint: IntArray) -> FloatArray:
    """The joint log-probability, (n,), that `joint_logs` has of the joint classes `joint`, (n,)."""
    found = np.empty(len(joint))
    for rows in _chunks(np.arange(len(joint)), space.num_joint):
        own = joint_logs([logs_of[rows] for logs_of in logs], space)
        found[rows] = own[np.arange(len(rows)), joint[rows]]
    return found


def marginals_of_occurring(logs: Mapping[str, FloatArray], space: LabelSpace) -> dict[str, FloatArray]:
    """Log-probabilities, (n, K) each, of the attributes of `joint_logs`, which `logs` has by name."""
    found = {name: np.empty_like(own) for name, own in logs.items()}
    for rows in _chunks(np.arange(len(found[space.names[0]])), space.num_joint):
        joint = joint_logs([logs[name][rows] for name in space.names], space)
        for name, own in marginals_of(joint, space, space.names).items():
            found[name][rows] = own
    return found


def _summed(logs: Sequence[FloatArray], space: LabelSpace) -> FloatArray:
    total = np.zeros((len(logs[0]), space.num_joint))
    for own, codes in zip(logs, space.joint_codes.T, strict=True):
        total += own[:, codes]
    return total


def _chunks(rows: IntArray, num_joint: int) -> list[IntArray]:
    """The rows in parts, so that a number for each joint class of each row takes little memory."""
    size = max(1, _CHUNK // num_joint)
    return [rows[start : start + size] for start in range(0, len(rows), size)]


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
