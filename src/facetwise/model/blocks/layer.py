"""The last layer of a head: from features to the logits of its blocks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from facetwise.model.blocks.block import Block

_GAP = math.log(math.expm1(2.0))
"""First thresholds lie 2 apart: three classes then begin about equally likely."""


class BlockLinear(nn.Module):
    """Features (n, F) -> logits (n, d), where some block computes its logits from linear outputs and gaps."""

    def __init__(self, num_features: int, blocks: Sequence[Block]) -> None:
        super().__init__()
        self.blocks = tuple(blocks)
        self.linear = nn.Linear(num_features, sum(b.num_linear for b in blocks))
        gaps = {str(i): torch.full((b.num_gaps,), _GAP) for i, b in enumerate(blocks) if b.num_gaps}
        self.gaps = nn.ParameterDict({i: nn.Parameter(gap) for i, gap in gaps.items()})

    def forward(self, features: Tensor) -> Tensor:
        """Logits, (n, d)."""
        return block_logits(self.linear(features), self.blocks, dict(self.gaps.items()))


def block_logits(linear: Tensor, blocks: Sequence[Block], gaps: Mapping[str, Tensor]) -> Tensor:
    """Logits, (..., d), from the linear outputs, (..., sum of `num_linear`); `gaps` by the block's number."""
    parts = torch.split(linear, [b.num_linear for b in blocks], dim=-1)
    nothing = linear.new_zeros(0)
    own = (b.logits(part, gaps.get(str(i), nothing)) for i, (b, part) in enumerate(zip(blocks, parts, strict=True)))
    return torch.cat(list(own), dim=-1)


def output_layer(blocks: Sequence[Block], num_features: int) -> nn.Module:
    """The last layer: features (n, num_features) -> logits (n, d)."""
    if all(b.is_linear for b in blocks):
        return nn.Linear(num_features, blocks[-1].outputs.stop)
    return BlockLinear(num_features, blocks)
