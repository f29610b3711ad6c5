"""Training for studies: checking a recipe against the data, and its run. torch is imported only when needed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from facetwise.core.errors import LockedError, SettingError, TrainingError
from facetwise.core.progress import Progress
from facetwise.core.project import Project
from facetwise.core.runs import RunFolder
from facetwise.core.workspace import content_hash
from facetwise.jobs.executor import Executor
from facetwise.recipe import Recipe

Listener = Callable[[dict[str, Any]], None]

FAILURES = (TrainingError, SettingError)
"""Errors of a single recipe; any other, such as a full disk, would stop the other recipes too."""
WAIT = 0.5
"""Seconds between checks while waiting for another process."""


@dataclass(frozen=True)
class Planned:
    """A recipe that was checked against the project's data."""

    recipe: Recipe
    fields: Mapping[str, Any]
    split: str
    """`group`, `image` (unsafe) or `none`."""
    attributes: tuple[str, ...]
    """The attributes that its run will predict."""
    training_labels_hash: str
    """A hash of the training view of the labels (`RunPlan.training_labels_hash`)."""

    @property
    def fingerprint(self) -> str:
        """The fingerprint that its run will have."""
        return content_hash(self.fields)

    @property
    def training(self) -> str:
        """A hash that is equal for recipes that train identically on this dataset, although their `labels` differ."""
        recipe = {key: value for key, value in self.fields["recipe"].items() if key != "labels"}
        return content_hash({**self.fields, "recipe": recipe, "overlay": None, "taught": self.training_labels_hash})


def train(
    project: Project,
    recipe: Recipe,
    listener: Listener | None = None,
    progress: Progress | None = None,
    *,
    executor: Executor | None = None,
) -> RunFolder:
    """Train a recipe on all folds, or find its run; running out of memory is a TrainingError.

    Waits while another process trains the same run or fills the same store, and emits `waiting` once with the reason.
    """
    from facetwise.train import crossval

    announced = False
    while True:
        try:
            return crossval.fit(project, recipe, executor=executor, listener=listener, progress=progress)
        except LockedError as error:
            if listener is not None and not announced:
                listener({"event": "waiting", "reason": str(error)})
            announced = True
            time.sleep(WAIT)


def plan_fields(project: Project, recipe: Recipe, progress: Progress | None = None) -> Planned:
    """Check that a recipe can be trained on the project's data; prepares its image store."""
    from facetwise.train.planning.plan import make_plan

    plan = make_plan(project, recipe, progress)
    return Planned(recipe, plan.fields, plan.split, tuple(plan.layout.attributes), plan.training_labels_hash)


def train_stacked(
    project: Project, recipes: Sequence[Recipe], listener: Listener, progress: Progress | None = None
) -> None:
    """Train all recipes with a frozen backbone together; the others are skipped.

    Those that fail stay unfinished and are later trained alone, so that each reports its own error.
    """
    from facetwise.train import crossval
    from facetwise.train.frozen.stacked import trains_on_features

    stackable = [recipe for recipe in recipes if trains_on_features(recipe)]
    if len(stackable) > 1:
        with suppress(*FAILURES, LockedError):
            crossval.fit_all(project, stackable, listener=listener, progress=progress)
