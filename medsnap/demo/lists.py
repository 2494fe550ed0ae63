"""The lists of the made-up day: manifest, people, devices."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta

from medsnap.demo import phones
from medsnap.demo.cast import ISSUER, OPERATOR, Shot

_SAID = "tattoo=no; intimate_region=no; other_person=no"
_INVENTED = "# Invented for the demo: no person, number or visit in this file exists.\r\n"
_COLUMNS = (
    "file", "sha256", "folder", "mrn", "issuer", "birth_date", "encounter", "department", "device",
    "captured_at", "body_site", "laterality", "view", "reason", "operator", "consent", "features",
)  # fmt: skip


def manifest(shots: Sequence[Shot], digests: Mapping[str, str], now: date, department: str) -> str:
    """One row for each photo that is listed; photos of a series share the row of their folder."""
    rows: dict[str, dict[str, str]] = {}
    for shot in shots:
        if not shot.listed_by:
            continue
        folder = shot.file.rpartition("/")[0]
        key = {"file": shot.file, "sha256": digests[shot.file], "folder": folder}[shot.listed_by]
        row = {shot.listed_by: key, **_row(shot, now, department)}
        rows[key] = {name: "" if name in shot.blank else value for name, value in row.items()}
    return _csv(_COLUMNS, rows.values())


def _row(shot: Shot, now: date, department: str) -> dict[str, str]:
    patient = shot.patient
    return {
        "mrn": patient.mrn if patient else "",
        "issuer": ISSUER if patient else "",
        "birth_date": patient.birth_date(now).isoformat() if patient else "",
        "encounter": patient.encounter if patient else "",
        "department": department,
        "device": "",
        "captured_at": now.isoformat(),
        "body_site": shot.site,
        "laterality": shot.side,
        "view": shot.view,
        "reason": shot.reason,
        "operator": OPERATOR,
        "consent": "teaching=none",
        "features": _SAID,
    }


def people(now: date) -> str:
    """Two clinicians, one of whom has left."""
    begun, left = (now - timedelta(days=900)).isoformat(), (now - timedelta(days=60)).isoformat()
    rows = (
        {"staff_id": OPERATOR, "roles": "clinician", "from": begun, "until": ""},
        {"staff_id": "o.gone", "roles": "clinician", "from": begun, "until": left},
    )
    return _csv(("staff_id", "roles", "from", "until"), rows)


def devices(now: date) -> str:
    """The inventory of last night: the managed tablet, and the private phone as a known stranger."""
    seen = (now - timedelta(days=1)).isoformat()
    tablet = {"asset": phones.TABLET.asset, "owner": "Ward 7", "class": "managed", "os": "iPadOS"}
    phone = {"asset": phones.PRIVATE.asset, "owner": OPERATOR, "class": "personal", "os": "Android"}
    rows = (
        {**tablet, "make": "Apple", "model": "iPad (10th generation)", "os_version": "17.6.1"},
        {**phone, "make": "samsung", "model": "Galaxy S23", "os_version": "14"},
    )
    columns = ("asset", "owner", "class", "make", "model", "os", "os_version", "last_seen", "exported")
    return _csv(columns, ({**row, "last_seen": seen, "exported": seen} for row in rows))


def _csv(columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> str:
    buffer = io.StringIO(newline="")
    writer = csv.DictWriter(buffer, columns, restval="")
    writer.writeheader()
    writer.writerows(rows)
    return _INVENTED + buffer.getvalue()
