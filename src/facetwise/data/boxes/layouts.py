"""What the outputs of detectors mean, recognised by their names and shapes.

Each layout decodes the arrays of one image into `Detections`, in pixels of the network's input. Rows and columns of
cells are those of feature maps at `STRIDES` pixels a cell, row by row, the finest map first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Outputs = Mapping[str, npt.NDArray[np.generic]]
"""By name, in the network's order."""
Size = tuple[int, int]
"""Height and width of the network's input."""

STRIDES = (8, 16, 32)
LAYOUTS = ("BlazeFace", "YuNet", "SCRFD", "UltraFace", "YOLOv5", "YOLOv8", "rows of boxes", "boxes, scores and labels")
"""Those that are known."""


@dataclass(frozen=True)
class Detections:
    """Boxes that a network proposes for one image."""

    boxes: Array
    """(N, 4): left, top, right, bottom in pixels."""
    scores: Array
    """(N,), 0 to 1."""
    labels: npt.NDArray[np.int64]
    """(N,): which class; 0 where a network knows only one."""
    eyes: Array
    """(N, 4): x and y of the eye at the left of an upright picture and of the other; NaN where no points are given."""
    nested: bool = True
    """Whether several boxes of one thing are still among them."""


@dataclass(frozen=True)
class Layout:
    """How an image goes into a network of this layout, and what comes out."""

    name: str
    decode: Callable[[Outputs, Size], Detections]
    mean: float = 0.0
    """Pixels of 0 to 255 become (pixel - mean) / scale."""
    scale: float = 255.0
    bgr: bool = False
    """Whether blue is the first channel."""
    pad: int = 114
    """The grey beside an image of another shape than the input."""


def recognised(outputs: Outputs, size: Size, num_classes: int | None) -> Layout | None:
    """The layout of a network that answers with `outputs`; None for one that is not known.

    `num_classes`: as its file says; None if it does not.
    """
    layout = _layout(outputs, size, num_classes)
    try:
        return layout if layout and layout.decode(outputs, size) else None
    except (ValueError, IndexError):  # other numbers of cells or columns than the layout has
        return None


def _layout(outputs: Outputs, size: Size, num_classes: int | None) -> Layout | None:
    """The layout whose names and widths these outputs have."""
    shapes = [values.shape for values in outputs.values()]
    widths = sorted({shape[-1] for shape in shapes if shape})
    cells = sum(rows * columns for rows, columns in _maps(size))
    if {f"{part}_{stride}" for part in ("cls", "obj", "bbox") for stride in STRIDES} <= set(outputs):
        return Layout("YuNet", _yunet, scale=1.0, bgr=True, pad=0)
    if len(shapes) == 2 and widths == [1, 16] and shapes[0][-2] == len(_BLAZE_ANCHORS):
        return Layout("BlazeFace", _blaze, mean=127.5, scale=127.5, pad=0)
    if len(shapes) == 2 and widths == [2, 4]:
        return Layout("UltraFace", _ultra, mean=127.0, scale=128.0, pad=0)
    if len(shapes) in (6, 9) and widths in ([1, 4], [1, 4, 10]):
        return Layout("SCRFD", _scrfd, mean=127.5, scale=128.0, pad=0)
    if len(shapes) == 1 and len(shapes[0]) == 3 and shapes[0][0] == 1:
        return _yolo(shapes[0][1:], cells, num_classes)
    if (parts := _parts(outputs)) is not None:
        return Layout("boxes, scores and labels", partial(_suppressed, parts))
    return None


def _yolo(shape: Sequence[int], cells: int, num_classes: int | None) -> Layout | None:
    """The layout of a single table of boxes, told by the number of its rows."""
    rows, columns = shape
    if rows == 3 * cells and columns >= 5 + (num_classes or 1):
        face = num_classes is None and columns == _FACE_V5
        return Layout("YOLOv5", partial(_yolo_v5, 1 if face else num_classes))
    if columns == cells and rows >= 4 + (num_classes or 1):
        return Layout("YOLOv8", partial(_yolo_v8, num_classes))
    return Layout("rows of boxes", _rows) if columns == 6 else None


