"""One training step: from stored images to updated weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import torch
from torch import Generator, Tensor, nn

from facetwise.inference.choices import autocast
from facetwise.model.backbone import Network
from facetwise.train.augment import Augmenter
from facetwise.train.fold.average import Average
from facetwise.train.fold.checkpoint import TrainState
from facetwise.train.fold.finite import FiniteCheck
from facetwise.train.fold.optim import LearningRate
from facetwise.train.losses import LossFunction
from facetwise.train.seeds import derive_seed


@dataclass(frozen=True)
class Batch:
    """The images of one optimizer step. Shapes: B images, t target probabilities."""

    images: Tensor
    """(B, 3, H, W), uint8."""
    targets: Tensor
    """(B, t)."""
    weights: Tensor | None = None
    """(B,): weight of each image in the loss; None means 1."""
    partners: Batch | None = None
    """As many other training images to mix with, if the augmenter needs them."""


@dataclass(frozen=True)
class Stepper:
    """Performs training steps."""

    augmenter: Augmenter
    loss: LossFunction
    rate: LearningRate
    seed: tuple[int, ...]
    """Run seed and fold; each step adds its number."""
    precision: str
    finite: FiniteCheck
    average: Average | None = None
    accumulate: int = 1
    clip: float | None = None
    """Largest norm of the gradient; None for no limit."""

    def __call__(self, state: TrainState, batch: Batch, step: int) -> Tensor:
        """Augment, forward, backward, check, update; returns the loss (on the device, detached).

        Gradients are summed over `accumulate` parts of the batch. Raises TrainingError before the update when the loss
        is not finite (on a GPU later, see `FiniteCheck`).
        """
        network = cast(Network, state.network)
        images, targets, weights = self._augmented(batch, network.mean, step)
        state.optimizer.zero_grad(set_to_none=True)
        loss = torch.zeros((), device=images.device)
        for part in self._parts(len(images)):
            with autocast(images.device, self.precision):
                logits = network(images[part])
            own = None if weights is None else weights[part]
            share = self.loss(logits.float(), targets[part], own) * (len(logits) / len(images))
            with network.backward():
                (share if state.scale is None else share * state.scale.scale).backward()  # type: ignore[no-untyped-call]
            loss += share.detach()
        self._update(state, loss, step)
        return loss

    def _augmented(self, batch: Batch, mean_1C11: Tensor, step: int) -> tuple[Tensor, Tensor, Tensor | None]:
        """The network's input images with their targets and weights.

        Targets are mixed after multiplication by their weights, so that a label of low weight keeps it.
        """
        generator = Generator().manual_seed(derive_seed(*self.seed, "augment", step))
        images = self.augmenter(batch.images, mean_1C11, generator)
        other = None
        if batch.partners is not None:
            other = self.augmenter(batch.partners.images, mean_1C11, generator), _weighted(batch.partners)
        images, targets = self.augmenter.mix(images, _weighted(batch), generator, other)
        if batch.weights is None:
            return images, targets, None
        weights = targets[:, -1]
        return images, targets[:, :-1] / weights.clamp_min(_TINY)[:, None], weights

    def _parts(self, count: int) -> Iterator[slice]:
        size = -(-count // self.accumulate)
        return (slice(start, start + size) for start in range(0, count, size))

    def _update(self, state: TrainState, loss: Tensor, step: int) -> None:
        rate, norm, overflow = self.rate(step), None, None
        if state.scale is not None:
            overflow = state.scale.unscale(list(state.network.parameters()))
        if self.clip is not None:
            norm = nn.utils.clip_grad_norm_(state.network.parameters(), self.clip)
        checked = norm if overflow is None else None  # the norm of a step that is left out is never finite
        applied = self.finite.before_update(loss, checked, state.optimizer, step, rate, overflow)
        for group in state.optimizer.param_groups:
            group["lr"] = rate * group["scale"]
        if applied:
            state.optimizer.step()
        if self.average is not None and state.average is not None:
            self.average.update(state.average, state.network, step)


_TINY = torch.finfo(torch.float32).tiny


def _weighted(batch: Batch) -> Tensor:
    """Targets; with weights, the weighted targets with the weights as one more column."""
    if batch.weights is None:
        return batch.targets
    weights = batch.weights[:, None]
    return torch.cat([batch.targets * weights, weights], dim=1)


def evaluated_network(state: TrainState) -> nn.Module:
    """The network for validation, saving and prediction: the moving average if there is one."""
    return state.network if state.average is None else state.average
