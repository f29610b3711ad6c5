"""Training losses."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from facetwise.core.files.settings import Spec
from facetwise.recipe.kinds import default_kind

Positive = Annotated[float, Field(gt=0)]
Smoothing = Annotated[float, Field(ge=0, lt=1)]
Prior = Annotated[float, Field(ge=0, le=2)]
Balance = Literal["none", "inverse", "effective"]


class OneLoss(Spec):
    """Common to all losses except `sum`: the loss is computed for each block of the head and averaged over the
    blocks."""

    name: str
    """The kind of loss."""
    attributes: Annotated[list[str], Field(min_length=1)] | None = None
    """The attributes of this loss, for a `sum` with other losses for the other attributes; default: all that the head
    predicts. On a flat head an attribute is the marginal of the joint classes."""
    attribute_weights: dict[str, Positive] = Field(default_factory=dict)
    """Weight of single attributes in the mean over the attributes, such as `age = 2`; default 1."""
    share: Positive = 1.0
    """Factor of this loss in a `sum`."""

    @property
    def terms(self) -> tuple[AnyLoss, ...]:
        """Itself: a sum of one."""
        return (self,)  # type: ignore[return-value]

    @property
    def wants_sigmoid(self) -> bool:
        """Whether softmax blocks of the head become one sigmoid for each class."""
        return self.name == "binary"

    @model_validator(mode="after")
    def _named(self) -> OneLoss:
        if self.attributes is None:
            return self
        if len(set(self.attributes)) != len(self.attributes):
            raise ValueError("`attributes` names one twice")
        if others := [n for n in self.attribute_weights if n not in self.attributes]:
            raise ValueError(f"`attribute_weights` names `{others[0]}`, which is not among `attributes`")
        return self


class BalancedLoss(OneLoss):
    """Common to losses that are a mean over images."""

    balance: Balance = "none"
    """Weight of an image by its class, from the training side's class counts n: `inverse` is n to the minus `power`,
    `effective` (1 - beta) / (1 - beta^n), the inverse of the effective number (Cui et al. 2019, eq. 4). Scaled so that
    the mean weight of the training images is 1. On a flat head the classes are the joint ones."""
    power: Annotated[float, Field(gt=0, le=1)] = 1.0
    """For `balance = "inverse"`: 1 gives all classes the same total weight, 0.5 is halfway."""
    beta: Annotated[float, Field(ge=0, lt=1)] = 0.999
    """For `balance = "effective"`: 0 is no balancing, near 1 it equals `inverse`."""

    @model_validator(mode="after")
    def _balanced(self) -> BalancedLoss:
        defaults = type(self).model_fields
        for key, balance in (("power", "inverse"), ("beta", "effective")):
            if self.balance != balance and getattr(self, key) != defaults[key].default:
                raise ValueError(f'`{key}` is for `balance = "{balance}"`, not "{self.balance}"')
        return self


class CrossEntropy(BalancedLoss):
    """Cross-entropy of each block of the head, averaged over the blocks. For an `ordinal` block it is the likelihood of
    the proportional-odds model (McCullagh 1980), for a `bins` block that of the values (Gao et al. 2017)."""

    name: Literal["cross-entropy"] = "cross-entropy"
    """The kind of loss."""
    smoothing: Smoothing = 0.0
    """Label smoothing: this share of the target is spread evenly over all classes (Szegedy et al. 2016, sec. 7)."""
    prior: Prior = 0.0
    """Logit adjustment: in training, `prior` times the log frequency of each class is added to its logit, which favours
    rare classes, as macro F1 does (Menon et al. 2021, eq. 10; 1 is balanced, 0 is none)."""

    @property
    def short(self) -> str:
        """Its name in run names."""
        return "CE_LS" if self.smoothing else "CE"


class Focal(BalancedLoss):
    """Cross-entropy with less weight on images that are already right (Lin et al. 2017, eq. 4, without its alpha, which
    is `balance` here). Its form for soft targets t is the sum over classes of t (1 - p)^gamma (-log p): the mean of the
    loss over the classes that an image may have."""

    name: Literal["focal"] = "focal"
    """The kind of loss."""
    gamma: Annotated[float, Field(ge=0, le=10)] = 2.0
    """A class of probability p has weight (1 - p)^gamma; 0 is cross-entropy."""
    smoothing: Smoothing = 0.0
    """Label smoothing, as in `cross-entropy`."""
    prior: Prior = 0.0
    """Logit adjustment, as in `cross-entropy`."""

    @property
    def short(self) -> str:
        """Its name in run names."""
        return "FL_LS" if self.smoothing else "FL"


class SoftF1(OneLoss):
    """1 - macro F1 with probabilities in place of decisions. F1 is 2 TP / (2 TP + FP + FN), whose denominator counts
    the images of the class and those predicted as it: for a class with probabilities p and targets t the soft F1 is 2
    sum(t p) / (sum(t) + sum(p)), sums over the batch. All classes have equal weight, so there is no `balance`. A class
    is left out if no image of the batch has it, and has proportionally less weight if its targets sum to less than 1.
    The loss is computed on a batch: with `train.accumulate` it is the mean over the parts, which should be large."""

    name: Literal["soft-f1"] = "soft-f1"
    """The kind of loss."""
    joint: bool = False
    """Over the joint classes, by the product of the attributes' probabilities, as in the score. Otherwise over the
    classes of each attribute, averaged. (A flat head's classes are always the joint ones.)"""

    @property
    def short(self) -> str:
        """Its name in run names."""
        return "F1"

    @model_validator(mode="after")
    def _one_score(self) -> SoftF1:
        if self.joint and self.attribute_weights:
            raise ValueError("`attribute_weights` has no meaning with `joint`: there is one F1, not one an attribute")
        return self


class Binary(BalancedLoss):
    """Binary cross-entropies, summed over the outputs of a block, averaged over the blocks. With one sigmoid for each
    class, a `softmax` block becomes one-vs-rest (as in Wightman et al. 2021, "ResNet strikes back"). The outputs of an
    `ordinal` block are cumulative, "above class k": the CORAL loss (Cao et al. 2020, eq. 4). Not for `bins` blocks."""

    name: Literal["binary"] = "binary"
    """The kind of loss."""
    smoothing: Smoothing = 0.0
    """Label smoothing: this share of each binary target is spread evenly over both values."""

    @property
    def short(self) -> str:
        """Its name in run names."""
        return "BCE"


AnyLoss = CrossEntropy | Focal | SoftF1 | Binary
"""Losses that can be a term of a sum."""


class Sum(Spec):
    """A weighted sum of losses: `terms` are other losses, each multiplied by its `share`. With `attributes`, each
    attribute may have its own loss."""

    name: Literal["sum"] = "sum"
    """The kind of loss."""
    terms: Annotated[list[Annotated[AnyLoss, Field(discriminator="name")]], Field(min_length=1)]
    """The losses of the sum."""

    @property
    def short(self) -> str:
        """Its name in run names, with `.` for plus, which every file system allows."""
        return ".".join(dict.fromkeys(term.short for term in self.terms))

    @property
    def wants_sigmoid(self) -> bool:
        """Whether softmax blocks of the head become one sigmoid for each class: with a `binary` term they do, with
        `cross-entropy` or `focal` they do not; `soft-f1` works with either."""
        return {term.name for term in self.terms} in ({"binary"}, {"binary", "soft-f1"})


Loss = Annotated[
    CrossEntropy | Focal | SoftF1 | Binary | Sum, Field(discriminator="name"), default_kind("cross-entropy")
]
