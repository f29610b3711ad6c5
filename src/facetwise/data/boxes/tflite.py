"""A small TensorFlow Lite network as an ONNX graph, for the operations of BlazeFace.

Numbers of fields, types and operations are those of TensorFlow's `schema.fbs` (version 3). Images are (N, H, W, C)
there and (N, C, H, W) here; weights of 16 bits become float32.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from flatbuffers import number_types as kinds
from flatbuffers.table import Table

from facetwise.data.boxes.onnxfile import Attribute, Graph, Node

_DTYPES = {0: np.float32, 1: np.float16, 2: np.int32}
_PADDING = ("SAME_UPPER", "VALID")
_FIRST_CHANNELS = (0, 3, 1, 2)
_LAST_CHANNELS = (0, 2, 3, 1)


def to_onnx(data: bytes) -> Graph:
    """The network in a `.tflite` file; its input becomes (1, 3, H, W). Raises ValueError for other operations."""
    model = Table(data, struct.unpack_from("<I", data)[0])
    codes = [max(_number(c, 0, kinds.Int8Flags), _number(c, 3, kinds.Int32Flags)) for c in _tables(model, 1)]
    buffers = [_array(b, 0, kinds.Uint8Flags).tobytes() for b in _tables(model, 4)]
    graph = _tables(model, 2)[0]
    tensors = [_tensor(t, f"t{i}", buffers) for i, t in enumerate(_tables(graph, 0))]
    conversion = _Conversion(tensors)
    for operation in _tables(graph, 3):
        conversion.add(codes[_number(operation, 0, kinds.Uint32Flags)], operation)
    inputs, outputs = (_array(graph, slot, kinds.Int32Flags).tolist() for slot in (1, 2))
    return Graph(
        {tensors[i].name: [tensors[i].shape[axis] for axis in _FIRST_CHANNELS] for i in inputs},
        {tensors[i].name: tensors[i].shape for i in outputs},
        conversion.nodes,
        conversion.constants,
    )


@dataclass(frozen=True)
class _Tensor:
    name: str
    shape: list[int]
    values: npt.NDArray[Any] | None
    """None if an operation makes it."""


@dataclass
class _Conversion:
    """Operations, one after the other, as nodes."""

    tensors: Sequence[_Tensor]
    nodes: list[Node] = field(default_factory=list)
    constants: dict[str, npt.NDArray[Any]] = field(default_factory=dict)
    weights: dict[str, npt.NDArray[Any]] = field(default_factory=dict)
    """Name -> values that operations read, also those that were in 16 bits."""

    def __post_init__(self) -> None:
        self.weights = {t.name: t.values for t in self.tensors if t.values is not None}
        self._operations: dict[int, Callable[[list[str], _Tensor, Table], None]] = {
            0: self._plain("Add"), 2: self._plain("Concat", axis=1), 3: self._conv, 4: self._depthwise,
            6: self._dequantize, 17: self._max_pool, 19: self._plain("Relu"), 22: self._reshape, 34: self._pad,
        }  # fmt: skip

    def add(self, code: int, operation: Table) -> None:
        if code not in self._operations:
            raise ValueError(f"operation {code} of TensorFlow Lite is not among those that are read")
        inputs = [self.tensors[i].name for i in _array(operation, 1, kinds.Int32Flags)]
        output = self.tensors[_array(operation, 2, kinds.Int32Flags)[0]]
        self._operations[code](inputs, output, _table(operation, 4))

    def _node(self, operation: str, inputs: Sequence[str], output: str, **attributes: Attribute) -> None:
        self.nodes.append(Node(operation, inputs, [output], attributes))

    def _constant(self, name: str, values: npt.NDArray[Any]) -> str:
        self.constants[name] = values
        return name

    def _plain(self, kind: str, **attributes: Attribute) -> Callable[[list[str], _Tensor, Table], None]:
        return lambda inputs, output, _: self._node(kind, inputs, output.name, **attributes)

    def _dequantize(self, inputs: list[str], output: _Tensor, _options: Table) -> None:
        self.weights[output.name] = self.weights[inputs[0]].astype(np.float32)

    def _conv(self, inputs: list[str], output: _Tensor, options: Table) -> None:
        self._convolve(inputs, output, options, self.weights[inputs[1]].transpose(_FIRST_CHANNELS), group=1)

    def _depthwise(self, inputs: list[str], output: _Tensor, options: Table) -> None:
        weights = self.weights[inputs[1]].transpose(3, 0, 1, 2)
        self._convolve(inputs, output, options, weights, group=len(weights))

    def _convolve(
        self, inputs: list[str], output: _Tensor, options: Table, weights: npt.NDArray[Any], *, group: int
    ) -> None:
        named = (self._constant(inputs[1], weights), self._constant(inputs[2], self.weights[inputs[2]]))
        steps = _steps(options)
        self._node("Conv", [inputs[0], *named], output.name, group=group, **steps)

    def _max_pool(self, inputs: list[str], output: _Tensor, options: Table) -> None:
        sides = [_number(options, slot, kinds.Int32Flags) for slot in (4, 3)]
        self._node("MaxPool", inputs, output.name, kernel_shape=sides, **_steps(options))

    def _pad(self, inputs: list[str], output: _Tensor, _options: Table) -> None:
        before_after = self.weights[inputs[1]][list(_FIRST_CHANNELS)].T.reshape(-1).astype(np.int64)
        self._node("Pad", [inputs[0], self._constant(inputs[1], before_after)], output.name)

    def _reshape(self, inputs: list[str], output: _Tensor, _options: Table) -> None:
        last = f"{inputs[0]}_last"
        self._node("Transpose", inputs[:1], last, perm=_LAST_CHANNELS)
        shape = self._constant(f"{output.name}_shape", np.array(output.shape, np.int64))
        self._node("Reshape", [last, shape], output.name)


def _steps(options: Table) -> dict[str, Attribute]:
    """Padding and strides of a convolution or a pooling, which begin alike."""
    strides = [_number(options, slot, kinds.Int32Flags, 1) for slot in (2, 1)]
    return {"auto_pad": _PADDING[_number(options, 0, kinds.Int8Flags)], "strides": strides}


def _tensor(table: Table, name: str, buffers: Sequence[bytes]) -> _Tensor:
    shape, data = _array(table, 0, kinds.Int32Flags).tolist(), buffers[_number(table, 2, kinds.Uint32Flags)]
    kind = _DTYPES[_number(table, 1, kinds.Int8Flags)]
    return _Tensor(name, shape, np.frombuffer(data, kind).reshape(shape) if data else None)


def _number(table: Table, slot: int, kind: Any, default: int = 0) -> int:
    offset = table.Offset(4 + 2 * slot)
    return int(table.Get(kind, table.Pos + offset)) if offset else default


def _array(table: Table, slot: int, kind: Any) -> npt.NDArray[Any]:
    """A vector of numbers; empty if it is not there."""
    offset = table.Offset(4 + 2 * slot)
    return table.GetVectorAsNumpy(kind, offset) if offset else np.zeros(0, np.uint8)


def _table(table: Table, slot: int) -> Table:
    """A table; an empty one if it is not there."""
    offset = table.Offset(4 + 2 * slot)
    return Table(table.Bytes, table.Indirect(table.Pos + offset)) if offset else table


def _tables(table: Table, slot: int) -> list[Table]:
    """A vector of tables."""
    offset = table.Offset(4 + 2 * slot)
    start = table.Vector(offset)
    return [Table(table.Bytes, table.Indirect(start + 4 * i)) for i in range(table.VectorLen(offset))]
