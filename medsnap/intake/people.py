"""people.csv: who may speak for a photo (policy M7), and from when until when."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from medsnap.formats import csv_table as table
from medsnap.formats.csv_table import Row, Table
from medsnap.intake.columns import require
from medsnap.model.decision import Person

_COLUMNS = {
    "staff_id": ("id", "person", "user", "username", "staff"),
    "roles": ("role", "groups"),
    "from": ("valid_from", "start", "since"),
    "until": ("valid_until", "to", "end"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """The staff list, by case-folded staff id; a person may have several rows over time."""

    digest: str
    rows: Mapping[str, tuple[Person, ...]]

    def person(self, staff_id: str, day: date) -> Person | None:
        """Return the row that holds on that day (both ends included), None if there is none."""
        for row in self.rows.get(staff_id.casefold(), ()):
            begun = row.valid_from is None or row.valid_from <= day
            if begun and (row.valid_until is None or day <= row.valid_until):
                return row
        return None


def load(path: Path) -> People:
    """Read people.csv. Raises ConfigError with file:line:column, InputMissing, IoFailed."""
    source = table.read(path, _COLUMNS, strict=False)
    require(source, _COLUMNS, "staff_id", "roles")
    rows: defaultdict[str, list[Person]] = defaultdict(list)
    for row in source.rows:
        person = _person(source, row)
        rows[person.staff_id.casefold()].append(person)
    return People(digest=source.digest, rows={k: tuple(v) for k, v in rows.items()})


def _person(source: Table, row: Row) -> Person:
    staff_id = row.text("staff_id")
    if not staff_id:
        raise source.wrong(row, "staff_id", "is empty")
    begins, ends = table.day(source, row, "from"), table.day(source, row, "until")
    if begins and ends and ends < begins:
        raise source.wrong(row, "until", "lies before 'from'")
    roles = tuple(r for r in re.split(r"[\s;,|+]+", row.text("roles").casefold()) if r)
    return Person(staff_id=staff_id, roles=roles, valid_from=begins, valid_until=ends)
