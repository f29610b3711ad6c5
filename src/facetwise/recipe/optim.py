"""How the weights move: optimizer and learning-rate schedule."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from facetwise.core.settings import Spec
from facetwise.recipe.duration import Duration, DurationField

Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, lt=1)]


class AdamW(Spec):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019)."""

    short: ClassVar[str] = "AdamW"

    name: Literal["adamw"] = "adamw"
    """The kind of optimizer."""
    lr: Positive = 1e-3
    """Learning rate before the schedule's factor."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.05
    """Decay of the weights; biases and norms are not decayed."""
    betas: tuple[Share, Share] = (0.9, 0.999)
    """Decay of the running means of gradient and squared gradient."""


Optimizer = AdamW


class StepLR(Spec):
    """The learning rate is multiplied by `gamma` every `every`."""

    short: ClassVar[str] = "StepLR"

    name: Literal["step"] = "step"
    """The kind of schedule."""
    every: DurationField = Duration(10, "ep")
    """How long each level lasts."""
    gamma: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Factor at each step."""
    warmup: DurationField | None = None
    """Linear warm-up from zero at the beginning."""


class Cosine(Spec):
    """Half a cosine from the learning rate to `final` times it (Loshchilov & Hutter 2017)."""

    short: ClassVar[str] = "Cosine"

    name: Literal["cosine"] = "cosine"
    """The kind of schedule."""
    final: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of the learning rate at the end."""
    warmup: DurationField | None = None
    """Linear warm-up from zero at the beginning."""


Schedule = Annotated[StepLR | Cosine, Field(discriminator="name")]
