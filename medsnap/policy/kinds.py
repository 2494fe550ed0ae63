"""The kinds of value a policy may hold, and how a text becomes each of them.

A kind only says what is allowed; `walk` applies it to the nodes, `reference` prints it, `schema`
turns it into a JSON Schema. Plain YAML typing is never used: `face: off` stays the text "off".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, TypeAlias

from medsnap.model.decision import Verb
from medsnap.policy.findings import shown


class Unreadable(ValueError):
    """A text is not of its kind; `code` is that of the lint finding."""

    def __init__(self, message: str, code: str = "E104") -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Duration:
    """A length of time in words; months are 30 days and years 365, `for ever` has no days."""

    words: str
    length: timedelta | None

    def __str__(self) -> str:
        return self.words


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """One text: its name for people, how it is read, and the closed set it is from, if any.

    `names` points at names that the file (or the baseline) itself declares: "compartment", "role",
    "feature", "department", "seat".
    """

    what: str
    read: Callable[[str], object] = str
    allowed: tuple[str, ...] = ()
    names: str = ""
    pattern: str = ""
    shape: str = ""  # what `read` takes, as a regular expression for the JSON Schema


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOf:
    """A list of one kind; `single` lets one value stand without brackets."""

    item: Kind
    single: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MapOf:
    """A mapping with free (or declared) keys; `merges`: silence about a key is baseline's answer."""

    key: Word
    value: Kind
    merges: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A mapping with fixed keys. `short` names the key that a value without braces stands for.

    `whole`: written again, it replaces baseline's record as a whole (`scar: accept` must not inherit
    a `to`). `rule`: `do` is a verb, so redact, restrict and safeguard need `to`.
    """

    fields: Mapping[str, Field]
    short: str = ""
    whole: bool = False
    rule: bool = False


Kind: TypeAlias = Word | ListOf | MapOf | Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One key: its kind, what it says, and whether it must be there."""

    kind: Kind
    help: str
    required: bool = False


_UNITS: Final = {"hour": 1 / 24, "day": 1.0, "week": 7.0, "month": 30.0, "year": 365.0}
_LENGTH: Final = r"([0-9]{1,4}) (hour|day|week|month|year)s?"
_WHOLE: Final = r"[1-9][0-9]{0,5}"
_SHARE: Final = r"(0|1|0\.[0-9]{1,4}|1\.0{1,4})"
_RELEASE: Final = r"[0-9]{1,5}(\.[0-9]{1,5}){0,3}"


def duration(text: str) -> Duration:
    """Read "4 hours", "14 days", "2 weeks", "3 months" or "8 years"."""
    match = re.fullmatch(_LENGTH, text)
    if match is None:
        raise Unreadable(f"'{shown(text)}' is no duration; write it like '14 days' or '4 hours'")
    return Duration(words=text, length=timedelta(days=int(match[1]) * _UNITS[match[2]]))


def keep_for(text: str) -> Duration:
    """Read a duration or "for ever"."""
    return Duration(words=text, length=None) if text == "for ever" else duration(text)


def day(text: str) -> date:
    """Read a date of ISO 8601, YYYY-MM-DD only."""
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        raise Unreadable(f"'{shown(text)}' is no date; write it like 2026-09-01")
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Unreadable(f"'{shown(text)}' is no day of the calendar") from None


def whole(text: str) -> int:
    """Read a whole number from 1 to 999,999."""
    if not re.fullmatch(_WHOLE, text):
        raise Unreadable(f"'{shown(text)}' is no whole number from 1 on")
    return int(text)


def share(text: str) -> float:
    """Read a score from 0 to 1, at most four decimals."""
    if not re.fullmatch(_SHARE, text):
        raise Unreadable(f"'{shown(text)}' is no number from 0 to 1, like 0.80")
    return float(text)


def release(text: str) -> tuple[int, ...]:
    """Read a version: whole numbers with dots, "17.6" as (17, 6)."""
    if not re.fullmatch(_RELEASE, text):
        raise Unreadable(f"'{shown(text)}' is no version; write it like 17.6")
    return tuple(int(part) for part in text.split("."))


def yes(text: str) -> bool:
    """Read yes or no, nothing else."""
    if text not in ("yes", "no"):
        raise Unreadable(f"'{shown(text)}' is neither 'yes' nor 'no'", "E103")
    return text == "yes"


def verb(text: str) -> Verb:
    """Read a verb; an unknown one acts as quarantine should it ever get past lint (M8)."""
    try:
        return Verb[text.upper()]
    except KeyError:
        return Verb.QUARANTINE


_SLUG: Final = r"[a-z0-9][a-z0-9-]{0,62}"
_NAME: Final = r"[a-z0-9][a-z0-9_.-]{0,62}"

TEXT: Final = Word(what="text")
SLUG: Final = Word(what="name", pattern=_SLUG)
NAME: Final = Word(what="name", pattern=_NAME)
PERSON: Final = Word(what="person", pattern=_NAME)
NEW_ROLE: Final = Word(what="role", pattern=_SLUG)
ROLE: Final = Word(what="role", pattern=_SLUG, names="role")
COMPARTMENT: Final = Word(what="compartment", pattern=_SLUG, names="compartment")
FEATURE: Final = Word(what="feature", pattern=_NAME, names="feature")
DEPARTMENT: Final = Word(what="department", pattern=_SLUG, names="department")
SEATS: Final = ("clinical", "it", "ehr", "executive")
SEAT: Final = Word(what="seat", allowed=SEATS)
PATH: Final = Word(what="rule path", pattern=r"[a-z_]+(\.[a-z0-9_-]+){0,3}")
DATE: Final = Word(what="date", read=day, shape=r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
DURATION: Final = Word(what="duration", read=duration, shape=_LENGTH)
KEEP: Final = Word(what="duration, or 'for ever'", read=keep_for, shape=f"{_LENGTH}|for ever")
NUMBER: Final = Word(what="whole number", read=whole, shape=_WHOLE)
SHARE: Final = Word(what="number from 0 to 1", read=share, shape=_SHARE)
VERSION: Final = Word(what="version", read=release, shape=_RELEASE)
YES: Final = Word(what="yes or no", read=yes, allowed=("yes", "no"))
VERB: Final = Word(what="action", read=verb, allowed=tuple(str(v) for v in Verb))
DETECTOR: Final = Word(
    what="detector", pattern=r"[A-Za-z0-9][A-Za-z0-9_.-]*(@[0-9a-f]{8,64}|/[0-9A-Za-z.+-]+)?"
)


def one_of(what: str, *allowed: str) -> Word:
    """Make the kind of a closed set of words."""
    return Word(what=what, allowed=allowed)
