"""A block of a head: the outputs of one attribute, or of the joint classes, and what they say.

Four kinds of block, for K classes:

    kind      outputs (logits)              targets            kept in tables
    softmax   K                             K classes          K classes
    sigmoid   K, each against the rest      K classes          K classes, the sigmoids renormalised
    ordinal   K - 1, one score minus        K classes          K classes, and the score
              ascending thresholds
    years     1 a value                     1 a value          K classes (sums of values), and 1 a value

Shapes: n images, d outputs of the head, k of the block.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import log_softmax, logsigmoid, softplus

BlockKind = Literal["softmax", "sigmoid", "ordinal", "years"]


@dataclass(frozen=True)
class Block:
    """The outputs of one attribute, or of the joint classes, and where they lie."""

    name: str
    """Of the attribute, or `joint`."""
    kind: BlockKind
    num_classes: int
    outputs: slice
    """In the logits."""
    targets: slice
    """In the target probabilities."""
    columns: slice
    """In what tables keep: first a column a class, then what the kind has besides."""
    values: tuple[float, ...] = ()
    """Value of each bin; of a `years` block only."""
    class_of_bin: tuple[int, ...] = ()
    """Class of each bin by the training view's cuts; of a `years` block only."""
    edges: tuple[float, ...] = ()
    """Between the bins, ascending, one fewer than bins; of a `years` block only."""

    @property
    def classes(self) -> slice:
        """The class columns in what tables keep."""
        return slice(self.columns.start, self.columns.start + self.num_classes)


def class_shares(block: Block, targets: Tensor) -> Tensor:
    """Target probabilities of the classes, (n, K), of the block's own targets."""
    if block.kind != "years":
        return targets
    return torch.stack([targets[:, part].sum(dim=1) for part in bins_of_classes(block)], dim=1)


def kept(block: Block, logits: Tensor) -> list[Tensor]:
    """What tables keep of the block's own logits, (n, k): parts of shape (n, columns), float32."""
    classes = class_logs(block, logits)
    if block.kind == "ordinal":
        return [classes, logits.mean(dim=1, keepdim=True)]
    if block.kind == "years":
        return [classes, log_softmax(logits, dim=1)]
    return [classes]


def class_logs(block: Block, logits: Tensor) -> Tensor:
    """Log-probabilities of the classes, (n, K), of the block's own logits, (n, k); differentiable."""
    match block.kind:
        case "softmax":
            return log_softmax(logits, dim=1)
        case "sigmoid":
            return log_softmax(logsigmoid(logits), dim=1)
        case "ordinal":
            return _cumulative_log_probs(logits)
        case "years":
            bins = log_softmax(logits, dim=1)
            return torch.stack([_sum_of(bins[:, part]) for part in bins_of_classes(block)], dim=1)


def bins_of_classes(block: Block) -> list[slice]:
    """The bins of each class of a `years` block: as values ascend, so do classes. A class may have none."""
    return [
        slice(bisect_left(block.class_of_bin, k), bisect_right(block.class_of_bin, k)) for k in range(block.num_classes)
    ]


def _sum_of(bins: Tensor) -> Tensor:
    """Log of the summed probabilities, (n,); -inf for a class that no value belongs to."""
    return torch.logsumexp(bins, dim=1) if bins.shape[1] else bins.new_full((len(bins),), -math.inf)


def _cumulative_log_probs(logits: Tensor) -> Tensor:
    """Class log-probabilities of descending cumulative logits c: P(k) = s(c_k) - s(c_k+1), s the sigmoid.

    Written as s(a) - s(b) = s(a) s(-b) (1 - exp(b - a)), which loses no digits where the two are close.
    """
    above, below = logsigmoid(logits), logsigmoid(-logits)
    gaps = (logits[:, :-1] - logits[:, 1:]).clamp_min(1e-6)
    middle = above[:, :-1] + below[:, 1:] + torch.log(-torch.expm1(-gaps))
    return torch.cat([below[:, :1], middle, above[:, -1:]], dim=1)


class CumulativeLinear(nn.Module):
    """The last layer of a head with ordinal blocks: features (n, F) -> logits (n, d).

    An ordinal block has one linear output, the score, and K - 1 ascending thresholds with mean zero (the score's bias
    moves them all); its logits are the score minus each threshold, so that the sigmoid of logit k is the probability of
    a class above k (McCullagh 1980, the proportional-odds model).
    """

    def __init__(self, num_features: int, blocks: Sequence[Block]) -> None:
        super().__init__()
        self.blocks = tuple(blocks)
        self.linear = nn.Linear(num_features, sum(linear_widths(blocks)))
        self.gaps = nn.ParameterDict(
            {
                str(i): nn.Parameter(torch.full((b.num_classes - 2,), _GAP))
                for i, b in enumerate(blocks)
                if b.kind == "ordinal" and b.num_classes > 2
            }
        )

    def forward(self, features: Tensor) -> Tensor:
        """Logits, (n, d)."""
        return cumulative_logits(self.linear(features), self.blocks, dict(self.gaps.items()))


def linear_widths(blocks: Sequence[Block]) -> list[int]:
    """Linear outputs of each block: of an ordinal one the score alone, of others as many as logits."""
    return [1 if b.kind == "ordinal" else b.outputs.stop - b.outputs.start for b in blocks]


def cumulative_logits(linear: Tensor, blocks: Sequence[Block], gaps: Mapping[str, Tensor]) -> Tensor:
    """Logits, (..., d), of the linear outputs, (..., sum of `linear_widths`).

    `gaps`: number of each ordinal block with more than two classes -> what its `thresholds` are made of.
    """
    parts = list(torch.split(linear, linear_widths(blocks), dim=-1))
    for i, block in enumerate(blocks):
        if block.kind == "ordinal":
            parts[i] = parts[i] - thresholds(gaps.get(str(i), linear.new_zeros(0)))
    return torch.cat(parts, dim=-1)


def thresholds(gaps: Tensor) -> Tensor:
    """Ascending thresholds with mean zero, (..., K - 1), of the softplus of their `gaps`, (..., K - 2)."""
    rising = torch.cat([gaps.new_zeros(*gaps.shape[:-1], 1), softplus(gaps).cumsum(-1)], dim=-1)
    return rising - rising.mean(dim=-1, keepdim=True)


_GAP = math.log(math.expm1(2.0))
"""First thresholds lie 2 apart: three classes then begin about equally likely."""


def output_layer(blocks: Sequence[Block], num_features: int) -> nn.Module:
    """The last layer: features (n, num_features) -> logits (n, d)."""
    if any(b.kind == "ordinal" for b in blocks):
        return CumulativeLinear(num_features, blocks)
    return nn.Linear(num_features, blocks[-1].outputs.stop)
