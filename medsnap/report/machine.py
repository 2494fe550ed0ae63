"""Results for programs: JSON documents and NDJSON lines, errors included."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from medsnap.errors import MedsnapError
from medsnap.model.codec import to_json

SCHEMA_VERSION = 1


def document(data: Mapping[str, Any]) -> str:
    """One JSON document with the schema version first."""
    return (
        json.dumps({"schema_version": SCHEMA_VERSION, **to_json(dict(data))}, ensure_ascii=False, indent=2)
        + "\n"
    )


def line(data: Mapping[str, Any]) -> str:
    """One NDJSON line."""
    return json.dumps(to_json(dict(data)), ensure_ascii=False, separators=(",", ":")) + "\n"


def error(problem: MedsnapError) -> dict[str, Any]:
    """An error as data: the same fields that a person reads."""
    fields: dict[str, Any] = {"id": problem.id, "message": problem.message, "exit": int(problem.exit)}
    if problem.where:
        fields["where"] = problem.where
    if problem.hint:
        fields["hint"] = problem.hint
    if problem.retryable:
        fields["retryable"] = True
    return {"type": "error", "error": fields}
