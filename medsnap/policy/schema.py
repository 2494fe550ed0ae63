"""The JSON Schema of the policy language (policies/schema.json), for completion in editors.

Lint is stricter: it also knows names that the file declares, limits and seats.
"""

from __future__ import annotations

import json
from typing import Any

from medsnap.policy.kinds import Kind, ListOf, MapOf, Record, Word
from medsnap.policy.table import ROOT


def schema() -> dict[str, Any]:
    """Return the schema (JSON Schema 2020-12)."""
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "medsnap policy"}
    return head | _schema(ROOT)


def schema_text() -> str:
    """Return the schema as the text of its file: one section a line."""
    whole = schema()
    sections = whole["properties"]
    rows = ",\n".join(f"  {json.dumps(name)}: {json.dumps(of)}" for name, of in sections.items())
    head = json.dumps({**whole, "properties": {}}, indent=1)
    return head.replace('"properties": {}', '"properties": {\n' + rows + "\n }") + "\n"


def _schema(kind: Kind) -> dict[str, Any]:
    match kind:
        case Word():
            return _word(kind)
        case ListOf():
            listed = {"type": "array", "items": _schema(kind.item), "uniqueItems": True}
            return {"anyOf": [_schema(kind.item), listed]} if kind.single else listed
        case MapOf():
            named = {"propertyNames": _names(kind.key)} if _names(kind.key) else {}
            return {"type": "object", **named, "additionalProperties": _schema(kind.value)}
        case Record():
            return _record(kind)


def _word(kind: Word) -> dict[str, Any]:
    if kind.allowed:
        numbers = [int(word) for word in kind.allowed if word.isdecimal()]
        return {"enum": [*map(str, kind.allowed), *numbers]}
    if kind.pattern:
        return {"type": ["string", "number"], "pattern": f"^{kind.pattern}$"}
    return {"type": ["string", "number"]}  # editors type `0.80` and `2026`; medsnap reads text


def _names(kind: Word) -> dict[str, Any]:
    if kind.allowed:
        return {"enum": list(map(str, kind.allowed))}
    return {"pattern": f"^{kind.pattern}$"} if kind.pattern else {}


def _record(kind: Record) -> dict[str, Any]:
    properties = {
        name: {**_schema(known.kind), "description": known.help} for name, known in kind.fields.items()
    }
    required = [name for name, known in kind.fields.items() if known.required]
    made: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    if required:
        made["required"] = required
    if not kind.short:
        return made
    short = next(iter(kind.fields.values())) if kind.short == "*" else kind.fields[kind.short]
    return {"anyOf": [_schema(short.kind), made]}
