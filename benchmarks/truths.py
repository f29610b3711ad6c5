"""Rows of which only a class and a person is known, for benchmarks that draw these themselves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from facetwise.core.labels import Attribute, LabelSpace
from facetwise.evaluate.rows import Truth


def truth_of(classes: npt.NDArray[np.int64], people: npt.NDArray[np.int64] | Sequence[str], num_classes: int) -> Truth:
    """Classes, (n,), 0 to `num_classes` - 1, and the person of each row."""
    space = LabelSpace((Attribute("a", tuple(map(str, range(num_classes)))),))
    return Truth(space, list(map(str, range(len(classes)))), np.asarray(classes)[:, None], people)
