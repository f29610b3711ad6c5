"""From probabilities to classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from facetwise.core.labels import FloatArray, IntArray, LabelSpace
from facetwise.evaluate.compose import attributes_in, covered, joint_log_probs, marginals
from facetwise.evaluate.metrics import MISSING

ARGMAX = "argmax"
"""Name of the decision rule, for records."""
DECIDED = "decided"
"""Column (Int32) of a table whose classes were decided by another rule: the joint class, null where there is none."""


def decide(table: pl.DataFrame, space: LabelSpace) -> IntArray:
    """Class numbers, shape (n, num_attributes), of the most probable joint class; ties go to the lowest number.

    With joint columns that is the argmax of the joint, which may differ from the argmax of each marginal. Without
    them the joint is the product of the attributes, whose argmax is that of each attribute. -1 stands for an
    attribute that the table does not have, and for every attribute of a row that is not covered. A table that holds
    what was decided (`DECIDED`) is taken at its word.
    """
    if DECIDED in table.columns:
        return decode_joint(table[DECIDED].cast(pl.Int64()).fill_null(MISSING).to_numpy(), space)
    present = covered(table)
    codes = np.full((table.height, len(space.attributes)), MISSING, dtype=np.int64)
    if "joint=0" in table.columns:
        codes[present] = space.decode(_argmax(joint_log_probs(table, space)[present]))
        return codes
    logs = marginals(table, space)
    for name in attributes_in(table, space):
        codes[present, space.index(name)] = _argmax(logs[name][present])
    return codes


def decide_joint(table: pl.DataFrame, space: LabelSpace) -> IntArray:
    """Joint classes, shape (n,), of `decide`; -1 where an attribute has no class."""
    return encode_joint(decide(table, space), space)


def encode_joint(codes: IntArray, space: LabelSpace) -> IntArray:
    """Joint classes, shape (n,), of class numbers, shape (n, num_attributes); -1 where any of them is missing."""
    present = (codes != MISSING).all(axis=1)
    joint = np.full(len(codes), MISSING, np.int64)
    joint[present] = space.encode(codes[present])
    return joint


def decode_joint(joint: IntArray, space: LabelSpace) -> IntArray:
    """Class numbers, shape (n, num_attributes), of joint classes, shape (n,); -1 throughout where one is missing."""
    codes = np.full((len(joint), len(space.attributes)), MISSING, np.int64)
    codes[joint != MISSING] = space.decode(joint[joint != MISSING])
    return codes


def log_prob_of(table: pl.DataFrame, codes: IntArray, names: Sequence[str], space: LabelSpace) -> FloatArray:
    """Log-probability, (n,), of class numbers, (n, num_attributes), as one class of the attributes called `names`.

    Of all attributes the joint probability where the table has it, else the product of the attributes. NaN where a row
    is not covered or a class of `names` is missing. Raises KeyError for an attribute that the table does not predict.
    """
    columns = [space.index(n) for n in names]
    present = (codes[:, columns] != MISSING).all(axis=1)
    rows, known = np.flatnonzero(present), codes[present]
    found = np.full(len(codes), np.nan)
    if "joint=0" in table.columns and len(names) == len(space.names):
        found[present] = joint_log_probs(table, space)[rows, space.encode(known)]
    else:
        logs = marginals(table, space)
        found[present] = sum(logs[n][rows, known[:, c]] for n, c in zip(names, columns, strict=True))
    return found


def _argmax(logs: FloatArray) -> IntArray:
    best: IntArray = logs.argmax(axis=1).astype(np.int64)
    return best
