"""Days as device managers write them. What could be two days is refused, never guessed."""

from __future__ import annotations

import re
from datetime import date
from enum import StrEnum
from typing import Final

_ISO: Final = re.compile(r"(\d{4})-(\d{2})-(\d{2})(?:[T ].*)?")
_NUMBERS: Final = re.compile(r"(\d{1,2})([/.-])(\d{1,2})\2(\d{4})(?:[,T ].*)?")
_NAMED: Final = re.compile(r"(?:(\d{1,2})[ -])?([A-Za-z]{3,9})\.?[ -](?:(\d{1,2}),? )?(\d{4})(?:[,T ].*)?")
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NEVER: Final = frozenset({"", "-", "--", "n/a", "na", "never", "null", "none", "unknown"})

FORMATS: Final = "2026-03-09 (with or without a time), 9 Mar 2026, Mar 9, 2026, 3/9/2026 with --dates"


class Order(StrEnum):
    """Which number of a day like 3/9/2026 comes first."""

    MDY = "mdy"
    DMY = "dmy"


class NoDay(ValueError):
    """A text is no day that can be read."""


class TwoDays(NoDay):
    """A text could be two days."""


def read(text: str, order: Order | None) -> date | None:
    """Read a day; None where the text says that there is none. Raises NoDay, TwoDays."""
    plain = text.strip()
    if plain.casefold() in _NEVER:
        return None
    if found := _ISO.fullmatch(plain):
        return _made(int(found[1]), int(found[2]), int(found[3]))
    if found := _NUMBERS.fullmatch(plain):
        return _numbers(int(found[1]), int(found[3]), int(found[4]), order)
    if found := _NAMED.fullmatch(plain):
        return _named(found)
    raise NoDay("is no day that medsnap reads")


def _numbers(first: int, second: int, year: int, order: Order | None) -> date | None:
    if order is None and first <= 12 and second <= 12 and first != second:
        raise TwoDays("could be two days")
    month_first = first <= 12 if order is None else order is Order.MDY
    month, day = (first, second) if month_first else (second, first)
    return _made(year, month, day)


def _named(found: re.Match[str]) -> date | None:
    month, day = found[2][:3].casefold(), found[1] or found[3]
    if month not in _MONTHS or not day or (found[1] and found[3]):
        raise NoDay("is no day that medsnap reads")
    return _made(int(found[4]), _MONTHS.index(month) + 1, int(day))


def _made(year: int, month: int, day: int) -> date | None:
    """Make the day; the year 1, 1900 or 1970's first day is a manager's word for never."""
    try:
        made = date(year, month, day)
    except ValueError as misfit:
        raise NoDay("is no day of the calendar") from misfit
    return None if made.year < 1971 else made
