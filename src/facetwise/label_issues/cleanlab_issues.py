"""Label issues found by cleanlab: an optional second opinion (extra `labels`)."""

from __future__ import annotations

import numpy as np

from facetwise.core.errors import FacetwiseError
from facetwise.core.labels import FloatArray, IntArray


def cleanlab_issues(recorded: IntArray, probabilities: FloatArray) -> IntArray:
    """Indices of the labels that cleanlab considers wrong, worst first.

    `recorded`: class numbers, shape (n,); `probabilities`: out of fold, (n, K). Uses cleanlab's default filter,
    `prune_by_noise_rate`, ranked by the normalized margin. Raises FacetwiseError when cleanlab is not installed.
    """
    try:
        from cleanlab.filter import find_label_issues
    except ModuleNotFoundError as error:
        raise FacetwiseError(
            f"`--method cleanlab` needs `{error.name}`, which is not installed",
            hint="install the extra: `pip install 'facetwise[labels]'`",
        ) from None
    if len(recorded) == 0:
        return np.zeros(0, np.int64)
    issues = find_label_issues(recorded, probabilities, return_indices_ranked_by="normalized_margin", n_jobs=1)
    found: IntArray = np.asarray(issues, dtype=np.int64)
    return found
