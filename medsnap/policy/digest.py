"""The digest of evidence: SHA-256 of its canonical JSON, made fast enough for every photo.

The bytes are those of `model.codec.canonical` (a test compares them); the generic codec takes longer
than the whole decision.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any, Final

from medsnap.model.codec import to_json
from medsnap.model.decision import Evidence

_ATOMS: Final = frozenset({str, int, float, bool, type(None)})
_ENCODER: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)
_NAMES: Final[dict[type, tuple[str, ...]]] = {}  # fields by class: a handful, never more


def evidence_digest(evidence: Evidence) -> str:
    """Return the SHA-256 of the canonical evidence as hexadecimal digits."""
    return hashlib.sha256(_ENCODER.encode(_json(evidence)).encode()).hexdigest()


def file_digest(text: str) -> str:
    """Return the SHA-256 of a policy's text as it is, comments too."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _json(value: Any) -> Any:
    kind = type(value)
    if kind in _ATOMS:
        return value
    if kind is tuple:
        return [_json(item) for item in value]
    names = _names(kind)
    if names:
        return {name: _json(getattr(value, name)) for name in names}
    return to_json(value)


def _names(kind: type) -> tuple[str, ...]:
    found = _NAMES.get(kind)
    if found is None:
        found = tuple(f.name for f in dataclasses.fields(kind)) if dataclasses.is_dataclass(kind) else ()
        _NAMES[kind] = found
    return found
