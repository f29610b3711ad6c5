"""The training loop: length, batches, and which epoch is used."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from facetwise.core.files.settings import Spec
from facetwise.recipe.duration import DurationField


class TrainSpec(Spec):
    """The training loop."""

    length: DurationField
    """Length of the training in whole epochs (steps are rounded up). Each epoch is validated and saved."""
    batch_size: Annotated[int, Field(ge=2, le=2**16)] = 64
    """Number of images in a forward and backward pass."""
    accumulate: Annotated[int, Field(ge=1, le=1024)] = 1
    """Number of batches whose gradients are summed for each step: a step uses `accumulate * batch_size` images. An
    incomplete last step is dropped (its images come up in other epochs). Batch norms still see one batch."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Seed of everything random: initial weights, order, augmentation, dropout."""
    ema: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Decay for each step of an exponential moving average of the weights, which is then validated, saved and used to
    predict. After t steps the decay is at most (1 + t) / (10 + t), so that the initial weights are soon forgotten."""
    select: Literal["last", "best"] = "last"
    """The epoch that is used: the last, or for each fold the one with the best score of the *other* folds."""
    patience: Annotated[int, Field(ge=1)] | None = None
    """Stop early, with `select = "best"`: a fold stops when the mean score of the *other* folds has not risen for so
    many epochs, and uses the best before. All folds train until the last has stopped, since the others need its
    scores; `length` stays what the schedule goes by, and the most epochs."""
    precision: Literal["auto", "fast", "fp32", "bf16", "fp16"] = "auto"
    """Arithmetic of the forward and backward pass; `auto` is bf16 on a GPU that has it, fp16 on one that has only that
    (compute capability 7), else fp32. `fast` is that, and bf16 on a processor that multiplies it (AMX) for a network
    without convolutions in groups, of which depthwise ones take longer so. With fp16, for GPUs alone, the loss is
    scaled so that small gradients are not lost (Micikevicius et al. 2018): steps whose gradients overflow are left out
    and counted."""
    device: str = "auto"
    """`auto`, `cpu`, `cuda` or `cuda:1`."""

    @model_validator(mode="after")
    def _stopped_by_others(self) -> TrainSpec:
        if self.patience is not None and self.select != "best":
            raise ValueError('`patience` stops by the scores of the other folds, so it needs `select = "best"`')
        return self
