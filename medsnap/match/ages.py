"""The patient's age on the day of capture."""

from __future__ import annotations

from datetime import date


def age(birth_date: date | None, on: date | None) -> int | None:
    """Return whole years on that day; None where a date is missing or the birth lies after it.

    Who is born on 29 February grows older on 1 March of an ordinary year.
    """
    if birth_date is None or on is None or on < birth_date:
        return None
    return on.year - birth_date.year - ((on.month, on.day) < (birth_date.month, birth_date.day))
