"""Stops training at a loss that is not finite, before the weights are updated."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from facetwise.core.errors import TrainingError


class FiniteCheck:
    """Checks the loss of each step before the update.

    On the CPU, and with optimizers that cannot skip a step, the loss is read at once. On a GPU that would synchronise
    every step; there the optimizer skips the update when the loss is not finite (`found_inf`, which torch's fused
    optimizers support for gradient scaling), the number of the first such step is stored on the device, and `settle`
    reads it after the epoch, before anything is saved.
    """

    def __init__(self, *, deferred: bool, device: torch.device) -> None:
        self.deferred = deferred
        self._none = torch.tensor(_NO_STEP, device=device)
        self._first = self._none

    @classmethod
    def of(cls, optimizer: torch.optim.Optimizer, device: torch.device) -> FiniteCheck:
        """Deferred on a GPU if every parameter group is fused."""
        fused = all(group.get("fused") for group in optimizer.param_groups)
        return cls(deferred=device.type == "cuda" and fused, device=device)

    def before_update(
        self,
        loss: Tensor,
        norm: Tensor | None,
        optimizer: torch.optim.Optimizer,
        step: int,
        rate: float,
        overflow: Tensor | None = None,
    ) -> bool:
        """Check the loss of a step, and the norm of its gradient if known, or let the optimizer skip it.

        Returns whether to call the optimizer. `overflow`, bool (): with fp16 whether the step is to be left out. Raises
        TrainingError unless deferred.
        """
        bad = ~torch.isfinite(loss if norm is None else loss + norm)
        if not self.deferred:
            if bool(bad):
                raise not_finite(step, loss.item(), rate)
            return overflow is None or not bool(overflow)
        skipped = bad | (self._first < _NO_STEP)
        skipped = skipped if overflow is None else skipped | overflow
        optimizer.found_inf = skipped.float()  # type: ignore[attr-defined]
        optimizer.grad_scale = None  # type: ignore[attr-defined]
        self._first = torch.where(bad & (self._first == _NO_STEP), step, self._first)
        return True

    def settle(self, rate: Callable[[int], float]) -> None:
        """Raise TrainingError if a step since the last call was not finite; no step from that one on was applied.

        `rate`: step -> learning rate.
        """
        first = int(self._first) if self.deferred else _NO_STEP
        self._first = self._none
        if first != _NO_STEP:
            raise not_finite(first, None, rate(first))


_NO_STEP = 2**62

LOWER_RATE = (
    "in a new run: lower `optimizer.lr`, set `optimizer.clip` or `schedule.warmup`, or use `train.precision=fp32`"
)
"""Hint for losses that are not finite."""


def not_finite(step: int, loss: float | None, rate: float) -> TrainingError:
    """The error for a loss that is not finite; `loss` is None if it was not read."""
    what = "not finite" if loss is None else f"{loss}" + (", its gradient not finite," if math.isfinite(loss) else "")
    return TrainingError(
        f"step {step}: the loss is {what} with learning rate {rate:.2g}; nothing was updated", hint=LOWER_RATE
    )
