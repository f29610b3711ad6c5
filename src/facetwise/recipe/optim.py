"""Optimizer and learning-rate schedule."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from facetwise.core.files.settings import LISTED, Spec
from facetwise.recipe.duration import Duration, DurationField
from facetwise.recipe.kinds import default_kind

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, lt=1)]


class OptimizerSpec(Spec):
    """Common to all optimizers."""

    name: str
    """The kind of optimizer."""
    lr: Positive = 1e-3
    """Learning rate before the schedule's factor."""
    weight_decay: NotNegative = 0.0
    """Decay of the weights; biases, norms and position embeddings are not decayed."""
    head_lr: Positive | None = None
    """Learning rate of the head, before the schedule's factor; default: `lr`."""
    layer_decay: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Layer-wise decay: the last layer of the backbone has this share of `lr`, and every other layer this share of
    the next one's rate (Clark et al. 2020, ELECTRA; Bao et al. 2022, BEiT). The head has the full rate."""
    clip: Positive | None = None
    """Largest norm of the whole gradient; a larger one is scaled down to it (Pascanu et al. 2013)."""


class AdamW(OptimizerSpec):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019)."""

    short: ClassVar[str] = "AdamW"

    name: Literal["adamw"] = "adamw"
    """The kind of optimizer."""
    weight_decay: NotNegative = 0.05
    """Decay of the weights; biases, norms and position embeddings are not decayed."""
    betas: Annotated[tuple[Share, Share], LISTED] = (0.9, 0.999)
    """Decay of the running means of gradient and squared gradient."""


class Adam(OptimizerSpec):
    """Adam (Kingma & Ba 2015) with weight decay added to the gradient; `adamw` is usually better."""

    short: ClassVar[str] = "Adam"

    name: Literal["adam"] = "adam"
    """The kind of optimizer."""
    betas: Annotated[tuple[Share, Share], LISTED] = (0.9, 0.999)
    """Decay of the running means of gradient and squared gradient."""


class AdamP(OptimizerSpec):
    """AdamW without the radial component of the update for weights before a normalisation (Heo et al. 2021)."""

    short: ClassVar[str] = "AdamP"

    name: Literal["adamp"] = "adamp"
    """The kind of optimizer."""
    weight_decay: NotNegative = 0.01
    """Decay of the weights; biases, norms and position embeddings are not decayed."""
    betas: Annotated[tuple[Share, Share], LISTED] = (0.9, 0.999)
    """Decay of the running means of gradient and squared gradient."""
    nesterov: bool = False
    """Nesterov's momentum."""


class SGD(OptimizerSpec):
    """Stochastic gradient descent with momentum; its weight decay is added to the gradient."""

    short: ClassVar[str] = "SGD"

    name: Literal["sgd"] = "sgd"
    """The kind of optimizer."""
    lr: Positive = 0.05
    """Learning rate before the schedule's factor."""
    weight_decay: NotNegative = 1e-4
    """Decay of the weights; biases, norms and position embeddings are not decayed."""
    momentum: Share = 0.9
    """Momentum factor."""
    nesterov: bool = True
    """Nesterov's momentum (Sutskever et al. 2013)."""

    @model_validator(mode="after")
    def _with_momentum(self) -> SGD:
        if self.nesterov and not self.momentum:
            raise ValueError("`nesterov` needs a `momentum` above 0")
        return self


class TimmOptimizer(OptimizerSpec):
    """Any other optimizer of timm that needs only gradients."""

    name: Literal["timm"] = "timm"
    """The kind of optimizer."""
    optimizer: str
    """Its name in timm, such as `lamb`, `lion`, `madgrad`, `nadamw` (`timm.optim.list_optimizers()`)."""
    args: dict[str, bool | int | float | str | list[float]] = Field(default_factory=dict)
    """Further keyword arguments, as named by timm (`betas = [0.9, 0.99]`)."""

    @model_validator(mode="after")
    def _said_once(self) -> TimmOptimizer:
        if twice := sorted({"lr", "weight_decay"} & self.args.keys()):
            raise ValueError(f"`args` has `{twice[0]}`, which is a key of the optimizer itself")
        return self

    @property
    def short(self) -> str:
        """Its name in run names."""
        return self.optimizer


Optimizer = Annotated[AdamW | Adam | AdamP | SGD | TimmOptimizer, Field(discriminator="name"), default_kind("adamw")]


class StepLR(Spec):
    """The learning rate is multiplied by `gamma` every `every`."""

    short: ClassVar[str] = "StepLR"

    name: Literal["step"] = "step"
    """The kind of schedule."""
    every: DurationField = Duration(10, "ep")
    """Interval between the steps."""
    gamma: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Factor at each step."""
    warmup: DurationField | None = None
    """Linear warm-up from zero. One that is as long as the training is cut to half of it."""


class Cosine(Spec):
    """Half a cosine from the learning rate to `final` times the rate (Loshchilov & Hutter 2017)."""

    short: ClassVar[str] = "Cosine"

    name: Literal["cosine"] = "cosine"
    """The kind of schedule."""
    final: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of the learning rate at the end."""
    warmup: DurationField | None = None
    """Linear warm-up from zero. One that is as long as the training is cut to half of it."""


class OneCycle(Spec):
    """Up to the learning rate and down again, each half a cosine (Smith 2018, "A disciplined approach", as in torch's
    `OneCycleLR`, with constant momentum)."""

    short: ClassVar[str] = "OneCycle"

    name: Literal["one-cycle"] = "one-cycle"
    """The kind of schedule."""
    start: Annotated[float, Field(gt=0, le=1)] = 0.04
    """Share of the learning rate at the beginning."""
    final: Annotated[float, Field(ge=0, le=1)] = 4e-6
    """Share of the learning rate at the end."""
    rise: Annotated[float, Field(gt=0, lt=1)] = 0.3
    """Share of the training in which the rate rises."""
    warmup: DurationField | None = None
    """Length of the rise, instead of `rise`."""


class Constant(Spec):
    """A constant learning rate."""

    short: ClassVar[str] = "Constant"

    name: Literal["constant"] = "constant"
    """The kind of schedule."""
    warmup: DurationField | None = None
    """Linear warm-up from zero. One that is as long as the training is cut to half of it."""


Schedule = Annotated[StepLR | Cosine | OneCycle | Constant, Field(discriminator="name"), default_kind("cosine")]
