"""The JSON Schema of the policy language (policies/schema.json), for completion in editors.

It accepts the same trees as the table's walker. Lint is stricter: it also knows names that the file
declares, limits and seats.
"""

from __future__ import annotations

import json
from typing import Any

from medsnap.policy.kinds import DATE, Kind, ListOf, MapOf, Record, Word
from medsnap.policy.table import ROOT
from medsnap.policy.walk import NEEDS_TO


def schema() -> dict[str, Any]:
    """Return the schema (JSON Schema 2020-12).

    A department's policy may leave out inside a section what its parent says, so what a section
    requires is asked only of a policy that extends none.
    """
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "medsnap policy"}
    made = _record(ROOT, whole=True)
    below = _needs(ROOT)
    return (
        head | made | {"if": {"required": ["extends"]}, "else": {"properties": below.get("properties", {})}}
    )


def schema_text() -> str:
    """Return the schema as the text of its file: one section a line."""
    whole = schema()
    sections = whole["properties"]
    rows = ",\n".join(f"  {json.dumps(name)}: {json.dumps(of)}" for name, of in sections.items())
    head = json.dumps({**whole, "properties": {}, "else": {}}, indent=1)
    head = head.replace('"else": {}', '"else": ' + json.dumps(whole["else"]))
    return head.replace('"properties": {}', '"properties": {\n' + rows + "\n }", 1) + "\n"


def _schema(kind: Kind) -> dict[str, Any]:
    match kind:
        case Word():
            return _word(kind)
        case ListOf():
            return _list(kind)
        case MapOf():
            return {
                "type": "object",
                "propertyNames": _names(kind.key),
                "additionalProperties": _schema(kind.value),
            }
        case Record():
            return _short(kind, _record(kind))


def _word(kind: Word) -> dict[str, Any]:
    if kind.allowed:
        numbers = [int(word) for word in kind.allowed if word.isdecimal()]
        return {"enum": [*map(str, kind.allowed), *numbers]}
    # editors type `0.80` and `2026`; medsnap reads text
    made = {"type": ["string", "number"], "pattern": _pattern(kind)}
    return made | ({"format": "date"} if kind is DATE else {})


def _pattern(kind: Word) -> str:
    shape = kind.pattern or kind.shape
    return f"^({shape})$" if shape else "\\S"


def _names(kind: Word) -> dict[str, Any]:
    return {"enum": list(map(str, kind.allowed))} if kind.allowed else {"pattern": _pattern(kind)}


def _list(kind: ListOf) -> dict[str, Any]:
    if isinstance(kind.item, Record):
        return {"type": "array", "items": _short(kind.item, _record(kind.item, whole=True))}
    unique = {"uniqueItems": True} if isinstance(kind.item, Word) else {}
    listed = {"type": "array", "items": _schema(kind.item), **unique}
    return {"anyOf": [_schema(kind.item), listed]} if kind.single else listed


def _record(kind: Record, *, whole: bool = False) -> dict[str, Any]:
    """Return a record's schema; with `whole` its own required keys must be there."""
    properties = {
        name: {**_schema(known.kind), "description": known.help} for name, known in kind.fields.items()
    }
    made: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    required = [name for name, known in kind.fields.items() if known.required]
    made |= {"required": required} if whole and required else {}
    if kind.rule:
        locks = {"required": ["do"], "properties": {"do": {"enum": sorted(map(str, NEEDS_TO))}}}
        made |= {"if": locks, "then": {"required": ["to"]}}
    return made


def _short(kind: Record, made: dict[str, Any]) -> dict[str, Any]:
    """Add the form without braces; a verb that needs a compartment has none."""
    if not kind.short:
        return made
    field = next(iter(kind.fields.values())) if kind.short == "*" else kind.fields[kind.short]
    plain = _schema(field.kind)
    if kind.rule:
        plain = {"enum": [word for word in plain["enum"] if word not in set(map(str, NEEDS_TO))]}
    return {"anyOf": [plain, made]}


def _needs(kind: Kind) -> dict[str, Any]:
    """Return what the records below a kind require; lists of records ask it themselves."""
    match kind:
        case Record():
            below = {name: _needs(known.kind) for name, known in kind.fields.items()}
            found: dict[str, Any] = {"properties": {name: of for name, of in below.items() if of}}
            required = [name for name, known in kind.fields.items() if known.required]
            return {k: v for k, v in {"required": required, **found}.items() if v}
        case MapOf():
            value = _needs(kind.value)
            return {"additionalProperties": value} if value else {}
        case _:
            return {}
