"""Frozen dataclasses to and from JSON values, for batches, journals and reports.

One codec for every noun: dataclasses, enums, dates, tuples, Private. Unknown keys are ignored (a
newer writer may add), missing keys take the default or raise.
"""

from __future__ import annotations

import dataclasses
import json
import types
from collections.abc import Callable, Iterator
from datetime import date
from enum import Enum, IntEnum
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeAlias, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from medsnap.model.private import Private

T = TypeVar("T")


class CodecError(ValueError):
    """A JSON value does not fit the type; `where` is a dotted path into it."""

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(f"{where or 'value'}: {problem}")
        self.where, self.problem = where, problem

    def below(self, name: str) -> CodecError:
        """Say the same of a value that lies further out; `name` leads from there to here."""
        joint = "." if self.where and not self.where.startswith("[") else ""
        return CodecError(f"{name}{joint}{self.where}", self.problem)


_PLAIN = frozenset((str, int, float, bool, type(None)))


def to_json(value: object) -> Any:
    """Turn a noun into JSON values. Private values are revealed: call it only on the way into a
    sealed batch or an explicit stdout."""
    kind: type = type(value)
    if kind in _PLAIN:
        return value
    names = _names(kind)
    if names is not None:
        return {name: to_json(getattr(value, name)) for name in names}
    if isinstance(value, (tuple, list, frozenset)):
        return [v if type(v) in _PLAIN else to_json(v) for v in value]
    if isinstance(value, Private):
        return to_json(value.reveal())
    if isinstance(value, IntEnum):
        return value.name.lower()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, dict):
        return {str(k): to_json(v) for k, v in value.items()}
    return value


@cache
def _names(kind: type) -> tuple[str, ...] | None:
    """Name the fields of a dataclass; None for any other type."""
    return tuple(f.name for f in dataclasses.fields(kind)) if dataclasses.is_dataclass(kind) else None


def from_json(cls: type[T], value: object, where: str = "") -> T:
    """Build `cls` from JSON values. Raises CodecError with the misfit's path, `where` before it."""
    try:
        return cast(T, _decoder(cast(Any, cls))(value))
    except CodecError as misfit:
        if not where:
            raise
        raise misfit.below(where) from misfit


Decoder: TypeAlias = Callable[[Any], Any]


@cache
def _decoder(kind: Any) -> Decoder:
    """Make what reads values of a type, once for all of them."""
    kind = _bare(kind)
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return _union(get_args(kind))
    if origin is Private:
        inner = _decoder(get_args(kind)[0])
        return lambda value: Private(inner(value))
    if origin is tuple:
        return _tuple(get_args(kind))
    if origin is dict:
        return _mapping(_decoder(get_args(kind)[1]))
    if dataclasses.is_dataclass(kind):
        return _record(cast(type, kind))
    return partial(_scalar, kind)


def _bare(kind: Any) -> Any:
    """Take a NewType for what it is made of."""
    while hasattr(kind, "__supertype__"):
        kind = kind.__supertype__
    return kind


def _as_they_are(kind: Any) -> frozenset[type]:
    """Name the types whose values a field takes without a look."""
    options = get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)
    bare = [_bare(o) for o in options]
    return frozenset(o for o in bare if o is type(None) or (o is bare[0] and o in _PLAIN))


def _union(options: tuple[Any, ...]) -> Decoder:
    optional = type(None) in options
    inner = _decoder(next(o for o in options if o is not type(None)))
    return lambda value: None if value is None and optional else inner(value)


def _tuple(args: tuple[Any, ...]) -> Decoder:
    if len(args) == 2 and args[1] is Ellipsis:
        return partial(_items, _decoder(args[0]), _as_they_are(args[0]))
    inners = [_decoder(a) for a in args]

    def decode(value: Any) -> tuple[Any, ...]:
        items = _expect(list, value)
        if len(items) != len(inners):
            raise CodecError("", f"needs {len(inners)} values")
        return tuple(_at(f"[{i}]", inner, v) for i, (inner, v) in enumerate(zip(inners, items, strict=True)))

    return decode


def _items(inner: Decoder, quick: frozenset[type], value: Any) -> tuple[Any, ...]:
    items = _expect(list, value)
    return tuple(v if type(v) in quick else _at(f"[{i}]", inner, v) for i, v in enumerate(items))


def _mapping(inner: Decoder) -> Decoder:
    return lambda value: {k: _at(str(k), inner, v) for k, v in _expect(dict, value).items()}


def _at(name: str, inner: Decoder, value: Any) -> Any:
    """Read a part; a misfit says where it lies."""
    try:
        return inner(value)
    except CodecError as misfit:
        raise misfit.below(name) from misfit


def _record(kind: type) -> Decoder:
    fields: list[tuple[str, frozenset[type], Decoder, bool]] = []

    def decode(value: Any) -> Any:
        if not fields:  # at the first use: a type may hold values of its own kind
            fields.extend(_fields(kind))
        data = _expect(dict, value)
        given: dict[str, Any] = {}
        for name, quick, inner, needed in fields:
            if name in data:
                part = data[name]
                given[name] = part if type(part) in quick else _at(name, inner, part)
            elif needed:
                raise CodecError("", f"'{name}' is missing")
        return kind(**given)

    return decode


def _fields(kind: type) -> Iterator[tuple[str, frozenset[type], Decoder, bool]]:
    """Give a dataclass's fields: name, what is taken as it is, what reads the rest, if it must be there."""
    hints = get_type_hints(kind)
    none = dataclasses.MISSING
    for f in dataclasses.fields(kind):
        hint = _bare(hints[f.name])
        needed = f.default is none and f.default_factory is none
        yield f.name, _as_they_are(hint), _decoder(hint), needed


def _scalar(kind: Any, value: Any) -> Any:
    if kind is Any or kind is object:
        return value
    try:
        if isinstance(kind, type) and issubclass(kind, IntEnum):
            return kind[str(value).upper()]
        if isinstance(kind, type) and issubclass(kind, Enum):
            return kind(value)
        if kind is date:
            return date.fromisoformat(value)
        if kind is Path:
            return Path(_expect(str, value))
    except (KeyError, ValueError, TypeError) as misfit:
        raise CodecError("", f"is no {kind.__name__}") from misfit
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return _expect(kind, value)


def _expect(kind: type, value: Any) -> Any:
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise CodecError("", f"needs {kind.__name__}")
    return value


def canonical(value: object) -> bytes:
    """Encode as canonical JSON (sorted keys, no spaces, UTF-8), the form that is hashed."""
    return json.dumps(to_json(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
