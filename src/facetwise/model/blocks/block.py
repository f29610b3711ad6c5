"""A block of a head: the outputs of one attribute or of the joint classes, and everything in which kinds of block
differ.

Shapes: n images, d outputs (logits) of the block, t targets, K classes. Methods take and return the block's own part;
`outputs`, `targets` and `columns` are its slices of the whole head.
"""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
from torch import Tensor

from facetwise.core.labels import JOINT, Attribute, FloatArray, IntArray, LabelSpace, combined
from facetwise.data.labels.views import TrainingView
from facetwise.recipe.head import BlockKind

Logs = npt.NDArray[np.float32]
"""Log-probabilities."""
_LEAST = float(np.log(np.finfo(np.float32).tiny))


def floored(logs: Logs) -> FloatArray:
    """Log-probabilities as float64, in which a probability of 0 counts as the smallest float32 (87 nats)."""
    return np.maximum(logs, _LEAST).astype(np.float64)


def joint_targets(parts: Sequence[npt.NDArray[np.float32]], space: LabelSpace) -> npt.NDArray[np.float32]:
    """Joint probabilities, (n, num_joint), of those of the attributes of `space`, (n, K) each: their product.

    Where some combinations cannot occur, the others are renormalised. A row is 0 where nothing that can occur has a
    probability.
    """
    if space.combinations is None:
        return combined(parts, None, operator.mul)
    joint = combined(parts, space.joint_codes.T, operator.mul)
    total = joint.sum(axis=1, keepdims=True)
    np.divide(joint, total, out=joint, where=total > 0)
    return joint


@dataclass(frozen=True)
class Block(ABC):
    """The outputs of one attribute, or of the joint classes. By default: one logit, target and column per class, the
    linear outputs as logits, and any loss."""

    kind: ClassVar[BlockKind | str]
    """Its name in recipes; a kind that only replaces another one has its own name."""
    for_numbers: ClassVar[bool] = False
    """Whether it is only for ordinal attributes, whose classes are made from numbers by cuts."""
    needs_values: ClassVar[bool] = False
    """Whether `of` needs the ascending values of the attribute."""
    is_linear: ClassVar[bool] = True
    """Whether the linear outputs are the logits; otherwise `logits` computes them."""
    num_scores: ClassVar[int] = 0
    """How many of its last columns are not log-probabilities."""
    refused: ClassVar[Mapping[str, str]] = {}
    """Losses that it does not allow, by their name in recipes: why, and what to do. `{name}` is the attribute."""

    name: str
    """The attribute's name, or `joint`."""
    num_classes: int
    values: tuple[float, ...] = ()
    """For kinds that need them, the ascending values of the bins."""
    starts: tuple[int, int, int] = (0, 0, 0)
    """Where its outputs, targets and columns begin in those of the whole head."""

    @classmethod
    def of(cls, attribute: Attribute, values: tuple[float, ...]) -> Self:  # noqa: ARG003  # most kinds know no values
        """The block of an attribute; raises SettingError when the attribute cannot have this kind."""
        return cls(attribute.name, attribute.size)

    @classmethod
    def as_yes_or_no(cls) -> type[Block]:
        """The kind that replaces it under a loss with a yes or no for each output (`binary`)."""
        return cls

    # ------------------------------------------------------------------------------------------------ where it lies

    @property
    def num_outputs(self) -> int:
        """d."""
        return self.num_classes

    @property
    def num_targets(self) -> int:
        """t."""
        return self.num_classes

    @property
    def besides(self) -> tuple[str, ...]:
        """Names of the table columns after those of the classes."""
        return ()

    @property
    def outputs(self) -> slice:
        """Its slice of the logits."""
        return slice(self.starts[0], self.starts[0] + self.num_outputs)

    @property
    def targets(self) -> slice:
        """Its slice of the target probabilities."""
        return slice(self.starts[1], self.starts[1] + self.num_targets)

    @property
    def columns(self) -> slice:
        """Its slice of the table columns: one per class, then those of `besides`."""
        return slice(self.starts[2], self.classes.stop + len(self.besides))

    @property
    def classes(self) -> slice:
        """The slice of its class columns in tables."""
        return slice(self.starts[2], self.starts[2] + self.num_classes)

    def column_names(self, space: LabelSpace) -> tuple[str, ...]:
        """Names of its table columns."""
        own = space.joint_columns if self.name == JOINT else space.columns(self.name)
        return (*own, *self.besides)

    # ---------------------------------------------------------------------------------------------- the last layer

    @property
    def num_linear(self) -> int:
        """Number of linear outputs from which its logits are computed."""
        return self.num_outputs

    @property
    def num_gaps(self) -> int:
        """Number of further parameters for its logits."""
        return 0

    def logits(self, linear: Tensor, gaps: Tensor) -> Tensor:  # noqa: ARG002  # most kinds have none
        """Logits, (..., d), from the linear outputs, (..., num_linear), and the `gaps`, (..., num_gaps)."""
        return linear

    # -------------------------------------------------------------------------------------------------- what it says

    @abstractmethod
    def class_logs(self, logits: Tensor) -> Tensor:
        """Log-probabilities of the classes, (n, K); differentiable."""

    def table_parts(self, logits: Tensor) -> list[Tensor]:
        """The table columns, in parts of shape (n, columns)."""
        return [self.class_logs(logits)]

    # -------------------------------------------------------------------------------------- what it is trained on

    def soft_targets(self, view: TrainingView, space: LabelSpace) -> npt.NDArray[np.float32]:
        """Target probabilities, (n, t), from a view of the labels; for joint classes the product over attributes."""
        if self.name != JOINT:
            return view.classes[space.index(self.name)]
        return joint_targets(view.classes, space)

    def losses(self, kept: Logs, truth: IntArray, values: FloatArray | None) -> FloatArray:  # noqa: ARG002
        """Loss of each image, (n,), in nats: the cross-entropy that it is trained on, from its table columns `kept`,
        (n, columns). `truth`: class numbers, (n,); `values`: the numbers behind them, where known."""
        return -floored(np.take_along_axis(kept, truth[:, None], axis=1))[:, 0]

    def class_targets(self, targets: Tensor) -> Tensor:
        """Target probabilities of the classes, (n, K), from those of the targets, (n, t)."""
        return targets

    def of_targets(self, of_classes: Tensor) -> Tensor:
        """A number for each target, (t,), from one for each class, (K,)."""
        return of_classes

    def scores(self, logits: Tensor) -> Tensor:
        """Numbers, (n, t), whose softmax is the probability of each target."""
        return self.class_logs(logits)

    def yes(self, targets: Tensor) -> Tensor:
        """Target probability of a yes for each output, (n, d), from the targets, (n, t); for `binary`."""
        raise AssertionError(f"`{self.kind}` refuses `binary`, and gives {targets.shape[1]} targets no yes or no")
