"""Stable arithmetic of log-probabilities: normalising, sums, marginals and means; NaN means not covered."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from facetwise.core.arrays import classes, count, each, names, numbers, takes
from facetwise.core.labels import MISSING, FloatArray, IntArray, LabelSpace, combined
from facetwise.evaluate.occurring import OccurringTree

_LOG_ZERO = -1e4
"""In place of the log of a probability 0, where nothing that can occur has another."""
_CHUNK = 2**22
"""Most numbers, of rows x joint classes or nodes of a tree of them, that are held at once."""
_SMALL = 1e-200
"""Sums of probabilities below this may have lost some that are too small for a number: they are made of logs."""
_FIRST_LIKELY = 8
"""How many of the most probable classes of an attribute are looked at first."""


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
    joint = _summed(logs, space)
    if space.combinations is None:
        return joint
    if (dead := np.isneginf(joint).all(axis=1)).any():
        joint[dead] = _summed([np.maximum(own[dead], _LOG_ZERO) for own in logs], space)
    return log_normalised(joint)


def most_probable(logs: Sequence[FloatArray], space: LabelSpace) -> IntArray:
    """Class numbers, (n, A), of the joint class that is the most probable by `joint_logs`; ties go to the lowest.

    The most probable class of every attribute, unless the combination cannot occur: then it is looked for among more
    and more of the most probable classes of each, and at last among all that can occur.
    """
    codes = np.stack([own.argmax(axis=1) for own in logs], axis=1).astype(np.int64)
    if space.combinations is None:
        return codes
    left, size = np.flatnonzero(space.encode(codes, missing=True) == MISSING), _FIRST_LIKELY
    while len(left) and size ** len(logs) < space.num_joint:
        for rows in _chunks(left, max(size ** len(logs), sum(space.sizes))):
            codes[rows] = _of_likely([own[rows] for own in logs], space, size)
        left, size = left[codes[left, 0] == MISSING], 2 * size
    for rows in _chunks(left, space.num_joint):
        codes[rows] = space.decode(joint_logs([own[rows] for own in logs], space).argmax(axis=1))
    return codes


def _of_likely(logs: Sequence[FloatArray], space: LabelSpace, size: int) -> IntArray:
    """As `most_probable` among the `size` most probable classes of each attribute; -1 where that may not be all."""
    likely = [_first_classes(own, size + 1) for own in logs]
    best = [np.take_along_axis(own, of, axis=1) for own, of in zip(logs, likely, strict=True)]
    places = np.indices([min(size, n) for n in space.sizes]).reshape(len(logs), -1)  # of each candidate, by likelihood
    codes = [of[:, own] for of, own in zip(likely, places, strict=True)]
    joint = space.encode(np.stack(codes, axis=-1), missing=True)
    total = sum((own[:, of] for own, of in zip(best, places, strict=True)), np.zeros(joint.shape))
    total[joint == MISSING] = -np.inf
    top = total.max(axis=1)
    lowest = np.where(total == top[:, None], joint, space.num_joint).min(axis=1)
    return space.decode(np.where(top > _most_beyond(best, size), lowest, MISSING), missing=True)


def _first_classes(logs: FloatArray, size: int) -> IntArray:
    """The `size` most probable classes, (n, size), the most probable first; all where there are no more."""
    kept = np.argpartition(-logs, min(size, logs.shape[1]) - 1, axis=1)[:, :size]
    order = np.argsort(-np.take_along_axis(logs, kept, axis=1), axis=1)
    return np.take_along_axis(kept, order, axis=1).astype(np.int64)


def _most_beyond(best: Sequence[FloatArray], size: int) -> FloatArray:
    """The most, (n,), that a combination has with a class beyond the `size` first ones of `best`, (n, size + 1)."""
    nothing = np.zeros(len(best[0]))
    bounds = [
        sum((of[:, size if i == beyond else 0] for i, of in enumerate(best)), nothing)
        for beyond, own in enumerate(best)
        if own.shape[1] > size
    ]
    most: FloatArray = np.max([nothing - np.inf, *bounds], axis=0)
    return most


def log_total(logs: Sequence[FloatArray], space: LabelSpace) -> FloatArray:
    """Log of the probability, (n,), that all combinations that can occur have by `logs` before they are renormalised.

    `logs`: as of `joint_logs`; NaN where these are NaN.
    """
    tree, found, small = OccurringTree.of(space), np.empty(len(logs[0])), [np.empty(0, np.int64)]
    for rows in _chunks(np.arange(len(found)), tree.num_nodes):
        shift, shares = _shares([own[rows] for own in logs])
        total = tree.totals(shares)
        small.append(rows[total < _SMALL])
        with np.errstate(divide="ignore"):
            found[rows] = np.log(total) + shift
    for rows in _chunks(np.concatenate(small), space.num_joint):
        found[rows] = _log_sum_exp(_summed([own[rows] for own in logs], space))[:, 0]
    return found


def log_prob_of_joint(logs: Sequence[FloatArray], space: LabelSpace, joint: IntArray, total: FloatArray) -> FloatArray:
    """The joint log-probability, (n,), that `joint_logs` has of the joint classes `joint`, (n,).

    `total`: `log_total` of these `logs`.
    """
    own_logs = [own[np.arange(len(own)), of] for own, of in zip(logs, space.decode(joint).T, strict=True)]
    with np.errstate(invalid="ignore"):  # where all is 0: told by the logs, below
        found: FloatArray = np.sum(own_logs, axis=0) - total
    for rows in _chunks(np.flatnonzero(np.isneginf(total)), space.num_joint):
        found[rows] = joint_logs([own[rows] for own in logs], space)[np.arange(len(rows)), joint[rows]]
    return found


def marginals_of_occurring(logs: Mapping[str, FloatArray], space: LabelSpace) -> dict[str, FloatArray]:
    """Log-probabilities, (n, K) each, of the attributes of `joint_logs`, which `logs` has by name."""
    found, small = {name: np.empty_like(logs[name]) for name in space.names}, [np.empty(0, np.int64)]
    tree = OccurringTree.of(space)
    for rows in _chunks(np.arange(len(found[space.names[0]])), tree.num_nodes):
        by_class = tree.by_class(_shares([logs[name][rows] for name in space.names])[1])
        total = by_class[0].sum(axis=0)
        small.append(rows[total < _SMALL])
        for name, own in zip(space.names, by_class, strict=True):
            with np.errstate(divide="ignore", invalid="ignore"):
                found[name][rows] = np.log(own / total).T
    for rows in _chunks(np.concatenate(small), space.num_joint):
        joint = joint_logs([logs[name][rows] for name in space.names], space)
        for name, own in marginals_of(joint, space, space.names).items():
            found[name][rows] = own
    return found


def _shares(logs: Sequence[FloatArray]) -> tuple[FloatArray, list[FloatArray]]:
    """Probabilities, (K, n) each, in shares of the most probable class, and the log of the product of these, (n,)."""
    tops = [own.max(axis=1) for own in logs]
    return np.sum(tops, axis=0), [np.exp(own - top[:, None]).T for own, top in zip(logs, tops, strict=True)]


def _summed(logs: Sequence[FloatArray], space: LabelSpace) -> FloatArray:
    return combined(logs, None if space.combinations is None else space.joint_codes.T, operator.add)


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
