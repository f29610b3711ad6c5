"""People dealt in parts, for nested estimates: what is chosen on four parts is applied to the fifth."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from facetwise.core.errors import InputError
from facetwise.core.labels import IntArray
from facetwise.evaluate.resampling import group_numbers

NUM_PARTS = 5


def deal_parts(groups: npt.NDArray[Any], seed: int = 0, num_parts: int = NUM_PARTS) -> IntArray:
    """The part of each row, shape (n,), 0..num_parts-1: people are dealt by lot, parts differ by at most one person.

    Raises InputError when there are fewer people than parts.
    """
    person, num_people = group_numbers(groups)
    if num_people < num_parts:
        raise InputError(f"predictions of {num_people} people: a nested estimate needs {num_parts} or more")
    part = np.empty(num_people, np.int64)
    part[np.random.default_rng(seed).permutation(num_people)] = np.arange(num_people) % num_parts
    dealt: IntArray = part[person]
    return dealt
