"""Layouts of detectors: what is encoded as each of them says comes out again, in pixels, and nothing else is taken."""

from __future__ import annotations

import numpy as np
import pytest
from made_detectors import middles

from facetwise.data.boxes.layouts import recognised

SIZE = (64, 64)
BOX, EYES = np.array([12.0, 20.0, 36.0, 52.0]), np.array([18.0, 28.0, 30.0, 26.0])
MIDDLE, SIDES = (BOX[:2] + BOX[2:]) / 2, BOX[2:] - BOX[:2]
CELL = 64 + 6
"""A cell of stride 16: column 2 and row 1 of four."""
CORNER, STRIDE = np.array([2.0, 1.0]), 16
LENGTHS = {8: 64, 16: 16, 32: 4}
Outputs = dict[str, np.ndarray]


def empty(length: int, width: int) -> np.ndarray:
    return np.zeros((1, length, width), np.float32)


def yunet() -> Outputs:
    found = {
        f"{part}_{s}": empty(n, w)
        for part, w in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10))
        for s, n in LENGTHS.items()
    }
    found["cls_16"][0, 6], found["obj_16"][0, 6] = 0.9, 0.4
    found["bbox_16"][0, 6] = [*(MIDDLE / STRIDE - CORNER), *np.log(SIDES / STRIDE)]
    found["kps_16"][0, 6, :4] = (EYES.reshape(2, 2) / STRIDE - CORNER).ravel()
    return found


def scrfd() -> Outputs:
    found = {f"{w}_{s}": np.zeros((2 * n, w), np.float32) for w in (1, 4, 10) for s, n in LENGTHS.items()}
    anchor = CORNER * STRIDE
    found["1_16"][13] = 0.6  # the second of the anchors of cell 6
    found["4_16"][13] = np.concatenate([anchor - BOX[:2], BOX[2:] - anchor]) / STRIDE
    found["10_16"][13, :4] = ((EYES.reshape(2, 2) - anchor) / STRIDE).ravel()
    return found


def blazeface() -> Outputs:
    table, scores = np.zeros((1, 896, 16), np.float32), np.full((1, 896, 1), -1000.0, np.float32)
    scores[0, 512 + 6 * (8 * 2 + 5) + 3] = np.log(0.6 / 0.4)  # an anchor of row 2 and column 5 of the coarse cells
    anchor = np.array([5.5, 2.5]) * 8
    table[0, 512 + 6 * 21 + 3, :8] = [*(MIDDLE - anchor), *SIDES, *(EYES.reshape(2, 2) - anchor).ravel()]
    return {"regressors": table, "classificators": scores}


def ultraface() -> Outputs:
    scores, boxes = empty(30, 2), empty(30, 4)
    scores[0, :, 0], scores[0, 7] = 1, [0.4, 0.6]
    boxes[0, 7] = BOX / 64
    return {"scores": scores, "boxes": boxes}


def yolo_v5(num_classes: int, label: int, points: bool = False) -> Outputs:
    table = empty(3 * 84, 5 + num_classes + 10 * points)
    table[0, 9, :5] = [*MIDDLE, *SIDES, 0.75]
    table[0, 9, table.shape[2] - num_classes + label] = 0.8
    if points:
        table[0, 9, 5:9] = EYES
    return {"output0": table}


def yolo_v8(num_classes: int, label: int, points: bool = False) -> Outputs:
    table = empty(4 + num_classes + 15 * points, 84)
    table[0, :4, 9], table[0, 4 + label, 9] = [*MIDDLE, *SIDES], 0.6
    if points:
        table[0, 4 + num_classes :, 9][:6] = [*EYES[:2], 1, *EYES[2:], 1]
    return {"output0": table}


def rows() -> Outputs:
    table = empty(20, 6)
    table[0, 3] = [*BOX, 0.6, 2]
    return {"output0": table}