def _detections(
    boxes: npt.NDArray[np.generic],
    scores: npt.NDArray[np.generic],
    labels: npt.NDArray[np.generic] | None = None,
    eyes: npt.NDArray[np.generic] | None = None,
    *,
    nested: bool = True,
) -> Detections:
    count = len(scores)
    return Detections(
        boxes.astype(np.float64).reshape(count, 4),
        scores.astype(np.float64),
        np.zeros(count, np.int64) if labels is None else labels.astype(np.int64),
        np.full((count, 4), np.nan) if eyes is None else eyes.astype(np.float64).reshape(count, 4),
        nested,
    )


def _maps(size: Size) -> list[tuple[int, int]]:
    return [(size[0] // stride, size[1] // stride) for stride in STRIDES]


def _corners(rows: int, columns: int, repeats: int = 1) -> Array:
    """(rows * columns * repeats, 2): x and y of each cell, counted in cells."""
    y, x = np.mgrid[:rows, :columns].reshape(2, -1).astype(np.float64)
    return np.repeat(np.stack([x, y], axis=1), repeats, axis=0)


def _from_middle(middle: Array, sides: Array) -> Array:
    return np.concatenate([middle - sides / 2, middle + sides / 2], axis=1)


# --- BlazeFace (Bazarevsky and others 2019; boxes as MediaPipe's `ssd_anchors_calculator` has them)

_BLAZE_ANCHORS = np.concatenate([(_corners(16, 16, 2) + 0.5) / 16, (_corners(8, 8, 6) + 0.5) / 8])
"""(896, 2): middle of each anchor, in fractions of the input."""


def _blaze(outputs: Outputs, size: Size) -> Detections:
    by_width = {values.shape[-1]: np.asarray(values, np.float64)[0] for values in outputs.values()}
    anchors = _BLAZE_ANCHORS * size[::-1]
    points = by_width[16].reshape(-1, 8, 2)
    scores = 1 / (1 + np.exp(-np.clip(by_width[1][:, 0], -80, 80)))
    eyes = points[:, 2:4] + anchors[:, None]
    return _detections(_from_middle(points[:, 0] + anchors, points[:, 1]), scores, eyes=eyes)


# --- YuNet (OpenCV zoo, 2023) and SCRFD (InsightFace): a cell, or an anchor of a cell, is a box


def _yunet(outputs: Outputs, size: Size) -> Detections:
    found = []
    for stride, (rows, columns) in zip(STRIDES, _maps(size), strict=True):
        of = {part: np.asarray(outputs[f"{part}_{stride}"][0], np.float64) for part in ("cls", "obj", "bbox")}
        corners, box = _corners(rows, columns), of["bbox"]
        boxes = _from_middle((corners + box[:, :2]) * stride, np.exp(box[:, 2:]) * stride)
        scores = np.sqrt(np.clip(of["cls"], 0, 1) * np.clip(of["obj"], 0, 1))[:, 0]
        points = outputs.get(f"kps_{stride}")
        eyes = None if points is None else (points[0].reshape(-1, 5, 2)[:, :2] + corners[:, None]) * stride
        found.append(_detections(boxes, scores, eyes=eyes))
    return _joined(found)


def _scrfd(outputs: Outputs, size: Size) -> Detections:
    arrays = [np.asarray(values, np.float64).reshape(-1, values.shape[-1]) for values in outputs.values()]
    of = {width: sorted((a for a in arrays if a.shape[1] == width), key=len, reverse=True) for width in (1, 4, 10)}
    found = []
    for level, (stride, (rows, columns)) in enumerate(zip(STRIDES, _maps(size), strict=True)):
        scores, reach = of[1][level][:, 0], of[4][level] * stride
        middle = _corners(rows, columns, len(scores) // (rows * columns)) * stride
        boxes = np.concatenate([middle - reach[:, :2], middle + reach[:, 2:]], axis=1)
        eyes = middle[:, None] + of[10][level].reshape(-1, 5, 2)[:, :2] * stride if of[10] else None
        found.append(_detections(boxes, scores, eyes=eyes))
    return _joined(found)


def _joined(found: Sequence[Detections]) -> Detections:
    return _detections(
        np.concatenate([d.boxes for d in found]),
        np.concatenate([d.scores for d in found]),
        eyes=np.concatenate([d.eyes for d in found]),
    )


# --- UltraFace (Linzaer): corners in fractions, and the probabilities of background and face


def _ultra(outputs: Outputs, size: Size) -> Detections:
    boxes, scores = sorted(outputs.values(), key=lambda values: -values.shape[-1])
    return _detections(boxes[0] * (*size[::-1], *size[::-1]), scores[0, :, 1])


# --- YOLO: a table of boxes by middle and sides, in pixels

_FACE_V5 = 16
"""Columns of YOLOv5-face: a box, whether there is something, five points, one class."""


def _only(outputs: Outputs) -> Array:
    return np.asarray(next(iter(outputs.values()))[0], np.float64)


def _yolo_v5(num_classes: int | None, outputs: Outputs, _size: Size) -> Detections:
    """Columns x, y, width, height, whether there is something, points if any, a probability a class."""
    table = _only(outputs)
    classes = table[:, 5:] if num_classes is None else table[:, table.shape[1] - num_classes :]
    points = table[:, 5 : table.shape[1] - classes.shape[1]]
    eyes = points[:, :4] if points.shape[1] == 10 else None
    scores = table[:, 4] * classes.max(axis=1)
    return _detections(_from_middle(table[:, :2], table[:, 2:4]), scores, classes.argmax(axis=1), eyes)


def _yolo_v8(num_classes: int | None, outputs: Outputs, _size: Size) -> Detections:
    """Rows x, y, width, height, a probability a class, then points if any (x, y, and how visible)."""
    table = _only(outputs).T
    classes, points = np.split(table[:, 4:], [num_classes or table.shape[1] - 4], axis=1)
    eyes = points.reshape(len(table), 5, 3)[:, :2, :2] if points.shape[1] == 15 else None
    return _detections(_from_middle(table[:, :2], table[:, 2:4]), classes.max(axis=1), classes.argmax(axis=1), eyes)


def _rows(outputs: Outputs, _size: Size) -> Detections:
    """Rows of left, top, right, bottom, score, class: what is left after suppression (YOLOv10, and `nms=True`)."""
    table = _only(outputs)
    return _detections(table[:, :4], table[:, 4], table[:, 5], nested=False)


# --- boxes, scores and labels by themselves, suppressed by the network (torchvision, TensorFlow's detectors)


@dataclass(frozen=True)
class _Parts:
    """The names of boxes (N, 4), scores (N,) and labels (N,), or of (1, N, 4) and so on."""

    boxes: str
    scores: str
    labels: str


def _parts(outputs: Outputs) -> _Parts | None:
    """Which output is what; None if that cannot be told."""
    boxes = [n for n, v in outputs.items() if v.ndim in (2, 3) and v.shape[-1] == 4 and "raw" not in n]
    lists = {n: v for n, v in outputs.items() if boxes and v.ndim == outputs[boxes[0]].ndim - 1}
    labels = [n for n, v in lists.items() if v.dtype.kind == "i" or "label" in n or "class" in n]
    scores = [n for n in lists if n not in labels]
    return _Parts(boxes[0], scores[0], labels[0]) if scores and labels else None


def _suppressed(parts: _Parts, outputs: Outputs, size: Size) -> Detections:
    boxes = outputs[parts.boxes].reshape(-1, 4)
    if "detection_boxes" in parts.boxes:  # TensorFlow's: top, left, bottom, right in fractions
        boxes = boxes[:, [1, 0, 3, 2]] * np.array([*size[::-1]] * 2)
    return _detections(boxes, outputs[parts.scores].ravel(), outputs[parts.labels].ravel(), nested=False)
