"""What a study needs of training: is a recipe fit to be trained, and its run. torch is imported when that is asked."""

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
"""What makes one recipe of many fail; anything else, such as a full disk, would stop the others too."""
WAIT = 0.5
"""Seconds between looks at what another process works on."""


@dataclass(frozen=True)
class Planned:
    """A recipe that was checked against the project: what its run will be made from."""

    recipe: Recipe
    fields: Mapping[str, Any]
    split: str
    """`group`, `image` (unsafe) or `none`."""
    attributes: tuple[str, ...]
    """What its runs will predict."""
    taught: str
    """A hash of the training view of the labels (`RunPlan.taught`)."""

    @property
    def fingerprint(self) -> str:
        """The same as the run will have."""
        return content_hash(self.fields)

    @property
    def training(self) -> str:
        """Equal for recipes whose `labels` differ and come to the same on this dataset: the same numbers."""
        recipe = {key: value for key, value in self.fields["recipe"].items() if key != "labels"}
        return content_hash({**self.fields, "recipe": recipe, "overlay": None, "taught": self.taught})


def train(
    project: Project,
    recipe: Recipe,
    listener: Listener | None = None,
    progress: Progress | None = None,
    *,
    executor: Executor | None = None,
) -> RunFolder:
    """Train a recipe on all folds, or find its run; running out of memory is a TrainingError.

    A run that another process trains, or a store that it fills, says nothing of the recipe: it is waited for. Emits
    `waiting` with the reason, once.
    """
    from facetwise.train import crossval

    told = False
    while True:
        try:
            return crossval.fit(project, recipe, executor=executor, listener=listener, progress=progress)
        except LockedError as error:
            if listener is not None and not told:
                listener({"event": "waiting", "reason": str(error)})
            told = True
            time.sleep(WAIT)


def plan_fields(project: Project, recipe: Recipe, progress: Progress | None = None) -> Planned:
    """Check that a recipe can be trained on the project's data; prepares its image store."""
    from facetwise.train.planning.plan import make_plan

    plan = make_plan(project, recipe, progress)
    return Planned(recipe, plan.fields, plan.split, tuple(plan.layout.attributes), plan.taught)


def train_stacked(
    project: Project, recipes: Sequence[Recipe], listener: Listener, progress: Progress | None = None
) -> None:
    """Train those of the recipes that are heads on a frozen backbone all at once; the others are left.

    Those that fail are not finished, and are left to be trained alone, so that each tells its own reason.
    """
    from facetwise.train import crossval
    from facetwise.train.frozen.stacked import trains_on_features

    stackable = [recipe for recipe in recipes if trains_on_features(recipe)]
    if len(stackable) > 1:
        with suppress(*FAILURES, LockedError):
            crossval.fit_all(project, stackable, listener=listener, progress=progress)
