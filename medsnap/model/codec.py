"""Frozen dataclasses to and from JSON values, for batches, journals and reports.

One codec for every noun: dataclasses, enums, dates, tuples, Private. Unknown keys are ignored (a
newer writer may add), missing keys take the default or raise.
"""

from __future__ import annotations

import dataclasses
import json
import types
from datetime import date
from enum import Enum, IntEnum
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from medsnap.model.private import Private

T = TypeVar("T")


class CodecError(ValueError):
    """A JSON value does not fit the type; `where` is a dotted path into it."""

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(f"{where or 'value'}: {problem}")
        self.where = where


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


@cache
def _plan(cls: type) -> tuple[tuple[str, Any, bool], ...]:
    """Give the fields of a dataclass: name, type, and whether a value must be there."""
    hints = get_type_hints(cls)
    none = dataclasses.MISSING
    return tuple(
        (f.name, _bare(hints[f.name]), f.default is none and f.default_factory is none)
        for f in dataclasses.fields(cls)
    )


def _bare(kind: Any) -> Any:
    """Take a NewType for what it is made of."""
    while hasattr(kind, "__supertype__"):
        kind = kind.__supertype__
    return kind


def from_json(cls: type[T], value: object, where: str = "") -> T:
    """Build `cls` from JSON values. Raises CodecError with the path of the misfit."""
    return cast(T, _decode(cls, value, where))


def _decode(kind: Any, value: Any, where: str) -> Any:
    if type(value) is kind and kind in _PLAIN:
        return value
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return _union(get_args(kind), value, where)
    if hasattr(kind, "__supertype__"):  # NewType
        return _decode(kind.__supertype__, value, where)
    if origin is Private:
        return Private(_decode(get_args(kind)[0], value, where))
    if origin is tuple:
        return _tuple(get_args(kind), value, where)
    if origin is dict:
        inner = get_args(kind)[1]
        return {k: _decode(inner, v, f"{where}.{k}") for k, v in _expect(dict, value, where).items()}
    if dataclasses.is_dataclass(kind):
        return _record(cast(type, kind), value, where)
    return _scalar(kind, value, where)


def _union(options: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None and type(None) in options:
        return None
    rest = [o for o in options if o is not type(None)]
    return _decode(rest[0], value, where)


def _tuple(args: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    items = _expect(list, value, where)
    if len(args) == 2 and args[1] is Ellipsis:
        return tuple(_decode(args[0], v, f"{where}[{i}]") for i, v in enumerate(items))
    if len(items) != len(args):
        raise CodecError(where, f"needs {len(args)} values")
    return tuple(_decode(a, v, f"{where}[{i}]") for i, (a, v) in enumerate(zip(args, items, strict=True)))


def _record(kind: type, value: Any, where: str) -> Any:
    data = _expect(dict, value, where)
    given: dict[str, Any] = {}
    for name, inner, needed in _plan(kind):
        if name in data:
            given[name] = _decode(inner, data[name], f"{where}.{name}" if where else name)
        elif needed:
            raise CodecError(where, f"'{name}' is missing")
    return kind(**given)


def _scalar(kind: Any, value: Any, where: str) -> Any:
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
            return Path(_expect(str, value, where))
    except (KeyError, ValueError, TypeError) as misfit:
        raise CodecError(where, f"is no {kind.__name__}") from misfit
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return _expect(kind, value, where)


def _expect(kind: type, value: Any, where: str) -> Any:
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise CodecError(where, f"needs {kind.__name__}")
    return value


def canonical(value: object) -> bytes:
    """Encode as canonical JSON (sorted keys, no spaces, UTF-8), the form that is hashed."""
    return json.dumps(to_json(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
