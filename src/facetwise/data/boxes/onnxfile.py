"""The bytes of an ONNX file, written without the package `onnx`: messages as protocol buffers encode them.

Field numbers and types are those of `onnx.proto` (IR version 8); encoding is that of Protocol Buffers ("Encoding").
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

IR_VERSION, OPSET = 8, 13
_FLOAT, _INT64 = 1, 7  # TensorProto.DataType
_KINDS = {np.dtype(np.float32): _FLOAT, np.dtype(np.int64): _INT64}

Attribute = int | float | str | Sequence[int]


@dataclass(frozen=True)
class Node:
    """One operation."""

    operation: str
    inputs: Sequence[str]
    outputs: Sequence[str]
    attributes: Mapping[str, Attribute]


@dataclass(frozen=True)
class Graph:
    """A network: what goes in, what is done, what comes out."""

    inputs: Mapping[str, Sequence[int | str]]
    """Name -> shape of float32 values; a word is a length that is not fixed."""
    outputs: Mapping[str, Sequence[int | str]]
    nodes: Sequence[Node]
    constants: Mapping[str, npt.NDArray[np.generic]]
    """float32 or int64."""


def onnx_bytes(graph: Graph) -> bytes:
    """The graph as an ONNX file."""
    parts = [_field(1, _node(node)) for node in graph.nodes]
    parts.append(_field(2, "graph"))
    parts += [_field(5, _tensor(name, values)) for name, values in graph.constants.items()]
    parts += [_field(11, _value(name, shape)) for name, shape in graph.inputs.items()]
    parts += [_field(12, _value(name, shape)) for name, shape in graph.outputs.items()]
    return _field(1, IR_VERSION) + _field(7, b"".join(parts)) + _field(8, _field(1, "") + _field(2, OPSET))


def _node(node: Node) -> bytes:
    named = [_field(1, name) for name in node.inputs] + [_field(2, name) for name in node.outputs]
    attributes = (_field(5, _attribute(name, value)) for name, value in node.attributes.items())
    return b"".join([*named, _field(4, node.operation), *attributes])


def _attribute(name: str, value: Attribute) -> bytes:
    kind: int
    match value:
        case int():
            kind, content = 2, _field(3, value)
        case float():
            kind, content = 1, _tag(2, 5) + struct.pack("<f", value)
        case str():
            kind, content = 3, _field(4, value)
        case _:
            kind, content = 7, _repeated(8, value)
    return _field(1, name) + content + _field(20, kind)


def _tensor(name: str, values: npt.NDArray[np.generic]) -> bytes:
    data = np.ascontiguousarray(values).tobytes()
    return _repeated(1, values.shape) + _field(2, _KINDS[values.dtype]) + _field(8, name) + _field(9, data)


def _value(name: str, shape: Sequence[int | str]) -> bytes:
    lengths = (_field(1, _field(2 if isinstance(length, str) else 1, length)) for length in shape)
    kind = _field(1, _field(1, _FLOAT) + _field(2, b"".join(lengths)))
    return _field(1, name) + _field(2, kind)


def _repeated(number: int, values: Iterable[int]) -> bytes:
    return b"".join(_field(number, value) for value in values)


def _field(number: int, value: int | str | bytes) -> bytes:
    if isinstance(value, int):
        return _tag(number, 0) + _varint(value)
    data = value.encode() if isinstance(value, str) else value
    return _tag(number, 2) + _varint(len(data)) + data


def _tag(number: int, wire: int) -> bytes:
    return _varint(number << 3 | wire)


def _varint(value: int) -> bytes:
    rest, done = value & (2**64 - 1), bytearray()  # negative ones as two's complement
    while rest > 0x7F:
        done.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes([*done, rest])
