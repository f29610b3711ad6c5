"""Loss scaling for fp16, whose smallest numbers lose small gradients (Micikevicius et al. 2018, section 3.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from facetwise.core.errors import TrainingError

START, LEAST = 2.0**16, 2.0**-4
"""The first scale, as in torch's `GradScaler`, and the one below which training is given up."""
GROWTH_INTERVAL = 2000
"""Steps without an overflow after which the scale is doubled."""


@dataclass
class LossScale:
    """The factor of the loss in the backward pass, adapted as torch's `GradScaler` does: an overflow halves it.

    Everything stays on the device, so that nothing is waited for.
    """

    scale: Tensor
    """()."""
    good_steps: Tensor
    """(), int: steps since the scale changed."""
    skipped: Tensor
    """(), int: steps that overflowed and were not applied, since `settle`."""

    @classmethod
    def start(cls, device: torch.device) -> LossScale:
        """The scale of a new training."""
        zero = torch.zeros((), dtype=torch.int64, device=device)
        return cls(torch.tensor(START, device=device), zero, zero.clone())

    def tensors(self) -> dict[str, Tensor]:
        """What a resumed training needs, by name."""
        return {"scale": self.scale, "good_steps": self.good_steps}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Set what `tensors` named; raises KeyError when one is missing."""
        self.scale.copy_(tensors["scale"])
        self.good_steps.copy_(tensors["good_steps"])

    @torch.no_grad()
    def unscale(self, parameters: Sequence[nn.Parameter]) -> Tensor:
        """Divide the gradients by the scale in place; returns whether any is not finite, bool (), and adapts the
        scale."""
        gradients = [p.grad for p in parameters if p.grad is not None]
        torch._foreach_mul_(gradients, 1 / self.scale)
        overflow = ~torch.isfinite(torch.stack(torch._foreach_norm(gradients, torch.inf))).all()
        grown = ~overflow & (self.good_steps + 1 >= GROWTH_INTERVAL)
        factor = torch.where(overflow, 0.5, torch.where(grown, 2.0, 1.0))
        self.scale.mul_(factor)
        self.good_steps.copy_(torch.where(overflow | grown, 0, self.good_steps + 1))
        self.skipped += overflow
        return overflow

    def settle(self) -> int:
        """The number of steps that were skipped since the last call; raises TrainingError when scaling cannot help."""
        skipped = int(self.skipped)
        self.skipped.zero_()
        if float(self.scale) < LEAST:
            raise TrainingError(
                f"gradients overflow in fp16 with the loss times {float(self.scale):g} too; nothing was saved",
                hint="in a new run: `train.precision=fp32`, or lower `optimizer.lr`, or set `optimizer.clip`",
            )
        return skipped
