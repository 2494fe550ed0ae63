"""Days and names that a report of access is asked for, as they are typed."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from medsnap.errors import UsageError

if TYPE_CHECKING:
    from medsnap.audit.access import Span
    from medsnap.commands._access import Question


def span(as_of: str, period: str) -> Span | None:
    """Read --as-of and --period; None when neither is given. Raises UsageError."""
    from medsnap.audit.access import Span

    if as_of and period:
        raise UsageError("--as-of and --period at once", hint="a day is a period of one day")
    if as_of:
        return Span(first=_day(as_of), last=_day(as_of))
    if not period:
        return None
    first, dots, last = period.partition("..")
    if not dots or not (first or last):
        raise UsageError("this is no period", hint="write 2026-03-01..2026-03-31; one end may be open")
    found = Span(first=_day(first) if first else "", last=_day(last) if last else "")
    if found.last and found.first > found.last:
        raise UsageError("the period ends before it begins", hint="the earlier day comes first")
    return found


def _day(text: str) -> str:
    try:
        return date.fromisoformat(text.strip()).isoformat()
    except ValueError:
        raise UsageError(f"'{text:.20}' is no date", hint="write it like 2026-03-01") from None


def question(patient: str | None, person: str, days: Span | None) -> Question:
    """Put together what is asked. Raises UsageError for both a patient and a member."""
    from medsnap.audit.access import Span
    from medsnap.commands._access import Question
    from medsnap.match import consents

    if patient is not None and person:
        raise UsageError("--patient and --member at once", hint="ask for one of them, and a period")
    mrn = consents.number(patient) if patient is not None else None
    return Question(span=days or Span(), patient=mrn, person=person)
