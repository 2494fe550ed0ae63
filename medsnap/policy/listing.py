"""A policy as rows for people: path, value, and the line that says it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from medsnap.policy.nouns import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One value in effect."""

    section: str
    path: str
    value: str
    where: str
    inherited: bool  # baseline says it, not the policy


def show(policy: Policy) -> tuple[Setting, ...]:
    """List all values in effect, in the order of the table."""
    own = policy.lines.get("policy", "").rpartition(":")[0]
    found: list[Setting] = []
    for section, value in policy.settings.items():
        for path, text in _flat(section, value):
            where = policy.where(path)
            found.append(
                Setting(
                    section=section,
                    path=path,
                    value=text,
                    where=where,
                    inherited=where.rpartition(":")[0] != own,
                )
            )
    return tuple(found)


def compartments(policy: Policy) -> tuple[str, ...]:
    """Name the compartments in order; the last one named by a reason wins."""
    return tuple(compartment.name for compartment in policy.compartments)


def _flat(path: str, value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value and not _short(value):
        for key, inner in value.items():
            yield from _flat(f"{path}.{key}", inner)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for item in value:
            yield from ((f"{path}.{item.get('id', '')}", _text(item)),)
    else:
        yield path, _text(value)


def _short(value: dict[str, object]) -> bool:
    """Say whether a mapping reads best in one line: a rule, a compartment, a target."""
    return bool({"do", "open_to", "as", "need", "people", "by"} & value.keys())


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_text(inner)}" for key, inner in value.items() if key != "id")
    if isinstance(value, list):
        return "[" + ", ".join(_text(inner) for inner in value) + "]"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
