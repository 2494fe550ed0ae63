"""What a command wants to show a person, as plain data; `human.py` draws it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias


class Tone(StrEnum):
    """How a line is meant; colour only repeats what the words say."""

    PLAIN = "plain"
    TITLE = "title"
    GOOD = "good"
    WARN = "warn"
    BAD = "bad"
    QUIET = "quiet"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of text; foreign strings in it are escaped by the renderer."""

    text: str = ""
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table; cells are text, `wide` names the column that may fold, `right` those of numbers."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    title: str = ""
    wide: str = ""
    right: tuple[str, ...] = ()
    empty: str = "nothing"


@dataclass(frozen=True, slots=True)
class Facts:
    """Name and value pairs, one a line."""

    pairs: tuple[tuple[str, str], ...]


Block: TypeAlias = Line | Table | Facts
Page: TypeAlias = tuple[Block, ...]
