"""One training step, and the seeds that make it the same every time."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import cast

import torch
from torch import Generator, Tensor, nn
from torch.optim.swa_utils import AveragedModel

from facetwise.core.errors import TrainingError
from facetwise.core.workspace import content_hash
from facetwise.model.backbone import Network
from facetwise.train.augment import Augmenter
from facetwise.train.checkpoint import TrainState
from facetwise.train.losses import LossFunction
from facetwise.train.optim import LearningRate


def derive_seed(*parts: int | str) -> int:
    """A seed (63 bits) that depends on all `parts` and on nothing else."""
    return int(content_hash(list(parts))[:16], 16) >> 1


@dataclass(frozen=True)
class Stepper:
    """What a step needs besides the batch."""

    augmenter: Augmenter
    loss: LossFunction
    rate: LearningRate
    seed: tuple[int, ...]
    """Run seed and fold; a step adds its number."""
    precision: str

    def __call__(self, state: TrainState, x_BCHW: Tensor, targets: Tensor, step: int) -> Tensor:
        """Augment, forward, check, backward, update; returns the loss (on the device, detached).

        `x_BCHW`: uint8 images; `targets`: probabilities, (B, d). Raises TrainingError before the update when the loss
        is not finite.
        """
        network = cast(Network, state.network)
        generator = Generator().manual_seed(derive_seed(*self.seed, "augment", step))
        images = self.augmenter(x_BCHW.float(), network.mean, generator)
        images, targets = self.augmenter.mix(images, targets, generator)
        with autocast(images.device, self.precision):
            logits = network(images)
        loss = self.loss(logits.float(), targets)
        self._check(loss, step)
        self._update(state, loss, self.rate(step))
        return loss.detach()

    def _check(self, loss: Tensor, step: int) -> None:
        if not bool(torch.isfinite(loss)):
            raise TrainingError(
                f"step {step}: the loss is {loss.item()} with learning rate {self.rate(step):.2g}; nothing was updated",
                hint="in a new run: lower `optimizer.lr`, add `schedule.warmup`, or use `train.precision=fp32`",
            )

    @staticmethod
    def _update(state: TrainState, loss: Tensor, rate: float) -> None:
        for group in state.optimizer.param_groups:
            group["lr"] = rate
        state.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        state.optimizer.step()
        if state.average is not None:
            cast(AveragedModel, state.average).update_parameters(state.network)


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """Mixed precision where it was chosen."""
    return torch.autocast(device.type, torch.bfloat16) if precision == "bf16" else nullcontext()


def kept_network(state: TrainState) -> nn.Module:
    """The network that is validated, kept and predicted with: the moving average when there is one."""
    return state.network if state.average is None else cast(nn.Module, state.average.module)
