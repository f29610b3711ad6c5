"""A TensorFlow Lite network becomes an ONNX one that answers the same: compared with torch's operations."""

from __future__ import annotations

from collections.abc import Sequence

import flatbuffers
import numpy as np
import onnxruntime
import pytest
import torch
from torch.nn import functional

from facetwise.data.boxes.onnxfile import onnx_bytes
from facetwise.data.boxes.tflite import to_onnx

ADD, CONCAT, CONV, DEPTHWISE, DEQUANTIZE, MAX_POOL, RELU, RESHAPE, PAD = 0, 2, 3, 4, 6, 17, 19, 22, 34
SAME, VALID = 0, 1
TYPES = {"float32": 0, "float16": 1, "int32": 2}


class Writer:
    """A `.tflite` file, a tensor and an operation after the other."""

    def __init__(self) -> None:
        self.flat = flatbuffers.Builder(0)
        self.tensors: list[int] = []
        self.buffers = [self.table()]
        self.operations: list[int] = []
        self.codes: list[int] = []

    def table(self, **fields: tuple[str, int]) -> int:
        """A table; fields are called `_0`, `_1` and so on by their slot: its type, and its value or place."""
        self.flat.StartObject(6)
        for name, (kind, value) in fields.items():
            if kind == "Ref":
                self.flat.PrependUOffsetTRelativeSlot(int(name[1:]), value, 0)
            else:
                getattr(self.flat, f"Prepend{kind}Slot")(int(name[1:]), value, 0)
        return int(self.flat.EndObject())

    def refs(self, places: Sequence[int]) -> int:
        self.flat.StartVector(4, len(places), 4)
        for place in reversed(places):
            self.flat.PrependUOffsetTRelative(place)
        return int(self.flat.EndVector())

    def numbers(self, values: Sequence[int]) -> int:
        return int(self.flat.CreateNumpyVector(np.array(values, np.int32)))

    def tensor(self, shape: Sequence[int], values: np.ndarray | None = None) -> int:
        buffer = 0
        if values is not None:
            data = self.flat.CreateNumpyVector(np.frombuffer(values.tobytes(), np.uint8))
            self.buffers.append(self.table(_0=("Ref", data)))
            buffer = len(self.buffers) - 1
        kind = TYPES["float32" if values is None else values.dtype.name]
        sides = self.numbers(shape)
        self.tensors.append(self.table(_0=("Ref", sides), _1=("Int8", kind), _2=("Uint32", buffer)))
        return len(self.tensors) - 1

    def weights(self, values: np.ndarray) -> int:
        """Values in 16 bits, as they are read."""
        half, whole = self.tensor(values.shape, values.astype(np.float16)), self.tensor(values.shape)
        self.operation(DEQUANTIZE, [half], whole)
        return whole

    def operation(self, code: int, inputs: Sequence[int], output: int, *options: int) -> None:
        """`options`: padding, and further numbers."""
        if code not in self.codes:
            self.codes.append(code)
        kinds = ("Int8", *["Int32"] * 4)
        how = self.table(**{f"_{k}": (kinds[k], value) for k, value in enumerate(options)})
        given, made = self.numbers(inputs), self.numbers([output])
        index = self.codes.index(code)
        self.operations.append(self.table(_0=("Uint32", index), _1=("Ref", given), _2=("Ref", made), _4=("Ref", how)))

    def finished(self, inputs: Sequence[int], outputs: Sequence[int]) -> bytes:
        parts = [self.refs(self.tensors), self.numbers(inputs), self.numbers(outputs), self.refs(self.operations)]
        graph = self.table(**{f"_{k}": ("Ref", part) for k, part in enumerate(parts)})
        codes = self.refs([self.table(_0=("Int8", code), _3=("Int32", code)) for code in self.codes])
        graphs, buffers = self.refs([graph]), self.refs(self.buffers)
        self.flat.Finish(self.table(_0=("Uint32", 3), _1=("Ref", codes), _2=("Ref", graphs), _4=("Ref", buffers)))
        return bytes(self.flat.Output())


def padded(x: torch.Tensor, kernel: int, stride: int) -> torch.Tensor:
    """With zeros around it, as TensorFlow's SAME asks: the odd one right and below."""
    around = []
    for side in (x.shape[3], x.shape[2]):
        total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
        around += [total // 2, total - total // 2]
    return functional.pad(x, around)


@pytest.mark.parametrize("size", [(8, 8), (10, 6), (7, 9)])
def test_a_network_of_all_operations_answers_as_torch_does(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    height, width = size
    rows, columns = -(-height // 2), -(-width // 2)
    kernel, bias = rng.normal(size=(4, 3, 3, 3)).astype(np.float16), rng.normal(size=4).astype(np.float16)
    deep, shift = rng.normal(size=(1, 3, 3, 4)).astype(np.float16), rng.normal(size=4).astype(np.float16)
    made = Writer()
    image = made.tensor((1, height, width, 3))
    first, positive, second, both = (made.tensor((1, rows, columns, 4)) for _ in range(4))
    made.operation(CONV, [image, made.weights(kernel), made.weights(bias)], first, SAME, 2, 2)
    made.operation(RELU, [first], positive)
    made.operation(DEPTHWISE, [positive, made.weights(deep), made.weights(shift)], second, SAME, 1, 1, 1)
    made.operation(ADD, [positive, second], both)
    wide, pooled = made.tensor((1, rows, columns, 6)), made.tensor((1, rows // 2, columns // 2, 6))
    made.operation(PAD, [both, made.tensor((4, 2), np.array([[0, 0], [0, 0], [0, 0], [0, 2]], np.int32))], wide)
    made.operation(MAX_POOL, [wide], pooled, VALID, 2, 2, 2, 2)
    length = (rows // 2) * (columns // 2)
    flat, twice = made.tensor((1, length, 6)), made.tensor((1, 2 * length, 6))
    made.operation(RESHAPE, [pooled], flat)
    made.operation(CONCAT, [flat, flat], twice)
    data = made.finished([image], [twice])

    pixels = rng.normal(size=(1, 3, height, width)).astype(np.float32)
    session = onnxruntime.InferenceSession(onnx_bytes(to_onnx(data)), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {session.get_inputs()[0].name: pixels})

    def torched(values: np.ndarray, *axes: int) -> torch.Tensor:
        return torch.from_numpy(values.astype(np.float32).transpose(axes).copy())

    x = functional.conv2d(padded(torch.from_numpy(pixels), 3, 2), torched(kernel, 0, 3, 1, 2), torched(bias, 0), 2)
    x = x.relu()
    x = x + functional.conv2d(padded(x, 3, 1), torched(deep, 3, 0, 1, 2), torched(shift, 0), groups=4)
    x = functional.max_pool2d(functional.pad(x, [0, 0, 0, 0, 0, 2]), 2)
    expected = x.permute(0, 2, 3, 1).reshape(1, length, 6)
    np.testing.assert_allclose(found, torch.cat([expected, expected], dim=1).numpy(), atol=1e-4)


def test_another_operation_is_told() -> None:
    made = Writer()
    image, out = made.tensor((1, 4, 4, 3)), made.tensor((1, 4, 4, 3))
    made.operation(14, [image], out)
    with pytest.raises(ValueError, match="operation 14"):
        to_onnx(made.finished([image], [out]))
