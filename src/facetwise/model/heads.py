"""Heads: what the outputs of a network mean, laid out by the label space.

A head is a sequence of blocks (`model.blocks`), one per attribute or one for the joint classes. Shapes: n images, A
attributes of the label space.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import compress
from typing import assert_never

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from facetwise.core.errors import SettingError
from facetwise.core.labels import JOINT, MAX_LISTED_JOINT, MISSING, LabelSpace
from facetwise.core.text.counting import count
from facetwise.data.labels.views import TrainingView
from facetwise.model.blocks.block import Block, joint_targets
from facetwise.model.blocks.registry import block_class
from facetwise.recipe.head import PLAIN, BlockKind, FlatHead, Head, MultiLabelHead, SingleHead

Grids = Mapping[str, tuple[float, ...]]
"""The values, ascending, of each attribute whose block needs them."""


@dataclass(frozen=True)
class HeadLayout:
    """The blocks of a head, in output order."""

    space: LabelSpace
    blocks: tuple[Block, ...]
    partly_known: tuple[tuple[str, ...], ...] = ()
    """Of a joint block: the attributes that are known of training images which lack others, a tuple a combination. Each
    has targets after those of the blocks: the product of its attributes."""

    @property
    def num_outputs(self) -> int:
        """Number of logits."""
        return int(self.blocks[-1].outputs.stop)

    @property
    def num_columns(self) -> int:
        """Number of table columns."""
        return int(self.blocks[-1].columns.stop)

    @property
    def attributes(self) -> tuple[str, ...]:
        """Attributes that the head predicts, in the label space's order."""
        names = [b.name for b in self.blocks]
        return self.space.names if JOINT in names else tuple(n for n in self.space.names if n in names)

    @property
    def grids(self) -> dict[str, tuple[float, ...]]:
        """The values of blocks that need them; with the recipe, enough to make the layout again."""
        return {b.name: b.values for b in self.blocks if b.values}

    def block(self, name: str) -> Block:
        """The block called `name`; raises KeyError."""
        return {b.name: b for b in self.blocks}[name]

    def soft_targets(self, view: TrainingView) -> npt.NDArray[np.float32]:
        """Target probabilities, shape (n, t), from a view of the labels.

        A joint block gets the product of the attributes: their errors are taken as independent. What is not known of
        an image has targets of 0.
        """
        parts = [b.soft_targets(view, self.space) for b in self.blocks]
        parts += [_partial_targets(view, self.space, names) for names in self.partly_known]
        return np.concatenate(parts, axis=1)

    def partial_targets(self, names: tuple[str, ...]) -> slice:
        """Where the targets of one of `partly_known` are."""
        start = int(self.blocks[-1].targets.stop)
        for other in self.partly_known:
            stop = start + self.space.only(other).num_joint
            if other == names:
                return slice(start, stop)
            start = stop
        raise KeyError(names)

    def trained_on(self, view: TrainingView) -> HeadLayout:
        """The layout with the targets that a view of the labels needs; raises SettingError when nothing is known."""
        own = view.known[:, [self.space.index(n) for n in self.attributes]]
        if len(own) and not own[view.included].any():
            raise SettingError(f"no image to train on has a class of {' or '.join(f'`{n}`' for n in self.attributes)}")
        if self.blocks[0].name != JOINT:
            return self
        _check_occurring(view, self.space)
        found = np.unique(view.known[~view.known.all(axis=1) & view.known.any(axis=1)], axis=0)
        return replace(self, partly_known=tuple(tuple(compress(self.space.names, row)) for row in found.tolist()))

    def log_probs(self, logits: Tensor) -> Tensor:
        """The table columns, shape (n, num_columns), float32: log-probabilities, and the scores of ordinal blocks."""
        return torch.cat([part for b in self.blocks for part in b.table_parts(logits[:, b.outputs].float())], dim=1)

    def columns(self) -> list[str]:
        """Names of the table columns, length num_columns."""
        return [column for b in self.blocks for column in b.column_names(self.space)]

    def is_log_prob(self) -> npt.NDArray[np.bool_]:
        """Which table columns are log-probabilities, (num_columns,); the others are scores."""
        found = np.ones(self.num_columns, bool)
        for block in self.blocks:
            found[block.columns.stop - block.num_scores : block.columns.stop] = False
        return found


