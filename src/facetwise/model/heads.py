"""Heads: what the outputs of a network mean, laid out by the label space.

A head is a row of blocks (`model.blocks`), one an attribute or one for the joint classes.
Shapes: n images, A attributes of the label space.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from facetwise.core.errors import SettingError
from facetwise.core.labels import JOINT, MAX_LISTED_JOINT, Attribute, FloatArray, LabelSpace
from facetwise.core.tables import score_column, year_columns
from facetwise.data.labels.bins import soft_bins
from facetwise.data.labels.views import TrainingView, one_hot
from facetwise.model.blocks import Block, BlockKind, class_logs, class_shares, kept
from facetwise.recipe.head import FlatHead, Head, MultiLabelHead, SingleHead

MAX_BINS = 400
"""Most values of a `years` block."""

Grids = Mapping[str, tuple[float, ...]]
"""The values, ascending, that the `years` block of each ordinal attribute has a bin for."""


@dataclass(frozen=True)
class HeadLayout:
    """The blocks of a head, in output order."""

    space: LabelSpace
    blocks: tuple[Block, ...]

    @property
    def num_outputs(self) -> int:
        """Logits an image."""
        return int(self.blocks[-1].outputs.stop)

    @property
    def num_targets(self) -> int:
        """Target probabilities an image."""
        return int(self.blocks[-1].targets.stop)

    @property
    def num_columns(self) -> int:
        """Numbers an image that tables keep."""
        return int(self.blocks[-1].columns.stop)

    @property
    def attributes(self) -> tuple[str, ...]:
        """Attributes that the head predicts, in the label space's order."""
        names = [b.name for b in self.blocks]
        return self.space.names if JOINT in names else tuple(n for n in self.space.names if n in names)

    @property
    def grids(self) -> dict[str, tuple[float, ...]]:
        """The values of each `years` block: with the recipe, all that the layout is made from again."""
        return {b.name: b.values for b in self.blocks if b.kind == "years"}

    def block(self, name: str) -> Block:
        """The block called `name`; raises KeyError."""
        return {b.name: b for b in self.blocks}[name]

    def soft_targets(self, view: TrainingView) -> npt.NDArray[np.float32]:
        """Target probabilities, shape (n, num_targets), of a view of the labels.

        A joint block gets the product of the attributes: their errors are taken as independent.
        """
        return np.concatenate([_block_targets(b, view, self.space) for b in self.blocks], axis=1)

    def log_probs(self, logits: Tensor) -> Tensor:
        """What tables keep, shape (n, num_columns), float32: log-probabilities, and the scores of ordinal blocks."""
        return torch.cat([part for b in self.blocks for part in kept(b, logits[:, b.outputs].float())], dim=1)

    def class_log_probs(self, logits: Tensor, block: Block) -> Tensor:
        """Log-probabilities, (n, K), of the classes of one block; differentiable."""
        return class_logs(block, logits[:, block.outputs])

    def class_targets(self, targets: Tensor, block: Block) -> Tensor:
        """Target probabilities, (n, K), of the classes of one block."""
        return class_shares(block, targets[:, block.targets])

    def columns(self) -> list[str]:
        """Table column of each kept number, length num_columns."""
        return [column for b in self.blocks for column in _block_columns(b, self.space)]

    def is_log_prob(self) -> npt.NDArray[np.bool_]:
        """Which kept numbers are log-probabilities, (num_columns,); the others are scores."""
        found = np.ones(self.num_columns, bool)
        for block in self.blocks:
            if block.kind == "ordinal":
                found[block.columns.stop - 1] = False
        return found


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
    by which `years` blocks are summed into classes. `grids`: the values of `years` blocks (`value_grid`). Raises
    SettingError when head and label space do not fit.
    """
    trained = space.with_cuts(cuts or {})
    blocks: list[Block] = []
    for name, kind in _wanted(head, space).items():
        own: BlockKind = "sigmoid" if sigmoid and kind == "softmax" else kind
        values = (grids or {})[name] if kind == "years" else ()
        block = _block(name, own, _num_classes(name, space), blocks, values)
        blocks.append(_divided(block, trained.attribute(name)) if values else block)
    return HeadLayout(space, tuple(blocks))


def years_wanted(head: Head, space: LabelSpace) -> list[str]:
    """Names of the attributes that need a grid of values; raises SettingError as `head_layout`."""
    return [name for name, kind in _wanted(head, space).items() if kind == "years"]


def value_grid(attribute: str, values: FloatArray) -> tuple[float, ...]:
    """Whole numbers from the smallest to the largest known value: the bins of a `years` block.

    Raises SettingError when there is no value, only one bin, or more than `MAX_BINS`.
    """
    known = values[~np.isnan(values)]
    low, high = (math.floor(known.min()), math.ceil(known.max())) if len(known) else (0, 0)
    if not 2 <= high - low + 1 <= MAX_BINS:
        raise SettingError(
            f"`model.head`: `{attribute}` cannot be `years`: its {len(known)} known values make {high - low + 1} bins "
            f"of one whole number, expected 2 to {MAX_BINS}",
            hint="use the kind `ordinal` or `softmax`",
        )
    return tuple(float(v) for v in range(low, high + 1))


def _wanted(head: Head, space: LabelSpace) -> dict[str, BlockKind]:
    """Kind of each block, by name, in output order."""
    match head:
        case FlatHead():
            _check_listable(space)
            return {JOINT: "softmax"}
        case SingleHead():
            kinds: dict[str, BlockKind] = {space.attribute(head.attribute).name: head.kind}
        case MultiLabelHead():
            names = space.names if head.attributes is None else [space.attribute(n).name for n in head.attributes]
            for name in head.kinds:
                space.attribute(name)
            kinds = {n: head.kinds.get(n, "softmax") for n in space.names if n in names}
    for name, kind in kinds.items():
        _check_kind(space.attribute(name), kind)
    return kinds


def _check_kind(attribute: Attribute, kind: BlockKind) -> None:
    if kind != "softmax" and not attribute.is_ordinal:
        raise SettingError(
            f"`model.head`: `{attribute.name}` cannot be `{kind}`: its classes are not made from numbers by cuts",
            hint="use the kind `softmax`",
        )


def _check_listable(space: LabelSpace) -> None:
    if space.num_joint > MAX_LISTED_JOINT:
        raise SettingError(
            f"a flat head would have {space.num_joint} outputs, at most {MAX_LISTED_JOINT} are supported",
            hint="use `--set model.head=multilabel`",
        )


def _num_classes(name: str, space: LabelSpace) -> int:
    return space.num_joint if name == JOINT else space.attribute(name).size


def _block(
    name: str,
    kind: BlockKind,
    num_classes: int,
    before: Sequence[Block],
    values: tuple[float, ...] = (),
) -> Block:
    """The block that follows `before`."""
    outputs, targets, columns = {
        "ordinal": (num_classes - 1, num_classes, num_classes + 1),
        "years": (len(values), len(values), num_classes + len(values)),
    }.get(kind, (num_classes, num_classes, num_classes))
    last = before[-1] if before else None
    starts = (last.outputs.stop, last.targets.stop, last.columns.stop) if last else (0, 0, 0)
    spans = (slice(s, s + width) for s, width in zip(starts, (outputs, targets, columns), strict=True))
    own_outputs, own_targets, own_columns = spans
    return Block(name, kind, num_classes, own_outputs, own_targets, own_columns, values)


def _divided(block: Block, attribute: Attribute) -> Block:
    """A `years` block with its bins laid out by the attribute's cuts.

    The bin of a value y holds [y, next value), as the class of y is the number of cuts <= y; where a cut lies between
    two values, the edge is the cut. So the bins of a class sum to the training view's probability of the class. Raises
    SettingError for two cuts between the same two values: the class between them would have no bin.
    """
    classes, cuts = attribute.codes_of_values(block.values), attribute.cuts or ()
    between = [[c for c in cuts if low < c <= high] for low, high in pairwise(block.values)]
    if crowded := next((own for own in between if len(own) > 1), None):
        name = attribute.classes[cuts.index(crowded[0]) + 1]
        raise SettingError(
            f"`model.head`: `{attribute.name}` cannot be `years` with cuts {list(cuts)}: no whole number lies in class "
            f"`{name}`, from {crowded[0]:g} to below {crowded[1]:g}",
            hint=f"move `labels.cuts.{attribute.name}` apart, or use the kind `ordinal` or `softmax`",
        )
    edges = tuple(own[0] if own else high for own, (_, high) in zip(between, pairwise(block.values), strict=True))
    return replace(block, class_of_bin=tuple(classes.tolist()), edges=edges)


def _block_columns(block: Block, space: LabelSpace) -> list[str]:
    if block.name == JOINT:
        return list(space.joint_columns)
    more = [score_column(block.name)] if block.kind == "ordinal" else []
    more += year_columns(block.name, block.values) if block.kind == "years" else []
    return [*space.columns(block.name), *more]


def _block_targets(block: Block, view: TrainingView, space: LabelSpace) -> npt.NDArray[np.float32]:
    if block.name == JOINT:
        return _product(view.classes)
    if block.kind == "years":
        return _bin_targets(block, view, space)
    return view.classes[space.index(block.name)]


def _bin_targets(block: Block, view: TrainingView, space: LabelSpace) -> npt.NDArray[np.float32]:
    """Each value's probability of each bin; a row known by its class alone spreads over the class's bins."""
    values, edges = view.values[block.name], block.edges
    known = ~np.isnan(values)
    targets: npt.NDArray[np.float32] = view.classes[space.index(block.name)] @ _spread_over_bins(block)
    spread = view.spread.get(block.name)
    if spread is None:
        targets[known] = one_hot(np.searchsorted(edges, values[known], side="right"), len(block.values))
    else:
        targets[known] = soft_bins(values[known], edges, spread)
    return targets


def _spread_over_bins(block: Block) -> npt.NDArray[np.float32]:
    """Each class as an even distribution over its bins, (K, bins); over all bins when it has none."""
    members = np.asarray(block.class_of_bin)[None, :] == np.arange(block.num_classes)[:, None]
    members[~members.any(axis=1)] = True
    spread: npt.NDArray[np.float32] = (members / members.sum(axis=1, keepdims=True)).astype(np.float32)
    return spread


def _product(targets: Sequence[npt.NDArray[np.float32]]) -> npt.NDArray[np.float32]:
    joint = targets[0]
    for part in targets[1:]:
        joint = (joint[:, :, None] * part[:, None, :]).reshape(len(joint), -1)
    return joint
