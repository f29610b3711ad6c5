"""Heads: what the outputs of a network mean, laid out by the label space.

A head is a row of blocks; each block is a softmax over the classes of one attribute or over the joint classes.
Shapes: n images, A attributes of the label space, b blocks, d outputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from facetwise.core.errors import SettingError
from facetwise.core.labels import MAX_LISTED_JOINT, LabelSpace
from facetwise.recipe.model import FlatHead, Head, MultiLabelHead, SingleHead

JOINT = "joint"


@dataclass(frozen=True)
class Block:
    """Outputs `start` to `stop` (not included): a softmax over `joint` or over the attribute called `name`."""

    name: str
    start: int
    stop: int


@dataclass(frozen=True)
class HeadLayout:
    """The blocks of a head, in output order."""

    space: LabelSpace
    blocks: tuple[Block, ...]

    @property
    def num_outputs(self) -> int:
        """Width d of the last layer."""
        return self.blocks[-1].stop

    @property
    def attributes(self) -> tuple[str, ...]:
        """Attributes that the head predicts, in the label space's order."""
        names = [b.name for b in self.blocks]
        return self.space.names if JOINT in names else tuple(n for n in self.space.names if n in names)

    def soft_targets(self, targets: Sequence[npt.NDArray[np.float32]]) -> npt.NDArray[np.float32]:
        """Target probabilities of each output, shape (n, d), of those of each attribute, (n, classes).

        A joint block gets the product of the attributes: their errors are taken as independent.
        """
        blocks = [_product(targets) if b.name == JOINT else targets[self.space.index(b.name)] for b in self.blocks]
        return np.concatenate(blocks, axis=1)

    def log_probs(self, logits: Tensor) -> Tensor:
        """Log-softmax of each block, shape (n, d), float32."""
        parts = [torch.log_softmax(logits[:, b.start : b.stop].float(), dim=1) for b in self.blocks]
        return torch.cat(parts, dim=1)

    def columns(self) -> list[str]:
        """Table column of each output, length d."""
        return [
            column
            for b in self.blocks
            for column in (self.space.joint_columns if b.name == JOINT else self.space.columns(b.name))
        ]


def head_layout(head: Head, space: LabelSpace) -> HeadLayout:
    """The layout of a recipe's head on a label space; raises SettingError when they do not fit."""
    match head:
        case FlatHead():
            _check_listable(space)
            sizes = {JOINT: space.num_joint}
        case MultiLabelHead():
            sizes = {a.name: a.size for a in space.attributes}
        case SingleHead():
            sizes = {head.attribute: space.attribute(head.attribute).size}
    stops = np.cumsum(list(sizes.values())).tolist()
    blocks = [Block(name, stop - size, stop) for (name, size), stop in zip(sizes.items(), stops, strict=True)]
    return HeadLayout(space, tuple(blocks))


def _product(targets: Sequence[npt.NDArray[np.float32]]) -> npt.NDArray[np.float32]:
    joint = targets[0]
    for part in targets[1:]:
        joint = (joint[:, :, None] * part[:, None, :]).reshape(len(joint), -1)
    return joint


def _check_listable(space: LabelSpace) -> None:
    if space.num_joint > MAX_LISTED_JOINT:
        raise SettingError(
            f"a flat head would have {space.num_joint} outputs, at most {MAX_LISTED_JOINT} are supported",
            hint="use `--set model.head=multilabel`",
        )
