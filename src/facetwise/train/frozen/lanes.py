"""A lane: one head that is trained beside others on the features of a frozen backbone."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Tensor

from facetwise.core.labels import IntArray
from facetwise.core.workspace import content_hash
from facetwise.recipe import Recipe
from facetwise.train.finish import Job
from facetwise.train.loop import FoldTask, content_event, steps_per_epoch
from facetwise.train.optim import LearningRate, build_schedule
from facetwise.train.predict import Float32Array
from facetwise.train.sampling import epoch_rows


@dataclass
class Lane:
    """One head: a fold of a run."""

    job: Job
    task: FoldTask
    per_epoch: int
    num_steps: int
    rate: LearningRate
    rows: IntArray = field(default_factory=lambda: np.empty(0, np.int64))
    """Positions among the training rows that the current epoch takes, in order."""
    started: float = 0.0
    kept: dict[int, tuple[dict[str, Tensor], Float32Array]] = field(default_factory=dict)
    """Epoch -> the head's weights, and what tables keep of the held-out rows."""

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
        """Of the run."""
        return self.job.plan.recipe

    @property
    def seed(self) -> tuple[int, int]:
        """Run seed and fold."""
        return self.recipe.train.seed, self.task.fold

    @property
    def shape(self) -> str:
        """Lanes of equal shape can be stacked."""
        own = {"lr", "head_lr", "weight_decay", "clip", "layer_decay"}  # each lane has its own
        optimizer = self.recipe.optimizer.model_dump(mode="json", exclude=own)
        return content_hash([repr(self.job.plan.layout.blocks), self.step_size, optimizer])

    @property
    def step_size(self) -> int:
        """Images a step."""
        return self.recipe.train.batch_size * self.recipe.train.accumulate

    def next_rows(self, step: int) -> IntArray:
        """Positions among the training rows of one step, (B,)."""
        epoch, at = divmod(step, self.per_epoch)
        if at == 0:
            self.rows = epoch_rows(self.recipe.sampling, self.task.pool, self.seed, epoch)
            self.started = time.perf_counter()
        return self.rows[at * self.step_size : (at + 1) * self.step_size]

    def tell_of_fold(self) -> None:
        """The events that a fold begins, and what its epochs hold."""
        epochs = self.num_steps // self.per_epoch
        self.job.emit(
            {"event": "fold", "fold": self.task.fold, "from_epoch": 0, "epochs": epochs, "steps": self.per_epoch}
        )
        self.job.emit(content_event(self.recipe, self.task))

    def epoch_event(self, step: int, total: float, scores: dict[str, float | None]) -> dict[str, Any]:
        """The event that an epoch ended with this step (from 0); `total` is the sum of its steps' losses."""
        seconds = time.perf_counter() - self.started
        return {
            "event": "epoch",
            "fold": self.task.fold,
            "epoch": (step + 1) // self.per_epoch,
            "train_loss": total / self.per_epoch,
            **scores,
            "lr": self.rate(step),
            "seconds": round(seconds, 3),
            "images_per_second": round(self.per_epoch * self.step_size / seconds, 1),
        }
