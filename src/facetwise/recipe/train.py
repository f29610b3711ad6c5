"""How long, with what batches, and which epoch is kept."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from facetwise.recipe.duration import DurationField
from facetwise.recipe.strict import RecipeSpec


class TrainSpec(RecipeSpec):
    """The training loop."""

    length: DurationField
    """How long each model trains, in whole epochs: steps are rounded up. Each epoch is validated and saved."""
    batch_size: Annotated[int, Field(ge=2, le=2**16)] = 64
    """Images that are forward and backward at a time."""
    accumulate: Annotated[int, Field(ge=1, le=1024)] = 1
    """Batches whose gradients are added up before each step: a step sees `accumulate * batch_size` images. A last step
    that is not full is left out of the epoch (another draw brings its images). Batch norms still see one batch."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Seed of everything random: first weights, order, augmentation, dropout."""
    ema: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Decay a step of an exponential moving average of the weights, which is then what is validated, kept and predicted
    with. After t steps the decay is at most (1 + t) / (10 + t), so that the first weights are soon forgotten."""
    select: Literal["last", "best"] = "last"
    """The epoch that is kept: the last, or for each fold the one at which the *other* folds score best."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Arithmetic of the forward and backward pass; `auto` is bf16 on a GPU that has it, else fp32."""
    device: str = "auto"
    """`auto`, `cpu`, `cuda` or `cuda:1`."""
