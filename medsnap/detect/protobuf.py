"""Just enough of the protobuf wire format to make an ONNX model's sizes symbolic.

The walk goes down one known path (graph, inputs and outputs, type, shape, dimensions), so its depth
is fixed; every length is checked against the bytes that are there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from medsnap.errors import Malformed

VARINT: Final = 0
FIXED64: Final = 1
LENGTH: Final = 2
FIXED32: Final = 5

# Field numbers of onnx.proto3
GRAPH: Final = 7  # ModelProto.graph
INITIALIZER, INPUT, OUTPUT = 5, 11, 12  # GraphProto
TENSOR_NAME: Final = 8  # TensorProto.name
NAME, TYPE = 1, 2  # ValueInfoProto
TENSOR_TYPE: Final = 1  # TypeProto
SHAPE: Final = 2  # TypeProto.Tensor
DIM: Final = 1  # TensorShapeProto
DIM_PARAM: Final = 2  # TensorShapeProto.Dimension

Dims: TypeAlias = tuple[str | None, ...]  # a symbol, or None where the fixed size stays


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of a message: number, wire type, its payload, and the bytes it stood in."""

    number: int
    wire: int
    payload: bytes  # of a LENGTH field; empty otherwise
    raw: bytes


def varint(data: bytes, at: int) -> tuple[int, int]:
    """Read a base-128 varint at byte `at`; return value and next byte. Raises Malformed."""
    value = 0
    for count in range(10):
        if at + count >= len(data):
            break
        value |= (data[at + count] & 0x7F) << (7 * count)
        if data[at + count] < 0x80:
            return value, at + count + 1
    raise Malformed("a number runs past the end of the model", where=f"model byte {at}")


def encoded(value: int) -> bytes:
    """Write a non-negative number as a base-128 varint."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def fields(data: bytes) -> Iterator[Field]:
    """Yield the fields of one message in order. Raises Malformed."""
    at = 0
    while at < len(data):
        start = at
        key, at = varint(data, at)
        number, wire = key >> 3, key & 7
        payload_from = at
        if wire == VARINT:
            _, at = varint(data, at)
        elif wire == LENGTH:
            size, payload_from = varint(data, at)
            at = payload_from + size
        elif wire in (FIXED32, FIXED64):
            at += 4 if wire == FIXED32 else 8
        else:
            raise Malformed(f"wire type {wire} is unknown", where=f"model byte {start}")
        if at > len(data):
            raise Malformed("a field runs past the end of the model", where=f"model byte {start}")
        payload = data[payload_from:at] if wire == LENGTH else b""
        yield Field(number=number, wire=wire, payload=payload, raw=data[start:at])


def field(number: int, payload: bytes) -> bytes:
    """Write one length-delimited field."""
    return encoded(number << 3 | LENGTH) + encoded(len(payload)) + payload


def symbolic(model: bytes, dims: Mapping[str, Dims]) -> bytes:
    """Return the ONNX model with the named inputs' and outputs' dimensions replaced by symbols, and
    its weights no longer listed as inputs (ONNX IR version 4: they need not be; a runtime folds only
    weights that a caller cannot override).

    Everything else keeps its bytes and its order, so the result is the same on every machine.
    Raises Malformed when a name is absent or has another rank.
    """
    seen: set[str] = set()

    def value_info(item: bytes) -> bytes:
        name = _text(item, NAME)
        if name not in dims:
            return item
        seen.add(name)
        shaped = _within((TYPE, TENSOR_TYPE, SHAPE), lambda shape: _shape(shape, dims[name], name))
        return shaped(item)

    def graph(item: bytes) -> bytes:
        parts = tuple(fields(item))
        weights = {_text(f.payload, TENSOR_NAME) for f in parts if f.number == INITIALIZER}
        return b"".join(
            field(f.number, value_info(f.payload)) if f.number in (INPUT, OUTPUT) else f.raw
            for f in parts
            if not (f.number == INPUT and _text(f.payload, NAME) in weights)
        )

    edited = _within((GRAPH,), graph)(model)
    if missing := sorted(set(dims) - seen):
        raise Malformed(f"the model has no input or output named {missing[0]}", where="model graph")
    return edited


def _text(message: bytes, number: int) -> str:
    found = next((f.payload for f in fields(message) if f.number == number), b"")
    return found.decode("utf-8", "replace")


def _within(path: tuple[int, ...], edit: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """Make an edit of the innermost message into an edit of the outermost one."""
    if not path:
        return edit
    inner = _within(path[1:], edit)

    def outer(message: bytes) -> bytes:
        return b"".join(
            field(f.number, inner(f.payload)) if f.number == path[0] and f.wire == LENGTH else f.raw
            for f in fields(message)
        )

    return outer


def _shape(shape: bytes, dims: Dims, name: str) -> bytes:
    found = [f for f in fields(shape) if f.number == DIM]
    if len(found) != len(dims):
        raise Malformed(f"{name} has {len(found)} dimensions, not {len(dims)}", where="model graph")
    return b"".join(
        was.raw if symbol is None else field(DIM, field(DIM_PARAM, symbol.encode("ascii")))
        for was, symbol in zip(found, dims, strict=True)
    )
