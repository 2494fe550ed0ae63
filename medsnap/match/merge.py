"""Several rows may speak of one photo: put them together, and notice where they disagree."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from medsnap.match.rows import IDENTIFIERS, Said

_WORDS = {"mrn": "patient number", "birth_date": "birth date", "body_site": "body site"}
_SETS = ("consent", "features")


def together(said: Sequence[Said]) -> tuple[Said, tuple[str, ...]]:
    """Join rows that name the photo equally closely; any two different values disagree."""
    return _join(said, overriding=frozenset())


def override(closer: Said, wider: Said) -> tuple[Said, tuple[str, ...]]:
    """Fill the blanks of the closer row from the wider one (its folder).

    The closer row's description stands over the folder's. An identifier never does: a photo of A in
    the folder of B is a conflict, not an exception to it.
    """
    plain = frozenset(f.name for f in dataclasses.fields(Said)) - set(IDENTIFIERS)
    return _join((closer, wider), overriding=plain)


def _join(said: Sequence[Said], *, overriding: frozenset[str]) -> tuple[Said, tuple[str, ...]]:
    merged: dict[str, Any] = {}
    problems: list[str] = []
    for field in dataclasses.fields(Said):
        values = [v for v in (getattr(s, field.name) for s in said) if v not in (None, ())]
        word = _WORDS.get(field.name, field.name.replace("_", " "))
        if field.name in _SETS:
            merged[field.name], differ = _union(values)
        else:
            merged[field.name] = values[0] if values else None
            differ = any(v != values[0] for v in values)
        if differ and field.name not in overriding:
            problems.append(f"rows of the manifest disagree on the {word}")
    return Said(**merged), tuple(problems)


def _union(values: Sequence[tuple[tuple[str, Any], ...]]) -> tuple[tuple[tuple[str, Any], ...], bool]:
    """Join name-value lists. The first word stands, save that a feature once seen stays seen (M7)."""
    joined: dict[str, Any] = {}
    differ = False
    for name, value in (pair for pairs in values for pair in pairs):
        differ |= joined.setdefault(name, value) != value
        if value is True:
            joined[name] = True
    return tuple(sorted(joined.items())), differ
