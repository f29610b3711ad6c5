"""Conversion between joint classes and class numbers of the attributes, with -1 for missing."""

from __future__ import annotations

import numpy as np

from facetwise.core.arrays import answers, takes
from facetwise.core.labels import IntArray, LabelSpace
from facetwise.evaluate.metrics import MISSING

ARGMAX = "argmax"
"""Name of the decision rule, for records."""
DECIDED = "decided"
"""Column (Int32) with joint classes decided by a rule other than argmax; null where missing."""


@takes(codes=answers("n k"))
def encode_joint(codes: IntArray, space: LabelSpace) -> IntArray:
    """Joint classes, shape (n,), of class numbers, shape (n, num_attributes); -1 where any is missing."""
    present = (codes != MISSING).all(axis=1)
    joint = np.full(len(codes), MISSING, np.int64)
    joint[present] = space.encode(codes[present])
    return joint


@takes(joint=answers("n"))
def decode_joint(joint: IntArray, space: LabelSpace) -> IntArray:
    """Class numbers, shape (n, num_attributes), of joint classes, shape (n,); all -1 where the joint class is
    missing."""
    codes = np.full((len(joint), len(space.attributes)), MISSING, np.int64)
    codes[joint != MISSING] = space.decode(joint[joint != MISSING])
    return codes
