"""A lane: one of several heads that are trained together on the features of a frozen backbone."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Tensor

from facetwise.core.errors import TrainingError
from facetwise.core.labels import IntArray
from facetwise.core.workspace import content_hash
from facetwise.inference.predict import Float32Array
from facetwise.recipe import Recipe
from facetwise.train.fold.finite import LOWER_RATE
from facetwise.train.fold.loop import FoldTask, epoch_event, fold_events, step_size, steps_per_epoch
from facetwise.train.fold.optim import LearningRate, build_schedule
from facetwise.train.job import Job
from facetwise.train.sampling import epoch_rows


@dataclass
class Lane:
    """One head, for one fold of a run."""

    job: Job
    task: FoldTask
    per_epoch: int
    num_steps: int
    rate: LearningRate
    rows: IntArray = field(default_factory=lambda: np.empty(0, np.int64))
    """Positions among the training rows of the current epoch, in order."""
    started: float = 0.0
    saved: dict[int, tuple[dict[str, Tensor], Float32Array]] = field(default_factory=dict)
    """Epoch -> the head's weights, and outputs of the held-out rows as stored in tables, without other views."""

    @classmethod
    def of(cls, job: Job, fold: int) -> Lane:
        """The lane of one fold of a run."""
        recipe, task = job.plan.recipe, job.plan.task(fold)
        per_epoch = steps_per_epoch(recipe, task.pool)
        num_steps = per_epoch * recipe.train.length.epochs(per_epoch)
        lr = recipe.optimizer.head_lr or recipe.optimizer.lr
        return cls(job, task, per_epoch, num_steps, build_schedule(recipe.schedule, lr, num_steps, per_epoch))

    @property
    def recipe(self) -> Recipe:
        """The run's recipe."""
        return self.job.plan.recipe

    @property
    def seed(self) -> tuple[int, int]:
        """Run seed and fold."""
        return self.recipe.train.seed, self.task.fold

    @property
    def shape(self) -> str:
        """A key that is equal for lanes that can be stacked."""
        own = {"lr", "head_lr", "weight_decay", "clip", "layer_decay"}  # may differ between lanes
        optimizer = self.recipe.optimizer.model_dump(mode="json", exclude=own)
        parts = [self.recipe.train.accumulate, self.recipe.train.batch_size]
        return content_hash([repr(self.job.plan.layout.blocks), parts, optimizer])

    def next_rows(self, step: int) -> IntArray:
        """Positions among the training rows of one step, (B,)."""
        epoch, at = divmod(step, self.per_epoch)
        if at == 0:
            self.rows = epoch_rows(self.recipe.sampling, self.task.pool, self.seed, epoch)
            self.started = time.perf_counter()
        size = step_size(self.recipe)
        return self.rows[at * size : (at + 1) * size]

    def emit_fold_events(self) -> None:
        """Emit the events of the fold's start and of its class counts."""
        for event in fold_events(self.recipe, self.task, 0, self.num_steps // self.per_epoch, self.per_epoch):
            self.job.emit(event)

    def epoch_event(self, step: int, total: float, scores: dict[str, float | None]) -> dict[str, Any]:
        """The event of the epoch that ended with this step (from 0); `total` is the sum of its steps' losses."""
        return epoch_event(
            self.task.fold,
            (step + 1) // self.per_epoch,
            total / self.per_epoch,
            scores,
            lr=self.rate(step),
            images=self.per_epoch * step_size(self.recipe),
            seconds=time.perf_counter() - self.started,
        )

    def diverged(self, step: int, what: str) -> TrainingError:
        """The error for `what` happening in this lane at a step."""
        where = f"run `{self.job.run.id}`, fold {self.task.fold}"
        return TrainingError(
            f"{where}, {what} with learning rate {self.rate(step):.2g}; nothing was saved", hint=LOWER_RATE
        )
