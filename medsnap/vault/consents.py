"""Consent in the catalogue: statements of patients, each kept once, whichever compartment told of it."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from typing import Any, Final

from medsnap.model.codec import canonical, from_json
from medsnap.model.consent import Consent
from medsnap.model.record import ConsentRow

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS consent (digest TEXT PRIMARY KEY, data TEXT NOT NULL) WITHOUT ROWID;
"""
TABLE: Final = "consent"


def take(db: sqlite3.Connection, event: dict[str, Any]) -> None:
    """Take in a consent event. Raises CodecError."""
    row = from_json(ConsentRow, event)
    data = canonical(row).decode()
    digest = hashlib.sha256(data.encode()).hexdigest()
    db.execute("INSERT OR IGNORE INTO consent VALUES (?, ?)", (digest, data))


def statements(db: sqlite3.Connection) -> tuple[Consent, ...]:
    """List all statements, by patient, use and day."""
    found = (
        from_json(ConsentRow, json.loads(data)).consent for (data,) in db.execute("SELECT data FROM consent")
    )
    return tuple(sorted(found, key=lambda c: (c.issuer, c.mrn, c.use, c.on, c.given)))
