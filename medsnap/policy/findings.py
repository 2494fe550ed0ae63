"""What lint says of a policy file: code, place, sentence, and a guess at what was meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Severity(StrEnum):
    """Only an error keeps a policy out of force."""

    ERROR = "error"
    WARNING = "warning"


CODES: Final[dict[str, str]] = {
    "E100": "cannot be read as YAML, or is too large or too deep",
    "E101": "written twice",
    "E102": "unknown section, key, action, feature, compartment, role or seat",
    "E103": "wrong kind of value",
    "E104": "date, duration or number not readable",
    "E105": "anchor, alias, tag, merge key or second document",
    "E106": "invisible or direction-changing character",
    "E107": "something required is missing",
    "E110": "needs 'to:'",
    "E111": "limits crossed",
    "E120": "a code is unknown, means something else than its term, or is in no chosen code set",
    "E121": "synonym points nowhere or at two terms",
    "E130": "seat missing, a person in two seats, or a key that is weak, shared or unproven",
    "E131": "more signatures asked for than the seat has people",
    "E201": "weaker than the parent",
    "E202": "a department may not define this",
    "E203": "parent version missing or not in force",
    "E210": "waiver too long, too wide or for a forbidden rule",
    "E220": "an export carries what nobody has tested it to protect",
    "W301": "a rule never decides any test",
    "W302": "order of compartments looks wrong",
    "W303": "a feature that nobody ever looks for",
    "W304": "the policy ends within 60 days",
    "W305": "the inventory is old, or does not say of which day it is",
    "W306": "nothing is listed, so every photo waits",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LintFinding:
    """One finding at a place of the file; lines and columns count from 1."""

    file: str
    line: int
    column: int
    code: str
    message: str
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.code} {self.message}"


def meant(word: str, known: Iterable[str]) -> str:
    """Say "; did you mean …?" when a known word is close, otherwise nothing."""
    close = difflib.get_close_matches(word[:80], sorted(known), n=1, cutoff=0.6)
    return f"; did you mean '{close[0]}'?" if close else ""


def unknown(what: str, word: str, known: Iterable[str]) -> str:
    """Make the sentence for an unknown word, with a guess or the list of what is allowed."""
    allowed = sorted(known)
    guess = meant(word, allowed)
    if not guess and 0 < len(allowed) <= 8:
        guess = "; allowed: " + ", ".join(allowed)
    return f"unknown {what} '{shown(word)}'{guess}"


def shown(word: str) -> str:
    """Shorten a foreign word and escape what a terminal would obey."""
    short = word if len(word) <= 60 else word[:57] + "..."
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in short)
