"""What is minimised."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from facetwise.recipe.kinds import default_kind
from facetwise.recipe.strict import RecipeSpec

Positive = Annotated[float, Field(gt=0)]
Smoothing = Annotated[float, Field(ge=0, lt=1)]
Prior = Annotated[float, Field(ge=0, le=2)]
Balance = Literal["none", "inverse", "effective"]


class OneLoss(RecipeSpec):
    """What all losses but `sum` have: a loss is taken over each block of the head, and averaged over the blocks."""

    name: str
    """The kind of loss."""
    attributes: Annotated[list[str], Field(min_length=1)] | None = None
    """The attributes that it is taken over, for a sum with other losses over the others; all that the head predicts
    when it is left out. On a flat head an attribute is the marginal of the joint classes."""
    attribute_weights: dict[str, Positive] = Field(default_factory=dict)
    """Weight of single attributes in the mean over the attributes, such as `age = 2`; 1 where not given."""
    share: Positive = 1.0
    """A factor: how much the loss counts in a `sum`."""

    @property
    def terms(self) -> tuple[AnyLoss, ...]:
        """Itself: a sum of one."""
        return (self,)  # type: ignore[return-value]

    @property
    def wants_sigmoid(self) -> bool:
        """Whether softmax blocks of the head become one sigmoid a class."""
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
    """What losses that are a mean over images have besides."""

    balance: Balance = "none"
    """Weight of an image by its class, from the training side's class counts n: `inverse` is n to the minus `power`,
    `effective` (1 - beta) / (1 - beta^n), the inverse of the effective number (Cui et al. 2019, eq. 4). Scaled so that
    the mean weight of the training images is 1. On a flat head the classes are the joint ones."""
    power: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Of `balance = "inverse"`: 1 makes all classes count alike, 0.5 goes half the way."""
    beta: Annotated[float, Field(ge=0, lt=1)] = 0.999
    """Of `balance = "effective"`: 0 is no balance, near 1 it is `inverse`."""

    @model_validator(mode="after")
    def _balanced(self) -> BalancedLoss:
        defaults = type(self).model_fields
        for key, balance in (("power", "inverse"), ("beta", "effective")):
            if self.balance != balance and getattr(self, key) != defaults[key].default:
                raise ValueError(f'`{key}` is for `balance = "{balance}"`, not "{self.balance}"')
        return self


class CrossEntropy(BalancedLoss):
    """Cross-entropy of each block of the head, averaged over the blocks. Of an `ordinal` block it is the likelihood of
    the proportional-odds model (McCullagh 1980), of a `years` block that of the values (Gao et al. 2017)."""

    name: Literal["cross-entropy"] = "cross-entropy"
    """The kind of loss."""
    smoothing: Smoothing = 0.0
    """Label smoothing: this share of the target is spread evenly over all classes (Szegedy et al. 2016, sec. 7)."""
    prior: Prior = 0.0
    """Logit adjustment: while training, `prior` times the log share of each class is added to its logit, so that the
    network leans to rare classes, as macro F1 does (Menon et al. 2021, eq. 10; 1 is balanced, 0 is plain)."""

    @property
    def short(self) -> str:
        """How run names call it."""
        return "CE_LS" if self.smoothing else "CE"


class Focal(BalancedLoss):
    """Cross-entropy in which images that are already right count less (Lin et al. 2017, eq. 4, without its alpha, which
    is `balance` here). Its form for soft targets t is the sum over classes of t (1 - p)^gamma (-log p): the mean of the
    loss over the classes that an image may have."""

    name: Literal["focal"] = "focal"
    """The kind of loss."""
    gamma: Annotated[float, Field(ge=0, le=10)] = 2.0
    """How much less: a class of probability p counts (1 - p)^gamma; 0 is cross-entropy."""
    smoothing: Smoothing = 0.0
    """Label smoothing, as of `cross-entropy`."""
    prior: Prior = 0.0
    """Logit adjustment, as of `cross-entropy`."""

    @property
    def short(self) -> str:
        """How run names call it."""
        return "FL_LS" if self.smoothing else "FL"


class SoftF1(OneLoss):
    """1 - macro F1 with probabilities in the place of decisions. F1 is 2 TP / (2 TP + FP + FN), whose denominator is
    the images of the class and those that are taken for it: so, of a class with probabilities p and targets t, it is 2
    sum(t p) / (sum(t) + sum(p)), sums over the batch. It counts all classes alike and so has no `balance`. A class that
    no image of the batch has does not count, one that all images together have less than one image's worth of counts
    for that part. It belongs to a batch: with `train.accumulate` it is the mean over the parts, and it wants large
    ones."""

    name: Literal["soft-f1"] = "soft-f1"
    """The kind of loss."""
    joint: bool = False
    """Over the joint classes, by the product of the attributes' probabilities: the score that counts. Otherwise over
    the classes of each attribute, averaged. (A flat head's own classes are the joint ones either way.)"""

    @property
    def short(self) -> str:
        """How run names call it."""
        return "F1"

    @model_validator(mode="after")
    def _one_score(self) -> SoftF1:
        if self.joint and self.attribute_weights:
            raise ValueError("`attribute_weights` has no meaning with `joint`: there is one F1, not one an attribute")
        return self


class Binary(BalancedLoss):
    """Binary cross-entropies, summed over the outputs of a block, averaged over the blocks. One sigmoid a class: a
    `softmax` block becomes one class against the rest each (as in Wightman et al. 2021, "ResNet strikes back"). Of an
    `ordinal` block the outputs are the cumulative ones, "above class k": the CORAL loss (Cao et al. 2020, eq. 4). It is
    not for `years` blocks."""

    name: Literal["binary"] = "binary"
    """The kind of loss."""
    smoothing: Smoothing = 0.0
    """Label smoothing: this share of every yes or no is spread evenly over yes and no."""

    @property
    def short(self) -> str:
        """How run names call it."""
        return "BCE"


AnyLoss = CrossEntropy | Focal | SoftF1 | Binary
"""Losses that can be a term of a sum."""


class Sum(RecipeSpec):
    """A weighted sum of losses: `terms` are any of the other losses, each with its `share` as a factor. With
    `attributes`, each attribute may have a loss of its own."""

    name: Literal["sum"] = "sum"
    """The kind of loss."""
    terms: Annotated[list[Annotated[AnyLoss, Field(discriminator="name")]], Field(min_length=1)]
    """The losses that are added."""

    @property
    def short(self) -> str:
        """How run names call it; `.` for plus, which a folder's name can have everywhere."""
        return ".".join(dict.fromkeys(term.short for term in self.terms))

    @property
    def wants_sigmoid(self) -> bool:
        """Whether softmax blocks of the head become one sigmoid a class: a `binary` term says yes, `cross-entropy` and
        `focal` no, `soft-f1` takes either."""
        return {term.name for term in self.terms} in ({"binary"}, {"binary", "soft-f1"})


Loss = Annotated[
    CrossEntropy | Focal | SoftF1 | Binary | Sum, Field(discriminator="name"), default_kind("cross-entropy")
]
