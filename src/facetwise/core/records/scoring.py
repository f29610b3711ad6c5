"""How a project scores predictions, and so what it chooses by."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from facetwise.core.choices import Metric
from facetwise.core.files.settings import Spec


class ScoreSpec(Spec):
    """What is chosen by, and how further scores are computed."""

    metric: Metric = "macro_f1"
    """What blends, decision rules, moved cuts, ablations, searches and forecasts choose by and tell, and what ranks
    runs: `macro_f1`, the mean F1 of all classes; `accuracy`, the share of images that are right; `balanced_accuracy`,
    the mean of that share over the classes that occur."""
    specificity: Annotated[float, Field(gt=0, lt=1)] = 0.95
    """`facetwise show` tells the sensitivity at this specificity: the share of a class that is found when this share of
    all other images stays below the threshold."""
