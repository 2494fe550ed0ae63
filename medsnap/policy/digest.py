"""The digest of evidence: SHA-256 of its canonical JSON, made fast enough for every photo.

The bytes are those of `model.codec.canonical` (a test compares them); the generic codec takes longer
than the whole decision.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable
from datetime import date
from enum import StrEnum
from json.encoder import encode_basestring as _quoted
from operator import attrgetter
from typing import Any, Final, TypeAlias

from medsnap.model.codec import to_json
from medsnap.model.decision import Evidence
from medsnap.model.finding import Statement

_Shape: TypeAlias = tuple[Callable[[Any], tuple[Any, ...]], tuple[str, ...]]  # values, '"name":' of each

_ENCODER: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)
_SHAPES: Final[dict[type, _Shape | None]] = {}  # by class: a handful, never more


def evidence_digest(evidence: Evidence) -> str:
    """Return the SHA-256 of the canonical evidence as hexadecimal digits."""
    return hashlib.sha256(_json(evidence).encode()).hexdigest()


def file_digest(text: str) -> str:
    """Return the SHA-256 of a policy's text as it is, comments too."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _json(value: Any) -> str:
    """Write canonical JSON. A photo's evidence has some 300 values, so each step counts."""
    kind = type(value)
    if kind is str:
        return _quoted(value)
    if kind is bool:
        return "true" if value else "false"
    if value is None:
        return "null"
    if kind is Statement:
        return _statement(value)
    if kind is tuple:
        if value and type(value[0]) is Statement:  # most of it; a step less for each
            inside = [_statement(one) if type(one) is Statement else _json(one) for one in value]
            return f"[{','.join(inside)}]"
        return f"[{','.join(map(_json, value))}]"
    shape = _SHAPES[kind] if kind in _SHAPES else _shape(kind)
    if shape is None:
        if isinstance(value, StrEnum):
            return _quoted(value.value)
        if kind is date:
            return f'"{value.isoformat()}"'
        return _ENCODER.encode(to_json(value))
    values, names = shape
    parts = [
        name + (_quoted(inner) if type(inner) is str else _json(inner))
        for name, inner in zip(names, values(value), strict=True)
    ]
    return f"{{{','.join(parts)}}}"


def _statement(said: Statement) -> str:
    """Write what a person said: there are two for each feature, more than of all else."""
    seen = "true" if said.seen else "false"
    return (
        f'{{"feature":{_quoted(said.feature)},"person":{_quoted(said.person)},'
        f'"role":{_quoted(said.role)},"seen":{seen}}}'
    )


def _shape(kind: type) -> _Shape | None:
    """Return how to write a dataclass; None for every other class."""
    names = sorted(f.name for f in dataclasses.fields(kind)) if dataclasses.is_dataclass(kind) else []
    # attrgetter gives a tuple only for two names and more
    made = (attrgetter(*names), tuple(f"{_quoted(name)}:" for name in names)) if len(names) > 1 else None
    _SHAPES[kind] = made
    return made
