"""The number that stands for a class of an attribute with cuts, where somebody says the class alone."""

from __future__ import annotations

import numpy as np

from facetwise.core.labels import Attribute, FloatArray


def usual_value(attribute: Attribute, name: str, values: FloatArray) -> tuple[float | None, str]:
    """Lower median of the recorded `values`, (n,), of the class called `name`, None without any; and what it is."""
    known = values[~np.isnan(values)]
    recorded = np.sort(known[attribute.codes_of_values(known) == attribute.code_of(name)])
    median = float(recorded[(len(recorded) - 1) // 2]) if len(recorded) else None
    return median, f"the median recorded value of {name}"
