"""The network: normalisation, backbone, dropout and head; freezing parts of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Literal

import torch
from torch import Tensor, nn

from facetwise.core.errors import SettingError

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
NEED_INPUT = (nn.Hardtanh, nn.SiLU, nn.Hardswish, nn.Mish)
"""Activations whose gradient needs their input (ReLU6 is a Hardtanh): in place, torch first copies the whole input."""


class Network(nn.Module):
    """Backbone, dropout and the head's last layer.

    Takes images (n, 3, height, width) of 0 to 255 in any floating type, returns logits (n, d). Normalisation belongs
    to the network, so that it travels with the weights.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, backbone: nn.Module, head: nn.Module, dropout: float) -> None:
        super().__init__()
        cfg = getattr(backbone, "pretrained_cfg", {})
        self.register_buffer("mean", 255 * torch.tensor(cfg.get("mean", IMAGENET_MEAN)).view(1, 3, 1, 1))
        self.register_buffer("std", 255 * torch.tensor(cfg.get("std", IMAGENET_STD)).view(1, 3, 1, 1))
        self.backbone = backbone
        for part in backbone.modules():
            if isinstance(part, NEED_INPUT):
                part.inplace = False  # the same numbers without the copy
        self.dropout = nn.Dropout(dropout)
        self.head = head
        self.frozen: tuple[str, ...] = ()
        """Modules of the backbone that do not train, by name; `""` is all of it."""
        self.resting = False
        """Whether the whole backbone does not train for now."""
        self.checkpointing = False
        """Whether the backward pass computes activations anew."""

    def forward(self, images: Tensor) -> Tensor:
        """Logits, shape (n, d)."""
        logits: Tensor = self.head(self.dropout(self.features(images)))
        return logits

    def features(self, images: Tensor) -> Tensor:
        """Pooled features, shape (n, F)."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.resting):
            features: Tensor = self.backbone((images - self.mean) / self.std)
        return features

    def train(self, mode: bool = True) -> Network:
        """As for any module, but frozen parts stay in evaluation mode: their norms keep their statistics."""
        super().train(mode)
        for name in ("",) if self.resting else self.frozen:
            self.backbone.get_submodule(name).eval()
        return self

    def rest(self, resting: bool) -> None:
        """Let the backbone rest, or train again."""
        self.resting = resting
        self.train(self.training)

    def checkpoint_activations(self, name: str) -> None:
        """Keep only what goes into the backbone's blocks, and compute the rest anew in the backward pass.

        `name`: of the backbone, for messages. Raises SettingError when it cannot.
        """
        try:
            self.backbone.set_grad_checkpointing()  # type: ignore[operator]
        except (AttributeError, AssertionError, NotImplementedError):
            raise SettingError(
                f"`model.activation_checkpointing`: `{name}` cannot compute its activations anew",
                hint="leave it out, and lower `train.batch_size` and raise `train.accumulate` as much",
            ) from None
        self.checkpointing = True

    @contextmanager
    def backward(self) -> Iterator[None]:
        """For the backward pass: norms that are computed anew do not count their batch in the running statistics twice.

        Momentum 0 leaves these as they are, and without a counter nothing is counted.
        """
        norms = [part for part in self.backbone.modules() if self.checkpointing and isinstance(part, BATCH_NORMS)]
        kept = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
        for norm in norms:
            norm.momentum, norm.num_batches_tracked = 0.0, None
        try:
            yield
        finally:
            for norm, (momentum, counter) in zip(norms, kept, strict=True):
                norm.momentum, norm.num_batches_tracked = momentum, counter

    def freeze(self, layers: Mapping[str, int], amount: int | Literal["backbone"]) -> None:
        """Freeze the layers below `amount`, all but the last -`amount`, or the whole backbone.

        `layers`: name of each weight of the backbone -> its layer, from 0. Raises SettingError when there are fewer
        layers.
        """
        num_layers = max(layers.values()) + 1
        limit = num_layers if amount == "backbone" else amount if amount >= 0 else num_layers + amount
        if not (0 < limit <= num_layers):
            raise SettingError(
                f"`model.freeze` is {amount}, but the backbone has {num_layers} stages, its stem included",
                hint=f'a number from {1 - num_layers} to {num_layers}, or `model.freeze="backbone"`',
            )
        for name, parameter in self.backbone.named_parameters():
            if layers[name] < limit:
                parameter.requires_grad_(False)
        self.frozen = tuple(_frozen_modules(self.backbone, ""))
        self.train(self.training)

    def freeze_norms(self, name: str) -> None:
        """Freeze the batch norms of the backbone, called `name`; raises SettingError when it has none."""
        norms = {key: part for key, part in self.backbone.named_modules() if isinstance(part, BATCH_NORMS)}
        if not norms:
            raise SettingError(
                f"`model.freeze_norms`: `{name}` has no batch norms to keep as they are",
                hint="leave it out",
            )
        for norm in norms.values():
            norm.requires_grad_(False)
        self.frozen = (*self.frozen, *norms)
        self.train(self.training)


def _frozen_modules(module: nn.Module, name: str) -> Iterator[str]:
    """Names of the outermost modules of which no weight trains."""
    flags = [p.requires_grad for p in module.parameters()]
    if not flags or all(flags):
        return
    if not any(flags):
        yield name
        return
    for child, part in module.named_children():
        yield from _frozen_modules(part, f"{name}.{child}" if name else child)
