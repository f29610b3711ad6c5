"""The loop that people use now, to compare with: timm, PIL and torchvision transforms in a DataLoader, fold after fold.

What it is: a model, `AdamW`, a cosine with warm-up, timm's `ModelEmaV3`, cross-entropy a block of the head, MixUp with
one share a batch as timm mixes, `DataLoader` workers that decode, crop, resize and augment every image in every epoch.
Nothing of facetwise runs in it but the builder of the network, so that both sides train the same one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from timm.utils.model_ema import ModelEmaV3
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms  # type: ignore[import-untyped]

from facetwise.recipe import Recipe
from facetwise.recipe.augment import Affine, Flip, Light, MixUp

CPU = torch.device("cpu")
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Photos(Dataset[tuple[Tensor, Tensor]]):
    """Image files and their target probabilities."""

    paths: Sequence[Path]
    targets: npt.NDArray[np.float32]
    """(n, t)."""
    transform: transforms.Compose

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        with Image.open(self.paths[index]) as image:
            return self.transform(image.convert("RGB")), torch.from_numpy(self.targets[index])


@dataclass(frozen=True)
class Cut:
    """Crop to a box given in fractions: left, top, right, bottom."""

    box: tuple[float, float, float, float]

    def __call__(self, image: Image.Image) -> Image.Image:
        left, top, right, bottom = self.box
        return image.crop((left * image.width, top * image.height, right * image.width, bottom * image.height))


def plain_transform(recipe: Recipe, *, training: bool) -> transforms.Compose:
    """Crop, resize, the recipe's augmentations as far as torchvision has them, to normalised floats.

    `light` becomes `ColorJitter` (its `colour` as `saturation`, the nearest there is). MixUp is not for single images.
    """
    steps: list[object] = [Cut(recipe.input.box), transforms.Resize((recipe.input.height, recipe.input.width))]
    for spec in recipe.augment if training else []:
        match spec:
            case Flip():
                steps.append(transforms.RandomHorizontalFlip(spec.p))
            case Affine():
                shift, scale = (spec.shift, spec.shift), (1 - spec.scale, 1 + spec.scale)
                bilinear = transforms.InterpolationMode.BILINEAR
                steps.append(transforms.RandomAffine(spec.rotate, shift, scale, interpolation=bilinear))
            case Light():
                steps.append(transforms.ColorJitter(spec.brightness, spec.contrast, spec.colour))
            case MixUp():
                pass
            case _:
                raise SystemExit(f"the plain loop has no `{spec.name}`: use a recipe without it")
    return transforms.Compose([*steps, transforms.ToTensor(), transforms.Normalize(IMAGENET_MEAN, IMAGENET_STD)])


@dataclass(frozen=True)
class PlainLoop:
    """How the plain side trains one network."""

    blocks: tuple[slice, ...]
    """The outputs, and targets, of each softmax of the head."""
    lr: float
    weight_decay: float
    num_steps: int
    warmup: int = 0
    ema: float | None = None
    mixup: float = 0.0
    """Alpha of the Beta distribution of the share; 0 for none."""
    device: torch.device = CPU
    bf16: bool = False
    channels_last: bool = False
    fused: bool = False
    """Whether AdamW updates all weights in one call, which torch does only when it is asked to."""

    def start(self, network: nn.Module) -> PlainState:
        """The network on the device, its optimizer, schedule and average."""
        network = network.to(self.device)
        if self.channels_last:
            network = network.to(memory_format=torch.channels_last)
        optimizer = torch.optim.AdamW(
            network.parameters(), lr=self.lr, weight_decay=self.weight_decay, fused=self.fused or None
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, self._factor)
        average = None if self.ema is None else ModelEmaV3(network, decay=self.ema, use_warmup=True)
        return PlainState(network, optimizer, schedule, average)

    def step(self, state: PlainState, images: Tensor, targets: Tensor) -> Tensor:
        """One step on a batch of normalised images, (B, 3, H, W); returns the loss, detached."""
        images, targets = images.to(self.device, non_blocking=True), targets.to(self.device, non_blocking=True)
        if self.channels_last:
            images = images.contiguous(memory_format=torch.channels_last)
        if self.mixup:
            share = float(np.random.beta(self.mixup, self.mixup))
            images = images.mul(share).add_(images.flip(0), alpha=1 - share)
            targets = targets.mul(share).add_(targets.flip(0), alpha=1 - share)
        state.optimizer.zero_grad()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            loss = block_loss(state.network(images), targets, self.blocks)
        loss.backward()  # type: ignore[no-untyped-call]
        state.optimizer.step()
        state.schedule.step()
        if state.average is not None:
            state.average.update(state.network, step=state.schedule.last_epoch)
        return loss.detach()

    def _factor(self, step: int) -> float:
        if step < self.warmup:
            return (step + 1) / (self.warmup + 1)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - self.warmup) / max(1, self.num_steps - self.warmup))))


@dataclass
class PlainState:
    """What the plain loop changes."""

    network: nn.Module
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    average: ModelEmaV3 | None

    @property
    def kept(self) -> nn.Module:
        """What is validated: the average, when there is one."""
        kept: nn.Module = self.network if self.average is None else self.average.module
        return kept


def block_loss(logits: Tensor, targets: Tensor, blocks: Sequence[slice]) -> Tensor:
    """Mean over the blocks of the cross-entropy with target probabilities."""
    return torch.stack([cross_entropy(logits[:, b].float(), targets[:, b]) for b in blocks]).mean()


def train_epoch(loop: PlainLoop, state: PlainState, loader: DataLoader[tuple[Tensor, Tensor]]) -> float:
    """One epoch; returns the mean loss."""
    state.network.train()
    total = sum((loop.step(state, images, targets) for images, targets in loader), torch.zeros((), device=loop.device))
    return float(total) / len(loader)


@torch.inference_mode()
def predict(loop: PlainLoop, network: nn.Module, loader: DataLoader[tuple[Tensor, Tensor]]) -> Tensor:
    """Logits of every image, (n, d), on the CPU."""
    network.eval()
    parts = []
    for batch, _ in loader:
        images = batch.to(loop.device, non_blocking=True)
        if loop.channels_last:
            images = images.contiguous(memory_format=torch.channels_last)
        parts.append(network(images).float().cpu())
    return torch.cat(parts)


def loader_of(photos: Photos, batch_size: int, workers: int, *, training: bool) -> DataLoader[tuple[Tensor, Tensor]]:
    """Shuffled whole batches to train on, or all images in order; workers live on from epoch to epoch."""
    return DataLoader(
        photos,
        batch_size,
        shuffle=training,
        drop_last=training,
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=torch.cuda.is_available(),
    )
