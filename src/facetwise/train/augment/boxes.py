"""One rectangle for each image: drawn on the CPU, filled on the device of the images.

A box is (top, bottom, left, right) in pixels, bottom and right exclusive; it may be empty. Shapes: B
images, C channels, H rows, W columns.
"""

from __future__ import annotations

import torch
from torch import Tensor


def draw_span(length: int, share_B: Tensor, at_B: Tensor) -> Tensor:
    """Start and end (exclusive) of the pixels whose centres lie in a span covering `share_B` of `length`, (B, 2).

    `at_B`, 0..1: position of the span within the range in which it fits.
    """
    centres = (torch.arange(length) + 0.5) / length
    start = (at_B * (1 - share_B))[:, None]
    before = (centres < start).sum(dim=1)
    inside = ((centres >= start) & (centres < start + share_B[:, None])).sum(dim=1)
    return torch.stack([before, before + inside], dim=1)


def joined(rows_B2: Tensor, columns_B2: Tensor) -> Tensor:
    """Boxes (B, 4) from spans of rows and of columns."""
    return torch.cat([rows_B2, columns_B2], dim=1)


def area(boxes_B4: Tensor) -> Tensor:
    """Pixels in each box, (B,)."""
    top, bottom, left, right = boxes_B4.unbind(1)
    return (bottom - top) * (right - left)


def fill(x_BCHW: Tensor, boxes_B4: Tensor, source_BCHW: Tensor) -> None:
    """Copy each image's box from `source_BCHW`, in place; the boxes are on the CPU.

    On a GPU with a mask, which is a single launch; on the CPU with slices, because masks over broadcast operands do not
    vectorise there and take ten times as long.
    """
    if x_BCHW.is_cuda:
        x_BCHW.copy_(torch.where(box_mask(boxes_B4.to(x_BCHW.device), x_BCHW), source_BCHW, x_BCHW))
        return
    for i, (top, bottom, left, right) in enumerate(boxes_B4.tolist()):
        if bottom > top and right > left:
            x_BCHW[i, :, top:bottom, left:right] = source_BCHW[i, :, top:bottom, left:right]


def box_mask(boxes_B4: Tensor, x_BCHW: Tensor) -> Tensor:
    """Which pixels lie in the boxes, (B, 1, H, W)."""
    height, width = x_BCHW.shape[2:]
    top, bottom, left, right = boxes_B4[:, :, None, None, None].unbind(1)
    row = torch.arange(height, device=x_BCHW.device)[:, None]
    column = torch.arange(width, device=x_BCHW.device)
    return (row >= top) & (row < bottom) & (column >= left) & (column < right)
