"""Detectors that tests write: a network that finds red squares, and photos with such squares."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from facetwise.data.boxes.onnxfile import Graph, Node, onnx_bytes

SIDE = 64
"""Pixels a side of the network's input."""
CELLS = 8 * 8 + 4 * 4 + 2 * 2


def middles() -> np.ndarray:
    """(cells, 3): x, y and stride of the cells of `SIDE`, as YOLO orders them."""
    found = []
    for stride in (8, 16, 32):
        y, x = np.mgrid[: SIDE // stride, : SIDE // stride].reshape(2, -1)
        found.append(np.stack([(x + 0.5) * stride, (y + 0.5) * stride, np.full(len(x), stride)], axis=1))
    return np.concatenate(found)


def red_detector() -> bytes:
    """YOLOv8's layout: each cell proposes itself, its score is the mean of red in it less the mean of green, times 0.4,
    0.8 or 1 for cells of 8, 16 and 32 pixels."""
    table = middles()
    boxes = np.concatenate([table[:, :2].T, table[:, 2:].T.repeat(2, axis=0)])[None].astype(np.float32)
    constants, nodes = {"boxes": boxes, "flat": np.array([1, 1, -1], np.int64)}, []
    for stride, most in ((8, 0.4), (16, 0.8), (32, 1.0)):
        kernel = np.zeros((1, 3, stride, stride), np.float32)
        kernel[0, 0], kernel[0, 1] = most / stride**2, -most / stride**2
        constants[f"k{stride}"] = kernel
        nodes.append(Node("Conv", ["image", f"k{stride}"], [f"c{stride}"], {"strides": [stride, stride]}))
        nodes.append(Node("Reshape", [f"c{stride}", "flat"], [f"f{stride}"], {}))
    nodes.append(Node("Concat", ["f8", "f16", "f32"], ["scores"], {"axis": 2}))
    nodes.append(Node("Concat", ["boxes", "scores"], ["found"], {"axis": 1}))
    return onnx_bytes(Graph({"image": [1, 3, SIDE, SIDE]}, {"found": [1, 5, CELLS]}, nodes, constants))


def photo(*squares: Sequence[int], size: tuple[int, int] = (SIDE, SIDE)) -> Image.Image:
    """A grey photo of `size` (width, height) with red squares: left, top, right, bottom."""
    image = Image.new("RGB", size, (90, 90, 90))
    for left, top, right, bottom in squares:
        ImageDraw.Draw(image).rectangle((left, top, right - 1, bottom - 1), fill=(255, 0, 0))
    return image


def write_detector(folder: Path) -> Path:
    """The detector of red squares as a file."""
    (path := folder / "red.onnx").write_bytes(red_detector())
    return path
