"""Findings at places of files: what SARIF and JUnit are made of. Neither knows where they come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Level(StrEnum):
    """How bad a finding is, in SARIF's words (3.27.10)."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"
    OPEN = "open"  # not decided: more would have to be looked at (3.27.9, kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One finding of a rule; lines and columns count from 1. No file of a photo may stand here."""

    rule: str
    level: Level
    message: str
    file: str
    line: int = 1
    column: int = 1
    objects: tuple[str, ...] = ()  # ids of photos that it speaks of


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What was checked: each rule with its sentence, and what was found."""

    name: str  # "policy lint"
    rules: Mapping[str, str] = field(default_factory=dict)
    entries: tuple[Entry, ...] = ()