def torchvision() -> Outputs:
    return {"boxes": BOX[None].astype(np.float32), "labels": np.array([2]), "scores": np.array([0.6], np.float32)}


def tensorflow() -> Outputs:
    boxes, scores, classes = empty(5, 4), np.zeros((1, 5), np.float32), np.ones((1, 5), np.float32)
    boxes[0, 0], scores[0, 0], classes[0, 0] = BOX[[1, 0, 3, 2]] / 64, 0.6, 2
    number = np.array([1], np.float32)
    return {
        "detection_boxes": boxes,
        "detection_classes": classes,
        "detection_scores": scores,
        "num_detections": number,
    }


KNOWN: dict[str, tuple[str, Outputs, int | None, int, bool]] = {
    "YuNet": ("YuNet", yunet(), None, 0, True),
    "SCRFD": ("SCRFD", scrfd(), None, 0, True),
    "SCRFD without points": ("SCRFD", {k: v for k, v in scrfd().items() if v.shape[1] != 10}, None, 0, False),
    "BlazeFace": ("BlazeFace", blazeface(), None, 0, True),
    "UltraFace": ("UltraFace", ultraface(), None, 0, False),
    "YOLOv5": ("YOLOv5", yolo_v5(7, 2), None, 2, False),
    "YOLOv5-face": ("YOLOv5", yolo_v5(1, 0, points=True), None, 0, True),
    "YOLOv5 of eleven classes": ("YOLOv5", yolo_v5(11, 2), 11, 2, False),
    "YOLOv8": ("YOLOv8", yolo_v8(80, 2), 80, 2, False),
    "YOLOv8-face": ("YOLOv8", yolo_v8(1, 0, points=True), 1, 0, True),
    "rows": ("rows of boxes", rows(), None, 2, False),
    "torchvision": ("boxes, scores and labels", torchvision(), None, 2, False),
    "TensorFlow": ("boxes, scores and labels", tensorflow(), None, 2, False),
}


@pytest.mark.parametrize("kind", KNOWN)
def test_what_a_layout_encodes_comes_out(kind: str) -> None:
    name, outputs, num_classes, label, has_eyes = KNOWN[kind]
    layout = recognised(outputs, SIZE, num_classes)
    assert layout is not None
    assert layout.name == name
    found = layout.decode(outputs, SIZE)
    (row,) = np.flatnonzero(found.scores > 0.1)
    np.testing.assert_allclose(found.boxes[row], BOX, atol=1e-4)
    assert found.scores[row] == pytest.approx(0.6)
    assert found.labels[row] == label
    np.testing.assert_allclose(found.eyes[row], EYES if has_eyes else np.full(4, np.nan), atol=1e-4)


def test_cells_are_where_the_layouts_of_stride_maps_have_them() -> None:
    x, y, stride = middles()[CELL]
    assert (x, y, stride) == ((2 + 0.5) * 16, (1 + 0.5) * 16, 16)


@pytest.mark.parametrize(
    "outputs",
    [
        {"logits": np.zeros((1, 18), np.float32)},
        {"mask": np.zeros((1, 64, 64), np.float32)},
        {"boxes": np.zeros((1, 9, 4), np.float32)},
        {"grid": empty(84, 85)},  # YOLOX: cells that are not decoded
        {"boxes": np.zeros((3, 4), np.float32), "scores": np.zeros(3, np.float32)},
        {f"{w}_{n}": np.zeros((n, w), np.float32) for w in (1, 4) for n in (64, 16, 5)},  # not as many as cells
        {},
    ],
)
def test_other_outputs_are_not_taken_for_a_layout(outputs: Outputs) -> None:
    assert recognised(outputs, SIZE, None) is None


def test_a_file_that_names_more_classes_than_its_output_has_is_not_understood() -> None:
    assert recognised(yolo_v8(3, 0), SIZE, 80) is None
    assert recognised(yolo_v5(3, 0), SIZE, 80) is None
