"""A small family of residual networks to train from scratch on small machines and small images.

A 3x3 stem of stride 2, then stages of residual blocks (He et al. 2016), each stage halving the resolution with its
first block; the shortcut is average-pooled before its 1x1 convolution, which throws no pixel away (He et al. 2019,
ResNet-D). Mean pooling at the end.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn.functional import relu


class Block(nn.Module):
    """Two 3x3 convolutions and a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.shortcut = _shortcut(inputs, outputs, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(n, inputs, h, w) -> (n, outputs, ceil(h / stride), ceil(w / stride))."""
        y = self.norm2(self.conv2(relu(self.norm1(self.conv1(x)))))
        return relu(y + self.shortcut(x))


class SmallResNet(nn.Module):
    """`widths` channels a stage, `depths` blocks a stage; gives features of shape (n, widths[-1])."""

    def __init__(self, stem: int = 16, widths: Sequence[int] = (32, 64, 128, 256), depths: Sequence[int] = (1,) * 4):
        super().__init__()
        if len(widths) != len(depths) or min((stem, *widths, *depths)) < 1:
            raise TypeError(f"`widths` and `depths` need as many positive numbers, got {widths} and {depths}")
        layers: list[nn.Module] = [nn.Conv2d(3, stem, 3, 2, 1, bias=False), nn.BatchNorm2d(stem), nn.ReLU()]
        channels = stem
        for width, depth in zip(widths, depths, strict=True):
            for i in range(depth):
                layers.append(Block(channels, width, 2 if i == 0 else 1))
                channels = width
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Pooled features."""
        features: Tensor = self.layers(x).mean(dim=(2, 3))
        return features


def _shortcut(inputs: int, outputs: int, stride: int) -> nn.Module:
    if stride == 1 and inputs == outputs:
        return nn.Identity()
    pool = nn.AvgPool2d(2, ceil_mode=True) if stride > 1 else nn.Identity()
    return nn.Sequential(pool, nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))
