"""Decisions made again after a photo was sealed, and the evidence they are made on, in the catalogue.

A photo's own row stays as it was committed; what was decided later lies beside it. `photo.decide`
may only tighten; only `photo.open`, which needs a signer with that right, may open. Neither moves a
photo: a decision for another locked group than the one the photo lies in is not taken.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from medsnap.model.codec import from_json
from medsnap.model.decision import OF_VISIT, Decision
from medsnap.model.record import DECIDE, OPEN, DecisionRow

KINDS: Final = frozenset({DECIDE, OPEN})
SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS evidence (digest TEXT PRIMARY KEY, data BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS decision (
  n INTEGER PRIMARY KEY, object TEXT NOT NULL, compartment TEXT NOT NULL, kind TEXT NOT NULL,
  taken INTEGER, data BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS decision_object ON decision (object);
"""
# of the photo of the outer query: what was decided last
NEWEST: Final = (
    "(SELECT data FROM decision WHERE decision.object = photo.object AND taken = 1 ORDER BY n DESC LIMIT 1)"
)


@dataclass(frozen=True, slots=True)
class Sighting:
    """One photo as a policy would see it again: digest of its evidence ("" when none is kept), the
    rules by which other photos of its visit spoke, and what holds now."""

    object: str
    compartment: str
    verb: str
    evidence: str
    study: tuple[str, ...]


def keep_evidence(db: sqlite3.Connection, event: dict[str, Any]) -> str:
    """Keep the evidence of a row once, under the digest of its canonical JSON; "" for a row without."""
    found = event.get("evidence")
    if not isinstance(found, dict):
        return ""
    data = json.dumps(found, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    digest = hashlib.sha256(data).hexdigest()
    db.execute("INSERT OR IGNORE INTO evidence VALUES (?, ?)", (digest, zlib.compress(data, 1)))
    return digest


def study_paths(event: dict[str, Any]) -> str:
    """Name the rules whose votes came from other photos of the visit, one a line."""
    decision = event.get("decision")
    votes = decision.get("votes") if isinstance(decision, dict) else None
    found = (v for v in votes if isinstance(v, dict)) if isinstance(votes, list) else ()
    paths = {str(v.get("path")) for v in found if str(v.get("because")).startswith(OF_VISIT)}
    return "\n".join(sorted(paths))


def sightings(db: sqlite3.Connection) -> list[Sighting]:
    """List all photos, in the order of their ids."""
    rows = db.execute("SELECT object, compartment, verb, evidence, study FROM photo ORDER BY object")
    return [Sighting(o, c, v, e, tuple(s.split("\n")) if s else ()) for o, c, v, e, s in rows]


def evidences(db: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    """Go through all evidence once: its digest and its canonical JSON."""
    for digest, data in db.execute("SELECT digest, data FROM evidence"):
        yield digest, zlib.decompress(data).decode()


def take(db: sqlite3.Connection, compartment: str, event: dict[str, Any]) -> str:
    """Take in a decision event; returns why it does not count, "" when it does. Raises CodecError."""
    row = from_json(DecisionRow, event)
    data = _packed(event["decision"])
    known = db.execute(
        "SELECT 1 FROM decision WHERE object = ? AND kind = ? AND data = ?", (row.object, row.event, data)
    ).fetchone()
    if known is None:
        db.execute(
            "INSERT INTO decision (object, compartment, kind, data) VALUES (?, ?, ?, ?)",
            (row.object, compartment, row.event, data),
        )
    return settle(db, row.object)


def settle(db: sqlite3.Connection, object_id: str) -> str:
    """Judge the decisions that wait for their photo; returns why the last one does not count."""
    photo = db.execute(
        f"SELECT compartment, row, {NEWEST} FROM photo WHERE object = ?",  # noqa: S608 - our own query
        (object_id,),
    ).fetchone()
    if photo is None:
        return ""
    place, row, newest = photo
    waiting = db.execute(
        "SELECT n, compartment, kind, data FROM decision WHERE object = ? AND taken IS NULL ORDER BY n",
        (object_id,),
    ).fetchall()
    problem = ""
    for number, compartment, kind, data in waiting:
        before = unpacked(newest) if newest is not None else _decision_of(row)
        after = unpacked(data)
        problem = _refused(place, compartment, kind, before, after)
        db.execute("UPDATE decision SET taken = ? WHERE n = ?", (0 if problem else 1, number))
        if not problem:
            newest = data
            db.execute("UPDATE photo SET verb = ? WHERE object = ?", (str(after.verb), object_id))
    return problem


def _refused(place: str, compartment: str, kind: str, before: Decision, after: Decision) -> str:
    if compartment != place or after.compartment != place:
        return "a decision was ignored: it speaks of another locked group than the photo lies in"
    if kind != OPEN and opens(before, after):
        return "a decision was ignored: it opens a photo, and its signer may only tighten"
    return ""


def opens(before: Decision, after: Decision) -> bool:
    """Say whether a decision lets anybody see or get more than the one before it."""
    return (
        after.verb < before.verb
        or after.compartment != before.compartment
        or not set(after.may_leave_to) <= set(before.may_leave_to)
        or not set(after.opened_by) <= set(before.opened_by)
    )


def of_photo(db: sqlite3.Connection, object_id: str) -> tuple[Decision, ...]:
    """Return a photo's decisions in order, that of its sealing first; nothing for an unknown photo."""
    row = db.execute("SELECT row FROM photo WHERE object = ?", (object_id,)).fetchone()
    if row is None:
        return ()
    later = db.execute("SELECT data FROM decision WHERE object = ? AND taken = 1 ORDER BY n", (object_id,))
    return (_decision_of(row[0]), *(unpacked(data) for (data,) in later))


def unpacked(data: bytes) -> Decision:
    """Read a kept decision. Raises CodecError."""
    return from_json(Decision, json.loads(zlib.decompress(data)))


def _decision_of(row: bytes) -> Decision:
    return from_json(Decision, json.loads(zlib.decompress(row))["decision"])


def _packed(value: Any) -> bytes:
    return zlib.compress(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode(), 1)