def _check_occurring(view: TrainingView, space: LabelSpace) -> None:
    """Raise SettingError for images to train on with a combination that no output of a joint block stands for."""
    whole = view.included & view.known.all(axis=1)
    if impossible := int((space.encode(view.codes[whole], missing=True) == MISSING).sum()):
        raise SettingError(
            f"a flat head has no output for {count(impossible, 'image')} whose combination cannot occur: "
            "moved cuts or corrections of labels made it",
            hint="use `--set model.head=multilabel`, or list it in a table of `labels.combinations`",
        )


def _partial_targets(view: TrainingView, space: LabelSpace, names: tuple[str, ...]) -> npt.NDArray[np.float32]:
    """Target probabilities, (n, t), of the product of some attributes, of the images of which these alone are known."""
    exactly = (view.known == np.isin(space.names, names)).all(axis=1)
    parts = [view.classes[space.index(n)] for n in names]
    targets: npt.NDArray[np.float32] = joint_targets(parts, space.only(names)) * exactly[:, None]
    return targets


def head_layout(
    head: Head,
    space: LabelSpace,
    *,
    sigmoid: bool = False,
    cuts: Mapping[str, Sequence[float]] | None = None,
    grids: Grids | None = None,
) -> HeadLayout:
    """The layout of a recipe's head on a label space.

    `sigmoid`: softmax blocks become independent sigmoids (for a binary loss). `cuts`: moved cuts of the training view,
    by which values are summed into classes. `grids`: the values of blocks that need them (`grids_wanted`). Raises
    SettingError when head and label space do not fit.
    """
    trained, starts = space.with_cuts(cuts or {}), (0, 0, 0)
    blocks: list[Block] = []
    for name, own in _wanted(head, space).items():
        kind = own.as_yes_or_no() if sigmoid else own
        values = (grids or {})[name] if kind.needs_values else ()
        block = kind(JOINT, space.num_joint) if name == JOINT else kind.of(trained.attribute(name), values)
        blocks.append(replace(block, starts=starts))
        starts = (blocks[-1].outputs.stop, blocks[-1].targets.stop, blocks[-1].columns.stop)
    return HeadLayout(space, tuple(blocks))


def grids_wanted(head: Head, space: LabelSpace) -> list[str]:
    """Names of the attributes whose blocks need a grid of values; raises SettingError as `head_layout`."""
    return [name for name, kind in _wanted(head, space).items() if kind.needs_values]


def _wanted(head: Head, space: LabelSpace) -> dict[str, type[Block]]:
    """Kind of each block, by name, in output order."""
    match head:
        case FlatHead():
            _check_listable(space)
            return {JOINT: block_class(PLAIN)}
        case SingleHead():
            kinds: dict[str, BlockKind] = {space.attribute(head.attribute).name: head.kind}
        case MultiLabelHead():
            names = space.names if head.attributes is None else [space.attribute(n).name for n in head.attributes]
            for name in head.kinds:
                space.attribute(name)
            kinds = {n: head.kinds.get(n, PLAIN) for n in space.names if n in names}
        case _:
            assert_never(head)
    for name, kind in kinds.items():
        if block_class(kind).for_numbers and not space.attribute(name).is_ordinal:
            raise SettingError(
                f"`model.head`: `{name}` cannot be `{kind}`: its classes are not made from numbers by cuts",
                hint=f"use the kind `{PLAIN}`",
            )
    return {name: block_class(kind) for name, kind in kinds.items()}


def _check_listable(space: LabelSpace) -> None:
    if space.num_joint > MAX_LISTED_JOINT:
        raise SettingError(
            f"a flat head would have {space.num_joint} outputs, at most {MAX_LISTED_JOINT} are supported",
            hint="use `--set model.head=multilabel`",
        )
