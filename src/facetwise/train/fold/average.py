"""The exponential moving average of the weights."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Average:
    """Exponential moving average of the weights (Polyak & Juditsky 1992, with a fixed decay).

    The decay after t steps is at most (1 + t) / (10 + t), so that the initial weights are soon forgotten. It is a
    function of the step, so a resumed run needs no state for it and nothing is read back from a GPU.
    """

    decay: float

    def start(self, network: nn.Module) -> nn.Module:
        """A copy of the network for the average, without gradients."""
        return deepcopy(network).requires_grad_(False)

    @torch.no_grad()
    def update(self, average: nn.Module, network: nn.Module, step: int) -> None:
        """Update `average`, weights and running statistics, after step number `step` (from 0)."""
        share = averaging_share(self.decay, step)
        own, new = _tensors(average), _tensors(network)
        floats = [i for i, tensor in enumerate(own) if tensor.is_floating_point()]
        torch._foreach_lerp_([own[i] for i in floats], [new[i] for i in floats], share)
        for i in set(range(len(own))) - set(floats):
            own[i].copy_(new[i])


def averaging_share(decay: float | None, step: int) -> float:
    """1 - decay after a step (from 0); 1 without averaging."""
    return 1.0 if decay is None or step == 0 else 1 - min(decay, (1 + step) / (10 + step))


def _tensors(network: nn.Module) -> list[Tensor]:
    return [*network.parameters(), *network.buffers()]
