"""A small family of residual networks to train from scratch on small machines and small images.

A 3x3 stem of stride 2, then stages of residual blocks (He et al. 2016), each stage halving the resolution with its
first block; the shortcut is average-pooled before its 1x1 convolution, which throws no pixel away (He et al. 2019,
ResNet-D). Mean pooling at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor, nn
from torch.nn.functional import relu
from torch.utils.checkpoint import checkpoint

_STEM = 3
"""Modules before the first block."""


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut; in training, a share `drop` of the images skips the convolutions."""

    def __init__(self, inputs: int, outputs: int, stride: int, drop: float = 0.0) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.shortcut = _shortcut(inputs, outputs, stride)
        self.drop = drop

    def forward(self, x: Tensor) -> Tensor:
        """(n, inputs, h, w) -> (n, outputs, ceil(h / stride), ceil(w / stride))."""
        y = self.norm2(self.conv2(relu(self.norm1(self.conv1(x)))))
        if self.drop and self.training:
            y = y * _kept(y, 1 - self.drop)
        return relu(y + self.shortcut(x))


class SmallResNet(nn.Module):
    """Stages of `widths` channels and `depths` blocks; returns features of shape (n, widths[-1]).

    With stochastic depth, block l of L is skipped for a share `drop_path` * l / L of the images (Huang et al. 2016, eq.
    4).
    """

    def __init__(
        self,
        stem: int = 16,
        widths: Sequence[int] = (32, 64, 128, 256),
        depths: Sequence[int] = (1,) * 4,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, stem, 3, 2, 1, bias=False), nn.BatchNorm2d(stem), nn.ReLU()]
        self.stages = [stage for stage, depth in enumerate(depths) for _ in range(depth)]
        channels, last = stem, -1
        for number, stage in enumerate(self.stages, start=1):
            drop = drop_path * number / len(self.stages)
            layers.append(ResidualBlock(channels, widths[stage], 2 if stage != last else 1, drop))
            channels, last = widths[stage], stage
        self.layers = nn.Sequential(*layers)
        self.grad_checkpointing = False

    def forward(self, x: Tensor) -> Tensor:
        """Pooled features."""
        for layer in self.layers:
            checkpointed = self.grad_checkpointing and isinstance(layer, ResidualBlock)
            x = checkpoint(layer, x, use_reentrant=False) if checkpointed else layer(x)
        return x.mean(dim=(2, 3))

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Compute the activations of each block anew in the backward pass, as timm's models can."""
        self.grad_checkpointing = enable

    def group_matcher(self, coarse: bool = False) -> Callable[[str], int]:
        """A function from a weight's name to its layer, as timm's models have: 0 is the stem, then each stage
        (`coarse`) or block."""

        def layer(name: str) -> int:
            block = int(name.split(".")[1]) - _STEM
            if block < 0:
                return 0
            return 1 + (self.stages[block] if coarse else block)

        return layer


def _shortcut(inputs: int, outputs: int, stride: int) -> nn.Module:
    if stride == 1 and inputs == outputs:
        return nn.Identity()
    pool = nn.AvgPool2d(2, ceil_mode=True) if stride > 1 else nn.Identity()
    return nn.Sequential(pool, nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))


def _kept(y: Tensor, share: float) -> Tensor:
    """1 / `share` for a random share of the images and 0 for the others, (n, 1, 1, 1), so that the mean is kept."""
    return y.new_empty(len(y), 1, 1, 1).bernoulli_(share).div_(share)
