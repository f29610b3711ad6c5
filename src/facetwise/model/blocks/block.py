"""A block of a head: the outputs of one attribute, or of the joint classes, and all that differs between its kinds.

Shapes: n images, d outputs (logits) of the block, t targets, K classes. What a method takes and gives is the block's
own part; where that lies in the whole head say `outputs`, `targets` and `columns`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
from torch import Tensor

from facetwise.core.labels import JOINT, Attribute, FloatArray, IntArray, LabelSpace
from facetwise.data.labels.views import TrainingView
from facetwise.recipe.head import BlockKind

Logs = npt.NDArray[np.float32]
"""Log-probabilities."""
_LEAST = float(np.log(np.finfo(np.float32).tiny))


def floored(logs: Logs) -> FloatArray:
    """Log-probabilities as float64, in which a probability of 0 counts as the smallest float32 (87 nats)."""
    return np.maximum(logs, _LEAST).astype(np.float64)


@dataclass(frozen=True)
class Block(ABC):
    """The outputs of one attribute, or of the joint classes. Unless its kind says otherwise: a logit, a target and a
    column a class, logits as the linear layer gives them, any loss."""

    kind: ClassVar[BlockKind | str]
    """What the recipe calls it; what only takes the place of such a kind has a name of its own."""
    for_numbers: ClassVar[bool] = False
    """Whether it is for ordinal attributes only: their classes are made from numbers by cuts."""
    needs_values: ClassVar[bool] = False
    """Whether `of` needs the values, ascending, that the attribute takes."""
    is_linear: ClassVar[bool] = True
    """Whether logits are the linear outputs as they are; else `logits` makes them."""
    num_scores: ClassVar[int] = 0
    """How many of its last columns are no log-probabilities."""
    refused: ClassVar[Mapping[str, str]] = {}
    """Losses that it does not allow, by the name in a recipe: why, and what to do. `{name}` is the attribute."""

    name: str
    """Of the attribute, or `joint`."""
    num_classes: int
    values: tuple[float, ...] = ()
    """Of a kind that needs them: the value of each bin, ascending."""
    starts: tuple[int, int, int] = (0, 0, 0)
    """Where its outputs, targets and columns begin in the whole head's."""

    @classmethod
    def of(cls, attribute: Attribute, values: tuple[float, ...]) -> Self:  # noqa: ARG003  # most kinds know no values
        """The block of an attribute as it is trained; raises SettingError when it cannot be of this kind."""
        return cls(attribute.name, attribute.size)

    @classmethod
    def as_yes_or_no(cls) -> type[Block]:
        """The kind that takes its place under a loss that asks yes or no of each output (`binary`)."""
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
        """Columns that tables keep after those of the classes."""
        return ()

    @property
    def outputs(self) -> slice:
        """In the logits."""
        return slice(self.starts[0], self.starts[0] + self.num_outputs)

    @property
    def targets(self) -> slice:
        """In the target probabilities."""
        return slice(self.starts[1], self.starts[1] + self.num_targets)

    @property
    def columns(self) -> slice:
        """In what tables keep: first a column a class, then those `besides`."""
        return slice(self.starts[2], self.classes.stop + len(self.besides))

    @property
    def classes(self) -> slice:
        """The class columns in what tables keep."""
        return slice(self.starts[2], self.starts[2] + self.num_classes)

    def column_names(self, space: LabelSpace) -> tuple[str, ...]:
        """Table column of each number that is kept."""
        own = space.joint_columns if self.name == JOINT else space.columns(self.name)
        return (*own, *self.besides)

    # ---------------------------------------------------------------------------------------------- the last layer

    @property
    def num_linear(self) -> int:
        """Linear outputs that its logits are made of."""
        return self.num_outputs

    @property
    def num_gaps(self) -> int:
        """Further parameters that they are made of."""
        return 0

    def logits(self, linear: Tensor, gaps: Tensor) -> Tensor:  # noqa: ARG002  # most kinds have none
        """Logits, (..., d), of the linear outputs, (..., num_linear), and the `gaps`, (..., num_gaps)."""
        return linear

    # -------------------------------------------------------------------------------------------------- what it says

    @abstractmethod
    def class_logs(self, logits: Tensor) -> Tensor:
        """Log-probabilities of the classes, (n, K); differentiable."""

    def table_parts(self, logits: Tensor) -> list[Tensor]:
        """What tables keep: parts of shape (n, columns)."""
        return [self.class_logs(logits)]

    # -------------------------------------------------------------------------------------- what it is trained on

    def soft_targets(self, view: TrainingView, space: LabelSpace) -> npt.NDArray[np.float32]:
        """Target probabilities, (n, t), of a view of the labels; of the joint classes the product of the attributes."""
        if self.name != JOINT:
            return view.classes[space.index(self.name)]
        joint = view.classes[0]
        for part in view.classes[1:]:
            joint = (joint[:, :, None] * part[:, None, :]).reshape(len(joint), -1)
        return joint

    def losses(self, kept: Logs, truth: IntArray, values: FloatArray | None) -> FloatArray:  # noqa: ARG002
        """Loss of each image, (n,), in nats, by what tables keep of the block, (n, columns): the cross-entropy of what
        it is trained on. `truth`: class numbers, (n,); `values`: the numbers these come from, where they are known."""
        return -floored(np.take_along_axis(kept, truth[:, None], axis=1))[:, 0]

    def class_targets(self, targets: Tensor) -> Tensor:
        """Target probabilities of the classes, (n, K), of the targets, (n, t)."""
        return targets

    def of_targets(self, of_classes: Tensor) -> Tensor:
        """Numbers of each target, (t,), from numbers of each class, (K,)."""
        return of_classes

    def scores(self, logits: Tensor) -> Tensor:
        """Numbers, (n, t), whose softmax is the probability of each target."""
        return self.class_logs(logits)

    def yes(self, targets: Tensor) -> Tensor:
        """Probability that the answer of each output is yes, (n, d), for `binary`, of the targets, (n, t)."""
        raise AssertionError(f"`{self.kind}` refuses `binary`, and gives {targets.shape[1]} targets no yes or no")
