"""The exponential moving average of the weights."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Average:
    """Moves a copy of the network towards it, a step at a time (Polyak & Juditsky 1992, with a fixed decay).

    The decay after t steps is at most (1 + t) / (10 + t), so that first weights are soon forgotten. It is a function
    of the step: a resumed run needs no state for it, and no number is read back from a GPU.
    """

    decay: float

    def start(self, network: nn.Module) -> nn.Module:
        """A copy to keep the average in; no gradients."""
        return deepcopy(network).requires_grad_(False)

    @torch.no_grad()
    def update(self, average: nn.Module, network: nn.Module, step: int) -> None:
        """Move `average` after the step with this number (from 0): weights and running statistics."""
        share = averaging_share(self.decay, step)
        own, new = _tensors(average), _tensors(network)
        floats = [i for i, tensor in enumerate(own) if tensor.is_floating_point()]
        torch._foreach_lerp_([own[i] for i in floats], [new[i] for i in floats], share)
        for i in set(range(len(own))) - set(floats):
            own[i].copy_(new[i])


def averaging_share(decay: float | None, step: int) -> float:
    """How far the average moves towards the weights after a step (from 0): 1 is all the way, as without averaging."""
    return 1.0 if decay is None or step == 0 else 1 - min(decay, (1 + step) / (10 + step))


def _tensors(network: nn.Module) -> list[Tensor]:
    return [*network.parameters(), *network.buffers()]
