"""How long a policy keeps a photo: a day, or the reason why there is none. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from medsnap.model.decision import Verb
from medsnap.model.record import PhotoRow
from medsnap.policy.kinds import Unreadable, keep_for
from medsnap.policy.nouns import Policy

FOR_EVER = "the policy keeps it for ever"
SAFEGUARDED = "safeguarded: never"
NO_BIRTHDAY = "the patient's birthday is not known, and the policy keeps minors' photos longer"
MINOR = "kept until the patient's birthday"
KEPT = "the policy's time is not over"


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """The last day that a photo is kept, None without an end; `why` says what set it."""

    until: date | None
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """What `retention` of a policy says: how long from capture on, and at least until which birthday."""

    keep: str
    minors_until_age: int | None = None

    def term(self, row: PhotoRow) -> Term:
        """Say until when a photo is kept. What is not known keeps it."""
        if row.decision.verb is Verb.SAFEGUARD:
            return Term(until=None, why=SAFEGUARDED)
        if length_of(self.keep) is None:
            return Term(until=None, why=FOR_EVER)
        ends = after(datetime.fromisoformat(row.match.captured_at or row.at).date(), self.keep)
        if self.minors_until_age is None:
            return Term(until=ends, why=KEPT)
        born = row.match.patient.birth_date if row.match.patient else None
        if born is None:
            return Term(until=None, why=NO_BIRTHDAY)
        grown = birthday(born, self.minors_until_age)
        return Term(until=max(ends, grown), why=MINOR if grown > ends else KEPT)


def retention(policy: Policy) -> Retention:
    """Read it from a policy."""
    said = policy.settings.get("retention")
    found = said if isinstance(said, dict) else {}
    minors = str(found.get("minors_until_age", ""))
    return Retention(keep=str(found.get("keep", "")), minors_until_age=int(minors) if minors else None)


def length_of(words: str) -> timedelta | None:
    """Return a time of the policy; None for "for ever", for none, and for what cannot be read."""
    try:
        return keep_for(words).length
    except Unreadable:
        return None


def after(start: date, words: str) -> date:
    """Add a time to a day; years by the calendar, so that no leap day is lost."""
    number, _, unit = words.partition(" ")
    if unit.startswith("year"):
        return birthday(start, int(number))
    return start + (length_of(words) or timedelta())


def birthday(born: date, age: int) -> date:
    """Return the day on which somebody gets so old; who was born on a leap day, on the first of March."""
    leap = (born.month, born.day) == (2, 29)
    return date(born.year + age, 3, 1) if leap else born.replace(year=born.year + age)
